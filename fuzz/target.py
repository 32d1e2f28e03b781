"""One fuzz target in a process of its own: `target.py NAME [libFuzzer's options]`; coverage leads it."""  # noqa: INP001 - a folder of programs

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))
with atheris.instrument_imports(include=["monitor"]):
    from fuzz.invariants import hold


def main() -> None:
    """Fuzz until libFuzzer has enough."""
    program, name, *options = sys.argv
    atheris.Setup([program, *options], lambda data: hold(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
