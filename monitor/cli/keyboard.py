"""Single keys of a terminal, by name, while a screen is shown."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

_NAMED = {
    b"\x1b[A": "up", b"\x1bOA": "up", b"\x1b[B": "down", b"\x1bOB": "down", b"\x1b[H": "home",
    b"\x1b[5~": "page up", b"\x1b[6~": "page down", b"\x1b": "escape", b"\r": "enter", b"\n": "enter",
    b"\x7f": "backspace", b"\x08": "backspace",
}  # fmt: skip
_MOST = 1024


@contextmanager
def keyboard() -> Iterator[int | None]:
    """Yield the descriptor of a terminal in a mode that returns each key at once; None if stdin is not a terminal."""
    if not sys.stdin.isatty():
        yield None
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def keys(descriptor: int | None, timeout: float) -> list[str]:
    """Return the keys pressed within `timeout` seconds, as soon as there is one."""
    ready, _, _ = select.select([] if descriptor is None else [descriptor], [], [], timeout)
    return named(os.read(descriptor, _MOST)) if ready and descriptor is not None else []


def named(data: bytes) -> list[str]:
    """Return the names of the keys that a terminal sent; unknown sequences are ignored."""
    if data in _NAMED:
        return [_NAMED[data]]
    if data.startswith(b"\x1b"):
        return []
    return [_NAMED.get(one.encode(), one) for one in data.decode("utf-8", "ignore")]
