"""Shapes that protocols share: OpenAI's chunk in all its variants, and the tokens that servers count."""

from __future__ import annotations

import pytest

from monitor.protocols.shapes import FOREIGN, _any_frame, openai_frame, usage_of
from monitor.stream.events import Event, Failure, Fault, Finish, Meta, Output, Part, Stop, Usage


def chunk(delta: object = None, reason: object = None, **more: object) -> dict[str, object]:
    """Return a chunk of one choice."""
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}


TEXT, QUIET = Output("a"), Meta(choice=0)
FRAMES: dict[str, tuple[dict[str, object], list[Event]]] = {
    "text": (chunk({"content": "a"}), [TEXT]),
    "role": (chunk({"role": "assistant"}), [QUIET]),
    "role and empty text": (chunk({"role": "assistant", "content": ""}), [QUIET]),
    "role and null": (chunk({"role": "assistant", "content": None}), [QUIET]),
    "no delta": (chunk(), [QUIET]),
    "the model": (chunk({}, model="m"), [Meta(model="m", choice=0)]),
    "reasoning_content": (chunk({"reasoning_content": "a"}), [Output("a", Part.REASONING)]),
    "reasoning": (chunk({"reasoning": "a"}), [Output("a", Part.REASONING)]),
    "reasoning in both words is one": (
        chunk({"reasoning_content": "a", "reasoning": "a"}),
        [Output("a", Part.REASONING)],
    ),
    "reasoning and text": (chunk({"reasoning": "a", "content": "b"}), [Output("a", Part.REASONING), Output("b")]),
    "refusal": (chunk({"refusal": "no"}), [Output("no", Part.REFUSAL)]),
    "no refusal": (chunk({"refusal": None, "content": "a"}), [TEXT]),
    "a tool call": (
        chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{"}}]}),
        [Output("{", Part.TOOL_CALL)],
    ),
    "two tool calls without arguments yet": (
        chunk({"tool_calls": [{"function": {"name": "f"}}, {"id": "x"}]}),
        [Output("", Part.TOOL_CALL), Output("", Part.TOOL_CALL)],
    ),
    "no tool calls": (chunk({"tool_calls": [], "content": "a"}), [TEXT]),
    "a function call": (chunk({"function_call": {"arguments": "{"}}), [Output("{", Part.TOOL_CALL)]),
    "text in parts": (chunk({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": ""}]}), [TEXT]),
    "thinking in parts": (
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}, {"text": "b"}]}]}),
        [Output("ab", Part.REASONING)],
    ),
    "thinking as text": (
        chunk({"content": [{"type": "thinking", "thinking": "a"}]}),
        [Output("a", Part.REASONING)],
    ),
    "a part of another kind": (chunk({"content": [{"type": "image"}]}), [QUIET]),
    "the end": (chunk({}, "stop"), [Meta(), Finish("stop")]),
    "the end with the last text": (chunk({"content": "a"}, "stop"), [TEXT, Meta(), Finish("stop")]),
    "at a limit": (chunk({}, "length"), [Meta(), Finish("length", Stop.LENGTH)]),
    "filtered": (chunk({}, "content_filter"), [Meta(), Finish("content_filter", Stop.CONTENT_FILTER)]),
    "aborted": (chunk({}, "abort"), [Meta(), Finish("abort", Stop.ABORT)]),
    "failed": (chunk({}, "error"), [Meta(), Finish("error", Stop.ABORT)]),
    "another reason": (chunk({}, "eos"), [Meta(), Finish("eos")]),
    "an empty reason is none": (chunk({"content": "a"}, ""), [TEXT]),
    "usage": (
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}, "model": "m"},
        [Meta(shared=True, model="m", usage=Usage(3, 2))],
    ),
    "usage without choices": ({"usage": {}}, [Meta(foreign=True)]),
    "usage with null for choices": ({"usage": {}, "choices": None}, [Meta(shared=True)]),
    "usage in every chunk": (
        chunk({"content": "a"}, usage={"completion_tokens": 1}),
        [TEXT, Meta(usage=Usage(None, 1))],
    ),
    "usage with the end": (
        chunk({}, "stop", usage={"completion_tokens": 1}),
        [Meta(usage=Usage(None, 1)), Finish("stop")],
    ),
    "usage and a quiet choice": (chunk({}, usage={}), [QUIET]),
    "a chunk of the legacy completions": (
        {"choices": [{"index": 0, "text": "a", "finish_reason": "stop"}]},
        [Meta(foreign=True)],
    ),
    "why it ended, in an object": (
        chunk({}, {"type": "abort", "message": "the worker left"}),
        [Meta(), Finish("abort", Stop.ABORT, words="the worker left")],
    ),
    "no choices": ({"choices": [], "prompt_filter_results": []}, [Meta(shared=True)]),
    "two choices": (
        {
            "choices": [
                {"index": 1, "delta": {"content": "b"}},
                {"index": 0, "delta": {}, "finish_reason": "stop"},
                {"index": 2, "delta": {}},
            ]
        },
        [Output("b", choice=1), Meta(choice=2), Finish("stop")],
    ),
    "a choice without a number": ({"choices": [{"delta": {"content": "a"}}]}, [TEXT]),
    "an error": ({"error": {"message": "Too many requests"}}, [Failure(Fault.RATE_LIMITED, "Too many requests")]),
    "an error beside choices": (chunk({}, "error", error={"code": 502}), [Failure(Fault.UPSTREAM, "", None, "502")]),
    "no error": (chunk({"content": "a"}, error=None), [TEXT]),
    "vLLM's old error": (
        {"object": "error", "message": "no such model", "code": 404},
        [Failure(Fault.NOT_FOUND, "no such model", None, "404")],
    ),
    "FastChat's error": (
        {"text": "**NETWORK ERROR DUE TO HIGH TRAFFIC**", "error_code": 50001},
        [Failure(Fault.OVERLOADED, "**NETWORK ERROR DUE TO HIGH TRAFFIC**", None, "50001")],
    ),
    "FastChat without an error": (chunk({"content": "a"}, error_code=0), [TEXT]),
}


