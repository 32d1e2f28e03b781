"""Targets from external lists: `sources` reads them at intervals, `documents` parses them."""

from __future__ import annotations

from monitor.discovery.sources import Discovery, DiscoveryCallbacks, of_config

__all__ = ["Discovery", "DiscoveryCallbacks", "of_config"]
