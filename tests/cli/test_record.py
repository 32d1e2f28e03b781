"""`record`: the file of a capture, that it can be replayed, and that no secret is in it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from monitor.cli.record import capture
from tests.cli.commands import PACE, Cli
from tests.protocols.replay import read

CASES = {
    "ok": (f"ok?{PACE}", "ok", "whole"),
    "cut": (f"cut?after=3&{PACE}", "truncated/incomplete_body", "cut"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_stream_is_kept(cli: Cli, lab_url: str, tmp_path: Path, case: tuple[str, str, str]) -> None:
    """Bytes, timing and verdict in one file, readable for its owner alone."""
    path, verdict, ended = case
    done = cli("record", f"{lab_url}/openai-chat/{path}", str(tmp_path / "new"))
    (file,) = (tmp_path / "new").iterdir()
    assert (done.status, done.out.strip(), file.suffix) == (0, str(file), ".capture")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    one = read(file.read_bytes())
    assert (one.protocol, one.verdict, one.ended) == ("openai-chat", verdict, ended)
    assert sum(size for _, size in one.reads) == len(one.raw)
    assert one.raw.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")


EXPECTED: dict[str, str | int] = {"protocol": "raw", "verdict": "ok", "phase": "end", "chunks": 1, "ended": "whole"}


@pytest.mark.parametrize("text", ["\U0001f600", '"\n\\', "\x7f\x00"])
def test_any_answer_can_be_read_again(text: str) -> None:
    """What the answer begins with is valid TOML, whatever its characters are."""
    one = read(capture(EXPECTED | {"text": text}, [(0.5, b"HTTP/1.1 200 OK\r\n\r\n---\n")]))
    assert (one.text, one.reads, one.raw) == (text, ((0.5, 23),), b"HTTP/1.1 200 OK\r\n\r\n---\n")


def test_half_a_character_is_a_question_mark() -> None:
    """A lone surrogate, which UTF-8 cannot hold, is replaced."""
    assert read(capture(EXPECTED | {"text": "\ud83d"}, [(0.5, b"HTTP/1.1 200 OK\r\n\r\n")])).text == "?"


def test_no_secret_is_kept(cli: Cli, lab_url: str, tmp_path: Path) -> None:
    """A header's value that the server repeats is redacted."""
    done = cli("record", f"{lab_url}/openai-chat/ok?{PACE}", str(tmp_path), "--header", "X-Key: chatcmpl-lab")
    (file,) = tmp_path.iterdir()
    assert done.status == 0
    assert b"chatcmpl-lab" not in file.read_bytes()
    assert b"[redacted]" in read(file.read_bytes()).raw


def test_where_no_stream_came_nothing_is_kept(cli: Cli, lab_url: str, tmp_path: Path) -> None:
    """Status 1, and why."""
    done = cli("record", f"{lab_url}/openai-chat/http?status=503", str(tmp_path / "none"))
    assert (done.status, done.out) == (1, "")
    assert "no stream arrived, and nothing was written" in done.err
    assert not (tmp_path / "none").exists()


def test_a_directory_that_cannot_be_written_is_reported(cli: Cli, lab_url: str, tmp_path: Path) -> None:
    """Status 1, with the place."""
    (tmp_path / "file").write_text("")
    done = cli("record", f"{lab_url}/openai-chat/ok?{PACE}", str(tmp_path / "file" / "below"))
    assert (done.status, done.out) == (1, "")
    assert "cannot be written" in done.err


def test_a_target_that_the_config_does_not_have(cli: Cli, config: Path, tmp_path: Path) -> None:
    """Such a name is a usage error."""
    done = cli("record", "no-such-target", str(tmp_path / "none"), "--config", str(config))
    assert done.status == 2
    assert "no target 'no-such-target' in the config" in done.err
