"""A certificate authority for the tests of the transport."""

from __future__ import annotations

import pytest

from tests.http.parts import CertificateAuthority


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """Return an authority of these tests."""
    return CertificateAuthority(tmp_path_factory.mktemp("tls"))
