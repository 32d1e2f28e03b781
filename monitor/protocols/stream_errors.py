"""Errors in a stream or in an error body: which JSON is an error, and its message, type and code."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from monitor.protocols.error_causes import fault_of
from monitor.protocols.values import an_object, as_word, load, load_any
from monitor.stream.events import Failure

_DEEPEST = 6
"""The nesting depth to which an error is searched."""

# -- which JSON is an error ----------------------------------------------------------------------------------------

_NOTHING: tuple[object, ...] = (None, False, 0, "", {}, [])
_SUCCESS = frozenset({"", "0", "200", "success", "ok"})
Frame = Mapping[str, object]


def _something(value: object) -> bool:
    return value not in _NOTHING


def _code(value: object) -> bool:
    """Whether a code does not mean success."""
    return isinstance(value, str | int | float) and value is not False and str(value).strip().casefold() not in _SUCCESS


def _words(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


ERRORS: Mapping[str, Callable[[Frame], bool]] = {
    "`error` other than null, false, 0, an empty text, object or list": lambda it: _something(it.get("error")),
    "`error_type` or `error_message`": (
        lambda it: _something(it.get("error_message")) or _something(it.get("error_type"))
    ),
    "`error_code` that is not 0; without one, `error_msg`": (
        lambda it: _code(it["error_code"]) if "error_code" in it else _words(it.get("error_msg"))
    ),
    "`object`, `type` or `event` that is `error` (vLLM, Anthropic, Dify)": (
        lambda it: "error" in (it.get("object"), it.get("type"), it.get("event"))
    ),
    "`errors` that is a list with something in it (Workers AI)": (
        lambda it: isinstance(it.get("errors"), list) and _something(it["errors"])
    ),
    "`base_resp.status_code` (MiniMax), `header.code` (Spark)": (
        lambda it: (
            _code(an_object(it.get("base_resp")).get("status_code")) or _code(an_object(it.get("header")).get("code"))
        )
    ),
    "`ErrorMsg`, `Response.Error` (Hunyuan)": (
        lambda it: _something(it.get("ErrorMsg")) or _something(an_object(it.get("Response")).get("Error"))
    ),
}
"""An event that has one of these reports an error."""
_MAY_REPORT = frozenset({
    "error", "error_message", "error_type", "error_code", "error_msg", "errors", "base_resp", "header", "ErrorMsg",
    "Response", "message", "msg",
})  # fmt: skip
"""The keys that the table and `_coded_message` use; a frame without any, as nearly all are, costs one lookup."""


def _coded_message(frame: Frame) -> bool:
    """Whether a frame has a message and a code other than success: an error, unless it has output."""
    return (_words(frame.get("message")) or _words(frame.get("msg"))) and _code(frame.get("code"))


def failure_in(frame: Frame, *, output: bool = False) -> Failure | None:
    """Return the error in a frame, in any of the vendors' shapes; None without one.

    `output` says that the frame has output: a message with a code is then not an error.
    """
    if _MAY_REPORT.isdisjoint(frame) and "error" not in (frame.get("object"), frame.get("type"), frame.get("event")):
        return None
    if any(holds(frame) for holds in ERRORS.values()) or (not output and _coded_message(frame)):
        return failure(frame)
    return None


# -- the message --------------------------------------------------------------------------------------------------

_MESSAGES = (
    "message", "msg", "error_message", "errorMessage", "error_msg", "errorMsg", "errorText", "status_msg", "Message",
    "Msg", "detail", "description", "error_description", "title", "text",
)  # fmt: skip
_TYPES = ("type", "error_type", "errorType", "__type")
_CODES = (
    "code", "error_code", "errorCode", "Code", "http_code", "http_status", "status_code", "statusCode", "status",
)  # fmt: skip
_INNER = ("error", "Error", "errors", "detail", "Response", "ErrorMsg", "base_resp", "header", "exception", "message")
"""Keys that contain the error itself as an object or a list."""


class _Fields(NamedTuple):
    message: str = ""
    type: str | None = None
    code: str | None = None

    def within(self, outer: _Fields) -> _Fields:
        """Return this, with missing values from the outer object."""
        return _Fields(self.message or outer.message, self.type or outer.type, self.code or outer.code)


def failure(error: object) -> Failure:
    """Return the failure of an error value: a text, an object of any vendor's shape, or a list of them."""
    fields = _fields_of(error, _DEEPEST)
    return Failure(fault_of(fields.message, fields.type, fields.code), fields.message, fields.type, fields.code)


def named_error(data: str) -> Failure:
    """Return the failure of an event named `error`: JSON of any shape, or plain text."""
    try:
        value = load_any(data)
    except ValueError:
        return failure(data)
    found = failure(value)
    return found if isinstance(value, dict) or found.type or found.code else Failure(found.fault, data)


def answered_error(text: str) -> Failure | None:
    """Return the error in an error body: JSON, events, HTML or plain text; None if it is blank."""
    text = text.strip()
    if not text:
        return None
    if found := re.search(r"<title[^>]*>(.*?)</title>", text[:4096], re.IGNORECASE | re.DOTALL):
        return failure(html.unescape(" ".join(found[1].split())))
    events = re.findall(r"^data: ?(.*)$", text, re.MULTILINE)
    return named_error(events[0].strip() if events else text)


def _fields_of(error: object, levels: int) -> _Fields:
    if not levels:
        return _Fields()
    match error:
        case dict():
            return _object(error, levels)
        case list():
            return next(
                (fields for fields in (_fields_of(item, levels - 1) for item in error[:_DEEPEST]) if fields.message),
                _Fields(),
            )
        case str() if error.lstrip().startswith("{"):
            return _text(error, levels)
        case _:
            return _Fields(as_word(error) or "")


def _text(error: str, levels: int) -> _Fields:
    """Return the content of a text that may itself be an error's JSON."""
    try:
        inner = load(error)
    except ValueError:
        inner = {}
    fields = _fields_of(inner, levels - 1)
    return fields if fields.message else _Fields(error)


def _object(error: Mapping[str, object], levels: int) -> _Fields:
    inner = next((error[key] for key in _INNER if isinstance(error.get(key), dict | list) and error[key]), None)
    own = _Fields(
        _first(error, _MESSAGES, bool) or "",
        _first(error, _TYPES, lambda word: word != "error"),
        _first(error, _CODES, bool),
    )
    if isinstance(error.get("error"), str) and (not own.message or "error_type" in error):  # Spring has both
        own = _fields_of(error["error"], levels - 1).within(own)
    return own if inner is None else _fields_of(inner, levels - 1).within(own)


def _first(error: Mapping[str, object], keys: tuple[str, ...], fits: Callable[[str], bool]) -> str | None:
    return next((word for key in keys if (word := as_word(error.get(key))) and fits(word)), None)
