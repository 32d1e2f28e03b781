"""Throw-away certificates, made anew at each start: the little of DER, X.509 and ECDSA on P-256 that takes.

Shipped certificates expire and their keys are everybody's; this needs no library and no program. It is not made to
keep a secret (nothing in it runs in constant time): the keys live as long as the lab.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import textwrap
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

# FIPS 186-5, curve P-256: y^2 = x^3 - 3x + b over the integers modulo FIELD, with BASE of order ORDER.
FIELD = 2**256 - 2**224 + 2**192 + 2**96 - 1
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
BASE = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
SIZE = 32
UTC_TIME_UNTIL = 2050
"""RFC 5280, 4.1.2.5: from this year on a date has four digits for its year."""

Point = tuple[int, int]


def added(one: Point, two: Point) -> Point:
    """The sum of two points that are not each other's opposite, which never meet here."""
    (x1, y1), (x2, y2) = one, two
    over, under = (3 * x1 * x1 - 3, 2 * y1) if one == two else (y2 - y1, x2 - x1)
    slope = over * pow(under, -1, FIELD) % FIELD
    x = (slope * slope - x1 - x2) % FIELD
    return x, (slope * (x1 - x) - y1) % FIELD


def times(factor: int, point: Point = BASE) -> Point:
    """So many times a point, from the highest bit down."""
    total = point
    for bit in bin(factor)[3:]:
        total = added(total, total)
        if bit == "1":
            total = added(total, point)
    return total


@dataclass(frozen=True, slots=True)
class Key:
    """A private key and its public half."""

    secret: int
    public: bytes

    @classmethod
    def new(cls) -> Key:
        """A new one."""
        secret = secrets.randbelow(ORDER - 2) + 2
        x, y = times(secret)
        return cls(secret, b"\x04" + x.to_bytes(SIZE) + y.to_bytes(SIZE))

    def sign(self, data: bytes) -> bytes:
        """ECDSA with SHA-256 (FIPS 186-5, 6.4.1)."""
        nonce = secrets.randbelow(ORDER - 2) + 2
        r = times(nonce)[0] % ORDER
        s = pow(nonce, -1, ORDER) * (int.from_bytes(hashlib.sha256(data).digest()) + r * self.secret) % ORDER
        return sequence(integer(r), integer(s))

    @property
    def identifier(self) -> bytes:
        """What certificates call it by."""
        return hashlib.sha1(self.public, usedforsecurity=False).digest()

    @property
    def pem(self) -> bytes:
        """The private key (RFC 5915)."""
        secret = self.secret.to_bytes(SIZE)
        parts = (integer(1), tagged(0x04, secret), tagged(0xA0, P256), tagged(0xA1, bits(self.public)))
        return pem("EC PRIVATE KEY", sequence(*parts))


# -- DER ---------------------------------------------------------------------------------------------------------------


def tagged(tag: int, *parts: bytes) -> bytes:
    """A value with its tag and its length."""
    data = b"".join(parts)
    if len(data) < 1 << 7:
        return bytes((tag, len(data))) + data
    length = len(data).to_bytes((len(data).bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + data


def sequence(*parts: bytes) -> bytes:
    """These values, one after the other."""
    return tagged(0x30, *parts)


def integer(value: int) -> bytes:
    """A number that is not negative."""
    return tagged(0x02, value.to_bytes(value.bit_length() // 8 + 1))


def bits(data: bytes, unused: int = 0) -> bytes:
    """A string of bits, the last ones unused."""
    return tagged(0x03, bytes((unused,)), data)


def oid(dotted: str) -> bytes:
    """The name of a thing."""
    first, second, *rest = map(int, dotted.split("."))
    return tagged(0x06, *map(_base128, (first * 40 + second, *rest)))


def _base128(number: int) -> bytes:
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(number & 0x7F | 0x80)
    return bytes(reversed(digits))


def date(moment: datetime) -> bytes:
    """A moment, to the second."""
    text = moment.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode()
    return tagged(0x17, text[2:]) if moment.year < UTC_TIME_UNTIL else tagged(0x18, text)


def pem(kind: str, data: bytes) -> bytes:
    """A value as text."""
    lines = textwrap.wrap(b64encode(data).decode(), 64)
    return "\n".join((f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", "")).encode()


P256 = oid("1.2.840.10045.3.1.7")
EC_KEY = sequence(oid("1.2.840.10045.2.1"), P256)
SIGNED_WITH = sequence(oid("1.2.840.10045.4.3.2"))
TRUE = tagged(0x01, b"\xff")


# -- certificates ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs: a name and a key."""

    name: str
    key: Key

    def certify(self, key: Key, subject: str, names: Iterable[str], since: datetime, until: datetime) -> bytes:
        """A certificate for a key, as PEM; one for its own name makes the authority one that can be trusted."""
        authority = subject == self.name and not names
        content = sequence(
            tagged(0xA0, integer(2)),
            integer(secrets.randbits(127) + 1),
            SIGNED_WITH,
            common_name(self.name),
            sequence(date(since), date(until)),
            common_name(subject),
            sequence(EC_KEY, bits(key.public)),
            tagged(0xA3, sequence(*(_of_authority() if authority else _of_server(names)), *self._keys(key))),
        )
        return pem("CERTIFICATE", sequence(content, SIGNED_WITH, bits(self.key.sign(content))))

    def _keys(self, key: Key) -> tuple[bytes, bytes]:
        """Whose key this is and whose key signed it; clients that go by the letter ask for both."""
        own = extension("2.5.29.14", tagged(0x04, key.identifier))
        return own, extension("2.5.29.35", sequence(tagged(0x80, self.key.identifier)))


def _of_authority() -> tuple[bytes, ...]:
    usage = bits(b"\x06", 1)  # keyCertSign, cRLSign
    return extension("2.5.29.19", sequence(TRUE), critical=True), extension("2.5.29.15", usage, critical=True)


def _of_server(names: Iterable[str]) -> tuple[bytes, ...]:
    usage = bits(b"\x80", 7)  # digitalSignature
    purposes = sequence(oid("1.3.6.1.5.5.7.3.1"), oid("1.3.6.1.5.5.7.3.2"))  # server, client
    return (
        extension("2.5.29.15", usage, critical=True),
        extension("2.5.29.37", purposes),
        extension("2.5.29.17", sequence(*map(alternative_name, names))),
    )


def extension(name: str, value: bytes, *, critical: bool = False) -> bytes:
    """One extension."""
    return sequence(oid(name), *((TRUE,) if critical else ()), tagged(0x04, value))


def alternative_name(name: str) -> bytes:
    """A host's name or address."""
    try:
        return tagged(0x87, ipaddress.ip_address(name).packed)
    except ValueError:
        return tagged(0x82, name.encode())


def common_name(name: str) -> bytes:
    """A name of nothing but a common name."""
    return sequence(tagged(0x31, sequence(oid("2.5.4.3"), tagged(0x0C, name.encode()))))
