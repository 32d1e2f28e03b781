"""Access control: the server's TLS, client certificates and users; kept up to date while the daemon runs."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import ssl
from collections.abc import Iterator, Mapping
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

_WAITING = 64
"""The maximum number of passwords that wait to be checked: more of them are an attack."""
_REMEMBERED, _REMEMBERED_WRONG = 100, 1000
_LONGEST_PASSWORD = 72
"""The number of bytes that bcrypt uses at most."""
_NOBODY = "$2b${:02d}$" + "." * 53
"""A hash of a given cost that no password matches: for unknown users, so that the check takes as long."""


class BusyError(Exception):
    """Too many passwords are waiting to be checked."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The content of the file when it was last read."""

    file: AccessFile
    stamp: tuple[object, ...]


class Access:
    """The access rules of a web config file. `refresh` keeps the previous rules if it raises a ConfigError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._loaded = _Loaded(read_access(path), ())
        self.context = None if self._loaded.file.tls is None else self._made(self._loaded.file.tls)
        """The TLS that is served; None for plain HTTP."""
        self._loaded = _Loaded(self._loaded.file, self._stamp(self._loaded.file))
        self.secrets = _secrets(self._loaded.file)
        """Hashes of passwords and the private key, which no message may contain."""
        self._pepper = secrets.token_bytes(32)
        self._known = _Marks(_REMEMBERED)
        self._wrong = _Marks(_REMEMBERED_WRONG)
        self.queues: dict[tuple[str, str], _Queue] = {}
        """Passwords that are being checked or wait, by address and user."""
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="passwords")

    @property
    def protects(self) -> bool:
        """Whether it restricts access or encrypts the connection."""
        return self._loaded.file.protects

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of every response."""
        return self._loaded.file.headers

    @property
    def authenticates(self) -> bool:
        """Whether every admitted client is identified, by a password or a client certificate."""
        tls = self._loaded.file.tls
        return self.asks_users or (tls is not None and tls.client_auth is ssl.CERT_REQUIRED)

    @property
    def asks_users(self) -> bool:
        """Whether a user name and a password are required."""
        return bool(self._loaded.file.users)

    @property
    def warnings(self) -> Iterator[str]:
        """Yield a line for each of its files with a secret that others can read: users' hashes, the private key."""
        tls, users = self._loaded.file.tls, self._loaded.file.users
        files = [self.path] if users or (tls and tls.key.text) else []
        for path in (*files, *([Path(tls.key.file)] if tls and tls.key.file else ())):
            if (mode := exposed(path)) is not None:
                yield f"{path}: other users can read this file, which contains a secret (mode {mode}): chmod 600"

    # -- files that change ---------------------------------------------------------------------------------------------

    def refresh(self) -> bool:
        """Use the current users, headers and certificate; return whether they have changed. It reads files.

        Other changes of TLS need a restart: they raise a ConfigError, as every mistake does.
        """
        file = read_access(self.path)
        stamp = self._stamp(file)
        if stamp == self._loaded.stamp:
            return False
        current, new = _but_the_certificate(self._loaded.file.tls), _but_the_certificate(file.tls)
        if current != new:
            raise self._mistake("tls_server_config", "has changed; a restart is needed for it to take effect")
        if file.tls is not None:
            assert self.context is not None, "TLS is served"
            self._made(file.tls)  # a mismatch is found before it is served
            _load_certificate(self.context, file.tls)
        self._known.clear()
        self._wrong.clear()
        self._loaded = _Loaded(file, stamp)
        self.secrets |= _secrets(file)
        return True

    def _stamp(self, file: AccessFile) -> tuple[object, ...]:
        """Return a value that changes with the file's content or its certificate."""
        pems = (file.tls.certificate, file.tls.key) if file.tls else ()
        return (file, tuple(sorted(file.users.items())), *(Path(pem.file).read_bytes() for pem in pems if pem.file))

    def _made(self, tls: ServerTls) -> ssl.SSLContext:
        try:
            return _context(tls)
        except (OSError, ValueError) as error:  # ssl raises both
            raise self._mistake("tls_server_config", f"cannot be served: {printable(str(error), 200)}") from error

    def _mistake(self, key: str, message: str) -> ConfigError:
        return ConfigError((Mistake(str(self.path), None, key, message),))

    # -- clients -----------------------------------------------------------------------------------------------------

    async def admits(self, authorization: str, peer: str = "") -> bool:
        """Whether the Authorization header has a user with the correct password; BusyError if too many wait.

        Each user and address (`peer`) has a queue, of which one password is checked at a time, so that a flood of wrong
        passwords delays neither other users nor other addresses. If too many wait, one of the longest queue is refused,
        so that a full queue locks out nobody else. Equal passwords of one queue share a check, and the results of
        earlier checks are cached.
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
        if mark in self._known or mark in self._wrong:
            return mark in self._known
        check = self._check((peer, name if name in users else ""), mark, _Check(password, hashed.encode(), costliest))
        fits = await asyncio.shield(check.found)  # a client that disconnects does not cancel the others' check
        if fits is None:
            raise BusyError
        fits = fits and name in users
        (self._known if fits else self._wrong).add(mark)
        return fits

    def _check(self, key: tuple[str, str], mark: bytes, check: _Check) -> _Check:
        """Queue a password, and return its check; the same password in progress is not checked twice."""
        queue = self.queues.get(key)
        if queue is not None and mark in queue.checks:
            return queue.checks[mark]
        if sum(len(one.waiting) for one in self.queues.values()) >= _WAITING:
            max(self.queues.values(), key=lambda one: len(one.waiting)).refuse_one()
        if queue is None:
            queue = self.queues[key] = _Queue()
            queue.task = asyncio.create_task(self._work(key, queue))
        queue.checks[mark] = check
        queue.waiting.append(mark)
        return check

    async def _work(self, key: tuple[str, str], queue: _Queue) -> None:
        """Check the passwords of a queue in a thread; bcrypt releases the interpreter lock."""
        loop = asyncio.get_running_loop()
        try:
            while queue.waiting:
                mark = queue.waiting.pop(0)
                check = queue.checks[mark]
                fits = await loop.run_in_executor(self._worker, _matches, check.password, check.hashed, check.cost)
                check.found.set_result(fits)
                del queue.checks[mark]
        finally:  # at a stop the others are refused
            for check in queue.checks.values():
                check.found.set_result(None)
            del self.queues[key]

    def admits_certificate(self, certificate: Mapping[str, Any] | None) -> bool:
        """Whether a client's certificate, as from `getpeercert`, has one of the allowed names."""
        wanted = self._loaded.file.tls.client_sans if self._loaded.file.tls else ()
        names = {name for _, name in (certificate or {}).get("subjectAltName", ())}
        return not wanted or not names.isdisjoint(wanted)

    def user(self, authorization: str, certificate: Mapping[str, Any] | None) -> str:
        """Return the name of an admitted client: the user, else the name in the client's certificate."""
        given = _basic(authorization) if self.asks_users else None
        if given is not None:
            return given[0]
        found = certificate or {}
        names = [name for _, name in found.get("subjectAltName", ())]
        common = [value for part in found.get("subject", ()) for key, value in part if key == "commonName"]
        return str(next(iter((*common, *names)), "a client with a certificate"))

    def close(self) -> None:
        """Stop the thread."""
        self._worker.shutdown(wait=False, cancel_futures=True)


