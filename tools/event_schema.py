"""`docs/event.schema.json`, made from the declaration of the probe event; `make docs` writes it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from monitor.record.event_schema import event_schema

FILE = Path(__file__).parents[1] / "docs" / "event.schema.json"


def text() -> str:
    """Return the file's content."""
    return json.dumps(event_schema(), indent=2) + "\n"


def main(arguments: list[str], file: Path = FILE) -> int:
    """Print the schema, or write it where it belongs."""
    if arguments == ["--write"]:
        file.write_text(text(), encoding="utf-8")
    else:
        sys.stdout.write(text())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
