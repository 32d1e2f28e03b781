"""The decoder: messages become events, what does not decode is described in our words, and the end is an input."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import cast

import msgspec
import pytest

from monitor.protocols.base import Protocol, Request
from monitor.protocols.decoder import Decoder, InterpretError
from monitor.stream.events import Done, Event, Malformed, Message, Meta, Output, Partial
from monitor.stream.framing import Framer
from monitor.stream.json_objects import ConcatenatedJson
from monitor.stream.lines import Lines
from monitor.stream.raw import Raw
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target


def request(target: Target, prompt: str) -> Request:
    """Ask nothing."""
    del target, prompt
    return Request()


def echo(message: Message) -> Iterator[Event]:
    """Say each word of the message; some words are mistakes."""
    for word in message.data.split():
        if word in MISTAKES:
            raise MISTAKES[word]
        yield Done() if word == "." else Output(word)


MISTAKES: Mapping[str, Exception] = {
    "key": KeyError("choices"),
    "bare-key": KeyError(),
    "other-key": KeyError(7),
    "json": json.JSONDecodeError("Expecting value", "secret", 0),
    "msgspec": msgspec.DecodeError("JSON is malformed: secret"),
    "unicode": UnicodeError("secret"),
    "value": ValueError("secret"),
    "type": TypeError("secret"),
    "deep": RecursionError("secret"),
    "bug": ZeroDivisionError("secret"),
}


def decoder(framing: Callable[[int], Framer] = ServerSentEvents, events: int = 100) -> Decoder:
    """Return a decoder of the echo."""
    return Decoder(Protocol("echo", framing, request, echo), event_bytes=32, events=events)


def said(reader: Decoder, *pieces: bytes) -> list[tuple[Event, int]]:
    """Feed the pieces and the end of the stream."""
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.close()


UNFRAMED = Malformed("none of it is framed as the protocol frames its messages", framed=False)
STREAMS: dict[str, tuple[bytes, list[tuple[Event, int]]]] = {
    "events": (b"data: a b\n\ndata: .\n\n", [(Output("a"), 9), (Output("b"), 9), (Done(), 18)]),
    "pings and names": (b":\n\nevent: x\n\n", [(Meta(ping=True), 1), (Meta(ping=True), 11)]),
    "one that does not decode": (
        b"data: a\n\ndata: key\n\ndata: b\n\n",
        [(Output("a"), 7), (Malformed("no key 'choices'"), 18), (Output("b"), 27)],
    ),
    "what came before the mistake is kept": (
        b"data: a key b\n\n",
        [(Output("a"), 13), (Malformed("no key 'choices'"), 13)],
    ),
    "an unterminated event": (b"data: a\n\ndata: b", [(Output("a"), 7), (Output("b"), 16), (Partial(parsed=True), 16)]),
    "without its blank line": (b"data: a\n", [(Output("a"), 7), (Partial(parsed=True), 8)]),
    "half an event": (b"data: a\n\ndata: b ke", [(Output("a"), 7), (Output("b"), 19), (Output("ke"), 19),
                                                 (Partial(parsed=True), 19)]),
    "an unterminated event that does not decode": (b"data: a\n\ndata: b key", [(Output("a"), 7), (Partial(), 20)]),
    "a field without a value": (b"data: a\n\ndata:", [(Output("a"), 7), (Partial(), 14)]),
    "the beginning of a field": (b"data: a\n\nda", [(Output("a"), 7), (Partial(), 11)]),
    "half a comment": (b"data: a\n\n: pi", [(Output("a"), 7)]),
    "another format": (
        b"<html>\n<p>\n",
        [(UNFRAMED, 11)],
    ),
    "another format between pings": (
        b":\n\n<html>\n",
        [(Meta(ping=True), 1), (UNFRAMED, 10)],
    ),
    "another field beside an event": (b"foo: 1\ndata: a\n\n", [(Output("a"), 14)]),
    "an empty event, as a sign of life": (b"data:\n\ndata: a\n\n", [(Meta(ping=True), 5), (Output("a"), 14)]),
    "nothing": (b"", []),
}  # fmt: skip


@pytest.mark.parametrize(("data", "events"), STREAMS.values(), ids=STREAMS.keys())
def test_bytes_become_events(data: bytes, events: list[tuple[Event, int]]) -> None:
    """Every event has the offset of its last byte, whole or byte by byte, and so has what was left."""
    assert said(decoder(), data) == events
    assert said(decoder(), *(data[at : at + 1] for at in range(len(data)))) == events


WHYS = {
    "key": "no key 'choices'",
    "bare-key": "a missing key",
    "other-key": "a missing key",
    "json": "no JSON, or a value out of range",
    "msgspec": "no JSON",
    "unicode": "no JSON",
    "value": "no JSON, or a value out of range",
    "type": "a value of another type",
    "deep": "nested too deeply",
}


@pytest.mark.parametrize(("word", "why"), WHYS.items(), ids=WHYS.keys())
def test_why_is_in_our_words(word: str, why: str) -> None:
    """What was wrong with a message is said without the server's own text."""
    assert said(decoder(), f"data: {word}\n\n".encode()) == [(Malformed(why), 6 + len(word))]


