"""Streams as users of real servers reported them: servers, gateways and SDKs of many vendors, and what each comes to.

Each is rebuilt from the facts of a report or of a server's source; the name says whose it is.
"""

from __future__ import annotations

import json

import pytest

from monitor.target import PatternCheck, Terminator
from tests.protocols.streams import (
    CLOSE,
    CUT,
    DONE,
    END,
    OPEN,
    PRETTY,
    SPOKEN,
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

OPENAI, ANTHROPIC, GEMINI, RESPONSES = "openai-chat", "anthropic-messages", "gemini", "openai-responses"
STREAMS: dict[str, Reported] = {
    # ends and words
    "vLLM: an error, then [DONE]": Reported(
        OPENAI, data({"error": {"message": "late", "code": 504}}) + DONE, "stream_error/upstream", 0
    ),
    "SGLang: no reason ever": Reported(OPENAI, text("a", "b") + DONE, "truncated/no_terminator", 2),
    "DashScope: the word null for no reason": Reported(
        OPENAI, data(chunk({"content": "a"}, "null"), chunk({"content": "b"}, "null")) + END, "ok", 2
    ),
    "One-API: stop on every chunk": Reported(
        OPENAI, data(*(chunk({"content": it}, "stop") for it in "abc")) + DONE, "ok", 3
    ),
    "One-API: stop on every chunk, cut": Reported(
        OPENAI, data(*(chunk({"content": it}, "stop") for it in "abc")), "truncated/incomplete_body", 3, CUT
    ),
    "an index that counts up": Reported(
        OPENAI,
        data(
            *(
                {"choices": [{"index": at, "delta": {"content": "a"}, "finish_reason": "stop" if at == 2 else None}]}
                for at in range(3)
            )
        )
        + DONE,
        "ok",
        3,
    ),
    "a gateway passes Gemini's word on": Reported(
        OPENAI, text("a") + data(chunk(None, "RECITATION")) + DONE, "filtered/content_filter", 1
    ),
    "Bedrock's guardrail": Reported(
        OPENAI, text("a") + data(chunk(None, "guardrail_intervened")) + DONE, "filtered/content_filter", 1
    ),
    "Azure's filter in the middle": Reported(
        OPENAI,
        data({"choices": [], "prompt_filter_results": []}) + text("a") + data(chunk(None, "content_filter")) + DONE,
        "filtered/content_filter",
        1,
    ),
    "Gemini behind OpenAI's shape: a filter of calls": Reported(
        OPENAI,
        data(chunk({"reasoning_content": "hm"}), chunk(None, "function_call_filter: MALFORMED_FUNCTION_CALL")) + DONE,
        "truncated/server_abort",
        1,
    ),
    "Gemini behind OpenAI's shape: a filter of content": Reported(
        OPENAI, text("a") + data(chunk(None, "content_filter: OTHER")) + DONE, "filtered/content_filter", 1
    ),
    "Azure: offsets after the end": Reported(
        OPENAI,
        text("a")
        + data(chunk(None, "stop"), {"choices": [{"index": 0, "content_filter_offsets": {"check_offset": 4}}]})
        + DONE,
        "ok",
        1,
    ),
    "Zhipu's sensitive": Reported(
        OPENAI, text("a") + data(chunk(None, "sensitive")) + DONE, "filtered/content_filter", 1
    ),
    "Zhipu's network_error": Reported(
        OPENAI, text("a") + data(chunk(None, "network_error")) + DONE, "truncated/server_abort", 1
    ),
    "DeepSeek lacks resources": Reported(
        OPENAI, text("a") + data(chunk(None, "insufficient_system_resource")) + DONE, "truncated/server_abort", 1
    ),
    "SGLang's reason is an object": Reported(
        OPENAI, text("a") + data(chunk(None, {"type": "abort", "message": "gone"})) + DONE, "truncated/server_abort", 1
    ),
    "OpenRouter's native reason": Reported(
        OPENAI,
        text("a")
        + data({"choices": [{"delta": {}, "finish_reason": "stop", "native_finish_reason": "MALFORMED_FUNCTION_CALL"}]})
        + DONE,
        "truncated/server_abort",
        1,
    ),
    "vLLM's stop_reason is a user's string": Reported(
        OPENAI,
        text("a") + data({"choices": [{"delta": {}, "finish_reason": "stop", "stop_reason": "error"}]}) + DONE,
        "ok",
        1,
    ),
    "an unknown word": Reported(OPENAI, text("a") + data(chunk(None, "OF_A_LATER_VERSION")) + DONE, "ok", 1),
    "watsonx goes on": Reported(
        OPENAI, data(chunk({"content": "a"}, "not_finished")) + DONE, "truncated/no_terminator", 1
    ),
    "no reason, and the marker asked for": Reported(OPENAI, text("a") + DONE, "ok", 1, terminator=Terminator.MARKER),
    "garbage after the end": Reported(
        OPENAI, text("a") + data(chunk(None, "stop"), "[ALL DONE]"), "ok", 1, unclean=True
    ),
    "one object without choices after the end": Reported(
        OPENAI, text("a") + data(chunk(None, "stop"), {"id": "x"}) + DONE, "ok", 1
    ),
    # errors
    "OpenRouter: an error beside its reason": Reported(
        OPENAI,
        ": OPENROUTER PROCESSING\n\n"
        + text("a")
        + data(chunk({"content": ""}, "error", error={"code": "server_error", "message": "Provider disconnected"})),
        "stream_error/upstream",
        1,
    ),
    "OpenRouter: an error in a choice": Reported(
        OPENAI,
        text("a")
        + data({"choices": [{"delta": {}, "finish_reason": "error", "error": {"code": 429, "message": "slow"}}]}),
        "stream_error/rate_limited",
        1,
    ),
    "fields of its own": Reported(
        OPENAI,
        data({"error_type": "context_length_exceeded", "error_message": "too long"}),
        "stream_error/context_length",
        0,
    ),
    "an empty error on every chunk": Reported(
        OPENAI, data(chunk({"content": "a"}, error=""), chunk({"content": "b"}, "stop", error="")) + DONE, "ok", 2
    ),
    "Alibaba: a code and a message": Reported(
        OPENAI,
        text("a") + data({"code": "InvalidApiKey", "message": "Invalid API-key provided.", "request_id": "r"}),
        "stream_error/auth",
        1,
    ),
    "New-API: a success with a code": Reported(OPENAI, data({"code": 0, "message": "ok"}) + text("a") + END, "ok", 1),
    "MiniMax: base_resp": Reported(
        OPENAI,
        data({"choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate limit"}}),
        "stream_error/rate_limited",
        0,
    ),
    "Workers AI: errors": Reported(
        OPENAI,
        data({"success": False, "errors": [{"code": 3040, "message": "Capacity temporarily exceeded"}]}),
        "stream_error/overloaded",
        0,
    ),
    "a plain error event": Reported(
        OPENAI, text("a") + data("upstream request timeout", name="error"), "stream_error/upstream", 1
    ),
    "Dify behind OpenAI's shape": Reported(
        OPENAI,
        text("a") + data({"event": "error", "code": "provider_quota_exceeded", "message": "no"}),
        "stream_error/quota",
        1,
    ),
    "an error's JSON outside the framing": Reported(
        OPENAI, text("a") + '{"error": {"message": "boom", "code": 500}}\n', "stream_error/other", 1
    ),
    "a proxy's answer inside the body": Reported(
        OPENAI,
        text("a") + "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html></html>\r\n",
        "truncated/no_terminator",
        1,
    ),
    "a line in words": Reported(OPENAI, text("a") + "Internal Server Error\n", "truncated/no_terminator", 1),
    "chunks that lost their prefix": Reported(
        OPENAI, text("a") + json.dumps(chunk(None, "stop")) + "\n\n[DONE]\n\n", "truncated/no_terminator", 1
    ),
    "JSON lines for events": Reported(
        OPENAI, json.dumps(chunk({"content": "a"})) + "\n", "bad_response/not_protocol", 0
    ),
    "another protocol's objects": Reported(
        OPENAI, data({"response": "a"}, {"response": "b"}), "bad_response/not_protocol", 0
    ),
    "another protocol's objects, and the marker that many share": Reported(
        OPENAI, data({"response": "a"}) + DONE, "bad_response/not_protocol", 0
    ),
    "events without the blank line that ends them": Reported(
        OPENAI, (text("a", "b") + END).replace("\n\n", "\n"), "bad_response/not_protocol", 0
    ),
    "nothing but null": Reported(OPENAI, data("null", "null"), "bad_response/not_protocol", 0),
    # leniency
    "Workers AI: a number for text": Reported(
        OPENAI, data(chunk({"content": 6}), chunk({"content": "a"})) + END, "ok", 2
    ),
    "Envoy: an object for reasoning": Reported(
        OPENAI, data(chunk({"reasoning_content": {"text": "hm"}})) + text("a") + END, "ok", 2
    ),
    "MiniMax: reasoning_details": Reported(
        OPENAI,
        data(chunk({"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]})) + text("a") + END,
        "ok",
        2,
    ),
    "Copilot: reasoning_text": Reported(
        OPENAI, data(chunk({"reasoning_text": "hm"}), chunk({"reasoning_opaque": "x"})) + text("a") + END, "ok", 2
    ),
    "tool arguments as an object": Reported(
        OPENAI,
        data(chunk({"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}]}, "tool_calls"))
        + DONE,
        "ok",
        1,
    ),
    "choices as an object": Reported(
        OPENAI, text("a") + data({"choices": {}}) + END, "bad_response/malformed_event", 1
    ),
    "half an object": Reported(OPENAI, text("a") + data('{"choices": [') + END, "bad_response/malformed_event", 1),
    "a usage without sense": Reported(
        OPENAI,
        text("a") + data(chunk(None, "stop", usage={"completion_tokens": "many", "prompt_tokens": -1})) + DONE,
        "ok",
        1,
    ),
    "a count of 5,000 digits": Reported(
        OPENAI, text("a") + data('{"choices":[],"usage":{"completion_tokens":' + "9" * 5000 + "}}") + END, "ok", 1
    ),
    "nested 10,000 deep": Reported(
        OPENAI, text("a") + data('{"choices":' + "[" * 10_000) + END, "bad_response/malformed_event", 1
    ),
    # Anthropic
    "vLLM: [DONE] after message_stop": Reported(ANTHROPIC, typed(START, OPEN, delta("a"), CLOSE, STOP) + DONE, "ok", 1),
    "all text as the block starts": Reported(
        ANTHROPIC, typed(START, {**OPEN, "content_block": {"type": "text", "text": "a"}}, CLOSE, STOP), "ok", 1
    ),
    "all of it as the message starts": Reported(
        ANTHROPIC,
        typed({"type": "message_start", "message": {"content": [{"type": "text", "text": "a"}]}}, STOP),
        "ok",
        1,
    ),
    "redacted thinking is no output": Reported(
        ANTHROPIC,
        typed(START, {**OPEN, "content_block": {"type": "redacted_thinking", "data": "x"}}, CLOSE, STOP),
        "empty/no_output",
        0,
    ),
    "an error event without an error": Reported(
        ANTHROPIC,
        typed(START, OPEN, delta("a"), {"type": "error", "message": "upstream closed"}),
        "stream_error/upstream",
        1,
    ),
    "an error event in words": Reported(
        ANTHROPIC, typed(START) + data("Overloaded", name="error"), "stream_error/overloaded", 0
    ),
    "a ping in words": Reported(
        ANTHROPIC, data("pong", name="ping") + typed(START, OPEN, delta("a"), CLOSE, STOP), "ok", 1
    ),
    "a gateway's OpenAI error": Reported(
        ANTHROPIC,
        data({"error": {"message": "Budget has been exceeded!", "type": "budget_exceeded"}}),
        "stream_error/quota",
        0,
    ),
    "Copilot: [DONE] alone, asked for": Reported(
        ANTHROPIC, typed(START, OPEN, delta("a"), CLOSE) + DONE, "ok", 1, terminator=Terminator.MARKER
    ),
    "Anthropic: OpenAI's chunks": Reported(ANTHROPIC, text("a") + END, "bad_response/not_protocol", 0),
    # Gemini
    "a bare error after events": Reported(GEMINI, data(candidate("a")) + PRETTY + "\n", "stream_error/overloaded", 1),
    "a bare error alone, without a line end": Reported(GEMINI, PRETTY, "stream_error/overloaded", 0),
    "a number for a reason": Reported(GEMINI, data(candidate("a"), candidate("b", 1)), "ok", 2),
    "an unspecified reason": Reported(
        GEMINI, data(candidate("a", "FINISH_REASON_UNSPECIFIED")), "truncated/no_terminator", 1
    ),
    "an unknown reason is an abort": Reported(GEMINI, data(candidate("a", "NEW_REASON")), "truncated/server_abort", 1),
    "a gateway's code and message": Reported(GEMINI, data({"code": 403, "message": "no"}), "stream_error/auth", 0),
    # OpenAI's responses
    "completed says incomplete": Reported(
        RESPONSES,
        typed(
            SPOKEN,
            {
                "type": "response.completed",
                "response": {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            },
        ),
        "truncated/token_limit",
        1,
        check=PatternCheck("dawn"),
    ),
    "completed says failed": Reported(
        RESPONSES,
        typed(
            SPOKEN,
            {
                "type": "response.completed",
                "response": {"status": "failed", "error": {"code": "server_error", "message": "no"}},
            },
        ),
        "stream_error/other",
        1,
    ),
    "completed says cancelled": Reported(
        RESPONSES,
        typed(SPOKEN, {"type": "response.completed", "response": {"status": "cancelled"}}),
        "truncated/server_abort",
        1,
    ),
    "incomplete by a filter": Reported(
        RESPONSES,
        typed(
            SPOKEN, {"type": "response.incomplete", "response": {"incomplete_details": {"reason": "content_filter"}}}
        ),
        "filtered/content_filter",
        1,
    ),
    "a number that comes again": Reported(
        RESPONSES,
        typed(
            SPOKEN,
            {**SPOKEN, "sequence_number": 0},
            {"type": "response.completed", "sequence_number": 1, "response": {}},
        ),
        "ok",
        2,
    ),
    "only the whole text": Reported(
        RESPONSES,
        typed(
            {
                "type": "response.completed",
                "response": {"output": [{"content": [{"type": "output_text", "text": "a"}]}]},
            }
        ),
        "ok",
        1,
    ),
    "reasoning in pieces, the text whole": Reported(
        RESPONSES,
        typed(
            {"type": "response.reasoning_text.delta", "delta": "hm"},
            {"type": "response.reasoning_text.done", "text": "hm"},
            {"type": "response.output_text.done", "text": "a"},
            {"type": "response.completed", "response": {"output": [{"content": [{"text": "a"}]}]}},
        ),
        "ok",
        2,
    ),
    "text in pieces, the reasoning whole": Reported(
        RESPONSES,
        typed(
            SPOKEN,
            {"type": "response.reasoning_text.done", "text": "hm"},
            {"type": "response.completed", "response": {}},
        ),
        "ok",
        1,
    ),
    "FastAPI's detail": Reported(RESPONSES, data({"detail": "no"}), "bad_response/not_protocol", 0),
    # others
    "Dify: an error, then pings": Reported(
        "dify",
        data({"event": "error", "code": "not_found", "status": 404, "message": "no"}) + "event: ping\n\n" * 3,
        "stream_error/not_found",
        0,
    ),
    "Dify: a gateway's refusal": Reported(
        "dify",
        data({"code": "unauthorized", "message": "Access token is invalid", "status": 401}),
        "stream_error/auth",
        0,
    ),
    "Cohere: a word of its own": Reported(
        "cohere-v2",
        typed(
            {"type": "content-delta", "delta": {"message": {"content": {"text": "a"}}}},
            {"type": "message-end", "delta": {"finish_reason": "ERROR_LIMIT"}},
        ),
        "ok",
        1,
    ),
    "Cohere: toxic": Reported(
        "cohere-v2",
        typed(
            {"type": "content-delta", "delta": {"message": {"content": {"text": "a"}}}},
            {"type": "message-end", "delta": {"finish_reason": "ERROR_TOXIC"}},
        ),
        "filtered/content_filter",
        1,
    ),
    "TGI: overloaded": Reported(
        "tgi", data({"error": "Model is overloaded", "error_type": "overloaded"}), "stream_error/overloaded", 0
    ),
    "llama.cpp: the old field": Reported(
        "llamacpp-completion", 'error: {"code":500,"message":"slot unavailable"}\n\n', "stream_error/overloaded", 0
    ),
    "FastGPT: an error event": Reported(
        "fastgpt", data({"message": "Connection error."}, name="error"), "stream_error/upstream", 0
    ),
    "Coze: refused": Reported(
        "coze-v3", data({"code": 4100, "msg": "authentication is invalid"}), "stream_error/auth", 0
    ),
    "Ollama: the runner dies": Reported(
        "ollama-chat",
        '{"message":{"content":"a"}}\n{"error":"an error was encountered while running the model: unexpected EOF"}\n',
        "stream_error/upstream",
        1,
    ),
    "Ollama: [DONE] after the end": Reported(
        "ollama-chat", '{"message":{"content":"a"},"done":true,"done_reason":"stop"}\n[DONE]\n', "ok", 1
    ),
    "Ollama: OpenAI's chunks": Reported(
        "ollama-chat", json.dumps(chunk({"content": "a"})) + "\n", "bad_response/not_protocol", 0
    ),
}


@pytest.mark.parametrize("reported", STREAMS.values(), ids=STREAMS.keys())
def test_the_verdict(reported: Reported) -> None:
    """No target is blamed for what it did not do, and none is excused for what it did."""
    holds(reported)
