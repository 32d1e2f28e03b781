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

The result of a probe, as two words of closed sets, the same in events, metric labels and alerts. A third word,
`phase`, is what the probe was doing when it stopped: `connect`, `request`, `headers`, `first_event`, `first_chunk`;
after the first output `stream`; after the protocol's end `end`.

This page is generated from the verdict's code (`make docs`).

*Counts as* is how a pair counts in the two ratios: *accepted* is a 2xx head and a stream that could be read,
*truncated* an accepted one whose end never came. The truncation ratio is truncated divided by accepted. The monitor's
own faults, and probes that it stopped itself, are not counted.
"""

PRECEDENCE = """\
## Which one wins

A stream is judged once, when it has ended, and the first row that applies is the verdict. The rows of *always* come
first; the others depend on whether the protocol's end has arrived. It arrives with the last byte of its message: a
line end, a marker or a terminal chunk missing after it makes the stream at most `unclean_end`. If nothing declares an
end, the body's end counts as the end: data after that, or a last event without its blank line, is an unclean end, too.
"""

REGIONS: tuple[tuple[str, tuple[VerdictRow, ...]], ...] = (
    ("Always: the monitor's own, then the connection", OWN + CONNECTION),
    ("Always: the head", HEAD),
    ("Always: errors and failures in the stream", STREAM),
    ("Then, if the end has arrived (a passed check is the end of a protocol that declares none)", ARRIVED),
    ("Then, if it has not", MISSING),
    ("Then, if the protocol declares no end, and no check passed", UNDECLARED),
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
"""What the docs have in place of a probe's numbers and texts."""


def page() -> str:
    """Return the text of the page."""
    return "\n".join((TOP, *map(section, CAUSES), PRECEDENCE, *(_region(*region) for region in REGIONS)))


def section(outcome: Outcome) -> str:
    """Return the table of one outcome."""
    rows = (
        (f"`{cause}`" if cause else "-", _seen(outcome, cause), *_meaning(outcome, cause), counts_as(outcome, cause))
        for cause in CAUSES[outcome] or (None,)
    )
    head = ("cause", "what happened", "whose fault, most likely", "what to do", "counts as")
    return f"## `{outcome}`\n\n" + "".join(_table(head, rows))


def counts_as(outcome: Outcome, cause: str | None) -> str:
    """Return how the two ratios count a pair."""
    if outcome in OUR_OWN:
        return "not counted"
    if outcome in _HEADLESS or cause in _HEADLESS_CAUSES or (outcome, cause) in UNREADABLE:
        return "not accepted"
    return "accepted, truncated" if (outcome, cause) in TRUNCATED else "accepted"


_HEADLESS = {Outcome.HTTP_ERROR, Outcome.UNREACHABLE, Outcome.NO_RESPONSE}
_HEADLESS_CAUSES = {"connect", "headers", "malformed_head"}


def _seen(outcome: Outcome, cause: str | None) -> str:
    return MEANINGS[outcome.value, cause].detail.format(**NAMES)


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
