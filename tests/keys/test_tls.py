"""The keys of a table `tls`."""

from __future__ import annotations

from monitor.keys.tls import Tls
from monitor.settings import DiscoverySource
from monitor.target import Target


def test_every_certificate_is_verified_by_default() -> None:
    """Targets and sources of targets have the same keys, and without any the system's authorities are trusted."""
    assert Target("t", "raw", "http://h/").tls == DiscoverySource("d").tls == Tls()
    assert Tls().insecure_skip_verify is False
