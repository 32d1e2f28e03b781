"""The lab's answer: the counted list that the prompt requests, so that the content check passes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

COUNT_TO = re.compile(r"count\w*\s+(?:up\s+)?from\s+1\s+(?:up\s+)?to\s+(\d{1,4})", re.IGNORECASE)
TAG = re.compile(r"END-[0-9A-Fa-f]+")
DEFAULT_COUNT = 40


def wants_stream(body: bytes) -> bool:
    """Whether a stream was requested; only an explicit false means no."""
    value = _parsed(body)
    return not (isinstance(value, dict) and value.get("stream") is False)


def pieces(body: bytes, count: int | None = None) -> tuple[str, ...]:
    """The answer to this request in pieces; `count` is their number, if the text is long enough."""
    wish = _wish(_parsed(body))
    if wish is None:
        return _numbers(DEFAULT_COUNT if count is None else count)
    return wish if count is None else _slices("".join(wish), count)


def _parsed(body: bytes) -> object:
    text = body.decode(errors="replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _wish(value: object) -> tuple[str, ...] | None:
    """The pieces of the counted list that the last matching text requests."""
    wish = None
    for text in _texts(value):
        count, tags = COUNT_TO.search(text), TAG.findall(text)
        if count is not None:
            wish = (*_numbers(int(count[1])), *tags[-1:])
    return wish


def _texts(value: object) -> Iterator[str]:
    """Every text in the body, in order: each protocol has its prompt in another place."""
    stack = [value]
    while stack:
        match stack.pop():
            case str(text):
                yield text
            case dict(inner):
                stack.extend(reversed(inner.values()))
            case list(inner):
                stack.extend(reversed(inner))
            case _:
                pass


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(f"{number}\n" for number in range(1, count + 1))


def _slices(text: str, count: int) -> tuple[str, ...]:
    count = min(count, len(text))
    return tuple(text[len(text) * i // count : len(text) * (i + 1) // count] for i in range(count))
