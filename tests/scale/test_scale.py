"""A fleet on one machine: four shards in each of two locations share 400 targets, lose a shard, and become five."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from monitor.shard import Shard
from tests.alerts.stack import until
from tests.scale.fleet import INTERVAL, PLACES, Fleet, alerts, fleet, query

SHARDS, TARGETS = 4, int(os.environ.get("SCALE_TARGETS", "400"))
APART = 0.05
"""How far a share over all shards may differ from that of the one daemon: fixed before the first run."""
PATIENCE = 900.0

pytestmark = [pytest.mark.real, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The whole fleet, of which each test is the next act."""
    with fleet(tmp_path_factory.mktemp("fleet"), TARGETS, SHARDS) as found:
        yield found


def watched(address: str) -> dict[tuple[str, str], int]:
    """Return how many monitors have each target, by location and target."""
    found = query(address, 'count by (location, target) (chat_stream_interval_seconds{location!="alone"})')
    return {(labels["location"], labels["target"]): int(value) for labels, value in found}


def wanted() -> dict[tuple[str, str], int]:
    """Return what the config asks for: two replicas of each target in each location."""
    return {(place, f"t{number:03}"): 2 for place in PLACES for number in range(TARGETS)}


def test_every_target_is_watched_as_configured(running: Fleet) -> None:
    """Two monitors in each location probe every target, by Prometheus' and VictoriaMetrics' data."""
    for address in (running.prometheus, running.store):
        until(lambda address=address: watched(address) == wanted(), PATIENCE, f"every target at {address}")  # type: ignore[misc]
    assert alerts(running.prometheus) & {"ChatMonitorShardMissing", "ChatMonitorAbsent"} == set()


def test_no_two_monitors_ask_a_target_at_once(running: Fleet) -> None:
    """The probes of a target start a turn apart: a quarter of the interval, whichever monitor makes them."""
    until(lambda: _probes(running) >= 4 * TARGETS, PATIENCE, "a round of probes")
    turn = INTERVAL / 4
    every = [running.probes(place) for place in PLACES]
    gaps = []
    for target in every[0].keys() & every[1].keys():
        times = sorted(every[0][target] + every[1][target])
        gaps += [later - earlier for earlier, later in pairwise(times)]
    print(f"probes of one target: {min(gaps):.2f} s apart at least, a turn is {turn:.2f} s")  # noqa: T201 - measured
    assert min(gaps) > turn / 2


def _probes(running: Fleet) -> float:
    return sum(value for _, value in query(running.prometheus, 'sum(chat_stream_probes_total{location!="alone"})'))


def test_shares_are_those_of_one_daemon(running: Fleet) -> None:
    """Truncated and available streams, and the first chunk's percentiles, over all shards and by one daemon."""
    for where in ('location!="alone"', 'location="alone"'):
        enough = f"sum(chat_stream_accepted_total{{{where}}})"
        until(
            lambda enough=enough: sum(value for _, value in query(running.prometheus, enough)) >= 4 * TARGETS,  # type: ignore[misc]
            PATIENCE,
            "enough streams",
        )
    until(lambda: len(_shares(running)) == 4, PATIENCE, "recorded shares")
    shares = _shares(running)
    print({name: f"{value:.3f}" for name, value in shares.items()})  # noqa: T201 - what was measured
    assert abs(shares["truncated, fleet"] - shares["truncated, alone"]) < APART
    assert abs(shares["available, fleet"] - shares["available, alone"]) < APART
    for quantile in (0.5, 0.9):
        fleets, alone = (_first_chunk(running, quantile, sign) for sign in ("!=", "="))
        print(f"first chunk, p{quantile * 100:.0f}: fleet {fleets:.4f} s, alone {alone:.4f} s")  # noqa: T201 - measured
        assert 0.5 <= fleets / alone <= 2.0, "no further apart than the buckets are"


def _first_chunk(running: Fleet, quantile: float, sign: str) -> float:
    """Return a percentile of the first chunk in seconds, of the fleet ("!=") or of the one daemon ("=")."""
    buckets = f'sum by (le) (chat_stream_time_to_first_chunk_seconds_bucket{{location{sign}"alone"}})'
    expr = f"histogram_quantile({quantile}, {buckets})"
    until(lambda: bool(query(running.prometheus, expr)), PATIENCE, "a percentile")
    return query(running.prometheus, expr)[0][1]


def _shares(running: Fleet) -> dict[str, float]:
    """Return the shares by the recordings, of the fleet and of the one daemon."""
    found = {}
    for who, where in (("fleet", 'location!="alone"'), ("alone", 'location="alone"')):
        for what, bad, total in (
            ("truncated", "target:chat_stream_truncated:increase4m", "target:chat_stream_accepted:increase4m"),
            ("available", "slo:chat_stream_bad:increase4m", "slo:chat_stream_probes:increase4m"),
        ):
            for _, value in query(running.prometheus, f"sum({bad}{{{where}}}) / sum({total}{{{where}}})"):
                found[f"{what}, {who}"] = value
    return found


def test_a_killed_shard_is_missed_and_its_replicas_carry_on(running: Fleet) -> None:
    """The alert of a killed shard fires, and the other monitor of each location still probes every target."""
    running.monitors["eu-2"].stop()
    until(lambda: "ChatMonitorAbsent" in alerts(running.prometheus), PATIENCE, "ChatMonitorAbsent")
    running.announce("eu-2")
    until(lambda: "ChatMonitorShardMissing" in alerts(running.prometheus), PATIENCE, "ChatMonitorShardMissing")
    lost = [name for _, name in wanted() if Shard(1, SHARDS).rank(name, 2) is not None]
    assert len(lost) > TARGETS / 4
    now = time.time()

    def carried_on() -> bool:
        times = running.probes("eu")
        return all(times[name][-1] > now for name in lost)

    until(carried_on, PATIENCE, "probes of the other replica")
    assert "ChatStreamTargetDown" not in alerts(running.prometheus)


def test_another_number_of_shards_loses_no_target(running: Fleet) -> None:
    """Five in place of four, restarted one after the other: the longest time without a probe is stated."""
    began = time.time()
    for number in range(1, SHARDS + 2):
        if (old := running.monitors.get(f"eu-{number}")) is not None:
            old.stop()
        running.start("eu", number, SHARDS + 1)
        running.announce()
    restarted = time.time()
    until(lambda: watched(running.prometheus) == wanted(), PATIENCE, "every target")
    until(
        lambda: alerts(running.prometheus) & {"ChatMonitorShardMissing", "ChatMonitorAbsent"} == set(),
        PATIENCE,
        "an end",
    )

    def again() -> bool:
        return all(times[-1] > restarted for times in running.probes("eu").values())

    until(again, PATIENCE, "a probe of every target")
    longest = max(
        later - earlier
        for times in running.probes("eu").values()
        for earlier, later in pairwise(times)
        if later > began
    )
    print(f"{SHARDS} shards became {SHARDS + 1} in {restarted - began:.1f} s; longest without a probe {longest:.1f} s")  # noqa: T201
    assert longest < 2 * INTERVAL + (restarted - began)
