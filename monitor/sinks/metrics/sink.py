"""The metrics sink: updates the numbers for Prometheus with each observation and with the monitor's own events.

Only scheduled probes count in `chat_stream_*`, except for tokens; aborted and inconclusive probes only count in
`chat_monitor_probe_errors_total` (contract, section 1).
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from monitor import __version__, settings
from monitor.judge.verdict import OUR_OWN
from monitor.record.observation import Observation, host_of
from monitor.record.parts import Suspicion
from monitor.record.target_state import ConfirmedState
from monitor.sinks.metrics import effects
from monitor.sinks.metrics.exposition import WRITTEN, Collector, ScopeLayout, Subject, others, pieces
from monitor.sinks.metrics.families import CAUSES_OF_FAILURE, SKIPS, Scope, label_mistakes
from monitor.stream.endings import Mark
from monitor.stream.statistics import uncertainty
from monitor.target import Target

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version={}; charset=utf-8"
_OPENMETRICS_VERSIONS = ("", "0.0.1", "1.0.0")


class Metrics:
    """The metrics sink: `labels` are the config's label names, one set for all targets.

    Call the methods for targets, observations and scrapes in the loop's thread; those for the monitor itself in any.
    """

    def __init__(
        self,
        config: settings.MetricsSettings | None = None,
        labels: Sequence[str] = (),
        registry: CollectorRegistry | None = None,
    ) -> None:
        mistakes = list(label_mistakes(labels))
        if mistakes:
            raise ValueError("; ".join(mistakes))
        config = config or settings.MetricsSettings()
        self.labels = tuple(labels)
        self._scope_layout = ScopeLayout(Scope.TARGET, config.buckets, config.detail, (*labels, "target"))
        self._targets: dict[str, effects.TargetMetrics] = {}
        self._subjects: dict[str, Subject] = {}
        self._own = Subject(ScopeLayout(Scope.MONITOR, config.buckets, config.detail, ()), {})
        self._lock = threading.Lock()
        """Guards the monitor's own numbers: sinks report failures from their threads."""
        self._others = CollectorRegistry()
        self.registry = registry or CollectorRegistry()
        """A registry of prometheus_client with the same numbers."""
        self.registry.register(
            Collector([(self._scope_layout, self._subjects), (self._own.scope_layout, {"": self._own})])
        )
        for theirs in (ProcessCollector(registry=None), PlatformCollector(registry=None)):
            self._others.register(theirs)
            self.registry.register(theirs)
        self._set("chat_monitor_build_info", 1, (__version__, platform.python_version(), version("aiohttp")))

    # -- targets ---------------------------------------------------------------------------------------------------

    def add(self, target: Target) -> None:
        """Export a new target, or update a changed one; its counters continue."""
        labels = {"target": target.name, **{name: target.labels.get(name, "") for name in self.labels}}
        info = (target.protocol, host_of(target.url), target.model or "", target.upstream or "")
        _check_values([*labels.values(), *info])
        target_metrics = self._targets.get(target.name)
        if target_metrics is None:
            target_metrics = self._targets[target.name] = effects.TargetMetrics(Subject(self._scope_layout, labels))
            self._subjects[target.name] = target_metrics.subject
            if target.price is not None:
                target_metrics.subject.set("chat_stream_price_total", 0.0, (target.price.currency,))
        elif target_metrics.subject.labels != labels:
            target_metrics.subject.relabel(labels)
        effects.export_config(target_metrics.subject, target, info)
        self._set("chat_monitor_targets", len(self._targets))

    def relabel(self, labels: Sequence[str]) -> None:
        """Set other label names of the config; every number continues, and `add` sets the label values."""
        if tuple(labels) == self.labels:
            return
        mistakes = list(label_mistakes(labels))
        if mistakes:
            raise ValueError("; ".join(mistakes))
        self.labels = tuple(labels)
        self._scope_layout.set_label_names((*labels, "target"))

    def remove(self, name: str) -> None:
        """Stop exporting a target."""
        self._targets.pop(name, None)
        self._subjects.pop(name, None)
        self._set("chat_monitor_targets", len(self._targets))

    def paused(self, name: str, *, now: bool) -> None:
        """Set whether a target is paused."""
        self._set_of_target(name, "chat_stream_paused", float(now))

    def budget(self, name: str, remaining: float | None) -> None:
        """Set what remains of a target's budget today, None without a limit; the limit is in its config."""
        self._set_of_target(
            name, "chat_stream_budget_tokens_remaining", None if remaining is None else max(remaining, 0.0)
        )

    def suspects(self, name: str, suspicions: Iterable[Suspicion]) -> None:
        """Set the suspects of a target's incident: evidence may come from probes of other targets."""
        target_metrics = self._targets.get(name)
        if target_metrics is not None:
            effects.export_suspects(target_metrics.subject, suspicions)

    def skipped(self, name: str, reason: str) -> None:
        """Count a scheduled probe that was not made."""
        if (reason,) not in SKIPS:
            raise ValueError(f"{reason!r} is not a reason to skip a probe")
        target_metrics = self._targets.get(name)
        if target_metrics is not None:
            target_metrics.subject.add("chat_stream_probes_skipped_total", values=(reason,))

    def _set_of_target(self, name: str, family: str, number: float | None) -> None:
        target_metrics = self._targets.get(name)
        if target_metrics is not None:
            target_metrics.subject.set(family, number)

    def restore(
        self, name: str, state: ConfirmedState, last_probe: float | None = None, last_success: float | None = None
    ) -> None:
        """Continue a target's state and streaks from those before a restart, and set when its last probes ended.

        Its next probe may be due only after an interval; until then it must not look like a target that is not probed.
        """
        target_metrics = self._targets.get(name)
        if target_metrics is not None:
            target_metrics.state = replace(state)
            effects.export_state(target_metrics)
            target_metrics.subject.set("chat_stream_last_probe_timestamp_seconds", last_probe)
            target_metrics.subject.set("chat_stream_last_success_timestamp_seconds", last_success)

    # -- observations ----------------------------------------------------------------------------------------------

    def __call__(self, observation: Observation) -> None:
        """Observe one probe."""
        self.observe(observation)

    def observe(self, observation: Observation) -> None:
        """Update the numbers with one probe, and render the texts that it changed."""
        if observation.verdict.outcome in OUR_OWN:
            self._count(
                "chat_monitor_probe_errors_total", (observation.verdict.outcome.value, observation.verdict.cause or "")
            )
            return
        self._observe_ourselves(observation)
        target_metrics = self._targets.get(observation.target.name)
        if target_metrics is not None:
            effects.observe(target_metrics, observation)

    def _observe_ourselves(self, observation: Observation) -> None:
        if observation.schedule_delay is not None:
            self._observe("chat_monitor_schedule_delay_seconds", observation.schedule_delay)
        if observation.own_delay is not None:
            self._observe("chat_monitor_own_delay_seconds", observation.own_delay)
        if Mark.FIRST_BYTE in observation.recording.marks:
            self._observe("chat_monitor_timing_uncertainty_seconds", uncertainty(observation.recording))

    # -- the monitor itself ----------------------------------------------------------------------------------------

    def lag(self, seconds: float) -> None:
        """Observe how late the event loop woke."""
        self._observe("chat_monitor_event_loop_lag_seconds", seconds)

    def in_flight(self, number: int) -> None:
        """Set the number of probes in flight."""
        self._set("chat_monitor_probes_in_flight", number)

    def config_loaded(self, digest: str, ok: bool, timestamp: float) -> None:  # noqa: FBT001 (as its gauge reads)
        """Note a (re)load of the config; `digest` (hexadecimal) and `timestamp` only count if it was ok."""
        self._set("chat_monitor_config_last_reload_successful", float(ok))
        if ok:
            self._set("chat_monitor_config_last_reload_success_timestamp_seconds", timestamp)
            self._set("chat_monitor_config_hash", int(digest[:12], 16))

    def secret_reloaded(self, *, ok: bool) -> None:
        """Count a changed file of a secret, CA or certificate that was loaded, or could not be used."""
        self._count("chat_monitor_secret_reloads_total", ("success" if ok else "failure",))

    def isolated(self, now: bool) -> None:  # noqa: FBT001 (as its gauge reads)
        """Set whether every target fails before its head."""
        self._set("chat_monitor_isolated", float(now))

    def place(self, location: str, external_url: str | None) -> None:
        """Set the monitor's location and the URL of its pages."""
        self._set("chat_monitor_info", 1, (location, external_url or ""))

    def shard(self, index: int, count: int) -> None:
        """Set the index and the number of shards."""
        self._set("chat_monitor_shard_index", index)
        self._set("chat_monitor_shards", count)

    def discovered(self, source: str, *, ok: bool) -> None:
        """Set whether the last refresh of a source succeeded."""
        _check_values([source])
        self._set("chat_monitor_discovery_last_refresh_successful", float(ok), (source,))

    def undiscovered(self, source: str) -> None:
        """Remove a source that is no longer in the config."""
        with self._lock:
            self._own.set("chat_monitor_discovery_last_refresh_successful", None, (source,))

    def history_bytes(self, size: int) -> None:
        """Set the size of the history on disk."""
        self._set("chat_monitor_history_bytes", size)

    def sink_error(self, sink: str) -> None:
        """Count a sink's failure."""
        self._count("chat_monitor_sink_errors_total", (sink,))

    def dropped(self, sink: str) -> None:
        """Count an event that a sink dropped."""
        self._count("chat_monitor_events_dropped_total", (sink,))

    def unhandled(self) -> None:
        """Count an unexpected exception."""
        self._count("chat_monitor_unhandled_exceptions_total")

    def http_request(self, handler: str, code: int) -> None:
        """Count an answered request; `handler` is a route's name, never the requested path."""
        self._count("chat_monitor_http_requests_total", (handler, str(code)))

    def _count(self, family: str, values: tuple[str, ...] = ()) -> None:
        with self._lock:
            self._own.add(family, values=values)

    def _set(self, family: str, number: float, values: tuple[str, ...] = ()) -> None:
        with self._lock:
            self._own.set(family, number, values)

    def _observe(self, family: str, number: float) -> None:
        with self._lock:
            self._own.observe(family, number)

    # -- the scrape ------------------------------------------------------------------------------------------------

    def pieces(self, accept: str = "") -> tuple[Iterator[bytes], str]:
        """Return the exposition in pieces, to be written with a turn of the loop between them, and its content type.

        Changes since the last scrape are rendered first, some targets at a time. The series of a target are consistent.
        """
        form = openmetrics_version(accept)
        content_type = PLAIN if form is None else OPENMETRICS.format(form)
        return self._pieces(openmetrics=form is not None), content_type

    def _pieces(self, *, openmetrics: bool) -> Iterator[bytes]:
        rows, written = [], 0
        for subject in list(self._subjects.values()):
            written += subject.refresh()
            rows.append(subject.openmetrics if openmetrics else subject.plain)
            if written >= WRITTEN:
                written = 0
                yield b""
        with self._lock:
            self._own.refresh()
            own = self._own.openmetrics if openmetrics else self._own.plain
        snapshot = [(self._scope_layout, rows), (self._own.scope_layout, [own])]
        yield from pieces(snapshot, others(self._others, openmetrics=openmetrics), openmetrics=openmetrics)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return the whole exposition at once, and its content type."""
        parts, content_type = self.pieces(accept)
        return b"".join(parts), content_type


def openmetrics_version(accept: str) -> str | None:
    """Return the preferred OpenMetrics version of an Accept header; None if it prefers plain text."""
    ranges = sorted((_media_range(part) for part in accept.split(",")), key=lambda row: -row[2])
    for media, wanted, quality in ranges:
        if not 0 < quality <= 1:
            continue
        if media == "application/openmetrics-text" and wanted in _OPENMETRICS_VERSIONS:
            return wanted or "1.0.0"
        if media in {"text/plain", "text/*", "*/*"}:
            return None
    return None


def _media_range(part: str) -> tuple[str, str, float]:
    media, *rest = (piece.strip() for piece in part.split(";"))
    given = dict(piece.partition("=")[::2] for piece in rest)
    try:
        quality = float(given.get("q", "1"))
    except ValueError:
        quality = 0.0
    return media.lower(), given.get("version", "").strip('"'), quality


def _check_values(values: Sequence[str]) -> None:
    """Reject values that are not valid UTF-8: one such label would fail every scrape."""
    for value in values:
        try:
            value.encode()
        except UnicodeEncodeError as wrong:
            raise ValueError(f"label value {value!r} is not Unicode text") from wrong


# -- the size of the exposition ---------------------------------------------------------------------------------------


def series_per_target(config: settings.MetricsSettings | None = None) -> int:
    """Return the largest number of series of one target: every failure has occurred, and it has a budget."""
    config = config or settings.MetricsSettings()
    return ScopeLayout(Scope.TARGET, config.buckets, config.detail, ("target",)).most_series()


def bytes_per_target(config: settings.MetricsSettings | None = None, labels: Mapping[str, str] | None = None) -> int:
    """Return the approximate size of these in a scrape, for a target with `labels` (including its name)."""
    config = config or settings.MetricsSettings()
    labels = labels or {"target": "target-0001"}
    subject = Subject(ScopeLayout(Scope.TARGET, config.buckets, config.detail, labels), labels)
    for place in range(len(subject.cells)):
        subject.cells[place] = 1.5
    for pair in CAUSES_OF_FAILURE:
        subject.add("chat_stream_failures_total", values=pair)
    subject.set("chat_stream_target_info", 1, ("openai-chat", "gateway.example.com:443", "some-model", ""))
    subject.set("chat_stream_alerts_info", 1, ("page",))
    subject.add("chat_stream_price_total", 1.5, ("USD",))
    subject.refresh()
    return sum(map(len, subject.plain))
