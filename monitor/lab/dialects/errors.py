"""The errors that OpenAI-shaped servers put into a stream, by what they are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ERRORS: Mapping[str, tuple[int, Mapping[str, Any]]] = {
    "overloaded": (
        503,
        {"message": "The server is overloaded, try again later", "type": "overloaded_error", "code": 503},
    ),
    "rate_limited": (
        429,
        {"message": "Rate limit reached for requests", "type": "requests", "code": "rate_limit_exceeded"},
    ),
    "quota": (
        429,
        {
            "message": "You exceeded your current quota, please check your plan and billing details",
            "type": "insufficient_quota",
            "code": "insufficient_quota",
        },
    ),
    "context_length": (
        400,
        {
            "message": "This model's maximum context length is 4096 tokens",
            "type": "invalid_request_error",
            "code": "context_length_exceeded",
        },
    ),
    "auth": (
        401,
        {"message": "Incorrect API key provided", "type": "invalid_request_error", "code": "invalid_api_key"},
    ),
    "not_found": (
        404,
        {"message": "The model `lab` does not exist", "type": "invalid_request_error", "code": "model_not_found"},
    ),
    "upstream": (
        502,
        {
            "message": "peer closed connection without sending complete message body (incomplete chunked read)",
            "type": "upstream_error",
            "code": 502,
        },
    ),
    "other": (500, {"message": "the dice fell badly", "type": "lab_error", "code": None}),
}
"""Cause of `stream_error` -> HTTP status and error object."""
