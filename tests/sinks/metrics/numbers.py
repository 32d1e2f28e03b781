"""The numbers of a metrics sink, read through its registry."""

from __future__ import annotations

from monitor.sinks.metrics.sink import Metrics


def value_of(metrics: Metrics, name: str, **labels: str) -> float | None:
    """Return the value of a series, by default of the target `gateway`; None if it is absent."""
    if name.startswith("chat_stream_"):
        labels = {"target": "gateway", **labels}
    return metrics.registry.get_sample_value(name, labels)


def series(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """Return every series of one sample name, by the values of its labels other than target."""
    return {
        tuple(value for label, value in sample.labels.items() if label != "target"): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def series_names(metrics: Metrics) -> set[str]:
    """Return the names of every sample of a target."""
    return {
        sample.name
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name.startswith("chat_stream_")
    }
