"""The decoder: messages become events, what does not decode is told in our words, and the end is an input."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

import msgspec
import pytest

from monitor.protocols.base import BEARER, Decoder, Protocol, Request, filled, json_request, merged
from monitor.stream.events import Done, Event, Malformed, Message, Meta, Output, Partial
from monitor.stream.framing import ConcatenatedJson, Framer, Lines, Raw, ServerSentEvents
from monitor.target import Target

TARGET = Target("one", "echo", "http://127.0.0.1/", body={"user": "u", "options": {"seed": 7}})


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
}


@pytest.mark.parametrize(("word", "why"), WHYS.items(), ids=WHYS.keys())
def test_why_is_in_our_words(word: str, why: str) -> None:
    """What was wrong with a message is said without the server's own text."""
    assert said(decoder(), f"data: {word}\n\n".encode()) == [(Malformed(why), 6 + len(word))]


def test_a_bug_is_no_malformed_event() -> None:
    """Other exceptions are bugs of the protocol and go through."""
    with pytest.raises(ZeroDivisionError):
        decoder().feed(b"data: bug\n\n")


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


MERGED = {
    "its own keys": ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
    "the target's value wins": ({"a": 1}, {"a": 2}, {"a": 2}),
    "what is not set is left out, however deep": ({"a": None, "b": {"c": None, "d": 1}}, {}, {"b": {"d": 1}}),
    "what is not set, beside what is replaced": ({"a": {"b": None, "c": 1}}, {"a": {"c": 2}}, {"a": {"c": 2}}),
    "tables are merged": ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}),
    "an empty table replaces": ({"a": {"b": 1}}, {"a": {}}, {"a": {}}),
    "a list replaces": ({"a": [1]}, {"a": [2]}, {"a": [2]}),
    "a table replaces a value": ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    "a value replaces a table": ({"a": {"b": 1}}, {"a": False}, {"a": False}),
    "nothing is not sent": ({"a": None, "b": 1}, {}, {"b": 1}),
    "but null can be asked for": ({"a": 1}, {"a": None}, {"a": None}),
}


@pytest.mark.parametrize(("base", "over", "result"), MERGED.values(), ids=MERGED.keys())
def test_bodies_are_merged(
    base: Mapping[str, object], over: Mapping[str, object], result: Mapping[str, object]
) -> None:
    """The target's own body is merged over the protocol's, table by table."""
    assert merged(base, over) == result


def test_a_prompt_is_filled_in() -> None:
    """`{prompt}` stands for the prompt in every string, however deep, and in nothing else."""
    body = {"a": "say {prompt}!", "b": [{"c": "{prompt}"}, ("{prompt}", 1)], "d": 2, "{prompt}": None}
    assert filled(body, "hi") == {"a": "say hi!", "b": [{"c": "hi"}, ["hi", 1]], "d": 2, "{prompt}": None}


def test_a_json_request() -> None:
    """A POST of JSON, with the target's own body merged in, that asks for an event stream."""
    sent = json_request({"model": None, "user": "x", "options": {"top": 1}}, TARGET)
    assert (sent.method, dict(sent.headers)) == (
        "POST",
        {"Content-Type": "application/json", "Accept": "text/event-stream"},
    )
    assert json.loads(sent.body) == {"user": "u", "options": {"top": 1, "seed": 7}}


def test_a_protocol_by_default() -> None:
    """A protocol declares an end and no marker, is an event stream, and takes a bearer token and a prompt."""
    plain = Protocol("echo", ServerSentEvents, request, echo)
    assert (plain.end, plain.marker, plain.early, plain.asks) == (True, False, False, True)
    assert (plain.content_types, plain.auth) == (("text/event-stream",), BEARER)
    assert BEARER.form.format("key") == "Bearer key"
    assert request(TARGET, "") == Request("POST", {}, b"")