class _Marks:
    """A cache of the latest results, by digest, so that a scrape every few seconds does not need bcrypt each time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._marks: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._marks)

    def __contains__(self, mark: bytes) -> bool:
        return mark in self._marks

    def add(self, mark: bytes) -> None:
        """Add a result; if the cache is full it replaces the oldest one."""
        if len(self._marks) >= self._most:
            self._marks.pop(next(iter(self._marks)))
        self._marks[mark] = None

    def clear(self) -> None:
        """Remove all results."""
        self._marks.clear()


@dataclass(frozen=True, slots=True)
class _Check:
    """A password and its hash; `found` is whether they match, None if the password was refused unchecked."""

    password: bytes
    hashed: bytes
    cost: int
    found: asyncio.Future[bool | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass(slots=True)
class _Queue:
    """Passwords for one user from one address."""

    checks: dict[bytes, _Check] = field(default_factory=dict)
    """The waiting passwords and the one that is being checked, by password and hash."""
    waiting: list[bytes] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    def refuse_one(self) -> None:
        """Refuse one of the waiting passwords."""
        mark = self.waiting.pop(secrets.randbelow(len(self.waiting)))
        self.checks.pop(mark).found.set_result(None)


def _cost(hashed: str) -> int:
    """Return the cost of a bcrypt hash: it takes 2 to the power of this many rounds."""
    return int(hashed.split("$")[2])


def _matches(password: bytes, hashed: bytes, cost: int) -> bool:
    """Whether a password matches, in the time of a hash with `cost`: a cheaper one is padded with further rounds."""
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
    """Load the current certificate into a context; new connections use it."""
    with _as_file(tls.certificate) as certificate, _as_file(tls.key) as key:
        context.load_cert_chain(certificate, key, password=_no_password)


def _no_password() -> str:
    """Raise instead of prompting for a password on a terminal."""
    raise ValueError("the key is encrypted, and its password cannot be entered here")


def _secrets(file: AccessFile) -> frozenset[str]:
    """Return the secrets of a web config file; it reads the key."""
    found = set(file.users.values())
    for pem in (file.tls.certificate, file.tls.key) if file.tls else ():
        found.update(pem_lines(Path(pem.file).read_text("utf-8", "replace") if pem.file else pem.text))
    return frozenset(found)


@contextmanager
def _written(text: str) -> Iterator[str]:
    with NamedTemporaryFile("w", suffix=".pem") as file:  # readable only by this user
        file.write(text)
        file.flush()
        yield file.name


def _as_file(pem: Pem) -> Any:  # noqa: ANN401 - a context manager of either kind
    return nullcontext(pem.file) if pem.file else _written(pem.text)
