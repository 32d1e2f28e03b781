"""The files that a config names: where they are searched, and their content, which is never shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

from monitor.files import exposed
from monitor.keys.secret import Secret, pem_lines
from monitor.keys.values import header_value, wrong

CREDENTIALS = "CREDENTIALS_DIRECTORY"
STATE = "STATE_DIRECTORY"
_LARGEST = 1024 * 1024
_SAFE_NAME = re.compile(r"[A-Z][A-Z0-9]{0,11}(?:_[A-Z0-9]{1,12})*")
"""Names of variables that are repeated in messages: a key that was written in place of a name has longer words."""

_T = TypeVar("_T")


def _once(method: Callable[[Places, str], _T]) -> Callable[[Places, str], _T]:
    """Cache the results of a method by name, if its `Places` have a cache; errors are not cached."""

    @wraps(method)
    def found(self: Places, name: str) -> _T:
        if self.known is None:
            return method(self, name)
        key = (method.__name__, name)
        if key not in self.known:
            self.known[key] = method(self, name)
        return cast("_T", self.known[key])

    return found


@dataclass(frozen=True, slots=True)
class Places:
    """Where relative file names are searched: the unit's credentials first, then the config's directory."""

    directory: Path
    environ: Mapping[str, str]
    known: dict[tuple[str, str], Any] | None = field(default=None, compare=False, repr=False)
    """The cache, by method and file name, so that a file is read once even if thousands of targets name it."""

    @_once
    def find(self, name: str) -> Path:
        """Return the path of a file that the config names."""
        credentials = self.environ.get(CREDENTIALS)
        if credentials and not Path(name).is_absolute() and (Path(credentials) / name).exists():
            return Path(credentials) / name
        return self.directory / name

    def state(self, name: str) -> str:
        """Return the path of a file that the monitor writes: systemd's state directory comes first."""
        state = self.environ.get(STATE, "").partition(":")[0]
        return str((Path(state) if state else self.directory) / name)

    @_once
    def secret_file(self, name: str) -> Secret:
        """Read a secret for a header."""
        return _secret(self._read(name), "names a file that")

    @_once
    def secret_path(self, name: str) -> str:
        """Return the path of a file with a secret for a header."""
        self.secret_file(name)
        return str(self.find(name))

    def password_file(self, name: str) -> Secret:
        """Read a password, which may hold characters beyond ASCII."""
        return _password(self._read(name), "names a file that")

    def password_path(self, name: str) -> str:
        """Return the path of a file that holds a password."""
        self.password_file(name)
        return str(self.find(name))

    def password_variable(self, name: str) -> Secret:
        """Take a password from the environment."""
        return _password(self._variable(name), "names a variable that")

    def secret_variable(self, name: str) -> Secret:
        """Return a secret from the environment."""
        return _secret(self._variable(name), "names a variable that")

    def _variable(self, name: str) -> str:
        if name not in self.environ:
            named = f"the variable {name} is not set" if _SAFE_NAME.fullmatch(name) else "the variable is not set"
            raise wrong(named, "set it, or write the name of another variable, not the key itself")
        return self.environ[name]

    @_once
    def pem(self, name: str) -> str:
        """Return the path of a readable PEM file."""
        if "-----BEGIN " not in self._read(name):
            raise wrong("is not a PEM file")
        return str(self.find(name))

    @_once
    def exposed(self, name: str) -> str | None:
        """Return the mode of a secret's file if others can read it, else None."""
        return exposed(self.find(name))

    @_once
    def exposed_key(self, name: str) -> str | None:
        """Return the mode of a PEM file if it contains a private key that others can read, else None."""
        return self.exposed(name) if any(pem_lines(self._read(name))) else None

    def _read(self, name: str) -> str:
        try:
            path = self.find(name)
            if path.exists() and not path.is_file():
                raise wrong("is not a regular file")
            with path.open("rb") as stream:
                return stream.read(_LARGEST).decode()
        except UnicodeDecodeError:
            raise wrong("is not a UTF-8 file") from None
        except OSError as error:
            reason = (error.strerror or "unknown error").lower()
            raise wrong(f"cannot be read: {reason}", self._looked(name)) from None

    def _looked(self, name: str) -> str:
        if Path(name).is_absolute():
            return ""
        place = "the config's directory"
        return (
            f"looked for in ${CREDENTIALS} and {place}" if self.environ.get(CREDENTIALS) else f"looked for in {place}"
        )


def _line(text: str, source: str) -> str:
    value = text.rstrip("\r\n")
    if not value.strip():
        raise wrong(f"{source} is empty")
    return value


def _password(text: str, source: str) -> Secret:
    value = _line(text, source)
    if not value.isprintable():
        raise wrong(f"{source} does not hold one line of printable characters")
    return Secret(value)


def _secret(text: str, source: str) -> Secret:
    value = _line(text, source)
    try:
        return Secret(header_value(value))
    except ValueError:
        raise wrong(f"{source} does not hold one line of printable ASCII") from None
