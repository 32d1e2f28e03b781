"""Properties of every protocol: no split changes its events, and no cut counts as its end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.judge.verdict import Outcome, Unclean
from monitor.lab.dialects import DIALECTS
from monitor.protocols import PROTOCOLS, Decoder, Protocol
from monitor.stream.endings import BodyFraming, Deadline, Ending, EndKind, Head
from monitor.stream.events import Event
from monitor.stream.raw import Raw
from monitor.target import CountCheck, Target
from monitor.testing import check_dialect
from tests.protocols.replay import capture, decoded, judged

NONCE = "3fa9c1d0"
PIECES = ("1\n", "2\n", "3\n", "4\n", "END-", NONCE)
ENDINGS = (
    Ending(EndKind.COMPLETE, 1.0),
    Ending(EndKind.INCOMPLETE, 1.0),
    Ending(EndKind.RESET, 1.0),
    Ending(EndKind.MALFORMED, 1.0),
    Ending(EndKind.DEADLINE, 1.0, deadline=Deadline.IDLE),
)


def head(protocol: Protocol) -> Head:
    """Return the head of a right answer."""
    return Head(200, next(iter(protocol.content_types), "text/plain"), framing=BodyFraming.CHUNKED)


PROMPT = 'Say "1",\n三.'
OWN = {"extra": {"own": [1]}}


def values(node: object) -> Iterator[object]:
    """Return the texts and numbers in a body, at any depth."""
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else None
    if inner is None:
        yield node
    else:
        yield from (value for one in inner for value in values(one))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_request_has_the_prompt_and_what_the_target_adds(name: str) -> None:
    """A request is JSON with the unchanged prompt, accepts the stream, and has the target's `body` merged."""
    protocol, asked = PROTOCOLS[name], Target("one", name, "http://x/", "a-model", body=OWN)
    request = protocol.of(asked).request(asked, PROMPT)
    sent = json.loads(request.body)
    assert (request.method, request.headers["Content-Type"], sent["extra"]) == (
        "POST",
        "application/json",
        OWN["extra"],
    )
    assert request.headers["Accept"] in {*protocol.content_types, "text/event-stream", "*/*"}
    assert (PROMPT in values(sent)) is protocol.asks


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_all_that_its_dialect_says_is_read(protocol: Protocol) -> None:
    """The text, the usage, each finish reason, each error and each kind of output."""
    check_dialect(protocol)


class Stream(NamedTuple):
    """A valid stream, and the byte at which its end is complete; without an end, its answer."""

    protocol: Protocol
    body: bytes
    complete: int


def spoken(name: str) -> Stream:
    """Return what the lab says in this protocol."""
    answer = DIALECTS[name].encode(PIECES)
    return Stream(PROTOCOLS[name], b"".join(answer.messages), answer.complete)


def captured(name: str, path: str, end: bytes) -> Stream:
    """Return a captured stream; the message that contains `end` has the end, or the last of the answer."""
    body = capture(path).response.body
    after = body.rindex(end)
    close = body.index(b"\n", after) - (b"\r\n" in body) if b"\n" in body else len(body)
    return Stream(PROTOCOLS[name], body, close)


