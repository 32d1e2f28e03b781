"""Who may come in: the TLS that is served, certificates and users of clients; kept up to date while it runs."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import ssl
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import bcrypt

from monitor.config import ConfigError
from monitor.config.mistake import Mistake, printable
from monitor.files import exposed
from monitor.keys.secret import pem_lines
from monitor.web.access_file import AccessFile, Pem, ServerTls, read_access

_WAITING = 8
"""Passwords for one user from one address that wait to be checked: beyond that, somebody tries them out."""
_REMEMBERED = 100
_LONGEST_PASSWORD = 72
"""Bytes that bcrypt takes."""
_NOBODY = "$2b${:02d}$" + "." * 53
"""A hash of a given cost that no password fits: what an unknown user's is checked against, to take as long."""


class BusyError(Exception):
    """Too many passwords wait to be checked."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What the file said when it was read last."""

    file: AccessFile
    stamp: tuple[object, ...]


class Access:
    """What a web config file asks for. `read` raises a ConfigError; `refresh` leaves all as it is where it would."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._loaded = _Loaded(read_access(path), ())
        self.context = None if self._loaded.file.tls is None else self._made(self._loaded.file.tls)
        """The TLS that is served; None for plain HTTP."""
        self._loaded = _Loaded(self._loaded.file, self._stamp(self._loaded.file))
        self.secrets = _secrets(self._loaded.file)
        """Hashes of passwords and the private key: what no message may hold."""
        self._pepper = secrets.token_bytes(32)
        self._known: dict[bytes, None] = {}
        self._lines: defaultdict[tuple[str, str], _Line] = defaultdict(_Line)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="passwords")

    @property
    def protects(self) -> bool:
        """Whether it keeps anybody out, or anything secret."""
        return self._loaded.file.protects

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of every response."""
        return self._loaded.file.headers

    @property
    def authenticates(self) -> bool:
        """Whether it is known of everybody who is let in who that is: by a password, or a client certificate."""
        tls = self._loaded.file.tls
        return self.asks_users or (tls is not None and tls.client_auth is ssl.CERT_REQUIRED)

    @property
    def asks_users(self) -> bool:
        """Whether a user name and a password are required."""
        return bool(self._loaded.file.users)

    @property
    def warnings(self) -> Iterator[str]:
        """A line for each of its files with a secret that others can read: users' hashes, the private key."""
        tls, users = self._loaded.file.tls, self._loaded.file.users
        held = [self.path] if users or (tls and tls.key.text) else []
        for path in (*held, *([Path(tls.key.file)] if tls and tls.key.file else ())):
            if (mode := exposed(path)) is not None:
                yield f"{path}: others than its owner can read this file, which holds a secret (mode {mode}): chmod 600"

    # -- files that change ---------------------------------------------------------------------------------------------

    def refresh(self) -> bool:
        """Take users, headers and the certificate as they are now; whether they had changed. It reads files.

        What else changed in the TLS needs a restart: a ConfigError says so, as it says every mistake.
        """
        file = read_access(self.path)
        stamp = self._stamp(file)
        if stamp == self._loaded.stamp:
            return False
        ours, theirs = _but_the_certificate(self._loaded.file.tls), _but_the_certificate(file.tls)
        if ours != theirs:
            raise self._wrong("tls_server_config", "has changed, and is in force after a restart only")
        if file.tls is not None:
            assert self.context is not None, "TLS is served"
            self._made(file.tls)  # what does not fit together is found out before it is served
            _load_certificate(self.context, file.tls)
        self._known.clear()
        self._loaded = _Loaded(file, stamp)
        self.secrets |= _secrets(file)
        return True

    def _stamp(self, file: AccessFile) -> tuple[object, ...]:
        """Return what changes with what the file says, or with a certificate that it names."""
        pems = (file.tls.certificate, file.tls.key) if file.tls else ()
        return (file, tuple(sorted(file.users.items())), *(Path(pem.file).read_bytes() for pem in pems if pem.file))

    def _made(self, tls: ServerTls) -> ssl.SSLContext:
        try:
            return _context(tls)
        except (OSError, ValueError) as error:  # ssl's own errors are of both kinds
            raise self._wrong("tls_server_config", f"cannot be served: {printable(str(error), 200)}") from error

    def _wrong(self, key: str, message: str) -> ConfigError:
        return ConfigError((Mistake(str(self.path), None, key, message),))

    # -- who comes -----------------------------------------------------------------------------------------------------

    async def admits(self, authorization: str, peer: str = "") -> bool:
        """Whether the Authorization header names a user with the right password; BusyError if too many wait.

        Passwords wait in a line for each user and address (`peer`), and one of each line is checked at a time: a flood
        of wrong ones locks out nobody who comes from elsewhere or is another user. Those of one line that give the
        same password share its check.
        """
        users = self._loaded.file.users
        if not users:
            return True
        given = _basic(authorization)
        if given is None:
            return False
        name, password = given
        costliest = max(map(_cost, users.values()))
        hashed = users.get(name, _NOBODY.format(costliest))
        mark = hmac.digest(self._pepper, b"\0".join((name.encode(), hashed.encode(), password)), hashlib.sha256)
        if mark in self._known:
            return True
        key = (peer, name if name in users else "")
        line = self._lines[key]
        check = line.checks.get(mark)
        if check is None:
            if line.waiting >= _WAITING:
                raise BusyError
            line.waiting += 1
            check = line.checks[mark] = asyncio.create_task(self._checked(key, mark, password, hashed, costliest))
        if await asyncio.shield(check) and name in users:  # who leaves takes nobody's check along
            self._remember(mark)
            return True
        return False

    async def _checked(self, key: tuple[str, str], mark: bytes, password: bytes, hashed: str, cost: int) -> bool:
        """Check a password out of the loop's way; bcrypt lets other threads run meanwhile."""
        line = self._lines[key]
        try:
            async with line.first:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._worker, _matches, password, hashed.encode(), cost)
        finally:
            line.waiting -= 1
            del line.checks[mark]
            if not line.waiting:
                self._lines.pop(key, None)

    def _remember(self, mark: bytes) -> None:
        """Keep in mind what fitted, by a digest: a scrape every few seconds costs no bcrypt each."""
        if len(self._known) >= _REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[mark] = None

    def knows(self, certificate: Mapping[str, Any] | None) -> bool:
        """Whether a client's certificate, as `getpeercert` tells it, bears one of the names that are let in."""
        wanted = self._loaded.file.tls.client_sans if self._loaded.file.tls else ()
        names = {name for _, name in (certificate or {}).get("subjectAltName", ())}
        return not wanted or not names.isdisjoint(wanted)

    def user(self, authorization: str, certificate: Mapping[str, Any] | None) -> str:
        """Return who was let in: the name of the user, else that in the client's certificate."""
        given = _basic(authorization) if self.asks_users else None
        if given is not None:
            return given[0]
        found = certificate or {}
        names = [name for _, name in found.get("subjectAltName", ())]
        common = [value for part in found.get("subject", ()) for key, value in part if key == "commonName"]
        return str(next(iter((*common, *names)), "a client with a certificate"))

    def close(self) -> None:
        """Let go of the thread."""
        self._worker.shutdown(wait=False, cancel_futures=True)