def test_a_bug_is_no_malformed_event() -> None:
    """Other exceptions are bugs of the protocol and go through."""
    with pytest.raises(ZeroDivisionError):
        decoder().feed(b"data: bug\n\n")


GARBAGE: Mapping[str, tuple[object, str]] = {
    "nothing": (None, "echo: interpret returned NoneType, not events"),
    "a number": (7, "echo: interpret returned int, not events"),
    "a text": ("ab", "echo: str is not an event"),
    "a list of texts": ([Output("a"), "b"], "echo: str is not an event"),
}


@pytest.mark.parametrize(("returned", "why"), GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_a_bug_of_the_protocol(returned: object, why: str) -> None:
    """An `interpret` that returns what is no event is a bug of the protocol, and no malformed event of the target."""
    broken = Protocol("echo", ServerSentEvents, request, lambda _: cast("Iterable[Event]", returned))
    with pytest.raises(InterpretError, match=f"^{why}$"):
        Decoder(broken, event_bytes=32, events=9).feed(b"data: a\n\n")


def test_other_framings() -> None:
    """Lines, concatenated values and raw bytes are read by the same decoder."""
    assert said(decoder(Lines), b"a\nb") == [(Output("a"), 1), (Output("b"), 3), (Partial(parsed=True), 3)]
    assert said(decoder(ConcatenatedJson), b'["a"]{') == [(Output('["a"]'), 5), (Partial(), 6)]
    assert said(decoder(ConcatenatedJson), b'["a"] key') == [(Output('["a"]'), 5), (Malformed("no key 'choices'"), 9)]
    assert said(decoder(Raw), b"a\xe2") == [(Output("a"), 2), (Partial(), 2)]


def test_an_event_past_the_limit() -> None:
    """The cap on one event is told in our words, nothing more is read, and its rest is not offered."""
    reader = decoder()
    assert reader.feed(b"data: a\n\ndata: " + b"b" * 40) == [(Output("a"), 7)]
    assert reader.too_large == "an event of more than 32 bytes"
    assert said(reader, b"\n\ndata: c\n\n", b"data: d") == []


@pytest.mark.parametrize("pieces", [(b"a\nb\nc\nd\ne",), (b"a\nb\n", b"c\n", b"d\n", b"e")])
def test_too_many_events(pieces: tuple[bytes, ...]) -> None:
    """The cap on the number of events holds to the event, however they come, and the rest is not read either."""
    reader = decoder(Lines, events=3)
    assert said(reader, *pieces) == [(Output("a"), 1), (Output("b"), 3), (Output("c"), 5)]
    assert reader.too_large == "too many events"


def test_exactly_as_many_events_as_may_be() -> None:
    """The last event that the cap allows is read, pings counted."""
    reader = decoder(events=2)
    assert said(reader, b":\n\ndata: a\n\n") == [(Meta(ping=True), 1), (Output("a"), 10)]
    assert reader.too_large is None


@pytest.mark.parametrize("framing", [ServerSentEvents, Lines, ConcatenatedJson])
@pytest.mark.parametrize(
    ("interpret", "events"),
    [
        (lambda _: (_ for _ in ()).throw(ValueError("no JSON")), [Done()]),
        (lambda _: [Meta()], [Meta(), Done()]),
        (lambda _: [Done()], [Done()]),
        (lambda _: [], [Done()]),
    ],
    ids=["refused", "life", "known", "nothing"],
)
def test_a_bare_marker_is_one_in_every_protocol(
    framing: Callable[[int], Framer], interpret: Callable[[Message], Iterable[Event]], events: list[Event]
) -> None:
    """Gateways put `[DONE]` after whatever they pass on: it is never what does not decode, and said once."""
    reader = Decoder(Protocol("any", framing, request, interpret), event_bytes=99, events=9)
    data = b" [DONE] \n\n" if framing is not ServerSentEvents else b"data:  [DONE] \n\n"
    assert [event for event, _ in said(reader, data)] == events


def test_an_answer_that_mentions_the_marker_is_no_marker() -> None:
    """Only a message that is nothing else marks the end."""
    assert Done() not in [event for event, _ in said(decoder(), b"data: [DONE] and more\n\n")]
    assert Done() not in [event for event, _ in said(decoder(), b"data: [DONE]" + b" " * 12 + b"x\n\n")]


class Checked(Lines):
    """Lines of which one that begins with "!" breaks the framing."""

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes, up to what is broken."""
        good, mark, _ = data.partition(b"!")
        if mark and not self.broken:
            self.broken, self.broken_at = "a checksum", 3
        return super().feed(good)


def test_a_framing_that_is_broken_is_told_once() -> None:
    """What came before it is kept, and the body ends there."""
    reader = decoder(Checked)
    broken = Malformed("a checksum", body=True)
    assert said(reader, b"a\n!", b"!") == [(Output("a"), 1), (broken, 3)]
