"""The certificates, read by a library that had no part in making them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose
from cryptography.x509.verification import PolicyBuilder, Store

from monitor.lab.certificates import BASE, ORDER, Authority, Key, date, integer, oid, tagged, times

SINCE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
UNTIL = datetime(2060, 1, 2, 3, 4, 5, tzinfo=UTC)
NAMES = ("lab.test", "127.0.0.1", "::1")


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Return an authority."""
    return Authority("the authority", Key.new())


def own(authority: Authority) -> x509.Certificate:
    """Return the authority's own certificate."""
    return x509.load_pem_x509_certificate(authority.certify(authority.key, authority.name, (), SINCE, UNTIL))


def test_a_key_is_read_as_it_was_made() -> None:
    """Secret and public half are those of the curve, as another library works them out."""
    key = Key.new()
    read = load_pem_private_key(key.pem, None)
    assert isinstance(read, EllipticCurvePrivateKey)
    assert read.private_numbers().private_value == key.secret
    public = read.public_key().public_numbers()
    assert (public.x.to_bytes(32) + public.y.to_bytes(32)) == key.public[1:]


def test_the_curve_closes() -> None:
    """The base has the order that it is said to have: one turn less is its opposite."""
    x, y = times(ORDER - 1)
    assert (x, -y % (2**256 - 2**224 + 2**192 + 2**96 - 1)) == BASE


def test_a_certificate_says_what_was_asked_for(authority: Authority) -> None:
    """Names, addresses, dates on both sides of 2050, purposes, and whose key signed it."""
    key = Key.new()
    read = x509.load_pem_x509_certificate(authority.certify(key, "lab", NAMES, SINCE, UNTIL))
    read.verify_directly_issued_by(own(authority))
    assert (read.not_valid_before_utc, read.not_valid_after_utc) == (SINCE, UNTIL)
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["lab.test"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1"), ip_address("::1")]
    purposes = read.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [Purpose.SERVER_AUTH, Purpose.CLIENT_AUTH]
    signer = read.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert signer.key_identifier == authority.key.identifier


def test_a_chain_holds_by_the_letter(authority: Authority) -> None:
    """A verifier that knows RFC 5280 and the web's own rules takes it for what it says, and for nothing else."""
    since, until = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    leaf = x509.load_pem_x509_certificate(authority.certify(Key.new(), "lab", NAMES, since, until))
    policy = PolicyBuilder().store(Store([own(authority)]))
    assert policy.build_server_verifier(x509.DNSName("lab.test")).verify(leaf, [])[0] == leaf
    with pytest.raises(x509.verification.VerificationError):
        policy.build_server_verifier(x509.DNSName("other.test")).verify(leaf, [])


def test_an_authority_that_signs_for_itself_with_names_is_a_server(authority: Authority) -> None:
    """A self-signed server certificate is no authority."""
    read = x509.load_pem_x509_certificate(authority.certify(authority.key, authority.name, NAMES, SINCE, UNTIL))
    assert read.issuer == read.subject
    with pytest.raises(x509.ExtensionNotFound):
        read.extensions.get_extension_for_class(x509.BasicConstraints)


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (integer(0), b"\x02\x01\x00"),
        (integer(127), b"\x02\x01\x7f"),
        (integer(128), b"\x02\x02\x00\x80"),
        (tagged(0x04, bytes(127))[:2], b"\x04\x7f"),
        (tagged(0x04, bytes(128))[:3], b"\x04\x81\x80"),
        (tagged(0x04, bytes(256))[:4], b"\x04\x82\x01\x00"),
        (oid("2.5.4.3"), b"\x06\x03\x55\x04\x03"),
        (oid("1.2.840.10045.3.1.7"), b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"),
        (date(datetime(2049, 12, 31, tzinfo=UTC)), b"\x17\x0d491231000000Z"),
        (date(datetime(2050, 1, 1, tzinfo=UTC)), b"\x18\x0f20500101000000Z"),
    ],
)
def test_values_in_der(made: bytes, wanted: bytes) -> None:
    """Each value is written in the one way that DER has for it."""
    assert made == wanted
