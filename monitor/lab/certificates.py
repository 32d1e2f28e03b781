"""Throw-away certificates, generated at each start, because shipped ones expire and their keys are public.

It needs the extra `lab` (the library cryptography).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Extension = tuple[x509.ExtensionType, bool]
"""An extension, and whether it is critical."""


def new_key() -> EllipticCurvePrivateKey:
    """Return a new private key on P-256."""
    return generate_private_key(SECP256R1())


def key_pem(key: EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PEM, not encrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority: a name and a key."""

    name: str
    key: EllipticCurvePrivateKey

    def certify(
        self, key: EllipticCurvePrivateKey, subject: str, names: Iterable[str], since: datetime, until: datetime
    ) -> bytes:
        """Return a certificate for a key, as PEM; without names it is the authority's own, for a trust store."""
        alternatives = [_alternative(name) for name in names]
        builder = (
            x509.CertificateBuilder()
            .issuer_name(_name(self.name))
            .subject_name(_name(subject))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(since)
            .not_valid_after(until)
            # the subject's and the issuer's key identifier: strict clients require both
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        for extension, critical in _of_server(alternatives) if alternatives else _OF_AUTHORITY:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


_OF_AUTHORITY: tuple[Extension, ...] = (
    (x509.BasicConstraints(ca=True, path_length=None), True),
    (_usage(authority=True), True),
)


def _of_server(names: list[x509.GeneralName]) -> tuple[Extension, ...]:
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        (_usage(authority=False), True),
        (x509.ExtendedKeyUsage(purposes), False),
        (x509.SubjectAlternativeName(names), False),
    )


def _alternative(name: str) -> x509.GeneralName:
    """Return a host's name or address."""
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
