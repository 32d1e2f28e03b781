"""What a server's own words say: the shapes in which gateways, libraries and systems report one failure."""

from __future__ import annotations

import pytest

from monitor.diagnosis.words import Says, says


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("call_upstream_request_error", Says.GONE),
        ("connect ECONNREFUSED 10.0.0.7:8000", Says.GONE),
        ("Connection error.", Says.GONE),
        ("reset reason: remote connection failure", Says.GONE),
        ("[Errno 111] Connect call failed ('10.0.0.7', 8000)", Says.GONE),
        ("Server disconnected without sending a response.", Says.GONE),
        ("peer closed connection without sending complete message body (incomplete chunked read)", Says.GONE),
        ("dial tcp 10.0.0.7:8000: connect: connection refused", Says.GONE),
        ("NETWORK ERROR DUE TO HIGH TRAFFIC. PLEASE REGENERATE", Says.GONE),
        ("<h1>503 Service Unavailable</h1> No server is available to handle this request.", Says.GONE),
        ("no healthy upstream", Says.GONE),
        ("overloaded: connection refused", Says.GONE),
        ("context deadline exceeded", Says.LATE),
        ("upstream request timeout", Says.LATE),
        ("Request timed out.", Says.LATE),
        ("504 Gateway Time-out", Says.LATE),
        ("litellm.APIConnectionError: OpenAIException - Timeout on reading data from socket", Says.LATE),
        ("litellm.APIConnectionError: OpenAIException - something", Says.GONE),
        ("Loading model", Says.STARTING),
        ("The server is currently overloaded with other requests", Says.OVERLOADED),
        ("Model busy, retry later", Says.OVERLOADED),
        ("This model's maximum context length is 4096 tokens", Says.CONTEXT),
        ("Internal Server Error", Says.INTERNAL),
        ("KeyError: 'choices'", Says.INTERNAL),
        ("CUDA out of memory", Says.INTERNAL),
        ("Service Temporarily Unavailable", Says.NOTHING),
        ("hello", Says.NOTHING),
        ("", Says.NOTHING),
    ],
)
def test_what_words_say(words: str, told: Says) -> None:
    """The most telling of them decide."""
    assert says(words) is told


def test_type_and_code_are_words_too() -> None:
    """Servers say the kind of an error in any of the three."""
    assert says(None, None, None) is Says.NOTHING
    assert says("failed", "overloaded_error", None) is Says.OVERLOADED
    assert says(None, None, "ECONNRESET") is Says.GONE
