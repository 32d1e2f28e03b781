"""Hostile targets and clients of a soak, and the secret that none of the daemon's outputs may contain."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import bcrypt

HOST = "127.0.0.1"
SECRET = "q7canary3soak9secret1"
"""Sent in a header by the probes of hostile targets, and echoed by their server."""
USER = {"Authorization": "Basic " + base64.b64encode(b"soak:right").decode()}
_WRONG = base64.b64encode(b"soak:wrong").decode()
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n"
_FORMS = (SECRET, SECRET.upper(), base64.b64encode(f"x:{SECRET}".encode()).decode(), SECRET.encode().hex())
_DRIP, _LARGE = 100, 60_000
"""Bytes of a small write; characters of an event within the soak's limits."""
_GUESSERS, _GUESSES = 20, 10

MODES = {"usage": "ok", "echo": "ok", "drip": "ok", "endless": "bad_response/too_large"}
"""What the hostile server can do, and the verdict of a probe of it."""


def _event(content: str, finish: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice], **more}).encode() + b"\n\n"


_END = _event("", "stop") + b"data: [DONE]\n\n"
_HUGE = {"prompt_tokens": 10**18, "completion_tokens": 10**18, "total_tokens": 10**400}
_STREAMS = {
    "usage": _event("hi") + _event("", "stop", usage=_HUGE) + b"data: [DONE]\n\n",
    "echo": b"".join(_event(form, id=form, model=form) for form in _FORMS) + _END,
    "drip": _event("x" * _LARGE) + _END,
    "endless": _event("x" * _LARGE),
}


@asynccontextmanager
async def hostile() -> AsyncIterator[str]:
    """Serve the hostile answers on a free port; yields its URL. The path's second part is the mode."""
    answering: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_answer(reader, writer))
        answering[task] = writer
        task.add_done_callback(answering.pop)

    server = await asyncio.start_server(begin, HOST, 0)
    try:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in answering.values():
            writer.transport.abort()
        await asyncio.gather(*answering)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        mode = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode().split("/")[2]
        stream = _STREAMS[mode]
        length = b"\r\n" if mode == "endless" else b"Content-Length: %d\r\n\r\n" % len(stream)
        writer.write(_HEAD + (b"X-Request-ID: %s\r\n" % SECRET.encode() if mode == "echo" else b"") + length)
        step = _DRIP if mode == "drip" else len(stream)
        while not writer.is_closing():
            for at in range(0, len(stream), step):
                writer.write(stream[at : at + step])
                await writer.drain()
            if mode != "endless":
                break
    writer.close()


def users(directory: Path) -> Path:
    """Write a web config file with one user, and return its path."""
    file = directory / "web.yml"
    file.write_text(f"basic_auth_users: {{soak: '{bcrypt.hashpw(b'right', bcrypt.gensalt(4)).decode()}'}}\n")
    file.chmod(0o600)
    return file


async def come_back(port: int) -> None:
    """Connect, send nothing, and connect again when the connection is closed."""
    loop = asyncio.get_running_loop()
    while True:
        with socket.socket() as client, suppress(OSError):
            client.setblocking(False)
            await loop.sock_connect(client, (HOST, port))
            await loop.sock_recv(client, 1)


async def guess(port: int) -> None:
    """Try wrong passwords, many at a time."""

    async def guesses() -> None:
        for _ in range(_GUESSES):
            with suppress(OSError):
                reader, writer = await asyncio.open_connection(HOST, port)
                writer.write(
                    f"GET /metrics HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Basic {_WRONG}\r\n"
                    "Connection: close\r\n\r\n".encode()
                )
                with suppress(OSError):
                    await reader.read()
                writer.close()

    await asyncio.gather(*(guesses() for _ in range(_GUESSERS)))


def leaks(directory: Path, besides: str) -> list[str]:
    """Return the names of the files that contain the secret in any form; `besides` is not searched."""
    secrets = [form.lower().encode() for form in _FORMS]
    outputs = sorted(file for file in directory.iterdir() if file.is_file() and file.name != besides)
    return [file.name for file in outputs if any(form in file.read_bytes().lower() for form in secrets)]
