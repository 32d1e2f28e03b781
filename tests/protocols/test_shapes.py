"""Shapes that protocols share: OpenAI's chunk in all its variants, errors, and what an error is about."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.protocols.shapes import (
    as_count,
    as_list,
    as_object,
    as_text,
    failure,
    fault_of,
    load,
    named_error,
    openai_frame,
    openai_usage,
)
from monitor.stream.events import Event, Failure, Fault, Finish, Meta, Output, Part, Stop, Usage

_TEXTS = st.lists(
    st.sampled_from(
        [*'{}[]",:\\/ \t\n\r\x00\x1f\ufeff', *"tfn019eE+-.", r"\ud83d", r"\ude00", r"\u0041", r"\uD800", "é", "😀"]
    )
    | st.sampled_from(
        ["true", "null", "NaN", "-Infinity", "1e400", "-0", "18446744073709551616", '{"a": ', '"a": ', "[["]
    ),
    max_size=14,
).map("".join)


@settings(max_examples=400)
@given(_TEXTS | _TEXTS.map(lambda inner: f'{{"a": "{inner}"}}') | _TEXTS.map(lambda inner: f'{{"a": {inner}}}'))
def test_json_is_what_the_standard_library_reads(text: str) -> None:
    """Whoever parses it first, an object is read as `json` reads it, and what `json` refuses is refused."""
    try:
        expected: object = json.loads(text)
    except ValueError:
        expected = None
    if isinstance(expected, dict):
        assert repr(load(text)) == repr(expected)
    else:
        with pytest.raises((ValueError, TypeError)):
            load(text)


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
        [Meta(model="m", usage=Usage(3, 2))],
    ),
    "usage without choices": ({"usage": {}}, [Meta(usage=Usage())]),
    "usage with null for choices": ({"usage": {}, "choices": None}, [Meta(usage=Usage())]),
    "usage in every chunk": (
        chunk({"content": "a"}, usage={"completion_tokens": 1}),
        [TEXT, Meta(usage=Usage(None, 1))],
    ),
    "usage with the end": (
        chunk({}, "stop", usage={"completion_tokens": 1}),
        [Meta(usage=Usage(None, 1)), Finish("stop")],
    ),
    "usage and a quiet choice": (chunk({}, usage={}), [Meta(usage=Usage(), choice=0)]),
    "no choices": ({"choices": [], "prompt_filter_results": []}, [Meta()]),
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
        [Failure(Fault.OTHER, "**NETWORK ERROR DUE TO HIGH TRAFFIC**", None, "50001")],
    ),
    "FastChat without an error": (chunk({"content": "a"}, error_code=0), [TEXT]),
}


@pytest.mark.parametrize(("frame", "events"), FRAMES.values(), ids=FRAMES.keys())
def test_chunks(frame: dict[str, object], events: list[Event]) -> None:
    """A chunk is read as output, life, or the end, in the order in which it says them."""
    assert list(openai_frame(frame)) == events


BAD_FRAMES: dict[str, tuple[dict[str, object], type[Exception]]] = {
    "no choices": ({}, KeyError),
    "an error that is none": ({"error": None}, KeyError),
    "choices of another type": ({"choices": 7}, TypeError),
    "a choice of another type": ({"choices": ["a"]}, TypeError),
    "a delta of another type": (chunk("a"), TypeError),
    "text of another type": (chunk({"content": 7}), TypeError),
    "a part of another type": (chunk({"content": ["a"]}), TypeError),
    "a reason of another type": (chunk({}, 7), TypeError),
    "tool calls of another type": (chunk({"tool_calls": {"a": 1}}), TypeError),
    "a function of another type": (chunk({"tool_calls": [{"function": "f"}]}), TypeError),
    "usage of another type": ({"choices": [], "usage": 7}, TypeError),
    "a model of another type": ({"choices": [], "model": 7}, TypeError),
}


@pytest.mark.parametrize(("frame", "error"), BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
def test_what_is_no_chunk(frame: dict[str, object], error: type[Exception]) -> None:
    """A wrong shape raises what the decoder takes for malformed."""
    with pytest.raises(error):
        list(openai_frame(frame))


USAGES = {
    "none": (None, None),
    "empty": ({}, Usage()),
    "all": (
        {"prompt_tokens": 1, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 3}},
        Usage(1, 2, 3),
    ),
    "null details": ({"prompt_tokens": 1, "completion_tokens_details": None}, Usage(1)),
    "zero is a count": ({"completion_tokens": 0}, Usage(None, 0)),
    "nonsense is none": ({"prompt_tokens": "1", "completion_tokens": -1, "completion_tokens_details": 7}, Usage()),
}


@pytest.mark.parametrize(("value", "usage"), USAGES.values(), ids=USAGES.keys())
def test_usage(value: object, usage: Usage | None) -> None:
    """Tokens are what the server counted, and absent where it did not."""
    assert openai_usage(value) == usage


LOADS = {
    "no JSON": ("the cat", ValueError),
    "half of it": ('{"a":', ValueError),
    "nothing": ("", ValueError),
    "two values": ("{}{}", ValueError),
    "nested too deeply": ("[" * 200_000, ValueError),
    "too many digits": ('{"a": ' + "1" * 5000 + "}", ValueError),
    "a list": ("[]", TypeError),
    "null": ("null", TypeError),
    "a control character in a string": ('{"a": "\0"}', ValueError),
}


@pytest.mark.parametrize(("text", "error"), LOADS.values(), ids=LOADS.keys())
def test_what_is_no_object(text: str, error: type[Exception]) -> None:
    """Text that holds no JSON object raises what the decoder takes for malformed."""
    with pytest.raises(error):
        load(text)


@given(st.text(max_size=50) | st.lists(st.sampled_from('{}[]":,a1\\ '), max_size=30).map("".join))
@settings(max_examples=100, deadline=None)
def test_no_text_raises_anything_else(text: str) -> None:
    """Whatever the text, it is an object, or no object."""
    with contextlib.suppress(ValueError, TypeError):
        assert isinstance(load(text), dict)


def test_values_are_what_they_seem() -> None:
    """Objects, lists, texts and counts are taken for nothing else."""
    assert (as_object({}), as_list([]), as_text("a"), as_text(None)) == ({}, [], "a", "")
    assert [as_count(value) for value in (0, 7, -1, True, 1.0, "1", None)] == [0, 7, None, None, None, None, None]
    for take, value in ((as_object, []), (as_list, {}), (as_text, 7)):
        with pytest.raises(TypeError):
            take(value)


FAILURES: dict[str, tuple[object, Failure]] = {
    "a text": ("Connection error.", Failure(Fault.UPSTREAM, "Connection error.")),
    "an empty text": ("", Failure(Fault.OTHER)),
    "null": (None, Failure(Fault.OTHER)),
    "a number": (503, Failure(Fault.OVERLOADED, "503")),
    "a list": ([1], Failure(Fault.OTHER)),
    "an object": (
        {"message": "no", "type": "server_error", "code": 500},
        Failure(Fault.OTHER, "no", "server_error", "500"),
    ),
    "an object that says nothing": ({}, Failure(Fault.OTHER)),
    "null everywhere": ({"message": None, "type": None, "code": None}, Failure(Fault.OTHER)),
    "a status for a code": (
        {"message": "busy", "status": "UNAVAILABLE"},
        Failure(Fault.OVERLOADED, "busy", None, "UNAVAILABLE"),
    ),
    "the code before the status": ({"code": 429, "status": "X"}, Failure(Fault.RATE_LIMITED, "", None, "429")),
    "one in another": ({"error": {"message": "no", "code": 404}}, Failure(Fault.NOT_FOUND, "no", None, "404")),
    "a text in another": ({"error": "Connection error."}, Failure(Fault.UPSTREAM, "Connection error.")),
    "a message beside another": ({"message": "no", "error": "Connection error."}, Failure(Fault.OTHER, "no")),
    "a msg for a message": ({"code": 4101, "msg": "no"}, Failure(Fault.OTHER, "no", None, "4101")),
    "objects for words": ({"message": {"a": 1}, "type": [], "code": ""}, Failure(Fault.OTHER)),
}


@pytest.mark.parametrize(("error", "found"), FAILURES.values(), ids=FAILURES.keys())
def test_failures(error: object, found: Failure) -> None:
    """An error is a text, or an object, or nothing that can be read; it is a failure all the same."""
    assert failure(error) == found


NAMED: dict[str, tuple[str, Failure]] = {
    "an error object": ('{"error": {"message": "no", "code": 404}}', Failure(Fault.NOT_FOUND, "no", None, "404")),
    "an object of its own": ('{"message": "no", "code": 404}', Failure(Fault.NOT_FOUND, "no", None, "404")),
    "plain text": ("Connection error.", Failure(Fault.UPSTREAM, "Connection error.")),
    "JSON that is no object": ("[]", Failure(Fault.OTHER, "[]")),
    "nothing": ("", Failure(Fault.OTHER)),
}


@pytest.mark.parametrize(("data", "found"), NAMED.values(), ids=NAMED.keys())
def test_events_named_error(data: str, found: Failure) -> None:
    """An event named error is one, whatever its data."""
    assert named_error(data) == found


FAULTS = [
    ("", None, "insufficient_quota", Fault.QUOTA),
    ("You exceeded your current quota, please check your plan and billing details.", None, None, Fault.QUOTA),
    ("Insufficient Balance", "unknown_error", "invalid_request_error", Fault.QUOTA),
    ("This request requires more credits", None, "402", Fault.QUOTA),
    ("Payment Required", None, None, Fault.QUOTA),
    ("Rate limit reached for requests", "requests", "rate_limit_exceeded", Fault.RATE_LIMITED),
    ("litellm.RateLimitError: this is a mock", "throttling_error", "429", Fault.RATE_LIMITED),
    ("Resource has been exhausted (e.g. check quota).", None, "429", Fault.RATE_LIMITED),
    ("", None, "RESOURCE_EXHAUSTED", Fault.RATE_LIMITED),
    ("Too Many Requests", None, None, Fault.RATE_LIMITED),
    ("Error code: 429 - {'error': {'message': 'slow down'}}", None, None, Fault.RATE_LIMITED),
    ("This model's maximum context length is 4096 tokens.", "invalid_request_error", None, Fault.CONTEXT_LENGTH),
    ("too long", "invalid_request_error", "context_length_exceeded", Fault.CONTEXT_LENGTH),
    ("the request exceeds the available context size", "exceed_context_size_error", "400", Fault.CONTEXT_LENGTH),
    ("Requested tokens (900) exceed context window of 512", None, None, Fault.CONTEXT_LENGTH),
    ("prompt is too long: 210000 tokens > 200000 maximum", "invalid_request_error", None, Fault.CONTEXT_LENGTH),
    ("Overloaded", "overloaded_error", None, Fault.OVERLOADED),
    ("Model is overloaded", "overloaded", None, Fault.OVERLOADED),
    ("The server is busy, please try again later", None, None, Fault.OVERLOADED),
    ("Loading model", "unavailable_error", "503", Fault.OVERLOADED),
    ("no capacity left", None, None, Fault.OVERLOADED),
    ("", None, "529", Fault.OVERLOADED),
    ("Incorrect API key provided: sk-x.", "invalid_request_error", "invalid_api_key", Fault.AUTH),
    ("invalid x-api-key", "authentication_error", None, Fault.AUTH),
    ("Error code: 401 - {'error': 'no'}", None, None, Fault.AUTH),
    ("Your account has no permission", None, None, Fault.AUTH),
    ("API key not valid. Please pass a valid API key.", None, "400", Fault.AUTH),
    ("Input validation error: `inputs` must have less than 8 tokens. Given: 9", "validation", None,
     Fault.CONTEXT_LENGTH),
    ("`inputs` tokens + `max_new_tokens` must be <= 9. Given: 8 `inputs` tokens", None, None, Fault.CONTEXT_LENGTH),
    ("The input token count (9) exceeds the maximum number of tokens allowed (8).", None, "400", Fault.CONTEXT_LENGTH),
    ("Forbidden", None, "403", Fault.AUTH),
    ("The model `x` does not exist", "invalid_request_error", "model_not_found", Fault.NOT_FOUND),
    ("model 'x' not found, try pulling it first", None, None, Fault.NOT_FOUND),
    ("no such model", None, None, Fault.NOT_FOUND),
    ("gone", None, "410", Fault.NOT_FOUND),
    ("gone", None, "404", Fault.NOT_FOUND),
    ("peer closed connection without sending complete message body (incomplete chunked read)", None, None,
     Fault.UPSTREAM),
    ("litellm.APIConnectionError: Response payload is not completed", None, "500", Fault.UPSTREAM),
    ("Connection error.", None, None, Fault.UPSTREAM),
    ("an error was encountered while running the model: unexpected EOF", None, None, Fault.UPSTREAM),
    ("llama runner process has terminated: exit status 2", None, None, Fault.UPSTREAM),
    ("socket hang up", None, None, Fault.UPSTREAM),
    ("write: broken pipe", None, None, Fault.UPSTREAM),
    ("Request timed out.", None, None, Fault.UPSTREAM),
    ("Error code: 500 - {'error': {'message': 'CUDA out of memory'}}", None, None, Fault.UPSTREAM),
    ("Bad Gateway", None, None, Fault.UPSTREAM),
    ("boom", None, "502", Fault.UPSTREAM),
    ("boom", None, "504", Fault.UPSTREAM),
    ("CUDA out of memory", "server_error", "500", Fault.OTHER),
    ("Error code: 400 - {'error': {'message': 'bad tools'}}", None, None, Fault.OTHER),
    ("'NoneType' object is not iterable", None, None, Fault.OTHER),
    ("at offset 1429 of 4290", None, None, Fault.OTHER),
    ("", None, None, Fault.OTHER),
]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "kind", "code", "fault"), FAULTS, ids=[f"{row[2]} {row[0]}"[:40] for row in FAULTS]
)
def test_what_an_error_is_about(message: str, kind: str | None, code: str | None, fault: Fault) -> None:
    """By the words of its type and code, then by its status code, then by its message."""
    assert fault_of(message, kind, code) is fault


def test_type_and_code_are_believed_before_the_message() -> None:
    """A message may speak of other things than the error is about."""
    assert fault_of("the context length and the rate limit", "overloaded_error") is Fault.OVERLOADED
    assert fault_of("quota", "invalid_request_error", "402") is Fault.QUOTA
    assert fault_of("rate limit", None, "402") is Fault.QUOTA


@given(st.text(max_size=60), st.none() | st.text(max_size=20), st.none() | st.text(max_size=10))
@settings(max_examples=100, deadline=None)
def test_every_error_is_about_something(message: str, kind: str | None, code: str | None) -> None:
    """No words of an error raise."""
    assert fault_of(message, kind, code) in Fault
