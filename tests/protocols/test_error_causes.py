"""The cause of an error, by its type, code, status and words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.protocols.error_causes import fault_of
from monitor.stream.events import Fault

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
