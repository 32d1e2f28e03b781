"""A certificate authority for the tests of the transport."""

from __future__ import annotations

import pytest

from tests.http.parts import House


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Return an authority of these tests."""
    return House(tmp_path_factory.mktemp("tls"))
