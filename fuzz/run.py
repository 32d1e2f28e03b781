"""Fuzz every decoder, led by coverage: `python fuzz/run.py --seconds 60`, in an environment with requirements/fuzz.txt.

Each target has a share of the time, at least a second. What it learns is kept in .cache/fuzz-corpus and is where the
next run begins. An input that breaks an invariant is left in .cache/fuzz-findings and shown; the exit status is 1 then.
"""  # noqa: INP001 - a folder of programs

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from fuzz.invariants import targets  # noqa: E402 - the path comes first
from fuzz.seeds import seeds  # noqa: E402

CORPUS = ROOT / ".cache" / "fuzz-corpus"
FINDINGS = ROOT / ".cache" / "fuzz-findings"
WORDS = Path(__file__).with_name("words.dict")
LONGEST_INPUT = 2500
SLOWEST_INPUT = 30  # seconds; a machine that does other things besides holds a process up for some
MEMORY = 1024


class Run(NamedTuple):
    """The result of one target."""

    name: str
    well: bool
    inputs: int
    output: str


def seeded(name: str) -> Path:
    """Return the corpus of a target, with the seeds."""
    place = CORPUS / name
    place.mkdir(parents=True, exist_ok=True)
    for seed in seeds(name):
        (place / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    return place


def fuzz(name: str, seconds: int) -> Run:
    """Fuzz one target for this long."""
    place = seeded(name)
    FINDINGS.mkdir(parents=True, exist_ok=True)
    options = (
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST_INPUT}",
        f"-timeout={SLOWEST_INPUT}",
        f"-rss_limit_mb={MEMORY}",
        f"-dict={WORDS}",
        f"-artifact_prefix={FINDINGS}/{name}-",
        "-print_final_stats=1",
        "-verbosity=1",
    )
    command = [sys.executable, str(Path(__file__).with_name("target.py")), name, *options, str(place)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, cwd=ROOT)  # noqa: S603 - our own program
    output = done.stdout + done.stderr
    counted = [line.rsplit(":", 1)[1] for line in output.splitlines() if "number_of_executed_units" in line]
    return Run(name, done.returncode == 0, int(counted[0]) if counted else 0, output)


def main() -> None:
    """Fuzz all targets, or those that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="how many at a time")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(targets())}; all by default")
    asked = parser.parse_args()
    names = asked.names or targets()
    share = max(asked.seconds * asked.jobs // len(names), 1)
    failed = False
    with ThreadPoolExecutor(asked.jobs) as pool:
        for run in pool.map(lambda name: fuzz(name, share), names):
            sys.stdout.write(f"{run.name:24} {'ok' if run.well else 'BROKEN':8} {run.inputs:9} inputs\n")
            sys.stdout.flush()
            if not run.well:
                failed = True
                sys.stdout.write(run.output[-6000:])
    sys.exit(failed)


if __name__ == "__main__":
    main()
