"""Answers of a dialect: the place of their messages, what makes them complete, and what can be inserted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from monitor.lab.dialects import DIALECTS
from monitor.lab.dialects.base import FINISHES, NEEDS, EncodedAnswer, compact, event, lacks, spaced
from monitor.lab.scenarios import FAULTS

SPEECH = EncodedAnswer((b"role\n", b"a\r\n\r\n", b"bb\n\n", b"end\r\n", b"[DONE]\n"), range(1, 3), 3, 4)
ENDLESS = EncodedAnswer((b"docs\n", b"a\r\n\r\n", b"bb\n\n"), range(1, 3))


def test_where_the_messages_lie() -> None:
    """Their offsets, the length of the whole, and the byte that makes the answer whole, line ends not counted."""
    assert SPEECH.starts == (0, 5, 10, 14, 19, 26)
    assert (SPEECH.last, SPEECH.complete) == (3, 17)
    assert (ENDLESS.last, ENDLESS.complete) == (2, 12)
    assert [SPEECH.upto(outputs) for outputs in (0, 1, 2, 9)] == [1, 2, 3, 3]


def test_what_is_put_in_is_no_output() -> None:
    """Before, inside and behind the output, the indices still point at the same messages."""
    for at, output in ((0, range(2, 4)), (1, range(2, 4)), (2, range(1, 4)), (3, range(1, 3))):
        answer = SPEECH.insert(at, b"new")
        assert answer.messages[at] == b"new"
        assert answer.output == output
        assert (answer.end, answer.marker) == (4, 5)
    late = SPEECH.insert(4, b"new")
    assert (late.end, late.marker) == (3, 5)
    assert replace(ENDLESS).insert(3, b"x", b"y").end is None


def test_json_and_events_as_servers_write_them() -> None:
    """Compact or spaced, with characters as they are; LF or CRLF, with or without a name."""
    assert compact({"a": ["é", None]}) == '{"a":["é",null]}'
    assert spaced({"a": ["é", None]}) == '{"a": ["é", null]}'
    assert event("x") == b"data: x\n\n"
    assert event("é", "\r\n", "ping") == "event: ping\r\ndata: é\r\n\r\n".encode()


def test_what_a_protocol_lacks_is_reported_in_words() -> None:
    """All that is missing, and nothing where all is there."""
    assert lacks(DIALECTS["raw"], ("sse", "ping")) == f"{NEEDS['sse']}; {NEEDS['ping']}"
    assert lacks(DIALECTS["raw"], ("finish stop",)) == ""
    assert lacks(DIALECTS["raw"], ("aside docs",)) == "it has no aside docs"
    assert lacks(DIALECTS["openai-chat"], tuple(NEEDS)) == ""


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "the protocol's own words": (
        {"finishes": ("stop", "cut_by_limit")},
        "^finishes has 'cut_by_limit', which no fault uses: use stop, length, content_filter, abort, error, and let",
    ),
    "no good end first": ({"finishes": ("length",)}, "^finishes begins with 'stop'"),
    "no finish reason": ({"finishes": ()}, "^finishes begins with 'stop'"),
    "a cause that no URL can have": ({"errors": {"Too Busy": b""}}, "^errors has 'Too Busy': a cause is lowercase"),
}


@pytest.mark.parametrize(("change", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_names_that_no_fault_uses_are_refused(change: dict[str, Any], why: str) -> None:
    """A dialect with such a name would silently lack faults."""
    with pytest.raises(ValueError, match=why):
        replace(DIALECTS["openai-chat"], **change)


def test_the_faults_need_no_other_finish_reason() -> None:
    """Each fault of a finish reason can be reached."""
    needed = {need.removeprefix("finish ") for fault in FAULTS.values() for need in fault.needs if "finish " in need}
    assert needed == {"length", "content_filter", "abort"}
    assert needed < set(FINISHES)
