"""What a server's own words say: the shapes in which gateways, libraries and systems report one failure."""

from __future__ import annotations

import pytest

from monitor.diagnosis.error_messages import Statement, classify


@pytest.mark.parametrize(
    ("words", "statement"),
    [
        ("call_upstream_request_error", Statement.UPSTREAM_LOST),
        ("connect ECONNREFUSED 10.0.0.7:8000", Statement.UPSTREAM_LOST),
        ("Connection error.", Statement.UPSTREAM_LOST),
        ("reset reason: remote connection failure", Statement.UPSTREAM_LOST),
        ("[Errno 111] Connect call failed ('10.0.0.7', 8000)", Statement.UPSTREAM_LOST),
        ("Server disconnected without sending a response.", Statement.UPSTREAM_LOST),
        (
            "peer closed connection without sending complete message body (incomplete chunked read)",
            Statement.UPSTREAM_LOST,
        ),
        ("dial tcp 10.0.0.7:8000: connect: connection refused", Statement.UPSTREAM_LOST),
        ("NETWORK ERROR DUE TO HIGH TRAFFIC. PLEASE REGENERATE", Statement.UPSTREAM_LOST),
        ("<h1>503 Service Unavailable</h1> No server is available to handle this request.", Statement.UPSTREAM_LOST),
        ("no healthy upstream", Statement.UPSTREAM_LOST),
        ("overloaded: connection refused", Statement.UPSTREAM_LOST),
        ("context deadline exceeded", Statement.TIMED_OUT),
        ("upstream request timeout", Statement.TIMED_OUT),
        ("Request timed out.", Statement.TIMED_OUT),
        ("504 Gateway Time-out", Statement.TIMED_OUT),
        ("litellm.APIConnectionError: OpenAIException - Timeout on reading data from socket", Statement.TIMED_OUT),
        ("litellm.APIConnectionError: OpenAIException - something", Statement.UPSTREAM_LOST),
        ("Loading model", Statement.STARTING),
        ("The server is currently overloaded with other requests", Statement.OVERLOADED),
        ("Model busy, retry later", Statement.OVERLOADED),
        ("This model's maximum context length is 4096 tokens", Statement.CONTEXT),
        ("Internal Server Error", Statement.INTERNAL),
        ("KeyError: 'choices'", Statement.INTERNAL),
        ("CUDA out of memory", Statement.INTERNAL),
        ("Service Temporarily Unavailable", Statement.NOTHING),
        ("hello", Statement.NOTHING),
        ("", Statement.NOTHING),
    ],
)
def test_what_words_say(words: str, statement: Statement) -> None:
    """The most telling of them decide."""
    assert classify(words) is statement


def test_type_and_code_are_words_too() -> None:
    """Servers say the kind of an error in any of the three."""
    assert classify(None, None, None) is Statement.NOTHING
    assert classify("failed", "overloaded_error", None) is Statement.OVERLOADED
    assert classify(None, None, "ECONNRESET") is Statement.UPSTREAM_LOST
