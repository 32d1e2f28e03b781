"""The fuzz targets' invariants, without the fuzzer: they hold for all its seeds and findings, and they can fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fuzz.invariants import CONTROL, FRAMERS, cut, framed, framer_holds, hold, kept, protocol_holds, targets
from fuzz.seeds import seeds
from monitor.lab import h2_wire as wire
from monitor.protocols import PROTOCOLS, Protocol
from monitor.stream.events import Event, Message, Output
from monitor.stream.framing import Rest
from monitor.stream.sse import ServerSentEvents

FINDINGS: tuple[tuple[str, bytes], ...] = (
    # a comment after an event's last line comes before that event: the event ends where the comment does
    ("sse", b"\x00\x07data\n:\n\n"),
    # white space in a read of its own made events of an array
    ("events-or-array", b"\x00\x00\t\r\n[\n"),
    # of two markers in one read only the first was one
    ("vercel-data-stream", b"\x02\x07[DONE]\n[DONE]\n"),
    # what came after a broken frame was read if it came in a read of its own
    ("http2", b"\x09\x09" + wire.SETTINGS + wire.frame(6, b"x") + wire.goaway(1)),
)
"""Inputs that broke an invariant once, cut down, each with its control bytes."""


@pytest.mark.parametrize("name", targets())
def test_the_invariants_hold_for_the_seeds(name: str) -> None:
    """The bytes of real servers and of the lab decode to the same for every split."""
    inputs = list(seeds(name))
    assert inputs
    for data in inputs:
        hold(name, data)


@pytest.mark.parametrize(("name", "data"), FINDINGS)
def test_what_was_found(name: str, data: bytes) -> None:
    """The inputs of former failures pass."""
    hold(name, data)


@pytest.mark.parametrize("control", [b"\x00\x00", b"\x01\x01", b"\x07\x00", b"\xff\xfe"])
def test_a_cut_loses_nothing(control: bytes) -> None:
    """The pieces are the payload, whatever the control bytes, and two empty sizes do not loop endlessly."""
    assert len(control) == CONTROL
    assert b"".join(cut(b"x" * 100, control)) == b"x" * 100


class Splits(ServerSentEvents):
    """A framer that is wrong: it gives a message for every read."""

    def feed(self, data: bytes) -> list[Message]:
        """Return the read."""
        return [Message(data.decode("latin-1"), len(data))]


class Keeps(ServerSentEvents):
    """A framer that is wrong: it keeps all it ever saw."""

    def feed(self, data: bytes) -> list[Message]:
        """Keep it."""
        self._data.append(data)
        return []

    def close(self) -> Rest:
        """Let it go."""
        return Rest()


def test_a_framer_that_goes_by_reads_is_found() -> None:
    """A framer whose result depends on the split is found."""
    with pytest.raises(AssertionError):
        framer_holds(Splits, b"data: a\n\n", [b"data: ", b"a\n\n"])


def test_a_framer_that_keeps_everything_is_found() -> None:
    """A framer that stores more than its limit is found."""
    framer = Keeps(10)
    framer.feed(b"x" * 100)
    assert kept(framer) == 100
    with pytest.raises(AssertionError, match="bytes are kept"):
        framed(Keeps, [b"x" * 5000])


def undeclared(message: Message) -> Iterator[Event]:
    """Read a message, and fall over one that is empty but for a space, with an exception that is not declared."""
    if message.data == " ":
        raise IndexError
    yield Output(message.data)


def test_an_undeclared_exception_is_found() -> None:
    """A protocol that raises an undeclared exception is found."""
    broken = Protocol("broken", ServerSentEvents, PROTOCOLS["raw"].request, undeclared)
    protocol_holds(broken, b"data: a\n\n", [b"data: a\n\n"])
    with pytest.raises(IndexError):
        protocol_holds(broken, b"data:  \n\n", [b"data:  \n\n"])


def test_every_framing_is_a_target() -> None:
    """No protocol has a framing that is not fuzzed by itself."""
    assert {protocol.framing for protocol in PROTOCOLS.values()} <= set(FRAMERS.values())
