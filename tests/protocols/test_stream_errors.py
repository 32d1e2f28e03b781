"""Errors that streams report: which JSON is one, what it says, and what it is about."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.protocols.stream_errors import answered_error, failure, failure_in, fault_of, named_error
from monitor.stream.events import Failure, Fault

FAILURES: dict[str, tuple[object, Failure]] = {
    "a text": ("Connection error.", Failure(Fault.UPSTREAM, "Connection error.")),
    "an empty text": ("", Failure(Fault.OTHER)),
    "null": (None, Failure(Fault.OTHER)),
    "a number": (503, Failure(Fault.OVERLOADED, "503")),
    "a list": ([1], Failure(Fault.OTHER, "1")),
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
    ("Rate limit reached, see https://platform/account/billing", None, None, Fault.RATE_LIMITED),
    ("Requests have exceeded call rate limit of your current pricing tier.", None, "429", Fault.RATE_LIMITED),
    ("9 tokens (429 in the messages); the maximum context length is 8", None, None, Fault.CONTEXT_LENGTH),
    ("context deadline exceeded", None, None, Fault.UPSTREAM),
    ("stream error: stream ID 5; INTERNAL_ERROR; received from peer", None, None, Fault.UPSTREAM),
    ("read tcp 10.0.0.1:80: i/o timeout", None, None, Fault.UPSTREAM),
    ("connect ECONNRESET", None, None, Fault.UPSTREAM),
    ("upstream connect error or disconnect/reset before headers", None, None, Fault.UPSTREAM),
    ("当前分组上游负载已饱和请稍后再试", "new_api_error", None, Fault.OVERLOADED),
    ("当前分组 default 下对于模型 m 无可用渠道", "new_api_error", None, Fault.OVERLOADED),
    ("您当前使用该API的并发数过高请降低并发", None, "1302", Fault.RATE_LIMITED),
    ("该模型当前访问量过大请您稍后再试", None, "1305", Fault.OVERLOADED),
    ("Prompt 超长", None, "1261", Fault.CONTEXT_LENGTH),
    ("用户余额不足", None, None, Fault.QUOTA),
    ("请求频率超限", None, None, Fault.RATE_LIMITED),
    ("模型不存在请检查模型代码", None, "1211", Fault.NOT_FOUND),
    ("身份验证失败。", None, "1000", Fault.AUTH),
    ("请求上游超时", None, None, Fault.UPSTREAM),
    ("no healthy upstream", None, None, Fault.UPSTREAM),
    ("Input is too long for requested model.", "ValidationException", None, Fault.CONTEXT_LENGTH),
    ("", "ModelTimeoutException", None, Fault.UPSTREAM),
    ("", "ServiceUnavailableException", None, Fault.OVERLOADED),
    ("", "AccessDeniedException", None, Fault.AUTH),
    ("The engine is currently overloaded, please try again later", "engine_overloaded_error", None, Fault.OVERLOADED),
    ("Your account is suspended", "exceeded_current_quota_error", None, Fault.QUOTA),
    ("Your organization is limited", "rate_limit_error", "insufficient_quota", Fault.QUOTA),
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


NOTHING: tuple[object, ...] = (None, False, 0, "", {}, [])
SHAPES: dict[str, tuple[dict[str, object], Failure | None]] = {
    "an error that is true": ({"error": True, "message": "no"}, Failure(Fault.OTHER, "no")),
    "fields of its own": (
        {"error_type": "context_length_exceeded", "error_message": "long"},
        Failure(Fault.CONTEXT_LENGTH, "long", "context_length_exceeded"),
    ),
    "Baidu's": (
        {"error_code": 18, "error_msg": "Open api qps request limit reached"},
        Failure(Fault.RATE_LIMITED, "Open api qps request limit reached", None, "18"),
    ),
    "a success of Baidu's": ({"error_code": 0, "error_msg": "success"}, None),
    "an error_msg alone": ({"error_msg": "no"}, Failure(Fault.OTHER, "no")),
    "Anthropic's": (
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        Failure(Fault.OVERLOADED, "Overloaded", "overloaded_error"),
    ),
    "Anthropic's without an error": ({"type": "error", "message": "no"}, Failure(Fault.OTHER, "no")),
    "Vercel's": ({"type": "error", "errorText": "no"}, Failure(Fault.OTHER, "no")),
    "Workers AI's": (
        {"success": False, "errors": [{"code": 7003, "message": "no route"}]},
        Failure(Fault.OTHER, "no route", None, "7003"),
    ),
    "MiniMax's": (
        {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
        Failure(Fault.QUOTA, "insufficient balance", None, "1008"),
    ),
    "a success of MiniMax's": ({"base_resp": {"status_code": 0, "status_msg": "success"}}, None),
    "Spark's": (
        {"header": {"code": 10907, "message": "token超过上限", "sid": "s"}},
        Failure(Fault.CONTEXT_LENGTH, "token超过上限", None, "10907"),
    ),
    "Hunyuan's": (
        {"ErrorMsg": {"Msg": "请求限频", "Code": 4001}},
        Failure(Fault.OTHER, "请求限频", None, "4001"),
    ),
    "Tencent's": (
        {"Response": {"Error": {"Code": "AuthFailure", "Message": "no"}}},
        Failure(Fault.OTHER, "no", None, "AuthFailure"),
    ),
    "Alibaba's": (
        {"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded", "request_id": "r"},
        Failure(Fault.RATE_LIMITED, "Requests rate limit exceeded", None, "Throttling.RateQuota"),
    ),
    "Coze's": ({"code": 4101, "msg": "no permission"}, Failure(Fault.AUTH, "no permission", None, "4101")),
    "a code that says success": ({"code": "success", "message": "done"}, None),
    "a message alone": ({"message": "no"}, None),
    "JSON once more": (
        {"error": '{"error": {"message": "slow down", "code": 429}}'},
        Failure(Fault.RATE_LIMITED, "slow down", None, "429"),
    ),
    "what only looks like JSON": ({"error": "{no"}, Failure(Fault.OTHER, "{no")),
    "a text and its type": (
        {"error": "no", "error_type": "overloaded", "message": "hm"},
        Failure(Fault.OVERLOADED, "no", "overloaded"),
    ),
    **{f"an error that is {value!r}": ({"error": value}, None) for value in NOTHING},
}


@pytest.mark.parametrize(("frame", "found"), SHAPES.values(), ids=SHAPES.keys())
def test_shapes_of_vendors(frame: dict[str, object], found: Failure | None) -> None:
    """Each shape that a vendor sends is an error, with its message, type and code; what says success is none."""
    assert failure_in(frame) == found


def test_a_message_with_a_code_beside_output_is_none() -> None:
    """Some send both with every chunk; an `error` is one beside output, too."""
    assert failure_in({"code": 7, "message": "hm"}, output=True) is None
    assert failure_in({"error": "no"}, output=True) == Failure(Fault.OTHER, "no")


def test_an_error_nested_without_end() -> None:
    """Only so deep is it looked for."""
    error: dict[str, object] = {"message": "deep"}
    for _ in range(50):
        error = {"error": error}
    assert failure(error) == Failure(Fault.OTHER)


ANSWERS: dict[str, tuple[str, Failure | None]] = {
    "nothing": (" ", None),
    "a page": (
        "<html><head><title>502 Bad\n Gateway</title></head></html>",
        Failure(Fault.UPSTREAM, "502 Bad Gateway"),
    ),
    "Gemini's list": (
        '[{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}]',
        Failure(Fault.OVERLOADED, "The model is overloaded.", None, "503"),
    ),
    "an event": ('event: error\ndata: {"error": {"message": "no"}}\n\n', Failure(Fault.OTHER, "no")),
    "FastAPI's": (
        '{"detail": [{"loc": ["body", "model"], "msg": "Field required", "type": "missing"}]}',
        Failure(Fault.OTHER, "Field required", "missing"),
    ),
    "RFC 9457's": (
        '{"title": "Too Many Requests", "status": 429}',
        Failure(Fault.RATE_LIMITED, "Too Many Requests", None, "429"),
    ),
    "Spring's": (
        '{"status": 404, "error": "Not Found", "message": "no route"}',
        Failure(Fault.NOT_FOUND, "no route", None, "404"),
    ),
    "words": ("upstream connect error", Failure(Fault.UPSTREAM, "upstream connect error")),
}


@pytest.mark.parametrize(("text", "found"), ANSWERS.values(), ids=ANSWERS.keys())
def test_bodies_of_refusals(text: str, found: Failure | None) -> None:
    """JSON of any vendor's, events, pages and words say why."""
    assert answered_error(text) == found
