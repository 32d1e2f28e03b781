"""Commands as people run them: in this process or in one of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.conftest import WITHIN

PACE = "gap=1ms&ttfc=1ms"


COMMAND = [sys.executable, "-m", "monitor"]


class Done(NamedTuple):
    """A command that has ended."""

    status: int
    out: str
    err: str


Cli = Callable[..., Done]


@contextmanager
def started(*arguments: str | Path, cwd: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """Yield a command that runs in its own process; it is killed if it does not end."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*COMMAND, *map(str, arguments)], text=True, cwd=cwd, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str]) -> Done:
    """Wait for the end of a command."""
    out, err = process.communicate(timeout=WITHIN)
    assert "Traceback" not in err
    return Done(process.returncode, out, err)


def until(descriptor: int, wanted: bytes) -> bytes:
    """Read from a terminal until something comes, and return all that came."""
    read = b""
    while wanted not in read:
        read += os.read(descriptor, 4096)
    return read


@contextmanager
def closed_in_the_end(process: subprocess.Popen[bytes], descriptor: int) -> Iterator[None]:
    """Close a descriptor at the end, and kill the process if it does not end."""
    try:
        yield
    finally:
        process.kill()
        os.close(descriptor)


def logged(process: subprocess.Popen[str], **wanted: str) -> dict[str, Any]:
    """Return the next event of a daemon that has these values."""
    assert process.stdout is not None
    for one in process.stdout:
        event: dict[str, Any] = json.loads(one)
        if wanted.items() <= event.items():
            return event
    raise AssertionError(f"it ended without {wanted}")


def fetched(url: str) -> str:
    """Return the whole answer to a plain request."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.rpartition(":")
    with socket.create_connection((name.strip("[]"), int(port)), WITHIN) as connection:
        connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            return answer.read().decode()
