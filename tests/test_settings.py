"""The settings: their defaults and buckets are those of the contract."""

from __future__ import annotations

from itertools import pairwise

import pytest

from monitor.settings import CUT_AFTER_BUCKETS, GAP_BUCKETS, LATENCY_BUCKETS, MIB, Settings

GENAI_DURATION = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""The client buckets that OpenTelemetry advises for `gen_ai.client.operation.duration`."""
PROXY_TIMEOUTS = (15, 30, 60, 100, 120, 300, 600)


def test_the_defaults_are_the_contracts() -> None:
    """A config that says nothing of them gives what section 7 of the contract has."""
    settings = Settings()
    limits = settings.limits
    assert (limits.concurrency, limits.per_host, limits.tokens_per_day) == (50, 4, None)
    assert (limits.stream_bytes, limits.event_bytes, limits.events) == (32 * MIB, 4 * MIB, 200_000)
    assert limits.in_flight_bytes == 128 * MIB
    assert (settings.web.addresses, settings.web.probe) == ((("127.0.0.1", 9877),), False)
    assert settings.metrics.detail == "full"


@pytest.mark.parametrize("buckets", [LATENCY_BUCKETS, GAP_BUCKETS, CUT_AFTER_BUCKETS])
def test_buckets_rise(buckets: tuple[float, ...]) -> None:
    """Prometheus wants them in order, each once."""
    assert all(lower < upper for lower, upper in pairwise(buckets))


def test_latencies_can_be_compared_with_opentelemetrys() -> None:
    """Every bound that OpenTelemetry's GenAI clients use is one of ours."""
    assert set(GENAI_DURATION) <= set(LATENCY_BUCKETS)
    assert LATENCY_BUCKETS[-1] == pytest.approx(655.36)


@pytest.mark.parametrize("timeout", PROXY_TIMEOUTS)
def test_a_proxys_time_out_has_a_bucket_of_its_own(timeout: float) -> None:
    """Cuts at the usual time-outs fall between two bounds that nothing else falls between."""
    above = next(number for number, bound in enumerate(CUT_AFTER_BUCKETS) if bound > timeout)
    assert CUT_AFTER_BUCKETS[above] - CUT_AFTER_BUCKETS[above - 1] == pytest.approx(2.0)