STREAMS = {
    **{f"{name} as the lab speaks it": spoken(name) for name in PROTOCOLS},
    "openai-chat of llama-server": captured(
        "openai-chat", "servers/llama-server_openai_chat_usage", b'"finish_reason":"'
    ),
    "openai-chat of LiteLLM": captured("openai-chat", "servers/litellm_openai_chat", b'"finish_reason":"'),
    "openai-chat of llama-cpp-python": captured("openai-chat", "servers/llama-cpp-python_openai_chat", b'"stop"'),
    "ollama-chat of its documentation": captured("ollama-chat", "made/ollama_chat_whole", b'"done":true'),
    "cohere-v2 of its documentation": captured("cohere-v2", "made/cohere_v2_whole", b'"message-end"'),
    "coze-v3 of its documentation": captured("coze-v3", "made/coze_v3_whole", b'"completed","usage"'),
    "dify of its documentation": captured("dify", "made/dify_chat_whole", b'"message_end"'),
    "dify, a chatflow": captured("dify", "made/dify_chatflow_whole", b'"message_end"'),
    "dify, an agent": captured("dify", "made/dify_agent_whole", b'"message_end"'),
    "fastgpt of its documentation": captured("fastgpt", "made/fastgpt_whole", b"[DONE]"),
    "fastgpt with details": captured("fastgpt", "made/fastgpt_detail_whole", b"[DONE]"),
    "gemini of its documentation": captured("gemini", "made/gemini_whole", b'"finishReason"'),
    "llamacpp-completion of llama-server": captured(
        "llamacpp-completion", "servers/llama-server_completion_native", b'"stop":true'
    ),
    "tgi of its source": captured("tgi", "made/tgi_whole", b'"eos_token"'),
    "openai-responses of llama-server": captured(
        "openai-responses", "servers/llama-server_responses", b'"response.completed"'
    ),
    "openai-responses of LiteLLM": captured("openai-responses", "servers/litellm_responses", b'"response.completed"'),
    "anthropic-messages of llama-server": captured(
        "anthropic-messages", "servers/llama-server_anthropic_messages", b'"message_stop"'
    ),
    "anthropic-messages of LiteLLM": captured(
        "anthropic-messages", "servers/litellm_anthropic_messages", b'"message_stop"'
    ),
    "chatchat 0.3": captured("chatchat", "chatchat/c03_success", b'"stop"'),
    "chatchat-agent 0.3": captured("chatchat-agent", "chatchat/c03_agent_qwen", b'"status": 5'),
    "chatchat-kb 0.3": captured("chatchat-kb", "chatchat/c03_kb_ok", b'"."'),
    "chatchat 0.2.7": captured("chatchat-0.2-json", "chatchat/mini_v027", b'"."'),
    "chatchat 0.2.0": captured("chatchat-0.2-text", "chatchat/mini_v020", b"."),
    "chatchat 0.2": captured("chatchat-0.2", "chatchat/c0210_chat_ok", b'"."'),
}
WITH_END = {name: stream for name, stream in STREAMS.items() if stream.protocol.end}
WITHOUT_END = {name: stream for name, stream in STREAMS.items() if not stream.protocol.end}


def test_every_protocol_is_here() -> None:
    """No protocol is left out of these tests."""
    assert {stream.protocol.name for stream in STREAMS.values()} == set(PROTOCOLS)
    assert all(stream.protocol.end or not stream.protocol.marker for stream in STREAMS.values())


def changes(stream: Stream, cuts: range) -> list[int]:
    """Return the cuts after which something else was decoded than after the cut before, and the last one.

    What a stream comes to goes by what was decoded of it, so that the cuts between two of these come to the same.
    """
    results = [events_of(stream.protocol, [stream.body[:cut]]) for cut in cuts]
    return [cut for cut, one, other in zip(cuts, results, [None, *results], strict=False) if one != other] + [cuts[-1]]


@pytest.mark.parametrize("stream", WITH_END.values(), ids=WITH_END.keys())
def test_any_cut_before_the_end_is_noticed(stream: Stream) -> None:
    """Cut before the last byte of the message that says the end, a stream is never ok, however the wire ended."""
    for cut in changes(stream, range(stream.complete)):
        recorder = decoded(stream.protocol, stream.body[:cut], head(stream.protocol))
        verdicts = [judged(stream.protocol, recorder, ending) for ending in ENDINGS]
        assert Outcome.OK not in {verdict.outcome for verdict in verdicts}, cut
        assert all(verdict.truncated for verdict in verdicts), cut


@pytest.mark.parametrize("stream", WITH_END.values(), ids=WITH_END.keys())
def test_nothing_after_the_end_makes_a_fault(stream: Stream) -> None:
    """After the end a stream is ok, and a failure of the connection is at most unclean."""
    for cut in range(stream.complete, len(stream.body) + 1):
        recorder = decoded(stream.protocol, stream.body[:cut], head(stream.protocol))
        for ending in ENDINGS:
            verdict = judged(stream.protocol, recorder, ending)
            assert verdict.outcome is Outcome.OK, (cut, verdict)
            assert (verdict.unclean is None) <= (ending.kind is EndKind.COMPLETE), cut
    assert (
        judged(stream.protocol, decoded(stream.protocol, stream.body, head(stream.protocol)), ENDINGS[0]).unclean
        is None
    )


