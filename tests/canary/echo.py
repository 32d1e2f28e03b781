"""A server that answers with every secret that it was sent, in every form and every place; a proxy as well."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import unquote

from tests.encodings import DUMPS, ENCODED, FORMS

_LINE = 20_000
_SSE = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
_JSON = "Content-Type: application/json\r\nConnection: close\r\n\r\n"


def forms(secret: str) -> Iterator[str]:
    """Yield a secret in the forms in which servers and proxies say it again."""
    yield from (form(secret) for form in FORMS.values())
    yield from (form(secret.encode()) for form in (ENCODED | DUMPS).values())


def leaves(value: object) -> Iterator[str]:
    """Yield the texts of a JSON value."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from leaves(inner)


def sent(head: str, body: bytes) -> Iterator[str]:
    """Yield everything in a request that may be secret, decoded and as it came."""
    request, *lines = head.split("\r\n")
    path, _, query = request.split(" ")[1].partition("?")
    yield from (piece for piece in path.split("/") if piece)
    for pair in query.split("&"):
        yield from (pair.partition("=")[2], unquote(pair.partition("=")[2]))
    for line in lines:
        name, _, value = line.partition(": ")
        yield value
        yield value.rpartition(" ")[2]
        if name.lower() in {"authorization", "proxy-authorization"} and value.startswith("Basic "):
            user = base64.b64decode(value[6:]).decode()
            yield from (user, *user.split(":", 1))
    with suppress(ValueError):
        yield from leaves(json.loads(body))


def _event(words: str, **more: object) -> str:
    choice = {"index": 0, "delta": {"content": words}, "finish_reason": None}
    return "data: " + json.dumps({"id": words, "model": words, "choices": [choice | more]}) + "\n\n"


def _chunked(text: str) -> str:
    return f"{len(text.encode()):x}\r\n{text}\r\n"


def _ids(line: str) -> str:
    return "".join(f"{name}: {line}\r\n" for name in ("X-Request-ID", "Request-Id", "CF-Ray", "X-Amzn-RequestId"))


MODES = {
    "ok": "{stream}{finish}0\r\n\r\n",
    "cut": "{stream}",
    "bad-chunk": "{stream}{line}\r\n",
    "stream-error": "{stream}{failure}0\r\n\r\n",
    "malformed": "{stream}{malformed}0\r\n\r\n",
    "error": "HTTP/1.1 500 {line}\r\n{ids}{json}{error}",
    "plain-error": "HTTP/1.1 429 no\r\nContent-Type: text/{line}\r\nConnection: close\r\n\r\n{text}",
    "page": "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<p>{text}",
    "json": "HTTP/1.1 200 OK\r\n{json}{error}",
    "redirect": "HTTP/1.1 302 Found\r\nLocation: /{line}\r\nContent-Length: 0\r\n\r\n",
    "bad-head": "HTTP/1.1 200 OK\r\n{line}\r\n\r\n",
    "bad-status": "{line}\r\n\r\n",
    "encoded": _SSE + "Content-Encoding: gzip\r\nConnection: close\r\n\r\n{text}",
    "list": "HTTP/1.1 200 OK\r\n{json}{groups}",
    "list-error": "HTTP/1.1 403 {line}\r\n{json}{text}",
}
"""What is answered; each ends with the connection."""
TURNS = 40
"""As many answers begin with different forms: of many words of a server only the first are kept."""


def _answered(mode: str, line: str, text: str) -> str:
    """Return a response with a long text, or one line of it if only a line fits."""
    error = json.dumps({"error": {"message": text, "type": text, "code": text}})
    return MODES[mode].format(
        line=line,
        text=text,
        json=_JSON,
        ids=_ids(line),
        error=error,
        stream=f"{_SSE}{_ids(line)}Transfer-Encoding: chunked\r\n\r\n" + _chunked(_event(text)),
        finish=_chunked(_event("", finish_reason=text)),
        failure=_chunked(f"data: {error}\n\n"),
        malformed=_chunked(f"data: {line}\n\n"),
        groups=json.dumps(_groups(text)),
    )


def _groups(text: str) -> list[object]:
    """Return a list of targets that are wrong in several ways."""
    bad = [{"__protocol__": text}, {"__interval__": text}, {text: text}, {"__model__": text, "__record__": text}]
    return [{"targets": ["127.0.0.1:1", text], "labels": labels} for labels in bad]


def _line(found: list[str]) -> str:
    """Return what fits a line of a head, none of it cut: redaction does not know a part of a secret."""
    line = ""
    for one in found:
        if one.isascii() and one.isprintable() and len(line) + len(one) < _LINE:
            line += f" {one}"
    return line[1:]


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().removesuffix("\r\n\r\n")
        sizes = [int(line[16:]) for line in head.split("\r\n") if line.lower().startswith("content-length: ")]
        body = await reader.readexactly(sum(sizes))
        found = list(dict.fromkeys(one for each in sent(head, body) if len(each) > 7 for one in forms(each)))
        path = head.split(" ")[1].partition("//")[2].partition("/")[2] or head.split(" ")[1][1:]
        mode, _, turn = path.partition("?")[0].partition("/")[0].partition(".")
        first = len(found) * int(turn or 0) // TURNS % len(found)
        found = found[first:] + found[:first]
        writer.write(_answered(mode, _line(found), "\n\n".join(found)).encode())
        await writer.drain()
    writer.close()


@asynccontextmanager
async def echo() -> AsyncIterator[str]:
    """Serve on a free port of loopback; yields HOST:PORT."""
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, limit=1 << 20)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"
