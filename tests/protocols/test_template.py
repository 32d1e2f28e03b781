"""The template of events: with and without it, the same bytes decode to the same events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.protocols import PROTOCOLS, Decoder, Protocol
from monitor.protocols.anthropic_messages import ANTHROPIC_MESSAGES
from monitor.protocols.decoder import MOST_VALUES
from monitor.protocols.openai_chat import OPENAI_CHAT
from monitor.stream.events import Event, Message, Output, Part
from tests.protocols.test_every import STREAMS, split

OPAQUE = {name: protocol for name, protocol in PROTOCOLS.items() if protocol.opaque}
CAPTURES = Path(__file__).parents[1] / "captures"
Events = list[tuple[Event, int]]


def decoded(protocol: Protocol, reads: Sequence[bytes], *, templates: bool = True, most: int = 1 << 20) -> Events:
    """Return the events of a stream that came in these reads."""
    decoder = Decoder(protocol, event_bytes=most, events=most, templates=templates)
    found = [event for read in reads for event in decoder.feed(read)]
    assert decoder.too_large is None or most < 1 << 20
    return found + decoder.close()


def state(decoder: Decoder, reads: Sequence[bytes]) -> object:
    """Return all that a decoder says of a stream."""
    found = [decoder.feed(read) for read in reads]
    return found, decoder.too_large, decoder.held, decoder.close(), decoder.outside.text, decoder.outside.lines


def same(protocol: Protocol, reads: Sequence[bytes], most: int = 1 << 20) -> Events:
    """Return the events, which are the same if each message is parsed."""
    found = decoded(protocol, reads, most=most)
    assert found == decoded(protocol, reads, templates=False, most=most)
    return found


class Counted:
    """Counts the messages that a protocol interprets."""

    def __init__(self, protocol: Protocol = OPENAI_CHAT) -> None:
        self.times = 0
        self._interpret = protocol.interpret
        self.protocol = replace(protocol, interpret=self)

    def __call__(self, message: Message) -> Iterable[Event]:
        """Interpret one message."""
        self.times += 1
        return self._interpret(message)


def event(text: str, **more: object) -> bytes:
    """Return one chunk of OpenAI's, as its read."""
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': text}}], **more})}\n\n".encode()


def named(text: str, key: str = "text") -> bytes:
    """Return one piece of Anthropic's, with its name."""
    delta = {"type": "thinking_delta" if key == "thinking" else "text_delta", key: text}
    frame = {"type": "content_block_delta", "index": 0, "delta": delta}
    return f"event: content_block_delta\r\ndata: {json.dumps(frame, ensure_ascii=False)}\r\n\r\n".encode()


def test_a_repeated_shape_is_not_parsed() -> None:
    """Of chunks that differ only in their text, the first is interpreted, and one more to prove the template."""
    counted = Counted()
    reads = [event(f"word {at}") for at in range(100)]
    assert [found for found, _ in same(counted.protocol, reads)] == [Output(f"word {at}") for at in range(100)]
    assert counted.times == 2 + 100