@pytest.mark.parametrize("stream", WITHOUT_END.values(), ids=WITHOUT_END.keys())
def test_without_an_end_nothing_is_ok_unproved(stream: Stream) -> None:
    """A protocol without an end is never ok without a passed check: clean and whole it is unverified, else a fault."""
    for cut in range(len(stream.body) + 1):
        recorder = decoded(stream.protocol, stream.body[:cut], head(stream.protocol))
        clean, *faults = (judged(stream.protocol, recorder, ending) for ending in ENDINGS)
        assert clean.outcome in {Outcome.UNVERIFIED, Outcome.EMPTY, Outcome.TRUNCATED}, cut
        assert all(fault.truncated for fault in faults), cut
    whole = judged(stream.protocol, decoded(stream.protocol, stream.body, head(stream.protocol)), ENDINGS[0])
    assert whole.outcome is Outcome.UNVERIFIED


@pytest.mark.parametrize("name", [name for name, protocol in PROTOCOLS.items() if not protocol.end])
def test_without_an_end_the_check_is_it(name: str) -> None:
    """If a check is configured, the answer's last byte is the end: a stream is ok only after it."""
    stream, check = spoken(name), CountCheck(4)
    for cut in range(len(stream.body) + 1):
        recorder = decoded(stream.protocol, stream.body[:cut], head(stream.protocol))
        verdicts = [judged(stream.protocol, recorder, ending, check, NONCE) for ending in ENDINGS]
        assert {verdict.outcome is Outcome.OK for verdict in verdicts} == {cut >= stream.complete}, cut
        if recorder.chunks and cut < stream.complete:
            assert all(verdict.truncated for verdict in verdicts), (cut, verdicts)


def events_of(protocol: Protocol, pieces: Sequence[bytes], events: int = 1 << 20) -> list[tuple[Event, int]]:
    """Return all that these pieces and their end say."""
    decoder = Decoder(protocol, event_bytes=1 << 20, events=events)
    found = [event for piece in pieces for event in decoder.feed(piece)]
    return found + decoder.close()


def split(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Cut the data at these places."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


FRAMED = {name: stream for name, stream in STREAMS.items() if stream.protocol.framing is not Raw}


@pytest.mark.parametrize("stream", FRAMED.values(), ids=FRAMED.keys())
def test_byte_by_byte(stream: Stream) -> None:
    """Read in one piece or byte by byte, a stream says the same at the same places."""
    pieces = [stream.body[at : at + 1] for at in range(len(stream.body))]
    assert events_of(stream.protocol, pieces) == events_of(stream.protocol, [stream.body])


@pytest.mark.parametrize("name", [name for name, protocol in PROTOCOLS.items() if protocol.framing is not Raw])
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_split_of_anything(name: str, data: st.DataObject) -> None:
    """A stream with any bytes changed, cut anywhere, raises nothing, and says the same however it was split."""
    body = bytearray(spoken(name).body)
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(body) - 1), st.integers(0, 255)), max_size=4)):
        body[at] = byte
    cut = data.draw(st.integers(0, len(body)))
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=8))
    most = data.draw(st.sampled_from((3, 1 << 20)))
    whole = events_of(PROTOCOLS[name], [bytes(body[:cut])], most)
    assert events_of(PROTOCOLS[name], split(bytes(body[:cut]), cuts), most) == whole


@given(data=st.lists(st.sampled_from(b'data: {}[]":,\n\n\r\\ping'), max_size=60).map(bytes) | st.binary())
@settings(max_examples=100, deadline=None)
def test_no_bytes_raise(data: bytes) -> None:
    """Whatever comes, in any protocol, there is a verdict, and it is not ok."""
    for protocol in PROTOCOLS.values():
        recorder = decoded(protocol, data, head(protocol))
        assert all(judged(protocol, recorder, ending).outcome is not Outcome.OK for ending in ENDINGS)


@pytest.mark.parametrize("name", [name for name, protocol in PROTOCOLS.items() if protocol.end])
def test_what_comes_after_the_end_is_ignored(name: str) -> None:
    """Bytes after the end and the marker are ignored."""
    stream = spoken(name)
    for more in (b"data: garbage\n\n", b"<html>\n\n", b'data: {"error": {"message": "late"}}\n\n', b"data: {"):
        verdict = judged(
            stream.protocol, decoded(stream.protocol, stream.body + more, head(stream.protocol)), ENDINGS[0]
        )
        assert verdict.outcome is Outcome.OK
        assert verdict.unclean in {None, Unclean.TRAILING, Unclean.MID_EVENT}
