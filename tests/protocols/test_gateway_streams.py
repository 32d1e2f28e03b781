"""Streams of gateways, of newer servers and of the newer protocols, and what each comes to.

Each is rebuilt from the facts of a public report, of a server's source or of a vendor's documentation; the name says
whose it is.
"""

from __future__ import annotations

import json
from struct import pack
from zlib import crc32

import pytest

from monitor.lab.dialects.bedrock_converse import frame
from monitor.protocols import PROTOCOLS, Decoder
from monitor.stream.endings import BodyFraming, Ending, EndKind, Head
from monitor.stream.events import Failure
from monitor.target import PatternCheck, Terminator
from tests.protocols.replay import decoded, judged
from tests.protocols.streams import (
    CLOSE,
    CUT,
    DONE,
    OPEN,
    START,
    STOP,
    Reported,
    candidate,
    chunk,
    data,
    delta,
    holds,
    text,
    typed,
)  # fmt: skip

CHAT, COMPLETIONS, WORKERS, GEMINI = "openai-chat", "openai-completions", "workers-ai", "gemini"
OLLAMA, GENERATE, VERCEL, RESPONSES = "ollama-chat", "ollama-generate", "vercel-data-stream", "openai-responses"
ANTHROPIC, COHERE, DIFY, COZE, FASTGPT = "anthropic-messages", "cohere-v2", "dify", "coze-v3", "fastgpt"


def lines(*frames: object) -> str:
    """Return a line for each object."""
    return "".join(f"{json.dumps(it)}\n" for it in frames)


def piece(words: str, reason: object = None, **more: object) -> dict[str, object]:
    """Return a chunk of the legacy completions."""
    return {"choices": [{"index": 0, "text": words, "finish_reason": reason}], **more}


def coze(name: str, payload: object) -> str:
    """Return an event of Coze's."""
    return data(payload, name=f"conversation.{name}")


