"""The model of the resources of processes: its sums, and how many processes are enough."""

from __future__ import annotations

import pytest

from monitor.config import plan
from monitor.config.capacity import (
    FULL_CORES,
    IDLE_CORES,
    KEPT_CHUNK_BYTES,
    PROGRAM_BYTES,
    SERIES_SECONDS,
    TARGET_BYTES,
    chunks_of,
    enough,
    memory_of,
    of_each,
)
from monitor.settings import KEPT_BYTES, Limits, probes_kept
from tests.config.cases import TARGET, Read


def test_what_a_process_takes_grows_with_what_it_does(read: Read) -> None:
    """Half of the targets take half of what exceeds an idle process, and each replica takes as much again."""
    text = "[monitor]\nlocation = 'eu'\n[defaults]\ninterval = '1s'\n" + TARGET
    limits = Limits()
    one, two = (of_each(plan(read(text + more)), 1, limits) for more in ("", "replicas = 2\n"))
    assert two.cores - IDLE_CORES == pytest.approx(2 * (one.cores - IDLE_CORES))
    assert (one.targets, two.targets, two.series) == (1, 2, 2 * one.series)
    shared = of_each(plan(read(text + "replicas = 2\n")), 2, limits)
    assert shared.cores == pytest.approx(one.cores)
    assert shared.targets == 1
    assert one.memory < two.memory <= two.most_memory


def test_memory_grows_with_targets_and_their_kept_probes() -> None:
    """A target takes its share and its probes, of which many targets keep fewer; long answers take what is allowed."""
    assert memory_of(0, 8) == PROGRAM_BYTES
    each = memory_of(2000, 8) - memory_of(1000, 8)
    assert memory_of(10_000, 8) - memory_of(5000, 8) == 5 * each
    assert (memory_of(1000, 80) - memory_of(1000, 8)) == 1000 * probes_kept(1000) * 72 * KEPT_CHUNK_BYTES
    assert memory_of(100, 1e6) == PROGRAM_BYTES + 100 * TARGET_BYTES + KEPT_BYTES


def test_a_scrape_takes_time_by_its_series(read: Read) -> None:
    """Half of the series take half of the time."""
    found = plan(read(TARGET))
    one = of_each(found, 1, Limits())
    assert one.scrape_seconds == pytest.approx(one.series * SERIES_SECONDS)


@pytest.mark.parametrize(
    ("more", "chunks"),
    [
        ("check = { kind = 'count', to = 20 }", 40),
        ("check = { kind = 'words', to = 12 }", 24),
        ("check = 'none'\nmax_tokens = 77", 77),
    ],
)
def test_an_answer_has_a_chunk_for_a_token(read: Read, more: str, chunks: int) -> None:
    """A list has its requested length, any other answer the maximum length."""
    assert chunks_of(read(TARGET + more + "\n").targets[0]) == chunks


def test_enough_processes_have_half_a_core_of_work_each(read: Read) -> None:
    """Each location has the same number of processes, and with one fewer each would exceed its share."""
    targets = "".join(TARGET.replace('"a"', f'"t{number}"') for number in range(400))
    found = plan(read("[monitor]\nlocation = 'eu'\nlocations = ['eu', 'us']\n[defaults]\ninterval = '1s'\n" + targets))
    processes = enough(found, Limits(), 2)
    assert processes % 2 == 0
    assert of_each(found, processes, Limits()).cores <= FULL_CORES < of_each(found, processes - 2, Limits()).cores
    assert enough(plan(read(TARGET)), Limits()) == 1