@pytest.mark.parametrize(("frame", "events"), FRAMES.values(), ids=FRAMES.keys())
def test_chunks(frame: dict[str, object], events: list[Event]) -> None:
    """A chunk is read as output, meta or the end, in the order of its parts."""
    assert list(openai_frame(frame)) == events


BAD_FRAMES: dict[str, dict[str, object]] = {
    "choices of another type": {"choices": 7},
    "a choice of another type": {"choices": ["a"]},
    "a delta of another type": chunk("a"),
    "tool calls of another type": chunk({"tool_calls": "f"}),
    "a function of another type": chunk({"tool_calls": [{"function": "f"}]}),
}


@pytest.mark.parametrize("frame", BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
def test_what_is_no_chunk(frame: dict[str, object]) -> None:
    """A container of another type raises what the decoder takes for malformed."""
    with pytest.raises(TypeError):
        list(openai_frame(frame))


LENIENT: dict[str, tuple[dict[str, object], list[Event]]] = {
    "nothing of the protocol": ({}, [FOREIGN]),
    "an error that is none": ({"error": None}, [FOREIGN]),
    "a number for text": (chunk({"content": 7}), [Output("7")]),
    "a truth value for text": (chunk({"content": True}), [QUIET]),
    "an object for text": (chunk({"content": {"type": "text", "text": "a"}}), [TEXT]),
    "a text for a part": (chunk({"content": ["a"]}), [TEXT]),
    "a number for a reason": (chunk({}, 7), [Meta(), Finish("7")]),
    "one tool call that is no list": (
        chunk({"tool_calls": {"function": {"name": "f", "arguments": {"a": 1}}}}),
        [Output('{"a":1}', Part.TOOL_CALL)],
    ),
    "a custom tool": (chunk({"tool_calls": [{"custom": {"input": "a"}}]}), [Output("a", Part.TOOL_CALL)]),
    "usage of another type": ({"choices": [], "usage": 7}, [Meta(shared=True)]),
    "a model of another type": ({"choices": [], "model": 7}, [Meta(shared=True, model="7")]),
    "no choice in the list": ({"choices": [None]}, [Meta(shared=True)]),
    "a whole message repeats": (
        {"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}]},
        [Output("a", repeats=True), Meta(), Finish("stop")],
    ),
    "an error object beside output": (
        chunk({"content": "a"}, error={"message": "no"}),
        [TEXT, Failure(Fault.OTHER, "no")],
    ),
    "a message and a code beside output": (chunk({"content": "a"}, code=7, message="hm"), [TEXT]),
    "a message and a code": ({"code": "7", "message": "hm"}, [Failure(Fault.OTHER, "hm", None, "7")]),
    "a message and a code that says success": ({"code": 200, "message": "hm"}, [FOREIGN]),
    "an error in a choice that is none": (
        {"choices": [{"index": 0, "delta": {"content": "a"}, "error": {}}]},
        [TEXT],
    ),
    "Copilot's reasoning": (chunk({"reasoning_text": "a"}), [Output("a", Part.REASONING)]),
    "MiniMax's reasoning": (
        chunk({"reasoning_details": [{"type": "reasoning.text", "text": "a"}]}),
        [Output("a", Part.REASONING)],
    ),
    "a summary of reasoning": (
        chunk({"reasoning_details": [{"type": "reasoning.summary", "summary": "a"}]}),
        [Output("a", Part.REASONING)],
    ),
    "encrypted reasoning": (
        chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}], "reasoning_opaque": "x"}),
        [QUIET],
    ),
    "Envoy's reasoning": (chunk({"reasoning_content": {"text": "a"}}), [Output("a", Part.REASONING)]),
    "Envoy's signature": (chunk({"reasoning_content": {"signature": "x"}}), [QUIET]),
    "LiteLLM's thinking blocks": (
        chunk({"thinking_blocks": [{"type": "thinking", "thinking": "a", "signature": "x"}]}),
        [Output("a", Part.REASONING)],
    ),
    "Databricks' reasoning": (
        chunk({"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}]}]}),
        [Output("a", Part.REASONING)],
    ),
    "a refusal in parts": (chunk({"content": [{"type": "refusal", "refusal": "no"}]}), [Output("no", Part.REFUSAL)]),
    "Groq's usage": (
        chunk({}, "stop", x_groq={"usage": {"prompt_tokens": 3, "completion_tokens": 2}}),
        [Meta(usage=Usage(3, 2)), Finish("stop")],
    ),
    "Moonshot's usage": (
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": {"completion_tokens": 2}}]},
        [Meta(usage=Usage(None, 2)), Finish("stop")],
    ),
}


@pytest.mark.parametrize(("frame", "events"), LENIENT.values(), ids=LENIENT.keys())
def test_no_stricter_than_the_vendors_clients(frame: dict[str, object], events: list[Event]) -> None:
    """Values of other types, other names and foreign objects are read as the vendors' own clients read them."""
    assert list(openai_frame(frame)) == events


USAGES = {
    "none": (None, None),
    "empty": ({}, None),
    "reasoning apart, as xAI counts it": (
        {"prompt_tokens": 1, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 3}},
        Usage(1, 5, 3),
    ),
    "null details": ({"prompt_tokens": 1, "completion_tokens_details": None}, Usage(1)),
    "zero is a count": ({"completion_tokens": 0}, Usage(None, 0)),
    "nonsense is none": ({"prompt_tokens": "one", "completion_tokens": -1, "completion_tokens_details": 7}, None),
    "digits count": ({"prompt_tokens": "1", "completion_tokens": 2.0}, Usage(1, 2)),
    "no finite number": ({"prompt_tokens": float("inf"), "completion_tokens": float("nan")}, None),
    "Anthropic's caches": (
        {"input_tokens": 1, "cache_read_input_tokens": 5, "cache_creation_input_tokens": None, "output_tokens": 2},
        Usage(6, 2),
    ),
    "another list of details": ([1], None),
    "reasoning of its own": ({"completion_tokens": 9, "reasoning_tokens": 3}, Usage(None, 9, 3)),
}


