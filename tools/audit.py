"""Hold the pinned dependencies against known advisories: `make audit`; without a source it says where the list is.

It reads the JSON of pip-audit. Exit status: 1 if a pinned version has a known advisory, else 0.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PINNED = ROOT / "requirements" / "run.txt"
_OPTIONS = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--timeout", "10", "--format", "json")
_LIST = "docs/dependencies.md has the advisories that were known when the versions were chosen"


def main(arguments: Sequence[str]) -> int:
    """Run the pip-audit of that name, and say what it found."""
    (command,) = arguments
    line = (command, "-r", str(PINNED), *_OPTIONS)
    done = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603 - named by the Makefile
    status, text = result(done.stdout)
    sys.stdout.write(f"{text}\n")
    return status


def result(output: str) -> tuple[int, str]:
    """Return the exit status and the words for what pip-audit wrote."""
    try:
        packages: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError):
        packages = []
    audited = [one for one in packages if "vulns" in one]
    if not audited:
        return 0, f"skipped: no source of advisories can be reached; {_LIST}"
    found = [_described(one, vuln) for one in audited for vuln in one["vulns"]]
    skipped = [one["name"] for one in packages if "vulns" not in one]
    words = found or [f"{len(audited)} packages, no known advisory"]
    return int(bool(found)), "\n".join([*words, *(f"{name}: not known to the source" for name in skipped)])


def _described(package: dict[str, Any], vuln: dict[str, Any]) -> str:
    fixed = ", ".join(vuln.get("fix_versions", ())) or "no version yet"
    return f"{package['name']} {package['version']}: {vuln['id']}, fixed in {fixed}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
