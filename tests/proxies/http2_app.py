"""A chat server in ASGI for hypercorn: the counted list of the fault lab, and ways to end that an application has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from monitor.lab.answer import pieces
from monitor.lab.dialects import DIALECTS

_CHUNKS = 5


async def app(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Answer a request; `?fault=raise` raises, `?fault=return` returns, both after five messages."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    fault = dict(parse_qsl(scope["query_string"].decode())).get("fault")
    dialect = DIALECTS["openai-chat"]
    speech = dialect.encode(pieces(body), dialect.finishes[0])
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for number, data in enumerate(speech.messages):
        if fault and number == _CHUNKS:
            if fault == "raise":
                raise RuntimeError("the application fails here")
            return
        await send({"type": "http.response.body", "body": data, "more_body": True})
        await asyncio.sleep(0.05)
    await send({"type": "http.response.body", "body": b"", "more_body": False})
