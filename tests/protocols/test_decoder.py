"""The decoder: messages become events, what does not decode is described in our words, and the end is an input."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import cast

import msgspec
import pytest

from monitor.protocols import find
from monitor.protocols.base import Protocol, Request
from monitor.protocols.decoder import MOST_VALUES, Decoder, InterpretError
from monitor.protocols.stream_errors import named_error
from monitor.stream.events import Done, Event, Failure, Fault, Malformed, Message, Meta, Output, Partial
from monitor.stream.framing import Framer, Rest
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


def decode(reader: Decoder, *pieces: bytes) -> list[tuple[Event, int]]:
    """Feed the pieces and the end of the stream."""
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.close()


UNFRAMED = Malformed("nothing in it has the protocol's framing", framed=False)
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
    assert decode(decoder(), data) == events
    assert decode(decoder(), *(data[at : at + 1] for at in range(len(data)))) == events


WHYS = {
    "key": "no key 'choices'",
    "bare-key": "a missing key",
    "other-key": "a missing key",
    "json": "not JSON, or a value out of range",
    "msgspec": "no JSON",
    "unicode": "no JSON",
    "value": "not JSON, or a value out of range",
    "type": "a value of another type",
    "deep": "nested too deeply",
}


@pytest.mark.parametrize(("word", "why"), WHYS.items(), ids=WHYS.keys())
def test_why_is_in_our_words(word: str, why: str) -> None:
    """What is wrong with a message is reported without the server's own text."""
    assert decode(decoder(), f"data: {word}\n\n".encode()) == [(Malformed(why), 6 + len(word))]


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
    assert decode(decoder(Lines), b"a\nb") == [(Output("a"), 1), (Output("b"), 3), (Partial(parsed=True), 3)]
    assert decode(decoder(ConcatenatedJson), b'["a"]{') == [(Output('["a"]'), 5), (Partial(), 6)]
    assert decode(decoder(ConcatenatedJson), b'["a"] key') == [(Output('["a"]'), 5), (Malformed("no key 'choices'"), 9)]
    assert decode(decoder(Raw), b"a\xe2") == [(Output("a"), 2), (Partial(), 2)]


def test_an_event_past_the_limit() -> None:
    """The limit on one event is reported in our words, nothing more is read, and its rest is dropped."""
    reader = decoder()
    assert reader.feed(b"data: a\n\ndata: " + b"b" * 40) == [(Output("a"), 7)]
    assert reader.too_large == "an event of more than 32 bytes"
    assert decode(reader, b"\n\ndata: c\n\n", b"data: d") == []


@pytest.mark.parametrize("pieces", [(b"a\nb\nc\nd\ne",), (b"a\nb\n", b"c\n", b"d\n", b"e")])
def test_too_many_events(pieces: tuple[bytes, ...]) -> None:
    """The cap on the number of events holds to the event, however they come, and the rest is not read either."""
    reader = decoder(Lines, events=3)
    assert decode(reader, *pieces) == [(Output("a"), 1), (Output("b"), 3), (Output("c"), 5)]
    assert reader.too_large == "too many events"


def test_exactly_as_many_events_as_may_be() -> None:
    """The last event that the cap allows is read, pings counted."""
    reader = decoder(events=2)
    assert decode(reader, b":\n\ndata: a\n\n") == [(Meta(ping=True), 1), (Output("a"), 10)]
    assert reader.too_large is None


def test_events_are_counted_and_not_messages() -> None:
    """A message that says many things counts as many: each takes as much as one that comes alone."""
    reader = decoder(events=3)
    assert len(reader.feed(b"data: a b c d\n\ndata: e\n\n")) == 4
    assert reader.too_large == "too many events"


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
    """Gateways put `[DONE]` after whatever they pass on: it never counts as malformed, and is reported once."""
    reader = Decoder(Protocol("any", framing, request, interpret), event_bytes=99, events=9)
    data = b" [DONE] \n\n" if framing is not ServerSentEvents else b"data:  [DONE] \n\n"
    assert [event for event, _ in decode(reader, data)] == events