@pytest.mark.parametrize(("value", "usage"), USAGES.values(), ids=USAGES.keys())
def test_usage(value: object, usage: Usage | None) -> None:
    """Tokens are those that the server counted, and absent without a count."""
    assert usage_of(value) == usage


MORE: dict[str, dict[str, object]] = {
    "as it is": {},
    "what servers add": {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "usage": None},
    "usage": {"usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    "an error by its object": {"object": "error"},
    "a message with a code": {"message": "no", "code": 500},
    "an error": {"error": {"message": "no"}},
    "Groq's usage": {"x_groq": {"usage": {"prompt_tokens": 1}}},
}
CHOICES: dict[str, dict[str, object]] = {
    "as it is": {},
    "of another index": {"index": 3, "logprobs": {"content": []}},
    "of an index that counts nothing": {"index": "x"},
    "the last": {"finish_reason": "stop"},
    "by its native reason": {"native_finish_reason": "length"},
    "with an error": {"error": {"message": "no"}},
    "with usage": {"usage": {"prompt_tokens": 1}},
    "with a role": {"delta": {"role": "assistant", "content": "a"}},
    "empty": {"delta": {"content": ""}},
    "of a number": {"delta": {"content": 1}},
    "of no delta": {"delta": None},
}


@pytest.mark.parametrize("of_choice", CHOICES.values(), ids=CHOICES.keys())
@pytest.mark.parametrize("more", MORE.values(), ids=MORE.keys())
def test_the_usual_chunk_is_read_as_any_other(more: dict[str, object], of_choice: dict[str, object]) -> None:
    """The fast path for usual chunks gives the same events as the general one."""
    frame: dict[str, object] = {"choices": [{"delta": {"content": "a"}, "finish_reason": None, **of_choice}], **more}
    assert list(openai_frame(frame)) == list(_any_frame(frame))