def test_another_shape_makes_another_template() -> None:
    """A chunk with another id is interpreted, and those after it are not."""
    counted = Counted()
    reads = [event(f"word {at}", created=at // 50) for at in range(100)]
    assert decoded(counted.protocol, reads) == decoded(OPENAI_CHAT, reads, templates=False)
    assert counted.times == 4


def test_shapes_that_repeat_are_examined_to_the_end() -> None:
    """A useful examination does not count among the unsuccessful ones."""
    counted = Counted()
    assert len(decoded(counted.protocol, [event(f"word {at % 3}", created=at // 3) for at in range(30)])) == 30
    assert counted.times == 2 * 10


def test_an_event_as_long_as_it_may_be() -> None:
    """An event of exactly the limit is decoded by its template."""
    counted = Counted()
    reads = [event(f"word {at}") for at in range(9)]
    assert len(decoded(counted.protocol, reads, most=len(reads[0]))) == 9
    assert counted.times == 2


def test_a_stream_that_never_repeats_costs_little() -> None:
    """If each chunk has its number, few of them are examined."""
    counted = Counted()
    assert len(decoded(counted.protocol, [event(f"word {at}", id=at) for at in range(100)])) == 100
    assert counted.times == 100 + 4


def test_the_part_and_the_name_belong_to_the_template() -> None:
    """Reasoning stays reasoning, and an event with a name and other line ends is one read as well."""
    counted = Counted(ANTHROPIC_MESSAGES)
    reads = [*(named(f"so {at}", "thinking") for at in range(9)), *(named(f"é {at}") for at in range(9))]
    parts = [found.part for found, _ in same(counted.protocol, reads) if isinstance(found, Output)]
    assert parts == [Part.REASONING] * 9 + [Part.CONTENT] * 9
    assert counted.times == 4 + 18


def test_no_protocol_has_a_template_without_a_declaration() -> None:
    """A protocol that looks into its texts, or keeps state, is asked about each message."""
    counted = Counted(replace(OPENAI_CHAT, opaque=False))
    decoded(counted.protocol, [event("a")] * 9)
    assert counted.times == 9


FIRST = event("a")
BEFORE, AFTER = FIRST.split(b'"a"')
UNLIKE: dict[str, bytes] = {
    "an escape": event('say "a"'),
    "a backslash": event("\\"),
    "a control character": BEFORE + b'"a\x1fb"' + AFTER,
    "a line end": BEFORE + b'"a\ndata: b"' + AFTER,
    "a carriage return": BEFORE + b'"a\rb"' + AFTER,
    "invalid UTF-8": BEFORE + b'"\xff"' + AFTER,
    "half a character": BEFORE + b'"\xe4\xb8"' + AFTER,
    "a surrogate": BEFORE + b'"\\ud800"' + AFTER,
    "no text": event(""),
    "no string": BEFORE + b"1" + AFTER,
    "the two halves overlap": BEFORE + AFTER,
    "one quote": BEFORE + b'"' + AFTER,
    "a second string": BEFORE + b'"b","role":"c"' + AFTER,
    "an end": event("b", usage={"completion_tokens": 1}),
    "without its line ends": event("b")[:-2],
    "with one more": event("b") + b"\n",
    "two events": event("b") * 2,
    "the marker": b"data: [DONE]\n\n",
    "text of the marker": event("[DONE]"),
    "a comment": b": ping\n\n",
    "nothing": b"",
}


@pytest.mark.parametrize("read", UNLIKE.values(), ids=UNLIKE.keys())
def test_what_differs_in_anything_else_is_parsed(read: bytes) -> None:
    """Whatever follows a template decodes as it does without one, and so does what follows that."""
    same(OPENAI_CHAT, [FIRST, event("b"), read, event("c"), event("d")])


PENDING = (b"data: 1\n", b"event: error\n", b"event: ping\n", b"data: {", b"\r", b"\n", b": c", b"id: 1\n")


@pytest.mark.parametrize("pending", PENDING)
def test_after_part_of_an_event_nothing_is_left_out(pending: bytes) -> None:
    """An event is taken by its template only if no other one has begun."""
    same(OPENAI_CHAT, [FIRST, event("b"), pending, event("c"), event("d")])


NOT_PROVEN = (
    b'data: {"id":"s","choices":[{"delta":{"content":"\\u0073"}}]}\n\n',
    b'data: {"id":"s","choices":[{"delta":{"content":"s"}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"\\u0063ontent"}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"a","content":"\\u0061"}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":3}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"\\ud800"}}]}\n\n',
    b'data: {"id":"?","choices":[{"delta":{"content":"\\ud800"}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"a"}}]}\r\r',
)


@pytest.mark.parametrize("read", NOT_PROVEN)
def test_a_text_that_does_not_stand_in_one_place_makes_no_template(read: bytes) -> None:
    """If another text in its place would not be the output, or its event may not have ended, each one is parsed."""
    counted = Counted()
    assert decoded(counted.protocol, [read] * 4) == decoded(OPENAI_CHAT, [read] * 4, templates=False)
    assert counted.times >= 4


MORE: dict[str, Sequence[bytes]] = {
    "the next event": (event("a") + event("b")[:-1], b"\n", event("c") + event("b")[:-1], b"\n"),
    "the next name": (event("a") + b"event: error\n", b"\n", event("b") + b"event: error\n", b"data: why\n\n"),
    "a byte order mark": [b"\xef\xbb\xbf" + event("a")] * 3,
    "a foreign line": [b"foo: 1\n" + event("a")] * 3,
    "a foreign line inside an object": (b"foo: 1\n" + event("a"), b"{\n", b"foo: 1\n" + event("b"), b"}\n"),
}


@pytest.mark.parametrize("reads", MORE.values(), ids=MORE.keys())
def test_a_read_with_more_than_one_event_makes_no_template(reads: Sequence[bytes]) -> None:
    """What stands before or after an event in its read counts, limits and explains as it does without a template."""
    for most in (5, 1 << 20):
        states = [
            state(Decoder(OPENAI_CHAT, event_bytes=1 << 20, events=most, templates=templates), reads)
            for templates in (True, False)
        ]
        assert states[0] == states[1]


def test_a_call_without_arguments_yet() -> None:
    """An empty text makes a template for those that follow, and no template takes an empty text."""
    call = b'data: {"choices":[{"delta":{"tool_calls":[{"id":"1","function":{"arguments":"%b"}}]}}]}\n\n'
    found = same(OPENAI_CHAT, [call % text for text in (b"", b"{", b"", b"}")])
    assert [piece for piece, _ in found] == [Output(text, Part.TOOL_CALL) for text in ("", "{", "", "}")]


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_the_limit_on_events_counts_every_event(most: int) -> None:
    """An event that was not parsed counts, and after the limit nothing is decoded."""
    decoder = Decoder(OPENAI_CHAT, event_bytes=1 << 20, events=most)
    assert sum(len(decoder.feed(event(f"word {at}"))) for at in range(5)) == most
    assert decoder.too_large == "too many events"
    assert decoder.feed(event("word")) == []


def test_the_limits_on_an_event_count_for_a_long_text() -> None:
    """A text that makes its event too long, or that may hold too many values, is refused as without a template."""
    for event_bytes, long in ((200, "x" * 200), (1 << 20, "," * MOST_VALUES)):
        decoders = [
            Decoder(OPENAI_CHAT, event_bytes=event_bytes, events=100, templates=templates)
            for templates in (True, False)
        ]
        for read in (event("a"), event("b"), event(long), event("c")):
            assert decoders[0].feed(read) == decoders[1].feed(read)
        assert decoders[0].too_large == decoders[1].too_large is not None


def events_in(body: bytes) -> list[bytes]:
    """Divide a stream after each empty line, as most servers write it."""
    blank = b"\r\n\r\n" if b"\r\n\r\n" in body else b"\n\n"
    return [part + blank for part in body.split(blank)]


@pytest.mark.parametrize("name", [name for name, stream in STREAMS.items() if stream.protocol.opaque])
def test_real_streams_read_event_by_event(name: str) -> None:
    """Streams of servers and of the lab decode to the same events, with one event per read."""
    stream = STREAMS[name]
    assert same(stream.protocol, events_in(stream.body))


TEXTS = st.text(max_size=4) | st.sampled_from(["s", "s.", "content", "[DONE]", "error", '"', "\\", "\n", ",", "1", "é"])
SHAPES = (
    event,
    lambda text: event(text, id="x"),
    lambda text: event(text, usage={"completion_tokens": 1}),
    lambda text: event("a", object=text),
    named,
    lambda text: named(text, "thinking"),
    lambda text: f'data: {{"choices":[{{"text":{json.dumps(text)}}}]}}\n\n'.encode(),
    lambda text: f'data: {{"choices":[{{"delta":{{"reasoning":{json.dumps(text)}}}}}]}}\n\n'.encode(),
    lambda text: f"data: {text}\n\n".encode("utf-8", "replace"),
)


@pytest.mark.parametrize("protocol", OPAQUE.values(), ids=OPAQUE.keys())
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_texts_in_any_shapes_in_any_reads(protocol: Protocol, data: st.DataObject) -> None:
    """Whatever the texts, and however the events are read, they are the same as without a template."""
    shapes = data.draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=2))
    texts = data.draw(st.lists(TEXTS, max_size=8))
    reads = [shapes[at % len(shapes)](text) for at, text in enumerate(texts)]
    body = b"".join(reads)
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=3))
    ends = [sum(map(len, reads[:at])) for at in range(len(reads))]
    same(protocol, split(body, [*ends, *cuts]), data.draw(st.sampled_from((3, 1 << 20))))
