"""`docs/outcomes.md`, made from the verdict's own table and its meanings; `make docs` writes it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from monitor.judge.explanations import MEANINGS
from monitor.judge.verdict import (
    ARRIVED,
    CAUSES,
    CONNECTION,
    HEAD,
    MISSING,
    OUR_OWN,
    OWN,
    STREAM,
    TRUNCATED,
    UNDECLARED,
    UNREADABLE,
    Outcome,
    VerdictRow,
)

FILE = Path(__file__).parents[1] / "docs" / "outcomes.md"

TOP = """\
# Outcomes and causes

What one probe came to, in two words of closed sets: the same in events, metric labels, alerts and here. A third word,
`phase`, says what was going on when it stopped: `connect`, `request`, `headers`, `first_event`, `first_chunk`; after
the first output `stream`; after the protocol's end `end`.

This page is made from the code that judges (`make docs`).

*Counts as* says where a pair stands in the two ratios: *accepted* is a 2xx head and a stream that could be read,
*truncated* an accepted one whose end never came. The truncation ratio is truncated over accepted. The monitor's own
faults, and probes that it stopped itself, count nowhere.
"""

PRECEDENCE = """\
## Which one wins

A stream is judged once, when it has ended, and the first row that holds is the verdict. The rows of *always* come
first; what follows them depends on whether the protocol's end has arrived. It has with the last byte of the message
that says it: a line end, a marker or a terminal chunk missing after it makes the stream at most `unclean_end`.
Where nothing declares an end, the body's own is taken for it: what is behind that, or a last event without its blank
line, is an unclean end, too.
"""

REGIONS: tuple[tuple[str, tuple[VerdictRow, ...]], ...] = (
    ("Always: the monitor's own, then the connection", OWN + CONNECTION),
    ("Always: the head", HEAD),
    ("Always: what the stream itself says", STREAM),
    ("Then, where the end has arrived (a passed check is it, where the protocol declares none)", ARRIVED),
    ("Then, where it has not", MISSING),
    ("Then, where the protocol declares no end, and no check was passed", UNDECLARED),
)

NAMES = {
    "chunks": "N chunks",
    "framing": "chunked, length-delimited, close-delimited or HTTP/2",
    "expected": "what was missing",
    "closed": "closed the connection, or ended the HTTP/2 stream,",
    "reset": "reset the connection, or the HTTP/2 stream (by which code),",
    "after": "",
    "status": "N",
    "reason": "which",
    "why": "why",
    "progress": "N %",
    "limit": "the limit",
}
"""What stands in the docs where a detail has numbers and words of its probe."""


def page() -> str:
    """Return the text of the page."""
    return "\n".join((TOP, *map(section, CAUSES), PRECEDENCE, *(_region(*region) for region in REGIONS)))


def section(outcome: Outcome) -> str:
    """Return the table of one outcome."""
    rows = (
        (f"`{cause}`" if cause else "-", _seen(outcome, cause), *_meaning(outcome, cause), counts_as(outcome, cause))
        for cause in CAUSES[outcome] or (None,)
    )
    head = ("cause", "what was seen", "whose fault, most likely", "what to do", "counts as")
    return f"## `{outcome}`\n\n" + "".join(_table(head, rows))


def counts_as(outcome: Outcome, cause: str | None) -> str:
    """Say where the two ratios have a pair."""
    if outcome in OUR_OWN:
        return "nowhere"
    if outcome in _HEADLESS or cause in _HEADLESS_CAUSES or (outcome, cause) in UNREADABLE:
        return "not accepted"
    return "accepted, truncated" if (outcome, cause) in TRUNCATED else "accepted"


_HEADLESS = {Outcome.HTTP_ERROR, Outcome.UNREACHABLE, Outcome.NO_RESPONSE}
_HEADLESS_CAUSES = {"connect", "headers", "malformed_head"}


def _seen(outcome: Outcome, cause: str | None) -> str:
    return MEANINGS[outcome.value, cause].seen.format(**NAMES)


def _meaning(outcome: Outcome, cause: str | None) -> tuple[str, str]:
    meaning = MEANINGS[outcome.value, cause]
    return meaning.whose, meaning.do


def _region(title: str, rows: Iterable[VerdictRow]) -> str:
    lines = (f"{number}. `{name}`\n" for number, name in enumerate(_named(rows), start=1))
    return f"### {title}\n\n" + "".join(lines)


def _named(rows: Iterable[VerdictRow]) -> Iterator[str]:
    for row in rows:
        yield f"{row.outcome}/{row.cause}" if row.cause else row.outcome.value


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for cells in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(cells)} |\n"


def main(arguments: list[str], file: Path = FILE) -> int:
    """Print the page, or write it where it belongs."""
    if arguments == ["--write"]:
        file.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
