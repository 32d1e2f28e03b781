"""Properties of every protocol of the lab."""

from __future__ import annotations

import pytest

from monitor.lab.dialects import DIALECTS
from tests.lab.wires import PIECES

every_protocol = pytest.mark.parametrize("protocol", DIALECTS)


@every_protocol
def test_each_piece_is_one_output(protocol: str) -> None:
    """In order, one message a piece, before the end and the marker."""
    answer = DIALECTS[protocol].encode(PIECES)
    assert len(answer.output) == len(PIECES)
    for index, piece in zip(answer.output, PIECES, strict=True):
        assert piece.strip().encode() in answer.messages[index]
    last = len(answer.messages) - 1
    assert answer.output.stop <= (last if answer.end is None else answer.end) + (answer.end is None)
    assert answer.marker in {None, last}


@every_protocol
def test_nothing_to_say_is_no_output(protocol: str) -> None:
    """The frame of the answer stays."""
    answer = DIALECTS[protocol].encode(())
    assert len(answer.output) == 0
    assert (answer.end is None) == (DIALECTS[protocol].encode(PIECES).end is None)


@every_protocol
def test_messages_end_where_events_end(protocol: str) -> None:
    """Everything a protocol can say ends its event, so that a cut between messages falls between events."""
    dialect = DIALECTS[protocol]
    if dialect.framing in {"raw", "binary"}:
        return
    eol = dialect.encode(PIECES).messages[0].rpartition(b"}")[2]
    ping = () if dialect.ping is None else (dialect.ping,)
    messages = (*dialect.encode(PIECES).messages, *dialect.errors.values(), *dialect.asides.values(), *ping)
    assert all(message.endswith(eol) for message in messages)
    assert eol in {"sse": {b"\n\n", b"\r\n\r\n"}, "lines": {b"\n"}, "json": {b""}}[dialect.framing]


@every_protocol
def test_the_whole_answer_holds_the_text(protocol: str) -> None:
    """Where no stream was asked for."""
    assert "一二三".encode() in DIALECTS[protocol].whole("一二三")


@every_protocol
def test_characters_are_sent_as_they_are(protocol: str) -> None:
    """Not escaped, so that a cut can fall inside one."""
    answer = DIALECTS[protocol].encode(("三",))
    assert "三".encode() in b"".join(answer.messages)
