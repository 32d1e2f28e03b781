"""Faults in the messages of a stream whose framing is correct."""

from __future__ import annotations

import json

import pytest

from monitor.lab.dialects import DIALECTS
from monitor.lab.params import BadParameterError
from monitor.lab.steps import Repeat, Send
from tests.lab.wires import ENDED, PIECES, case, dechunked, events, expected, played


def payload_of(protocol: str, fault: str, query: str = "") -> bytes:
    """The payload of a fault's body, which is whole on the wire."""
    return dechunked(played(protocol, fault, query).body)


def pieces_of(fault: str, query: str = "") -> list[str]:
    """What openai-chat's deltas say."""
    choices_of_all = [
        json.loads(data)["choices"] for data in events(payload_of("openai-chat", fault, query)) if data != "[DONE]"
    ]
    deltas = [choices[0]["delta"].get("content") for choices in choices_of_all if choices]
    return [delta for delta in deltas if delta]


@pytest.mark.parametrize("protocol", ["openai-chat", "chatchat", "chatchat-agent", "chatchat-kb"])
def test_an_error_ends_the_stream(protocol: str) -> None:
    """Each kind after the output asked for, and nothing behind it."""
    answer = case(protocol).answer
    for kind, message in DIALECTS[protocol].errors.items():
        payload = payload_of(protocol, "error", f"after=2&kind={kind}")
        assert payload == b"".join(answer.messages[: answer.output.start + 2]) + message
    assert expected(protocol, "error", "kind=quota").verdict == "stream_error/quota"
    assert expected(protocol, "error", "kind=empty").verdict == "stream_error/other"
    with pytest.raises(BadParameterError, match="kind=nope: allowed here is one of"):
        played(protocol, "error", "kind=nope")


def test_a_marker_may_follow_an_error() -> None:
    """Where the protocol has one."""
    assert payload_of("openai-chat", "error", "marker=yes").endswith(b"503}}\n\ndata: [DONE]\n\n")
    with pytest.raises(BadParameterError, match="marker=yes: this protocol has none"):
        played("chatchat", "error", "marker=yes")


@pytest.mark.parametrize(
    ("fault", "query", "word"),
    [
        ("server-abort", "", "abort"),
        ("server-abort", "as=error", "error"),
        ("token-limit", "", "length"),
        ("filtered", "", "content_filter"),
    ],
)
def test_a_finish_reason_ends_the_answer_early(fault: str, query: str, word: str) -> None:
    """After five pieces, with that word, and with the marker unless it is not wanted."""
    payload = payload_of("openai-chat", fault, query)
    assert pieces_of(fault, query) == list(PIECES[:5])
    assert f'"finish_reason":"{word}"'.encode() in payload
    assert payload.endswith(b"data: [DONE]\n\n")
    assert not payload_of("openai-chat", fault, f"{query}&marker=no".removeprefix("&")).endswith(b"[DONE]\n\n")


def test_a_word_that_a_protocol_does_not_have_is_refused() -> None:
    """Chatchat passes no finish reason `error` on."""
    with pytest.raises(BadParameterError, match="as=error: allowed here is one of stop, length, content_filter, abort"):
        played("chatchat", "server-abort", "as=error")


def test_an_end_without_output() -> None:
    """The role frame and the end, but nothing that counts."""
    assert pieces_of("empty") == []
    assert b'"finish_reason":"stop"' in payload_of("openai-chat", "empty")
    assert payload_of("raw", "empty") == b""


@pytest.mark.parametrize("protocol", DIALECTS)
def test_no_output_and_no_end(protocol: str) -> None:
    """Nothing at all, or what is no output; what the protocol lacks is refused."""
    dialect = DIALECTS[protocol]
    assert payload_of(protocol, "no-output") == b""
    if dialect.ping is not None:
        assert payload_of(protocol, "no-output", "what=pings") == dialect.ping * 3
    else:
        with pytest.raises(BadParameterError, match="what=pings: this protocol has none"):
            played(protocol, "no-output", "what=pings")
    verdict = "truncated/no_terminator" if protocol in ENDED else "empty/no_output"
    assert expected(protocol, "no-output").verdict == verdict


