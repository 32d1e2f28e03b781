"""`docs/protocols.md`: its table is made from the registry; run with --write, or to print it."""

from __future__ import annotations

import sys
from pathlib import Path

from monitor.protocols import PROTOCOLS, Protocol

FILE = Path(__file__).parents[1] / "docs" / "protocols.md"
_BEGIN, _END = "<!-- begin: made by `make docs` -->\n", "<!-- end -->\n"
_HEAD = """\
| `protocol` | asked for at | complete when | `terminator` | good to know | example |
|---|---|---|---|---|---|
"""


def page(text: str) -> str:
    """Return the page with its table made anew; what stands around the table stays."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    return "".join((before, begin, _HEAD, *map(row, PROTOCOLS.values()), end, after))


def row(protocol: Protocol) -> str:
    """Return the line of one protocol."""
    cells = (
        f"`{protocol.name}`",
        protocol.asked_at,
        protocol.complete_when,
        ", ".join(terminators(protocol)),
        protocol.note,
        f"[transcript](../tests/captures/{protocol.example}.capture)",
    )
    return f"| {' | '.join(cells)} |\n".replace("|  |", "| |")


def terminators(protocol: Protocol) -> tuple[str, ...]:
    """Return what `terminator` can be; the first is the default."""
    if protocol.end and protocol.marker:
        return "end", "marker", "either", "both", "none"
    return ("end", "none") if protocol.end else ("none",)


def main(arguments: list[str], file: Path = FILE) -> int:
    """Print the page, or write it where it belongs."""
    made = page(file.read_text(encoding="utf-8"))
    if arguments == ["--write"]:
        file.write_text(made, encoding="utf-8")
    else:
        sys.stdout.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
