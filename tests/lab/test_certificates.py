"""The certificates of the TLS faults: what they say, and that a strict verifier accepts their chain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose
from cryptography.x509.verification import PolicyBuilder, Store

from monitor.lab.certificates import Authority, key_pem, new_key

SINCE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
UNTIL = datetime(2060, 1, 2, 3, 4, 5, tzinfo=UTC)
NAMES = ("lab.test", "127.0.0.1", "::1")


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Return an authority."""
    return Authority("the authority", new_key())


def own(authority: Authority) -> x509.Certificate:
    """Return the authority's own certificate."""
    return x509.load_pem_x509_certificate(authority.certify(authority.key, authority.name, (), SINCE, UNTIL))


def test_a_key_is_read_as_it_was_made() -> None:
    """A key's PEM holds that key, not encrypted."""
    key = new_key()
    read = load_pem_private_key(key_pem(key), None)
    assert isinstance(read, EllipticCurvePrivateKey)
    assert read.private_numbers() == key.private_numbers()


def test_a_certificate_says_what_was_asked_for(authority: Authority) -> None:
    """Names, addresses, dates on both sides of 2050, purposes, and whose key signed it."""
    key = new_key()
    read = x509.load_pem_x509_certificate(authority.certify(key, "lab", NAMES, SINCE, UNTIL))
    read.verify_directly_issued_by(own(authority))
    assert (read.not_valid_before_utc, read.not_valid_after_utc) == (SINCE, UNTIL)
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["lab.test"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1"), ip_address("::1")]
    purposes = read.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [Purpose.SERVER_AUTH, Purpose.CLIENT_AUTH]
    signer = read.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert signer.key_identifier == x509.SubjectKeyIdentifier.from_public_key(authority.key.public_key()).digest


def test_a_chain_holds_by_the_letter(authority: Authority) -> None:
    """A verifier with the rules of RFC 5280 and of the web accepts it for its own name only."""
    since, until = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    leaf = x509.load_pem_x509_certificate(authority.certify(new_key(), "lab", NAMES, since, until))
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
