"""`record`: the files of a capture, that they can be replayed, and that no secret is in them."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from tests.cli.commands import PACE, Cli


def kept(directory: Path) -> dict[str, Path]:
    """Return the files of the one capture, by their suffix."""
    return {file.suffix: file for file in directory.iterdir()}


CASES = {
    "ok": (f"ok?{PACE}", "ok", "END COMPLETE(0-chunk), conn kept alive"),
    "cut": (f"cut?after=3&{PACE}", "truncated/incomplete_body", "END FIN WITHOUT terminating 0-chunk"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_stream_is_kept(cli: Cli, lab_url: str, tmp_path: Path, case: tuple[str, str, str]) -> None:
    """Bytes, timing and verdict, each file readable for its owner alone."""
    path, verdict, end = case
    done = cli("record", f"{lab_url}/openai-chat/{path}", str(tmp_path / "new"))
    files = kept(tmp_path / "new")
    assert (done.status, sorted(files)) == (0, [".raw", ".timing", ".toml"])
    assert {stat.S_IMODE(file.stat().st_mode) for file in files.values()} == {0o600}
    said = tomllib.loads(files[".toml"].read_text())
    assert (said["protocol"], said["verdict"]) == ("openai-chat", verdict)
    *reads, last = files[".timing"].read_text().splitlines()
    assert last.startswith(end)
    sizes = [int(read.partition(" ")[2]) for read in reads]
    assert sum(sizes) == files[".raw"].stat().st_size
    assert files[".raw"].read_bytes().startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")


def test_no_secret_is_kept(cli: Cli, lab_url: str, tmp_path: Path) -> None:
    """What the server was told in confidence, and says again, is not in any file."""
    done = cli("record", f"{lab_url}/openai-chat/ok?{PACE}", str(tmp_path), "--header", "X-Key: chatcmpl-lab")
    files = kept(tmp_path)
    assert done.status == 0
    assert all(b"chatcmpl-lab" not in file.read_bytes() for file in files.values())
    assert b"[redacted]" in files[".raw"].read_bytes()


def test_where_no_stream_came_nothing_is_kept(cli: Cli, lab_url: str, tmp_path: Path) -> None:
    """Status 1, and why."""
    done = cli("record", f"{lab_url}/openai-chat/http?status=503", str(tmp_path / "none"))
    assert (done.status, done.out) == (1, "")
    assert "no stream arrived, and nothing was written" in done.err
    assert not (tmp_path / "none").exists()


def test_a_directory_that_cannot_be_written_is_told(cli: Cli, lab_url: str, tmp_path: Path) -> None:
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