def test_an_answer_that_mentions_the_marker_is_no_marker() -> None:
    """Only a message that is nothing else marks the end."""
    assert Done() not in [event for event, _ in decode(decoder(), b"data: [DONE] and more\n\n")]
    assert Done() not in [event for event, _ in decode(decoder(), b"data: [DONE]" + b" " * 12 + b"x\n\n")]


class Checked(Lines):
    """Lines of which one that begins with "!" breaks the framing."""

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes, up to what is broken."""
        good, mark, _ = data.partition(b"!")
        if mark and not self.broken:
            self.broken, self.broken_at = "a checksum", 3
        return super().feed(good)


def test_a_framing_that_is_broken_is_reported_once() -> None:
    """What came before it is kept, and the body ends there."""
    reader = decoder(Checked)
    broken = Malformed("a checksum", body=True)
    assert decode(reader, b"a\n!", b"!") == [(Output("a"), 1), (broken, 3)]


def test_a_framing_that_is_broken_is_reported_at_once() -> None:
    """A broken framing is reported at once; what only shows at the end of the stream is reported there."""
    broken = (Malformed("a checksum", body=True), 3)
    assert decoder(Checked).feed(b"a\n!") == [(Output("a"), 1), broken]

    class CheckedInTheEnd(Lines):
        def close(self) -> Rest:
            self.broken, self.broken_at = "a checksum", 3
            return Rest()

    assert decode(decoder(CheckedInTheEnd), b"a\n") == [(Output("a"), 1), broken]


@pytest.mark.parametrize("name", ["ping", "heartbeat", "keepalive", "keep-alive"])
def test_the_names_of_pings(name: str) -> None:
    """An event of such a name is a ping, whatever its data is; one of another name is a message."""
    data = f"event: {name}\ndata: a\n\n".encode()
    assert decode(decoder(), data) == [(Meta(ping=True), len(data) - 2)]
    assert decode(decoder(), data.replace(b"\ndata", b"s\ndata")) == [(Output("a"), len(data) - 1)]


def test_an_event_named_error_is_one() -> None:
    """It is not interpreted, and has its place in the payload."""
    data = b"event: error\ndata: key\n\n"
    assert decode(decoder(), data) == [(named_error("key"), len(data) - 2)]


GONE = Failure(Fault.UPSTREAM, "connection refused", framed=False)
ERROR = b'{"error": "connection refused"}'


def outside_reader(framing: Callable[[int], Framer] = ServerSentEvents) -> Decoder:
    """Return a decoder of the echo that has room for an error."""
    return Decoder(Protocol("echo", framing, request, echo), event_bytes=99, events=99)


def test_an_error_outside_the_framing_has_its_place() -> None:
    """A line of the stream that is none of its fields may be one, the last one without its line end as well."""
    size = len(ERROR)
    assert decode(outside_reader(), ERROR + b"\ndata: a\n\n") == [(GONE, size), (Output("a"), size + 8)]
    assert decode(outside_reader(), b"data: a\n\n" + ERROR) == [(Output("a"), 7), (GONE, size + 9)]


def test_an_object_spread_over_several_messages() -> None:
    """Each of them does not decode, and the last one completes the error that they make together."""

    def no_json(_: Message) -> Iterable[Event]:
        raise json.JSONDecodeError("Expecting value", "", 0)

    reader = Decoder(Protocol("none", Lines, request, no_json), event_bytes=99, events=99)
    data = b'{\n"error": "connection refused"\n}\nlater\n'
    bad = Malformed("not JSON, or a value out of range")
    ends = [1, 31, 33, 39]
    assert decode(reader, data) == [(bad, ends[0]), (bad, ends[1]), (bad, ends[2]), (GONE, ends[2]), (bad, ends[3])]
    assert reader.outside.text == "later\n"


@pytest.mark.parametrize(
    ("data", "kept"),
    [("value x", "value x\n"), ("{value", ""), ("[value", ""), ('"value', ""), ("type x", ""), ("key x", "")],
)
def test_words_in_a_message_are_kept(data: str, kept: str) -> None:
    """What begins as no JSON and is none may say why no end came; a value of another type is the protocol's."""

    def refuse(message: Message) -> Iterable[Event]:
        raise MISTAKES["type" if "type" in message.data else "key" if "key" in message.data else "value"]

    reader = Decoder(Protocol("none", Lines, request, refuse), event_bytes=99, events=99)
    reader.feed(f"{data}\n".encode())
    assert reader.outside.text == kept


