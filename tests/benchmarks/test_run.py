"""The harness itself: builds and serves, and in a tiny run of each client asks and compares."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from benchmarks import cells
from benchmarks.cells import Cell, Growth
from benchmarks.fidelity import disturbed, filled, merged, undisturbed
from benchmarks.goals import Goal, goals
from benchmarks.growth import grow
from benchmarks.report import markdown
from benchmarks.run import ROOT, Bench, measure
from benchmarks.server import Server, build, certificate, serving, truths
from monitor.http.h2_connection import Answer, Http2Connection, Http2Output, Payload, StreamEnd
from monitor.stream.endings import EndKind

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


def ask(server: Server, query: str) -> bytes:
    """Return all bytes of one answer."""
    with socket.create_connection(("127.0.0.1", server.port)) as asking:
        asking.sendall(f"POST /v1/chat/completions?{query} HTTP/1.1\r\nX-Request-ID: one\r\n\r\n".encode())
        return b"".join(iter(lambda: asking.recv(65536), b""))


def test_every_write_is_on_record(bench: Bench) -> None:
    """The server follows its schedule, and records the clock before and after each write."""
    with serving(bench.tools, bench.directory / "log", None) as server:
        _, _, body = ask(server, "first=2000&gap=1000&n=3").partition(b"\r\n\r\n")
    truth = truths(bench.directory / "log")["one"]
    assert (body.count(b'"content"'), body.count(b"[DONE]")) == (3, 1)
    assert len(body.partition(b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk"')[2])
    assert (truth.chunks, truth.gone, sorted(truth.writes)) == (3, False, [0, 1, 2, 3, 4])
    dues = [truth.writes[number].due - truth.requested for number in (1, 2, 3)]
    assert dues == [2_000_000, 3_000_000, 4_000_000]
    assert all(write.due <= write.before <= write.after for write in truth.writes.values())


def test_every_write_over_http2_is_on_record(bench: Bench) -> None:
    """A client of HTTP/2 gets the same events, one a DATA frame; path and request id are those of its headers."""
    connection, found = Http2Connection(), list[Http2Output]()
    pseudo = {
        ":method": "POST",
        ":scheme": "http",
        ":authority": "x",
        ":path": "/v1/chat/completions?first=2000&gap=1000&n=3",
    }
    connection.request(pseudo, [("X-Request-ID", "an id / of ~any~ {text}")], b"{}")
    with (
        serving(bench.tools, bench.directory / "log", None) as server,
        socket.create_connection(("127.0.0.1", server.port)) as asking,
    ):
        asking.sendall(connection.output())
        for data in iter(lambda: asking.recv(65536), b""):
            found += connection.receive(data, 0.0)
    truth = truths(bench.directory / "log")["an id / of ~any~ {text}"]
    assert found[0] == Answer(200, [(b"content-type", b"text/event-stream")], ended=False)
    assert found[-1] == StreamEnd(EndKind.COMPLETE)
    sizes = [len(one.data) for one in found if isinstance(one, Payload)]
    assert sizes[:3] == [server.event] * 3
    assert sorted(truth.writes) == [0, 1, 2, 3, 4]
    assert [truth.writes[number].due - truth.requested for number in (1, 2, 3)] == [2_000_000, 3_000_000, 4_000_000]


def result(**more: object) -> dict[str, Any]:
    """Return what one client came to in one cell."""
    part = {"samples": 1, "missed": 1, "missed_far": 0, "discarded": 0, "p50": 1.0, "p95": 2.0, "p99": 3.0, "max": 4.0}
    shared = {"chunks_sent": 5, "chunks_seen": 5, "load": 0.1, "runs": 1}
    server = {"lateness": {"p99": 9.0}, "bracket": {"p99": 1.0}}
    parts = {"first_chunk": part, "gap": part, "events": part}
    return {"cell": "streams-200", "client": cells.DAEMON, "server": server, **parts, **shared, **more}


MACHINE = {"processor": "P", "cores": 2, "kernel": "6.1", "python": "3.11.7", "packages": {"aiohttp": "3"}}


def report(results: Sequence[dict[str, Any]]) -> str:
    """Return the whole report."""
    return markdown({"machine": MACHINE, "date": "2026-11-23", "realtime": False, "results": results})


def test_the_report_has_a_row_for_each_result() -> None:
    """A newer result of the same cell and client replaces the older one; memory and chunks have tables of their own."""
    older = [result(load=7.77), result(cell="chunks-10", cpu_per_chunk=20.0)]
    newer = merged(older, [result(), result(cell="chunks-500", cpu_per_chunk=11.0)])
    grown = {
        "cell": "targets-10",
        "client": cells.DAEMON,
        "targets": 10,
        "probes": 20,
        "memory_mb": 1,
        "first_probe_s": 1,
    }
    text = report([*newer, grown])
    assert "7.77" not in text
    assert "**streams-200** (server: late p99 9.0 us, bracket p99 1.0 us)" in text
    assert "| chat-monitor | 10.8 | 92 |" in text
    assert "| 10 | 20 | 1 | 1 |" in text


def test_a_goal_is_met_missed_or_not_measured() -> None:
    """Every goal has its row, with the figure if there is one."""
    slow = result(client=cells.AIOHTTP, first_chunk={**result()["first_chunk"], "p99": 30.0}, cpu_per_chunk=10.0)
    found = {goal.name: goal.word for goal in goals([result(cpu_per_chunk=13.0), slow])}
    assert found["first chunk, error p99, streams-200"] == "met"
    assert found["first chunk, p99, times smaller than the aiohttp loop's, streams-200"] == "missed"
    assert found["CPU a chunk, times the aiohttp loop's, streams-200"] == "met"
    assert found["first probe after the start, 10 targets"] == "not measured"
    assert found["of them, those that miss"] == "met"
    assert f"| {Goal('chunks lost of them', None, 0).name} | at most 0 | - | not measured |" in report([])


def test_a_late_server_disturbs_a_cell() -> None:
    """A cell is repeated if the server was too late."""
    assert not disturbed(result())
    assert disturbed(result(server={"lateness": {"p99": 1500.0}}))


def test_a_client_that_stores_nothing_costs_no_other(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client without results is run again, and left out if that fails."""
    stored: list[list[dict[str, Any]]] = [[], [result()], [], [], []]

    def measured(*_: object) -> list[dict[str, Any]]:
        if not (found := stored.pop(0)):
            raise OSError("no file")
        return found

    monkeypatch.setattr("benchmarks.fidelity.measure", measured)
    assert [one["runs"] for one in undisturbed(bench, TINY, cells.DAEMON)] == [2]
    assert undisturbed(bench, TINY, cells.DAEMON) == []


