"""Write the boards as the JSON that Grafana imports; with --check, say whether the files agree with the code."""

import argparse
import json
import sys
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from tools.boards.compare import compare
from tools.boards.health import health
from tools.boards.overview import overview
from tools.boards.parts import MARKS
from tools.boards.target import target

HERE = Path(__file__).parents[2] / "dashboards"
BOARDS = {"overview.json": overview, "target.json": target, "compare.json": compare, "health.json": health}


def rendered(board: Dashboard) -> str:
    """A board as reproducible text; panels are numbered in their order."""
    built = board.build()
    for number, panel in enumerate(built.panels or [], start=1):
        panel.id_val = number
    text = json.loads(json.dumps(built, cls=JSONEncoder))
    for annotation in text["annotations"]["list"]:
        annotation.update(MARKS[annotation["name"]])
    return json.dumps(text, indent=2, sort_keys=True) + "\n"


def differing(boards: dict[str, str]) -> list[str]:
    """The files that are missing or differ from the code."""
    return [name for name, text in boards.items() if not (HERE / name).exists() or (HERE / name).read_text() != text]


def main() -> int:
    """Write or check every board; the exit status is 1 if a check finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file differs from the code")
    check = parser.parse_args().check
    boards = {name: rendered(make()) for name, make in BOARDS.items()}
    stale = differing(boards)
    for name in stale:
        if not check:
            (HERE / name).write_text(boards[name])
        print(f"{name}: {'differs from the code; run make docs' if check else 'written'}")
    if not stale:
        print("all boards agree with the code")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
