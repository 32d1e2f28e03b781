"""The harness itself, in a tiny run: builds, serves, asks, compares."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from typing import Any

import pytest

from benchmarks import cells
from benchmarks.cells import Cell, Growth
from benchmarks.fidelity import merged
from benchmarks.growth import grow
from benchmarks.report import markdown
from benchmarks.run import Bench, measure
from benchmarks.server import build, certificate

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the benchmark reads Linux's clocks of processes"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler"),
]
TINY = Cell("quick", streams=3, chunks=4, interval=1.0, rounds=1, first=50, gap=20.0, spread=0.2)
EXACT = ("chat-monitor", "C, epoll, kernel's stamps")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return what all runs share."""
    directory = tmp_path_factory.mktemp("bench")
    return Bench(build(directory), certificate(directory), directory)


@pytest.mark.parametrize("client", [cells.DAEMON, cells.AIOHTTP, cells.BARE, cells.FLOOR, cells.DAEMON_JSON])
def test_every_chunk_that_was_sent_is_seen(bench: Bench, client: str) -> None:
    """Each client reads every stream to its end; who has the kernel's stamps is within what a busy machine allows."""
    for found in measure(bench, TINY, client):
        assert found["streams"] == found["chunks_sent"] / 4 >= 3  # type: ignore[operator]
        assert found["chunks_seen"] == found["chunks_sent"]
        first: Any = found["first_chunk"]
        assert first["kept"] + first["unknown"] >= 3
        if found["client"] in EXACT and first["kept"]:
            assert first["p50"] < 1000


@pytest.mark.parametrize("client", [cells.DAEMON, cells.AIOHTTP, cells.BARE])
def test_tls_is_served_and_read(bench: Bench, client: str) -> None:
    """The same over TLS, with a certificate of the benchmark's own."""
    if not (bench.tools.tls and bench.certificate):
        pytest.skip("no OpenSSL headers, or no openssl command")
    (found,) = measure(bench, replace(TINY, tls=True), client)
    assert found["chunks_seen"] == found["chunks_sent"]


def test_the_report_has_a_row_for_each_result(bench: Bench) -> None:
    """A newer result of the same cell and client replaces the older one."""
    cell = replace(TINY, block=0.02, scraped=0.2)
    results = [*measure(bench, cell, cells.DAEMON), grow(bench, Growth(10, seconds=3.0))]
    newer = merged(results, measure(bench, cell, cells.DAEMON))
    assert [one["cell"] for one in newer] == ["quick", "targets-10"]
    machine = {"processor": "P", "cores": 2, "kernel": "6.1", "python": "3.11.7", "packages": {"aiohttp": "3"}}
    text = markdown({"machine": machine, "date": "2026-11-23", "realtime": False, "results": newer})
    assert "| chat-monitor |" in text
    assert "| 10 |" in text