def test_bare_frames() -> None:
    """A role frame alone, and a marker alone."""
    assert b'"role":"assistant"' in payload_of("openai-chat", "no-output", "what=role")
    assert payload_of("openai-chat", "no-output", "what=marker") == b"data: [DONE]\n\n"
    with pytest.raises(BadParameterError):
        played("raw", "no-output", "what=role")


@pytest.mark.parametrize(
    ("fault", "pieces"),
    [
        ("duplicated", (*PIECES[:4], *PIECES[3:])),
        ("missing", (*PIECES[:3], *PIECES[4:])),
        ("out-of-order", (*PIECES[:3], PIECES[4], PIECES[3], *PIECES[5:])),
        ("short", PIECES[:5]),
    ],
)
def test_pieces_are_changed(fault: str, pieces: tuple[str, ...]) -> None:
    """At the place asked for, in a stream that looks complete."""
    assert pieces_of(fault) == list(pieces)
    assert pieces_of(fault, "at=99" if fault != "short" else "after=99")[-1] == PIECES[-1] or fault == "out-of-order"
    assert payload_of("openai-chat", fault).endswith(b"data: [DONE]\n\n")


def test_another_answer() -> None:
    """Words in place of numbers."""
    assert "".join(pieces_of("wrong")) == "I would rather not count today."


def test_an_answer_that_stops_early_and_says_so() -> None:
    """Nothing, too little, or all of it; in a protocol without an end it is a clean cut."""
    verdicts = [expected("openai-chat", "short", f"after={after}").verdict for after in (0, 5, 10)]
    assert verdicts == ["empty/no_output", "wrong_content/missing", "ok"]
    assert expected("raw", "short").verdict == "truncated/incomplete_answer"


@pytest.mark.parametrize(
    ("protocol", "name"),
    [
        (protocol, name)
        for protocol, dialect in DIALECTS.items()
        for name in ("json", "shape")
        if "messages" in dialect.can and name in dialect.garbled
    ],
)
def test_one_event_does_not_decode(protocol: str, name: str) -> None:
    """In the place of an output; all others are as they were."""
    answer = case(protocol).answer
    broken = DIALECTS[protocol].garbled[name]
    index = answer.output.start + 3
    wanted = b"".join((*answer.messages[:index], broken, *answer.messages[index + 1 :]))
    assert payload_of(protocol, "malformed-event", f"as={name}") == wanted
    last = payload_of(protocol, "malformed-event", f"as={name}&at=99")
    assert last.index(broken) == answer.starts[answer.output.stop - 1]


def test_events_that_hold_no_protocol() -> None:
    """As many as there are pieces, and none of them is JSON."""
    assert events(payload_of("chatchat", "not-protocol")) == ["the cat sat on the wire"] * 10


@pytest.mark.parametrize("protocol", DIALECTS)
def test_endless_output(protocol: str) -> None:
    """The role frame once, and then many messages a segment without a pause."""
    start, again = played(protocol, "infinite").steps
    assert isinstance(start, Send)
    assert isinstance(again, Repeat)
    assert again.every == 0
    assert again.data.count(b"the same again and again, and then once more") == 64
    assert b"Content-Length: 1099511627776\r\n" in played(protocol, "infinite", "framing=length").head


def test_events_of_any_size() -> None:
    """One event with a text as long as asked for, and one that never ends in chunks of a byte."""
    assert b"9" * 1000 in payload_of("chatchat", "huge-event", "bytes=1000")
    assert len(payload_of("openai-chat", "huge-event")) > 8 << 20
    start, again = played("openai-chat", "tiny-chunks").steps
    assert isinstance(start, Send)
    assert start.data.endswith(b"\r\n\r\n6\r\ndata: \r\n")
    assert again == Repeat(b"1\r\n9\r\n" * 1024, 0.0)
