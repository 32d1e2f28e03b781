"""Files that the state is kept in: written whole or not at all, and put aside."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from monitor.files import NewerFileError, exposed, private, put_aside, reason, restore, save


def test_a_file_is_replaced_and_is_private(tmp_path: Path) -> None:
    """The file has the new content and mode 0600, and no temporary file is left."""
    path = tmp_path / "state"
    assert (save(b"old", path), save(b"new", path)) == (None, None)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_is_reported(tmp_path: Path) -> None:
    """The error has the file's name and the system's reason."""
    path = tmp_path / "gone" / "state"
    assert save(b"", path) == f"{path}: cannot be written: no such file or directory"


def test_a_damaged_file_goes_with_those_that_belong_to_it(tmp_path: Path) -> None:
    """The companion files of a damaged file are renamed with it."""
    for name, content in (("db", "1"), ("db-wal", "2"), ("db.corrupt", "0"), ("db.corrupt-shm", "0")):
        (tmp_path / name).write_text(content)
    assert put_aside(tmp_path / "db", ("", "-wal", "-shm")) == "it was put aside as db.corrupt"
    left = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert left == {"db.corrupt": "1", "db.corrupt-wal": "2"}


def test_what_cannot_be_put_aside_is_reported(tmp_path: Path) -> None:
    """If there is a directory of that name, for one."""
    (tmp_path / "db").write_text("1")
    (tmp_path / "db.corrupt" / "full").mkdir(parents=True)
    assert put_aside(tmp_path / "db") == "it cannot be put aside: is a directory"


def test_an_error_without_words_has_some() -> None:
    """The system does not always say why."""
    assert (reason(OSError()), reason(OSError(28, "No space"))) == ("unknown error", "no space")


def test_what_is_no_file_keeps_its_mode(tmp_path: Path) -> None:
    """The mode of a pipe is not changed; `--save` can write to one."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o644)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.close(private(str(pipe), os.O_WRONLY))
    os.close(reader)
    assert pipe.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("mode", "of_root", "shown"),
    [
        (0o600, False, None),
        (0o400, True, None),
        (0o640, False, "0640"),
        (0o640, True, None),
        (0o660, True, "0660"),
        (0o644, True, "0644"),
        (0o604, False, "0604"),
    ],
)
def test_what_others_can_read_is_exposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, shown: str | None, *, of_root: bool
) -> None:
    """A secret is for its owner; a file of root's may be for its group."""
    file = tmp_path / "key"
    file.touch()
    file.chmod(mode)
    found = list(file.stat())
    found[stat.ST_UID] = 0 if of_root else 1000
    monkeypatch.setattr(Path, "stat", lambda _: os.stat_result(found))
    assert exposed(file) == shown


def test_what_is_no_regular_file_is_not_exposed(tmp_path: Path) -> None:
    """A directory, or a missing file, is not reported as exposed."""
    assert (exposed(tmp_path), exposed(tmp_path / "none")) == (None, None)


def newer(_: bytes) -> None:
    """Find a file that a later version wrote."""
    raise NewerFileError


def test_a_file_of_a_later_version_is_put_aside(tmp_path: Path) -> None:
    """Nothing of it is lost, and the message says what to look for."""
    path = tmp_path / "state"
    path.write_bytes(b"of tomorrow")
    message = restore(path, newer, "a state", "it begins anew")
    assert message == f"{path}: was written by a later version; it was put aside as state.newer, and it begins anew"
    assert (tmp_path / "state.newer").read_bytes() == b"of tomorrow"
    assert restore(path, newer, "a state", "it begins anew") is None
