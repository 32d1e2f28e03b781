"""What a server's own words say: the shapes in which gateways, libraries and systems report one failure."""

from __future__ import annotations

import pytest

from monitor.diagnosis.error_messages import Statement, says


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("call_upstream_request_error", Statement.GONE),
        ("connect ECONNREFUSED 10.0.0.7:8000", Statement.GONE),
        ("Connection error.", Statement.GONE),
        ("reset reason: remote connection failure", Statement.GONE),
        ("[Errno 111] Connect call failed ('10.0.0.7', 8000)", Statement.GONE),
        ("Server disconnected without sending a response.", Statement.GONE),
        ("peer closed connection without sending complete message body (incomplete chunked read)", Statement.GONE),
        ("dial tcp 10.0.0.7:8000: connect: connection refused", Statement.GONE),
        ("NETWORK ERROR DUE TO HIGH TRAFFIC. PLEASE REGENERATE", Statement.GONE),
        ("<h1>503 Service Unavailable</h1> No server is available to handle this request.", Statement.GONE),
        ("no healthy upstream", Statement.GONE),
        ("overloaded: connection refused", Statement.GONE),
        ("context deadline exceeded", Statement.LATE),
        ("upstream request timeout", Statement.LATE),
        ("Request timed out.", Statement.LATE),
        ("504 Gateway Time-out", Statement.LATE),
        ("litellm.APIConnectionError: OpenAIException - Timeout on reading data from socket", Statement.LATE),
        ("litellm.APIConnectionError: OpenAIException - something", Statement.GONE),
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
def test_what_words_say(words: str, told: Statement) -> None:
    """The most telling of them decide."""
    assert says(words) is told


def test_type_and_code_are_words_too() -> None:
    """Servers say the kind of an error in any of the three."""
    assert says(None, None, None) is Statement.NOTHING
    assert says("failed", "overloaded_error", None) is Statement.OVERLOADED
    assert says(None, None, "ECONNRESET") is Statement.GONE
