"""State files, written atomically and put aside if they are damaged; and whether others can read a file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

_LARGEST = 16 * 1024 * 1024
_PRIVATE = 0o600
_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OF_OTHERS_BUT_ITS_GROUP = stat.S_IRWXO | stat.S_IWGRP


def save(content: bytes, path: Path) -> str | None:
    """Write a file atomically: at any moment either the old or the new one exists; return the error, or None."""
    temporary = path.with_name(f"{path.name}.new")
    try:
        with open(temporary, "wb", opener=private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()  # a partial file, if the disk is full
        return f"{path}: cannot be written: {reason(error)}"
    return None


class NewerFileError(ValueError):
    """A file of state was written by a later version of the monitor."""


def restore(path: Path, load: Callable[[bytes], object], what: str, then: str) -> str | None:
    """Read a file of state and pass it to `load`; a missing file is not an error. Return the error, if any.

    A file that `load` refuses by a ValueError is put aside, as `NAME.newer` if a later version wrote it. `what` says
    what a valid file is, and `then` how the monitor goes on without it.
    """
    try:
        with path.open("rb") as file:
            kept = file.read(_LARGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{path}: cannot be read: {reason(error)}"
    try:
        load(kept)
    except NewerFileError:
        return f"{path}: was written by a later version; {put_aside(path, suffix='newer')}, and {then}"
    except ValueError:
        return f"{path}: is not {what}; {put_aside(path)}, and {then}"
    return None


def put_aside(path: Path, endings: Sequence[str] = ("",), suffix: str = "corrupt") -> str:
    """Rename a file to `NAME.SUFFIX`, replacing an earlier one, and return a sentence about it.

    `endings` are the suffixes of the files that belong to it. The order matters: SQLite discards a log without its
    file, but would apply it to another file.
    """
    aside = path.with_name(f"{path.name}.{suffix}")
    try:
        for ending in endings:
            place = aside.with_name(aside.name + ending)
            try:
                path.with_name(path.name + ending).replace(place)
            except FileNotFoundError:
                place.unlink(missing_ok=True)
    except OSError as error:
        return f"it cannot be put aside: {reason(error)}"
    return f"it was put aside as {aside.name}"


def reason(error: OSError) -> str:
    """Return the system's message for an error, such as `no such file or directory`."""
    return (error.strerror or "unknown error").lower()


def private(path: str, flags: int) -> int:
    """Open a file with mode 0600, also if it exists: an `opener` for `open`.

    Devices, pipes and files of other users keep their mode.
    """
    descriptor = os.open(path, flags, _PRIVATE)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        with suppress(PermissionError):
            os.fchmod(descriptor, _PRIVATE)
    return descriptor


def exposed(path: Path) -> str | None:
    """Return the mode of a file, such as `0644`, if users other than its owner can read or change it; else None.

    The group may read a file owned by root, as PostgreSQL allows for its keys: a service has no other way to read it.
    A file that does not exist or is not a regular file counts as not exposed.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    others = _OF_OTHERS if found.st_uid else _OF_OTHERS_BUT_ITS_GROUP
    return f"{stat.S_IMODE(found.st_mode):04o}" if stat.S_ISREG(found.st_mode) and found.st_mode & others else None


def _sync_directory(path: Path) -> None:
    """Sync the directory, so that the rename itself reaches the disk."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # not on every file system; without it, a power failure may restore the old file
            os.fsync(directory)
    finally:
        os.close(directory)