@pytest.mark.parametrize(("spaces", "marks"), [(9, True), (10, False)])
def test_how_much_white_space_a_marker_has(spaces: int, marks: bool) -> None:
    """Fifteen characters are a marker with what gateways put around it, and more are not looked at."""
    found = decode(decoder(Lines), b"[DONE]" + b" " * spaces + b"\n")
    assert (Done() in [event for event, _ in found]) is marks


def test_a_marker_with_something_after_it_is_not_malformed() -> None:
    """If the protocol cannot read it, the marker counts."""
    assert decode(decoder(), b"data: [DONE] key\n\n") == [(Output("[DONE]"), 16), (Done(), 16)]


UNSEPARATED: dict[str, tuple[bytes, bool]] = {
    "the first line can be read": (b"data: a\ndata: b", False),
    "the first line is a marker and more": (b"data: [DONE] key\ndata: b", False),
    "one line alone": (b"data: a", True),
    "one after a whole message": (b"data: c\n\ndata: a\ndata: b", True),
    **{f"the first line is wrong: {word}": (f"data: {word}\ndata: b".encode(), True) for word in WHYS},
}


@pytest.mark.parametrize(("data", "left"), UNSEPARATED.values(), ids=UNSEPARATED.keys())
def test_messages_that_nothing_separates(data: bytes, left: bool) -> None:
    """A stream of one message whose first line can be read by itself was not cut: its server separates none."""
    assert any(isinstance(event, Partial) for event, _ in decode(decoder(), data)) is left


@pytest.mark.parametrize(
    ("events", "kept"),
    [([Meta(foreign=True)], True), ([Meta()], False), ([Meta(foreign=True), Output("a")], False)],
    ids=["nothing of the protocol", "life", "output"],
)
def test_what_lost_its_framing_and_can_be_read(events: list[Event], kept: bool) -> None:
    """A line of which the protocol makes nothing is kept, as it may say why no end came."""
    reader = Decoder(Protocol("any", ServerSentEvents, request, lambda _: events), event_bytes=99, events=99)
    reader.feed(b'{"detail": "no"}\n')
    assert reader.outside.text == ('{"detail": "no"}\n' if kept else "")


def of_values(count: int) -> Decoder:
    """Return a decoder of chat chunks that has read one message of so many values, and is at its end."""
    reader = Decoder(find("openai-chat"), event_bytes=1 << 20, events=1 << 20)
    assert not reader.feed(b'data: {"choices":[' + b",".join([b"{}"] * ((count - 1) // 2)))
    return reader


def test_a_message_of_many_values() -> None:
    """A message of more values than are read is too large: as JSON it takes 24 times its bytes, and seconds."""
    reader = of_values(MOST_VALUES + 3)
    assert reader.feed(b"]}\n\n") == []
    assert reader.too_large == "an event of more than 100000 values"
    reader = of_values(MOST_VALUES - 3)
    assert len(reader.feed(b"]}\n\n")) == (MOST_VALUES - 4) // 2
    assert reader.too_large is None


def test_a_message_of_many_values_that_is_cut() -> None:
    """What is left of such a message at the end of the stream is not read either."""
    assert [type(event) for event, _ in of_values(MOST_VALUES + 3).close()] == [Partial]


def test_a_long_text_is_one_value() -> None:
    """However long a text is, it is read: nothing in it is an object, a list or a place in one."""
    reader = Decoder(find("openai-chat"), event_bytes=1 << 20, events=10)
    text = b"x" * (2 * MOST_VALUES)
    (found,) = reader.feed(b'data: {"choices":[{"delta":{"content":"' + text + b'"}}]}\n\n')
    assert found[0] == Output(text.decode())


def test_what_is_held_of_a_message() -> None:
    """It is what the framing holds."""
    reader = decoder(ConcatenatedJson)
    assert reader.held == 0
    reader.feed(b'{"a"')
    assert reader.held == 4
