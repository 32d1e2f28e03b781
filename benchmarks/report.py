"""The figures as Markdown tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from benchmarks.cells import DAEMON
from benchmarks.goals import OWN, costs_apart, goals

Result = Mapping[str, Any]


def markdown(found: Mapping[str, Any]) -> str:
    """Return the whole report."""
    results: Sequence[Result] = found["results"]
    loads = [one for one in results if "first_chunk" in one]
    tables = [table for table in map(_cell, _grouped(loads)) if table]
    return "\n\n".join([_about(found), *tables, *_chunks(loads), *_own(loads), *_growth(results), *_goals(results)])


def _about(found: Mapping[str, Any]) -> str:
    about = found["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    if "took" in found:
        found = {**found, "date": f"one run of all cells, begun {found['date']} UTC, {found['took']} minutes"}
    first = ", server and clients before all other work of the machine (SCHED_FIFO)" if found["realtime"] else ""
    machine = f"{about['processor']}, {about['cores']} cores, Linux {about['kernel']}, Python {about['python']}"
    return f"{machine}, {packages}; {found['date']}{first}."


def _grouped(results: Iterable[Result]) -> list[list[Result]]:
    names: dict[str, list[Result]] = {}
    for one in results:
        names.setdefault(one["cell"], []).append(one)
    return list(names.values())


def _quad(figures: Mapping[str, float]) -> str:
    return " / ".join(_short(figures[key]) for key in ("p50", "p95", "p99", "max")) if "p50" in figures else "-"


def _short(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:.0f} ms"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)


def _missed(one: Result) -> str:
    if not one["client"].startswith(_STATES):
        return ""
    found = truth([one])
    near = found["missed"] - found["missed_far"]
    return f"{found['missed_far']} of {found['samples']}" + (f" ({near} nearly)" if near else "")


def truth(results: Iterable[Result]) -> dict[str, int]:
    """Return how many stated intervals there are, and how many miss the true one: at all, and by far."""
    parts = [one[part] for one in results for part in ("events", "first_chunk", "gap", "request") if part in one]
    return {key: sum(part.get(key, 0) for part in parts) for key in ("samples", "missed", "missed_far")}


_COLUMNS: tuple[tuple[str, Callable[[Result], str]], ...] = (
    ("client", lambda one: one["client"]),
    ("first chunk, us: p50 / p95 / p99 / max", lambda one: _quad(one["first_chunk"])),
    ("gaps, us: p50 / p95 / p99 / max", lambda one: _quad(one["gap"])),
    ("from the request, us: p50 / p95 / p99 / max", lambda one: _quad(one.get("request", {}))),
    ("left out", lambda one: f"{one['first_chunk']['discarded']} + {one['gap']['discarded']}"),
    ("missed", _missed),
    ("seen", lambda one: f"{one['chunks_seen']}/{one['chunks_sent']}"),
    ("CPU a chunk, us", lambda one: _or_dash(one.get("cpu_per_chunk"))),
    ("chunks a second", lambda one: _or_dash(one.get("chunks_per_second"))),
    ("core", lambda one: f"{one['cpu_share']:.0%}" if "cpu_share" in one else "-"),
    ("kB a stream", lambda one: _or_dash(one.get("memory_per_stream"))),
    ("run of", lambda one: _or_dash(one.get("run"))),
    ("load", lambda one: _or_dash(one.get("load"))),
    ("runs", lambda one: _or_dash(one.get("runs"))),
)


_STATES = ("chat-monitor", "C, epoll, kernel's stamps")
"""Clients whose figures are arrival times with an uncertainty."""


def _cell(results: list[Result]) -> str:
    server = results[0]["server"]
    late = max(one["server"]["lateness"].get("p99", 0.0) for one in results)
    wide = max(one["server"]["bracket"].get("p99", 0.0) for one in results)
    title = f"**{results[0]['cell']}** (server: late p99 {_short(late)} us, bracket p99 {_short(wide)} us)"
    lines = [[name for name, _ in _COLUMNS], ["---"] * len(_COLUMNS)]
    lines += [[column(one) for _, column in _COLUMNS] for one in results]
    scrapes = [f"Scrapes: {one['scrapes']}" for one in results if "scrapes" in one]
    return "\n".join([title, "", *(f"| {' | '.join(line)} |" for line in lines), *scrapes]) if server else ""


def _chunks(results: Iterable[Result]) -> list[str]:
    """Return what a chunk and what a probe costs, apart: from the cells that differ in their chunks alone."""
    costs = costs_apart(results)
    lines = [f"| {client} | {chunk:.1f} | {probe:.0f} |" for client, (chunk, probe) in costs.items()]
    return [
        "\n".join(["| client | CPU a further chunk, us | CPU a probe besides, us |", "|---|---|---|", *lines])
    ] * bool(lines)


def _own(results: Iterable[Result]) -> list[str]:
    """Return, for the cells of the own delay, how many probes are kept in the histograms and how exact those are."""
    ours = {one["cell"]: one for one in results if one["client"] == DAEMON and "kept" in one.get("request", {})}
    lines = ["| own delay | probes | kept | too uncertain | server held up | error p99 of what is kept, us | missed |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for cell in OWN:
        if cell in ours:
            one = ours[cell]["request"]
            probes = one["kept"] + one["discarded"] + one["unknown"]
            counts = f"{probes} | {one['kept']} | {one['discarded']} | {one['unknown']}"
            p99 = _short(one["p99"]) if "p99" in one else "-"
            lines.append(f"| {cell} | {counts} | {p99} | {one['missed_far']} of {one['samples']} |")
    return ["\n".join(lines)] if len(lines) > 2 else []


def _growth(results: Iterable[Result]) -> list[str]:
    results = [one for one in results if "targets" in one]
    if not results:
        return []
    lines = ["| targets | probes | memory, MB | first probe, s | run of |", "|---|---|---|---|---|"]
    columns = ("targets", "probes", "memory_mb", "first_probe_s", "run")
    lines += [f"| {' | '.join(_or_dash(one.get(column)) for column in columns)} |" for one in results]
    return ["\n".join(lines)]


def _goals(results: Sequence[Result]) -> list[str]:
    lines = []
    for goal in goals(results):
        limit = f"{'at least' if goal.more else 'at most'} {_number(goal.limit)} {goal.unit}".strip()
        value = "-" if goal.value is None else f"{_number(goal.value)} {goal.unit}".strip()
        lines.append(f"| {goal.name} | {limit} | {value} | {goal.word} |")
    return ["\n".join(["| goal | to reach | measured | |", "|---|---|---|---|", *lines])]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"
