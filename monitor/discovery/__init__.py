"""Targets from lists that others write: `sources` reads them again and again, `documents` is their format."""

from __future__ import annotations

from monitor.discovery.sources import Discovery, DiscoveryCallbacks, of_config

__all__ = ["Discovery", "DiscoveryCallbacks", "of_config"]