def test_the_docs_page_has_the_figures_that_are_kept() -> None:
    """The page has the figures of benchmarks/figures.json."""
    page = (ROOT / "docs" / "performance.md").read_text()
    figures = json.loads((ROOT / "benchmarks" / "figures.json").read_text())
    assert filled(page, markdown(figures)) == page


# -- whole runs --------------------------------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize("client", [cells.DAEMON, cells.HTTPX, cells.FLOOR])
def test_http2_is_served_and_read(bench: Bench, client: str) -> None:
    """The same over HTTP/2: every chunk is seen by every client that speaks it."""
    if client == cells.HTTPX:
        pytest.importorskip("httpx")
    for found in measure(bench, replace(TINY, http="2"), client):
        assert found["chunks_seen"] == found["chunks_sent"]
        assert found["streams"] == found["chunks_sent"] / 4 >= 3  # type: ignore[operator]


@pytest.mark.real
@pytest.mark.parametrize("client", [*cells.EVERYONE, cells.DAEMON_JSON])
def test_every_chunk_that_was_sent_is_seen(bench: Bench, client: str) -> None:
    """Each client reads every stream to its end; who has the kernel's stamps is within what a busy machine allows."""
    for package in {cells.HTTPX: ["httpx"], cells.OPENAI: ["openai"]}.get(client, []):
        pytest.importorskip(package)
    for found in measure(bench, TINY, client):
        assert found["streams"] == found["chunks_sent"] / 4 >= 3  # type: ignore[operator]
        assert found["chunks_seen"] == found["chunks_sent"]
        first: Any = found["first_chunk"]
        assert first["kept"] + first["unknown"] >= 3
        if found["client"] in EXACT and first["kept"]:
            assert first["p50"] < 1000


@pytest.mark.real
@pytest.mark.parametrize("client", [cells.DAEMON, cells.AIOHTTP, cells.BARE])
def test_tls_is_served_and_read(bench: Bench, client: str) -> None:
    """The same over TLS, with a certificate of the benchmark's own."""
    if not (bench.tools.tls and bench.certificate):
        pytest.skip("no OpenSSL headers, or no openssl command")
    (found,) = measure(bench, replace(TINY, tls=True), client)
    assert found["chunks_seen"] == found["chunks_sent"]


@pytest.mark.real
def test_a_blocked_and_scraped_daemon_is_measured(bench: Bench) -> None:
    """The daemon with its hooks, and without any; what comes of it can be reported."""
    cell = replace(TINY, block=0.02, scraped=0.2)
    text = report([*measure(bench, cell, cells.DAEMON), grow(bench, Growth(10, seconds=3.0))])
    assert "| chat-monitor |" in text
    assert "Scrapes: " in text
