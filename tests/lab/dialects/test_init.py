"""What holds for every protocol that the lab speaks."""

from __future__ import annotations

import pytest

from monitor.lab.dialects import DIALECTS
from tests.lab.wires import PIECES

every_protocol = pytest.mark.parametrize("protocol", DIALECTS)


@every_protocol
def test_each_piece_is_one_output(protocol: str) -> None:
    """In order, one message a piece, before the end and the marker."""
    speech = DIALECTS[protocol].say(PIECES)
    assert len(speech.output) == len(PIECES)
    for index, piece in zip(speech.output, PIECES, strict=True):
        assert piece.strip().encode() in speech.messages[index]
    last = len(speech.messages) - 1
    assert speech.output.stop <= (last if speech.end is None else speech.end) + (speech.end is None)
    assert speech.marker in {None, last}


@every_protocol
def test_nothing_to_say_is_no_output(protocol: str) -> None:
    """The frame of the answer stays."""
    speech = DIALECTS[protocol].say(())
    assert len(speech.output) == 0
    assert (speech.end is None) == (DIALECTS[protocol].say(PIECES).end is None)


@every_protocol
def test_messages_end_where_events_end(protocol: str) -> None:
    """Everything a protocol can say ends its event, so that a cut between messages falls between events."""
    speaker = DIALECTS[protocol]
    if speaker.framing in {"raw", "binary"}:
        return
    eol = speaker.say(PIECES).messages[0].rpartition(b"}")[2]
    ping = () if speaker.ping is None else (speaker.ping,)
    said = (*speaker.say(PIECES).messages, *speaker.errors.values(), *speaker.asides.values(), *ping)
    assert all(message.endswith(eol) for message in said)
    assert eol in {"sse": {b"\n\n", b"\r\n\r\n"}, "lines": {b"\n"}, "json": {b""}}[speaker.framing]


@every_protocol
def test_the_whole_answer_holds_the_text(protocol: str) -> None:
    """Where no stream was asked for."""
    assert "一二三".encode() in DIALECTS[protocol].whole("一二三")


@every_protocol
def test_characters_are_sent_as_they_are(protocol: str) -> None:
    """Not escaped, so that a cut can fall inside one."""
    speech = DIALECTS[protocol].say(("三",))
    assert "三".encode() in b"".join(speech.messages)