@dataclass(slots=True)
class _Line:
    """Passwords for one user from one address."""

    waiting: int = 0
    checks: dict[bytes, asyncio.Task[bool]] = field(default_factory=dict)
    """Those under way, by what is checked."""
    first: asyncio.Lock = field(default_factory=asyncio.Lock)


def _cost(hashed: str) -> int:
    """Return the cost of a bcrypt hash: it takes 2 to that power of rounds."""
    return int(hashed.split("$")[2])


def _matches(password: bytes, hashed: bytes, cost: int) -> bool:
    """Whether a password fits, in the time that a hash of `cost` takes: a cheaper one has the other rounds added."""
    tried = password[:_LONGEST_PASSWORD]
    fits = bcrypt.checkpw(tried, hashed)
    for less in range(_cost(hashed.decode()), cost):
        bcrypt.checkpw(tried, _NOBODY.format(less).encode())
    return fits and len(password) <= _LONGEST_PASSWORD


def _basic(authorization: str) -> tuple[str, bytes] | None:
    """Return user name and password of RFC 7617's scheme."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        user = name.decode()
    except (binascii.Error, ValueError):
        return None
    return (user, password) if scheme.lower() == "basic" and colon and b"\0" not in password else None


def _but_the_certificate(tls: ServerTls | None) -> object:
    return tls and (tls.client_ca, tls.client_auth, tls.min_version, tls.max_version, tls.ciphers, tls.curve)


def _context(tls: ServerTls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = tls.min_version, tls.max_version
    context.set_alpn_protocols(["http/1.1"])
    if tls.ciphers:
        context.set_ciphers(":".join(tls.ciphers))
    if tls.curve:
        context.set_ecdh_curve(tls.curve)
    if tls.client_ca:
        context.load_verify_locations(cafile=tls.client_ca.file or None, cadata=tls.client_ca.text or None)
    context.verify_mode = tls.client_auth
    _load_certificate(context, tls)
    return context


def _load_certificate(context: ssl.SSLContext, tls: ServerTls) -> None:
    """Have a context serve the certificate as it is now: connections from here on get it."""
    with _as_file(tls.certificate) as certificate, _as_file(tls.key) as key:
        context.load_cert_chain(certificate, key, password=_no_password)


def _no_password() -> str:
    """Have no terminal asked for a password."""
    raise ValueError("the key is encrypted, and nobody is there to give its password")


def _secrets(file: AccessFile) -> frozenset[str]:
    """Return what of a web config file is secret; it reads the key."""
    found = set(file.users.values())
    for pem in (file.tls.certificate, file.tls.key) if file.tls else ():
        found.update(pem_lines(Path(pem.file).read_text("utf-8", "replace") if pem.file else pem.text))
    return frozenset(found)


@contextmanager
def _written(text: str) -> Iterator[str]:
    with NamedTemporaryFile("w", suffix=".pem") as file:  # readable by ourselves alone
        file.write(text)
        file.flush()
        yield file.name


_AsFile = Callable[[Pem], Any]


def _as_file(pem: Pem) -> Any:  # noqa: ANN401 - a context manager of either kind
    return nullcontext(pem.file) if pem.file else _written(pem.text)
