"""Keys of a terminal."""

from __future__ import annotations

import io
import os
import pty
import sys
import termios

import pytest

from monitor.cli.keyboard import keyboard, keys, named


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"s", ["s"]), (b"ab", ["a", "b"]), (b"\x1b[A", ["up"]), (b"\x1bOB", ["down"]), (b"\x1b", ["escape"]),
        (b"a\r", ["a", "enter"]), (b"\x7f", ["backspace"]), (b"\x1b[99~", []), ("\u4f60".encode(), ["\u4f60"]),
        (b"\xff", []),
    ],
)  # fmt: skip
def test_keys_have_names(data: bytes, found: list[str]) -> None:
    """Special keys have names, characters are themselves, and unknown sequences are ignored."""
    assert named(data) == found


def test_keys_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are read without Enter, and the terminal is restored afterwards."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        before = termios.tcgetattr(theirs)
        with keyboard() as descriptor:
            os.write(ours, b"q")
            assert keys(descriptor, 10.0) == ["q"]
            assert keys(descriptor, 0.0) == []
        assert termios.tcgetattr(theirs) == before
    os.close(ours)


def test_no_keys_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal there are no keys, and the table is redrawn."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with keyboard() as descriptor:
        assert keys(descriptor, 0.0) == []