REASON = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}
GENERATED, SAID = {"response": "a", "done": False}, {"message": {"role": "assistant", "content": "a"}, "done": False}
ANSWER = {"type": "answer", "content": "a"}
PRETTY_LINES = json.dumps({"error": "model runner has unexpectedly stopped"}, indent=2) + "\n"
CHECKED = PatternCheck("dawn")
STREAMS: dict[str, Reported] = {
    # openai-completions
    "vLLM's completions: abort, then [DONE]": Reported(
        COMPLETIONS, data(piece("a"), piece("", "abort")) + DONE, "truncated/server_abort", 1
    ),
    "vLLM's completions: an engine that died": Reported(
        COMPLETIONS,
        data(piece("a"), {"error": {"message": "EngineCore encountered an issue", "type": "InternalServerError"}})
        + DONE,
        "stream_error/other",
        1,
    ),
    "vLLM's completions: no reason and no marker (xgrammar)": Reported(
        COMPLETIONS, data(piece("a"), piece("b")), "truncated/no_terminator", 2
    ),
    "completions: usage in the last of all frames": Reported(
        COMPLETIONS,
        data(piece("a", "stop"), {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}) + DONE,
        "ok",
        1,
    ),
    "completions: reason and text in one chunk, without [DONE]": Reported(
        COMPLETIONS, data(piece("a", "length")), "truncated/token_limit", 1, check=CHECKED
    ),
    "completions: an echo of the empty text": Reported(
        COMPLETIONS, data(piece("", "stop")) + DONE, "empty/no_output", 0
    ),
    "completions: stop on every chunk (one-api), cut": Reported(
        COMPLETIONS, data(piece("a", "stop"), piece("b", "stop")), "truncated/incomplete_body", 2, CUT
    ),
    "completions: text as a number": Reported(
        COMPLETIONS, data(piece("a"), {"choices": [{"text": 6}]}) + DONE, "truncated/no_terminator", 2
    ),
    "completions: the chat's chunks (a wrong path)": Reported(
        COMPLETIONS, text("a", "b") + data(chunk(None, "stop")) + DONE, "bad_response/not_protocol", 0
    ),
    "completions: a gateway's error in a choice": Reported(
        COMPLETIONS,
        data({"choices": [{"text": "", "error": {"message": "Provider returned error", "code": 502}}]}),
        "stream_error/upstream",
        0,
    ),
    # openai-chat
    "llama.cpp behind a path of the completions": Reported(
        CHAT, data(piece("a"), piece("", "stop")) + DONE, "bad_response/not_protocol", 0
    ),
    "an application's own events, and [DONE]": Reported(
        CHAT, data({"token": "a"}, {"token": "b"}) + DONE, "bad_response/not_protocol", 0
    ),
    "an application's own events, and [DONE] asked for": Reported(
        CHAT, data({"token": "a"}) + DONE, "bad_response/not_protocol", 0, terminator=Terminator.MARKER
    ),
    "words for events, and [DONE]": Reported(CHAT, data("hello", "world") + DONE, "bad_response/not_protocol", 0),
    "usage without choices, and [DONE]": Reported(
        CHAT, data({"usage": {"prompt_tokens": 1, "completion_tokens": 0}}) + DONE, "bad_response/not_protocol", 0
    ),
    "a frame of usage and [DONE]: the model said nothing": Reported(
        CHAT, data({"choices": [], "usage": {"completion_tokens": 0}}) + DONE, "truncated/no_terminator", 0
    ),
    "a role and [DONE]": Reported(CHAT, data(chunk({"role": "assistant"})) + DONE, "truncated/no_terminator", 0),
    "Perplexity: a search's events before the answer": Reported(
        CHAT, data({"object": "search.status", "citations": []}) + text("a") + data(chunk(None, "stop")), "ok", 1
    ),
    "Perplexity: an error as its first event": Reported(
        CHAT,
        data({"error": {"message": "invalid request", "type": "invalid_request", "code": 400}}, name="error"),
        "stream_error/other",
        0,
    ),
    "Hermes: an end that it says itself": Reported(
        CHAT, text("a") + data(chunk(None, "error"), chunk(None, "stop")) + DONE, "truncated/server_abort", 1
    ),
    "Envoy AI Gateway: Anthropic's overload": Reported(
        CHAT,
        text("a") + data({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        "stream_error/overloaded",
        1,
    ),
    "SGLang: the reason is an object with words": Reported(
        CHAT,
        text("a") + data(chunk(None, {"type": "abort", "message": "worker exited", "status_code": 503})) + DONE,
        "truncated/server_abort",
        1,
    ),
    "LiteLLM: an upstream's death as an error": Reported(
        CHAT,
        text("a") + data({"error": {"message": "litellm.APIConnectionError: peer closed connection", "code": "500"}}),
        "stream_error/upstream",
        1,
    ),
    # workers-ai
    "Workers AI: its own shape": Reported(
        WORKERS, data({"response": "a"}, {"response": "", "usage": {"completion_tokens": 1}}) + DONE, "ok", 1
    ),
    "Workers AI: OpenAI's chunks of newer models": Reported(
        WORKERS, text("a") + data(chunk(None, "stop"), {"choices": [], "usage": {}}) + DONE, "ok", 1
    ),
    "Workers AI: OpenAI's chunks, and their limit": Reported(
        WORKERS, text("a") + data(chunk(None, "length")) + DONE, "truncated/token_limit", 1, check=CHECKED
    ),
    "Workers AI: closed without [DONE]": Reported(WORKERS, data({"response": "a"}), "truncated/no_terminator", 1),
    "Workers AI: a number for text": Reported(WORKERS, data({"response": 1}, {"response": 2}) + DONE, "ok", 2),
    "Workers AI: out of capacity": Reported(
        WORKERS,
        data({"response": "a"}, {"errors": [{"message": "Capacity temporarily exceeded", "code": 3040}]}),
        "stream_error/overloaded",
        1,
    ),
    "Workers AI: OpenAI's responses": Reported(
        WORKERS, data({"type": "response.created", "response": {"id": "r"}}) + DONE, "bad_response/not_protocol", 0
    ),
    # fastgpt
    "FastGPT: events after [DONE]": Reported(
        FASTGPT,
        data(chunk({"content": "a"}), chunk(None, "stop"), "[DONE]", name="answer") + data([], name="flowResponses"),
        "ok",
        1,
    ),
    "FastGPT: stop, and no [DONE]": Reported(
        FASTGPT, data(chunk({"content": "a"}), chunk(None, "stop"), name="answer"), "truncated/no_terminator", 1
    ),
    "FastGPT: another's events, and [DONE]": Reported(
        FASTGPT, data({"x": 1}, name="token") + DONE, "bad_response/not_protocol", 0
    ),
    # ollama
    "Ollama: an error's JSON over several lines": Reported(OLLAMA, PRETTY_LINES, "stream_error/other", 0),
    "Ollama: the same after output, the last line without its end": Reported(
        GENERATE, lines(GENERATED) + PRETTY_LINES.rstrip(), "stream_error/other", 1
    ),
    "Ollama: a proxy's words for a line": Reported(
        OLLAMA, lines(SAID) + "upstream request timeout", "truncated/no_terminator", 1
    ),
    "Ollama: a proxy's words alone": Reported(OLLAMA, "no healthy upstream", "bad_response/not_protocol", 0),
    "Ollama: the other path's lines": Reported(
        OLLAMA, lines(GENERATED, {"response": "", "done": True}), "bad_response/not_protocol", 0
    ),
    "Ollama: the chat's lines where completions were asked for": Reported(
        GENERATE, lines(SAID, {"message": {"content": ""}, "done": True}), "bad_response/not_protocol", 0
    ),
    "Ollama: the model was only loaded": Reported(
        GENERATE, lines({"response": "", "done": True, "done_reason": "load"}), "empty/no_output", 0
    ),
    "Ollama: thinking, then a limit": Reported(
        GENERATE,
        lines(
            {"response": "", "thinking": "hm", "done": False}, {"response": "a", "done": True, "done_reason": "length"}
        ),
        "truncated/token_limit",
        2,
        check=CHECKED,
    ),
    "Ollama: cut inside a line": Reported(GENERATE, lines(GENERATED) + '{"respon', "truncated/mid_event", 1),
    "Ollama: a message in words": Reported(OLLAMA, lines({"message": "hello"}), "bad_response/not_protocol", 0),
    # gemini as an array
    "Gemini's array: whole": Reported(GEMINI, json.dumps([candidate("a"), candidate("", "STOP")]), "ok", 1),
    "Gemini's array: not closed": Reported(
        GEMINI, json.dumps([candidate("a"), candidate("b")])[:-1], "truncated/mid_event", 2
    ),
    "Gemini's array: an error as its last element": Reported(
        GEMINI,
        json.dumps([candidate("a"), {"error": {"code": 503, "status": "UNAVAILABLE", "message": "overloaded"}}]),
        "stream_error/overloaded",
        1,
    ),
    "Gemini's array: one error alone": Reported(
        GEMINI,
        json.dumps([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "x"}}], indent=2),
        "stream_error/rate_limited",
        0,
    ),
    "Gemini's array: a limit": Reported(
        GEMINI, json.dumps([candidate("a", "MAX_TOKENS")]), "truncated/token_limit", 1, check=CHECKED
    ),
    "Gemini: a call that is malformed, with its sentence": Reported(
        GEMINI,
        data({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "Malformed call: x"}]}),
        "truncated/server_abort",
        0,
    ),
    "Gemini: an end without content, and usage": Reported(
        GEMINI, data(candidate("a"), {"candidates": [{"finishReason": "STOP"}], "usageMetadata": {}}), "ok", 1
    ),
    "Gemini: OpenAI's chunks of its other endpoint": Reported(
        GEMINI, text("a") + data(chunk(None, "stop")) + DONE, "bad_response/not_protocol", 0
    ),
    # vercel
    "Vercel 4: an error part": Reported(VERCEL, '0:"a"\n3:"An error occurred."\n', "stream_error/other", 1),
    "Vercel 4: a step ends, and no message": Reported(
        VERCEL, '0:"a"\ne:{"finishReason":"stop","usage":{},"isContinued":false}\n', "truncated/no_terminator", 1
    ),
    "Vercel 4: the model failed": Reported(
        VERCEL, '0:"a"\nd:{"finishReason":"error","usage":{}}\n', "truncated/server_abort", 1
    ),
    "Vercel 5: an error, then the end": Reported(
        VERCEL,
        data({"type": "text-delta", "id": "1", "delta": "a"}, {"type": "error", "errorText": "quota exceeded"})
        + data({"type": "finish"})
        + DONE,
        "stream_error/quota",
        1,
    ),
    "Vercel 5: aborted": Reported(
        VERCEL, data({"type": "text-delta", "delta": "a"}, {"type": "abort"}) + DONE, "truncated/server_abort", 1
    ),
    "Vercel 5: no end, and [DONE]": Reported(
        VERCEL, data({"type": "text-delta", "delta": "a"}) + DONE, "truncated/no_terminator", 1
    ),
    "codes that no version has": Reported(VERCEL, 'z:"a"\ny:1\n', "bad_response/not_protocol", 0),
    # responses
    "New-API: response.error": Reported(
        RESPONSES,
        typed({"type": "response.output_text.delta", "delta": "a"})
        + data({"type": "response.error", "error": {"message": "upstream error: do request failed"}}),
        "stream_error/upstream",
        1,
    ),
    "failed, and its state says completed": Reported(
        RESPONSES, typed({"type": "response.failed", "response": {"status": "completed"}}), "stream_error/other", 0
    ),
    "completed, and an error in it": Reported(
        RESPONSES,
        typed({"type": "response.completed", "response": {"error": {"code": "server_error", "message": "no"}}}),
        "stream_error/other",
        0,
    ),
    "only whole items": Reported(
        RESPONSES,
        typed(
            {"type": "response.output_item.done", "item": {"type": "message", "content": [{"text": "a"}]}},
            {"type": "response.output_item.done", "item": {"type": "function_call", "arguments": "{}"}},
            {"type": "response.completed", "response": {"status": "completed"}},
        ),
        "ok",
        2,
    ),
    "only whole reasoning, and then the text": Reported(
        RESPONSES,
        typed(
            {"type": "response.output_item.done", "item": {"type": "reasoning", "content": [{"text": "hm"}]}},
            {"type": "response.output_text.delta", "delta": "a"},
            {"type": "response.output_item.done", "item": {"type": "message", "content": [{"text": "a"}]}},
            {"type": "response.completed", "response": {"status": "completed"}},
        ),
        "ok",
        2,
    ),
    # anthropic
    "Anthropic: a reason, then only pings, then a clean end": Reported(
        ANTHROPIC,
        typed(START, OPEN, delta("a"), CLOSE, REASON) + data({"type": "ping"}, name="ping"),
        "truncated/no_terminator",
        1,
    ),
    "LiteLLM: an error as OpenAI has it, in Anthropic's stream": Reported(
        ANTHROPIC,
        typed(START, OPEN, delta("a")) + data({"error": {"message": "Connection error.", "code": "500"}}),
        "stream_error/upstream",
        1,
    ),
    "TensorRT-LLM: an invented message_stop": Reported(
        ANTHROPIC, typed(START, OPEN, delta("a"), CLOSE, STOP), "wrong_content/pattern", 1, check=CHECKED
    ),
    # cohere, dify, coze
    "Cohere: ERROR, with words": Reported(
        COHERE,
        typed(
            {"type": "content-delta", "delta": {"message": {"content": {"text": "a"}}}},
            {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "internal server error"}},
        ),
        "truncated/server_abort",
        1,
    ),
    "Cohere: TIMEOUT": Reported(
        COHERE, typed({"type": "message-end", "delta": {"finish_reason": "TIMEOUT"}}), "truncated/server_abort", 0
    ),
    "Dify: Flowise's events": Reported(
        DIFY, data({"event": "token", "data": "a"}, {"event": "end", "data": "[DONE]"}), "bad_response/not_protocol", 0
    ),
    "Dify: a workflow that failed in part": Reported(
        DIFY,
        data(
            {"event": "workflow_started", "data": {}},
            {"event": "text_chunk", "data": {"text": "a"}},
            {"event": "workflow_finished", "data": {"status": "partial-succeeded"}},
        ),
        "ok",
        1,
    ),
    "Coze: completed, and the chat's state says failed": Reported(
        COZE,
        coze("message.delta", ANSWER)
        + coze("chat.completed", {"status": "failed", "last_error": {"code": 4011, "msg": "balance not enough"}}),
        "stream_error/quota",
        1,
    ),
}


