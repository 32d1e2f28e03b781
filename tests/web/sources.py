"""A source for the application under test, with literal values; it records what the application called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from monitor.record.observation import Observation
from monitor.record.probe_event import read
from monitor.sinks.history_queries import Event
from monitor.sinks.memory import RecentProbes
from monitor.target import Target
from monitor.web.pages import Neighbours
from monitor.web.source import HistoryReader, Source
from monitor.web.target_history import RollupReader
from tests.web import samples

NO_ROLLUPS = RollupReader(series=lambda *_: [], sums=lambda *_: {}, between=lambda *_: [])
EXPOSITION = b"# TYPE chat_stream_probes_total counter\n" + b"x 1\n" * 500


@dataclass
class Daemon:
    """The data of the source: targets with their recent probes, and what was counted."""

    recent: dict[str, Sequence[Observation]] = field(default_factory=dict)
    kept: RecentProbes = field(default_factory=lambda: RecentProbes(1))
    targets: list[Target] = field(default_factory=list)
    counted: list[tuple[str, int]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    accepts: list[str] = field(default_factory=list)
    ready: bool = True

    def add(self, of: Target, *made: Observation) -> None:
        """Add a target with these probes, newest first."""
        self.targets.append(of)
        self.recent[of.name] = samples.series(made, of)
        for observation in reversed(self.recent[of.name]):
            self.kept(observation)

    def metrics(self, accept: str) -> tuple[Iterable[bytes], str]:
        """Return an exposition, in OpenMetrics if the Accept header asks for it."""
        self.accepts.append(accept)
        return [
            EXPOSITION[:9],
            EXPOSITION[9:],
        ], "application/openmetrics-text" if "openmetrics" in accept else "text/plain; version=0.0.4"

    def source(self) -> Source:
        """Return the application's source; tests replace parts of it."""
        return Source(
            targets=lambda: self.targets,
            recent=self.kept.of,
            find=self.kept.find,
            memory=self.kept.memory,
            ready=lambda: self.ready,
            metrics=self.metrics,
            counted=lambda handler, status: self.counted.append((handler, status)),
            started=samples.STARTED,
            failed=lambda handler, error: self.failed.append((handler, str(error))),
            allowed_hosts=frozenset({"Monitor.example:9877", "not a host"}),
            now=lambda: samples.NOW,
        )


def history(events: dict[str, Event]) -> HistoryReader:
    """Return what reads a history of these events by their ids."""
    first = next(iter(events.values()))
    return HistoryReader(
        newest=lambda query: [first] * query.limit,
        find=events.get,
        neighbours=lambda _: Neighbours("before", "after", "good"),
        rollups=NO_ROLLUPS,
        failures=lambda query: [read(event) for event in events.values() if query.selects(read(event))],
    )


def a_daemon() -> Daemon:
    """Return a daemon with a target for each outcome, and one whose name has special characters."""
    made = Daemon()
    for place, make in enumerate(samples.EVERY):
        made.add(samples.target(f"t{place:02d}-{make.__name__}"), make(None), samples.complete())
    made.add(samples.target("new"))
    made.add(samples.target('a/b%2F "c" é <i>'), samples.cut())
    made.add(replace(samples.target("resting"), paused=True), samples.complete())
    return made
