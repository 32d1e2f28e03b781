"""The path of a probe's observation: the diagnosis, the budget, the isolation gauge, then the sinks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import structlog

from monitor import schedule
from monitor.daemon.parts import Parts
from monitor.probe.run import Prober
from monitor.record.observation import Observation
from monitor.settings import MIB, Settings
from monitor.sinks import history
from monitor.stream.thinning import thinned
from monitor.target import Target

Sink = Callable[[Observation], None]
_RECORDING_BYTES = MIB
"""The maximum size of a recording that log, history and memory get: some 20,000 chunks."""


def probe_of(parts: Parts, settings: Settings) -> schedule.Probe:
    """Return the function that probes a target and adds the suspects."""
    prober = Prober(parts.client, settings.limits, settings.monitor.location)

    async def probe(target: Target, trigger: str, schedule_delay: float) -> Observation:
        return _diagnosed(parts, await prober(target, trigger, schedule_delay))

    return probe


def _diagnosed(parts: Parts, observation: Observation) -> Observation:
    """Return it with its suspects, and update the gauges of other targets; an exception here loses no observation."""
    try:
        found = parts.diagnosis.take(observation)
    except Exception as error:  # noqa: BLE001 - counted and logged, and the daemon goes on
        parts.failed(error)
        return observation
    for name, suspicions in found.now.items():
        parts.metrics.suspects(name, suspicions)
    return replace(observation, diagnosis=found.suspicions) if found.suspicions else observation


def history_sink(parts: Parts) -> history.HistorySink | history.Nothing:
    """Return the history sink; one that does nothing if the config has no file."""
    settings = parts.settings.history
    if settings.path is None:
        return history.Nothing()

    def wrong(text: str | None) -> None:
        if text is None:
            structlog.get_logger().info("the history can be written again")
        else:
            structlog.get_logger().warning("the history cannot be written", why=text)

    metrics = parts.metrics
    callbacks = history.HistoryCallbacks(
        metrics.dropped, metrics.sink_error, metrics.history_bytes, wrong, parts.failed
    )
    return history.HistorySink(Path(settings.path), settings, callbacks)


def through_sinks(parts: Parts, to_log: Sink, to_history: Sink) -> Sink:
    """Return the function that passes an observation to the budget, the isolation gauge and the sinks.

    The metrics get the whole recording; sinks that queue or store it get a bounded part.
    """
    metrics = parts.metrics

    def to_memory(observation: Observation) -> None:
        if parts.schedule.watches(observation.target.name):  # the last probe of a removed target is only logged
            parts.recent(observation)

    sinks: tuple[tuple[str, Sink], ...] = (
        ("metrics", metrics),
        ("log", to_log),
        (history.NAME, to_memory),
        (history.NAME, to_history),
    )

    def observed(observation: Observation) -> None:
        if observation.charged:
            parts.budget.spend(observation.target.name, observation.charged)
        export_budget(parts, observation.target)
        metrics.isolated(parts.isolation(observation))
        kept = _bounded(observation)
        for name, sink in sinks:
            try:
                sink(observation if sink is metrics else kept)
            except Exception as error:  # noqa: BLE001 - no error of a sink may affect the others
                metrics.sink_error(name)
                structlog.get_logger().error("sink failed", sink=name, exc_info=error)

    return observed


def _bounded(observation: Observation) -> Observation:
    """Return it with a recording that is small enough to keep; unchanged if there is no memory to make one."""
    try:
        small = thinned(observation.recording, _RECORDING_BYTES)
    except MemoryError:
        return observation
    return observation if small is observation.recording else replace(observation, recording=small)


def export_budget(parts: Parts, target: Target) -> None:
    """Export the remaining tokens of a target for today."""
    parts.metrics.budget(target.name, parts.budget.left(target))
