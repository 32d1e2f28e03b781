"""The metrics of one target."""

from __future__ import annotations

import pytest

from monitor.sinks.metrics.sink import Metrics
from tests.sinks.samples import GATEWAY


@pytest.fixture
def metrics() -> Metrics:
    """One target, nothing probed yet."""
    made = Metrics()
    made.add(GATEWAY)
    return made