@pytest.mark.parametrize("reported", STREAMS.values(), ids=STREAMS.keys())
def test_the_verdict(reported: Reported) -> None:
    """No target is blamed for what it did not do, and none is excused for what it did."""
    holds(reported)


# -- Bedrock's binary frames -------------------------------------------------------------------------------------------


def event(kind: str, payload: object) -> bytes:
    """Return a frame of an event."""
    return frame({":message-type": "event", ":event-type": kind}, json.dumps(payload).encode())


def thrown(kind: str, words: str) -> bytes:
    """Return a frame of an exception."""
    headers = {":message-type": "exception", ":exception-type": kind}
    return frame(headers, json.dumps({"message": words}).encode())


def with_length(size: int) -> bytes:
    """Return the prelude of a frame that says this length, its checksum right."""
    prelude = pack(">II", size, 0)
    return prelude + pack(">I", crc32(prelude))


TEXT = event("messageStart", {"role": "assistant"}) + event("contentBlockDelta", {"delta": {"text": "a"}})
ENDED = event("contentBlockStop", {}) + event("messageStop", {"stopReason": "end_turn"})
FRAMES = {
    "whole": (TEXT + ENDED + event("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1}}), "ok"),
    "no messageStop": (TEXT, "truncated/no_terminator"),
    "a guardrail": (TEXT + event("messageStop", {"stopReason": "guardrail_intervened"}), "filtered/content_filter"),
    "half a frame": (TEXT + ENDED[:20], "truncated/mid_event"),
    "throttled": (TEXT + thrown("throttlingException", "Too many tokens"), "stream_error/rate_limited"),
    "the model's stream broke": (TEXT + thrown("modelStreamErrorException", "x"), "stream_error/upstream"),
    "unavailable": (thrown("serviceUnavailableException", "x"), "stream_error/overloaded"),
    "a checksum that lies": (TEXT[:-1] + bytes((TEXT[-1] ^ 1,)) + ENDED, "truncated/malformed_body"),
    "a length of zero": (TEXT + with_length(0) + ENDED, "truncated/malformed_body"),
    "a length of 4 GiB": (TEXT + with_length(0xFFFFFFFF), "truncated/malformed_body"),
    "a length that is too long": (TEXT + with_length(1 << 16) + ENDED, "truncated/mid_event"),
    "a checksum that lies after the end": (TEXT + ENDED + b"\0" * 16, "ok"),
    "InvokeModel's frames": (event("chunk", {"bytes": "e30="}) * 2, "bad_response/not_protocol"),
    "a gateway's JSON in place of frames": (
        b'{"message": "Too many requests", "code": 429}',
        "stream_error/rate_limited",
    ),
    "a gateway's JSON after frames": (TEXT + b'{"error": {"message": "boom"}}', "stream_error/other"),
    "a page in place of frames": (b"<html>502 Bad Gateway</html>", "bad_response/not_protocol"),
    "a page after frames": (TEXT + b"<html>502 Bad Gateway</html>", "truncated/malformed_body"),
    "events in place of frames": (b'data: {"a": 1}\n\n', "bad_response/not_protocol"),
}


@pytest.mark.parametrize(("body", "comes_to"), FRAMES.values(), ids=FRAMES.keys())
def test_frames(body: bytes, comes_to: str) -> None:
    """A wrong checksum or length breaks the body; an exception, and an error in place of a frame, are errors."""
    protocol = PROTOCOLS["bedrock-converse"]
    stream = decoded(protocol, body, Head(200, protocol.content_types[0], framing=BodyFraming.CHUNKED))
    verdict = judged(protocol, stream, Ending(EndKind.COMPLETE, 1.0))
    assert "/".join(filter(None, (verdict.outcome, verdict.cause))) == comes_to


# -- all protocols -----------------------------------------------------------------------------------------------------

DEEP = 10_000
NESTED = {
    "lists": "[" * DEEP,
    "objects": '{"a":' * DEEP,
    "closed lists": "[" * DEEP + "]" * DEEP,
    "closed objects": '{"choices":' * DEEP + "1" + "}" * DEEP,
    "an error": '{"error":' * DEEP + '"x"' + "}" * DEEP,
    "an array of an error": "[" * DEEP + '{"error":"x"}' + "]" * DEEP,
}


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("nested", NESTED.values(), ids=NESTED.keys())
@pytest.mark.parametrize("form", ["data: {}\n\n", "{}\n", "event: error\ndata: {}\n\n", "0:{}\n"])
def test_whatever_is_nested_has_a_verdict(name: str, nested: str, form: str) -> None:
    """An event nested 10,000 deep is a verdict with a detail in every protocol, and never an exception."""
    protocol = PROTOCOLS[name]
    head = Head(200, next(iter(protocol.content_types), "text/plain"), framing=BodyFraming.CHUNKED)
    verdict = judged(protocol, decoded(protocol, form.format(nested).encode(), head), Ending(EndKind.COMPLETE, 1.0))
    assert verdict.outcome != "ok"
    assert verdict.detail


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (COHERE, typed({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": {"message": "boom"}}})),
        (GEMINI, data({"candidates": [{"finishReason": "OTHER", "finishMessage": "boom"}]})),
        (GEMINI, data({"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "boom"}})),
        (CHAT, data(chunk(None, {"type": "abort", "message": "boom"}))),
    ],
)
def test_what_is_reported_of_an_end_is_kept(name: str, body: str) -> None:
    """The sentence that a server says of its finish reason is kept for the event."""
    protocol = PROTOCOLS[name]
    stream = decoded(protocol, body.encode(), Head(200, protocol.content_types[0]))
    stream.ending = Ending(EndKind.COMPLETE, 1.0)
    assert stream.finish().end.words == "boom"


def test_an_error_over_several_lines_is_one() -> None:
    """Lines that together are an error's JSON are one, outside the framing, and no words are kept twice."""
    decoder = Decoder(PROTOCOLS[OLLAMA], event_bytes=1 << 20, events=1 << 20)
    failures = [it for it, _ in decoder.feed(PRETTY_LINES.encode()) if isinstance(it, Failure)]
    assert [(it.message, it.framed) for it in failures] == [("model runner has unexpectedly stopped", False)]
    assert decoder.outside.text == ""
