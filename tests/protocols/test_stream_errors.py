"""Errors that streams report: which JSON is an error, and its parts."""

from __future__ import annotations

import pytest

from monitor.protocols.stream_errors import answered_error, failure, failure_in, named_error
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
    """An error as a text, as an object, or in an unknown form is a failure."""
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
    """A `message` and a `code` next to output are no error; an `error` is."""
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
