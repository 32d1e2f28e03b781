"""The text of a scrape: byte for byte prometheus_client's, of one moment per target, and in small pieces."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from monitor.settings import Buckets
from monitor.settings import MetricsSettings as Detail
from monitor.sinks.metrics import exposition
from monitor.sinks.metrics.exposition import ScopeLayout, Subject, generate_openmetrics
from monitor.sinks.metrics.families import Scope
from monitor.sinks.metrics.sink import Metrics
from monitor.stream.events import Fault
from tests.sinks.samples import GATEWAY, cut, failed, refused, whole

OPENMETRICS = "application/openmetrics-text"
AWKWARD = 'back\\slash "quoted"\nline 100% {é} \u202e'


def busy(detail: Literal["full", "lean"] = "full", labels: tuple[str, ...] = ("env", "team", "zone")) -> Metrics:
    """Return metrics with some of everything: awkward labels, failures, exemplars, a target never probed."""
    metrics = Metrics(Detail(detail=detail), labels)
    awkward = replace(
        GATEWAY, name=AWKWARD, model=AWKWARD, labels={"team": AWKWARD, "zone": "z"}, tokens_per_day=10_000
    )
    for target in (GATEWAY, awkward, replace(GATEWAY, name="new")):
        metrics.add(target)
    for probe in (whole(), cut(), refused(), failed(Fault.AUTH), whole(awkward, schedule_delay=0.1), cut(awkward)):
        metrics.observe(probe)
    metrics.http_request("metrics", 200)
    metrics.http_request("100%", 404)
    metrics.discovered("files", ok=True)
    metrics.config_loaded("ab" * 32, True, 1.7e9)
    metrics.budget(AWKWARD, 1234567.0)
    return metrics


def ours(text: bytes) -> bytes:
    """Return the text without the process metrics, which change between two readings."""
    return text[: text.index(b"# HELP process_")]


@pytest.mark.parametrize("detail", ["full", "lean"])
@pytest.mark.parametrize("labels", [(), ("env", "team", "zone"), ("a",), ("z_last",)])
def test_text_is_what_prometheus_client_writes(detail: Literal["full", "lean"], labels: tuple[str, ...]) -> None:
    """Both formats are byte for byte generate_latest's, wherever the config's labels sort."""
    metrics = busy(detail, labels)
    assert ours(metrics.render()[0]) == ours(generate_latest(metrics.registry))
    assert ours(metrics.render(OPENMETRICS)[0]) == ours(generate_openmetrics(metrics.registry))


def test_the_process_is_prometheus_clients() -> None:
    """The process metrics that follow have the lines of the library, and the end marker of the format."""
    metrics = busy()
    text, oracle = metrics.render(OPENMETRICS)[0], generate_openmetrics(metrics.registry)

    def names(part: bytes) -> list[bytes]:
        return [row if row.startswith(b"#") else row.split(b" ")[0] for row in part.splitlines()]

    assert names(text) == names(oracle)
    assert text.endswith(b"# EOF\n")
    assert b"process_start_time_seconds " in text
    assert b"python_info{" in text


@given(st.lists(st.floats(0, 700, allow_nan=False), max_size=30))
@settings(max_examples=50, deadline=None)
def test_a_histogram_counts_as_prometheus_clients_does(numbers: list[float]) -> None:
    """Fed the same numbers, our histogram reads as prometheus_client's own."""
    registry = CollectorRegistry()
    name, buckets = "chat_stream_max_gap_seconds", Buckets()
    oracle = Histogram(name, "The longest gap of each stream.", ["target"], registry=registry, buckets=buckets.gap)
    subject = Subject(ScopeLayout(Scope.TARGET, buckets, "full", ["target"]), {"target": "t"})
    for number in numbers:
        oracle.labels("t").observe(number)
        subject.observe(name, number)
    subject.refresh()
    oracle.labels("t")
    layout = subject.scope_layout.by_name[name]
    assert layout is not None
    theirs = [row for row in generate_latest(registry).splitlines(keepends=True) if b"_created" not in row]
    assert layout.plain_head + subject.plain[layout.index] == b"".join(theirs)


def test_exemplars_lead_to_the_probe() -> None:
    """OpenMetrics carries the id of the last probe in each bucket and counter; plain text carries none."""
    metrics = Metrics()
    metrics.add(GATEWAY)
    metrics.observe(cut(probe_id="01JAAA"))
    metrics.observe(whole(probe_id="01JBBB"))
    openmetrics = metrics.render(OPENMETRICS)[0].decode().splitlines()
    first = next(row for row in openmetrics if 'first_chunk_seconds_bucket{le="0.32"' in row)
    assert first.endswith(' 2.0 # {probe_id="01JBBB"} 0.2 1795385400.923')
    truncated = next(row for row in openmetrics if 'truncated_total{cause="incomplete_body"' in row)
    assert truncated.endswith(' 1.0 # {probe_id="01JAAA"} 1.0 1795385400.823')
    assert b"01JAAA" not in metrics.render()[0]


@pytest.mark.parametrize("probe_id", ["x" * 101, "a\nb", "\ud800"])
def test_an_id_that_no_exemplar_can_carry_is_left_out(probe_id: str) -> None:
    """OpenMetrics allows 128 characters of text: what does not fit costs the exemplar, never the scrape."""
    metrics = Metrics()
    metrics.add(GATEWAY)
    metrics.observe(cut(probe_id=probe_id))
    assert b" # {" not in metrics.render(OPENMETRICS)[0]


def test_an_exemplar_goes_with_its_series() -> None:
    """When a target forgets the oldest pair of failures, its exemplar is forgotten too."""
    metrics = busy(labels=())
    subject = metrics._targets["gateway"].subject
    for number in range(38):
        subject.add("chat_stream_failures_total", values=("empty", f"cause{number}"))
    subject.refresh()
    assert ours(metrics.render(OPENMETRICS)[0]) == ours(generate_openmetrics(metrics.registry))


def test_parsers_read_both_formats() -> None:
    """prometheus_client's parsers find the same series in both, and OpenMetrics' strict one finds no fault."""
    metrics = busy()
    plain = list(text_string_to_metric_families(ours(metrics.render()[0]).decode()))
    text = metrics.render(OPENMETRICS)[0].decode()
    openmetrics = list(openmetrics_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    read = {(sample.name, *sorted(sample.labels.items())) for family in plain for sample in family.samples}
    also = {(sample.name, *sorted(sample.labels.items())) for family in openmetrics for sample in family.samples}
    assert read <= also
    assert ("chat_stream_accepted_total", ("env", ""), ("target", AWKWARD), ("team", AWKWARD), ("zone", "z")) in read


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian package prometheus)")
@pytest.mark.parametrize("detail", ["full", "lean"])
def test_promtool_finds_nothing_to_lint(detail: Literal["full", "lean"]) -> None:
    """`promtool check metrics` accepts names, types, units and help."""
    text = ours(busy(detail).render()[0])
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_a_scrape_is_of_one_moment_per_target() -> None:
    """A probe that ends while a scrape is being written is in the next one, whole."""
    metrics = busy()
    before = ours(metrics.render()[0])
    parts, _ = metrics.pieces()
    begun = next(parts)
    metrics.observe(cut())
    metrics.remove("new")
    assert ours(b"".join([begun, *parts])) == before
    assert ours(metrics.render()[0]) != before


def test_what_has_changed_is_written_by_the_scrape() -> None:
    """The event loop runs between targets with many changes; without changes nothing is written."""
    metrics = busy()
    first, again = list(metrics.pieces()[0]), list(metrics.pieces()[0])
    assert (first.count(b""), again.count(b"")) == (3, 0)
    assert ours(b"".join(first)) == ours(b"".join(again))


def test_pieces_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrape is returned in pieces, each at most one batch of texts above the size."""
    monkeypatch.setattr(exposition, "PIECE", 1000)
    monkeypatch.setattr(exposition, "ROWS", 1)
    metrics = busy()
    parts = list(metrics.pieces(OPENMETRICS)[0])
    assert ours(b"".join(parts)) == ours(metrics.render(OPENMETRICS)[0])
    largest = max(len(text) for subject in metrics._subjects.values() for text in subject.openmetrics)
    assert max(map(len, parts[:-1])) < 1000 + largest + 2000
    assert len(parts) > 20


def test_only_what_changed_is_written_again() -> None:
    """A skip touches one family: every other text is the same object as before."""
    metrics = busy()
    subject = metrics._targets["gateway"].subject
    subject.refresh()
    before = subject.plain
    metrics.skipped("gateway", "overlap")
    assert subject.refresh() == 1
    changed = [old is not new for old, new in zip(before, subject.plain, strict=True)]
    assert sum(changed) == 1
    assert subject.refresh() == 0
    assert subject.plain[0] is before[0]


def test_an_unknown_name_is_a_bug_that_shows() -> None:
    """A family that is not in the table cannot be counted by accident."""
    subject = Subject(ScopeLayout(Scope.TARGET, Buckets(), "full", ["target"]), {"target": "t"})
    with pytest.raises(KeyError):
        subject.add("chat_stream_typo_total")


def test_an_open_gauge_may_be_absent() -> None:
    """A gauge with open labels and an unknown value is not written."""
    metrics = Metrics()
    subject = metrics._own
    subject.set("chat_monitor_discovery_last_refresh_successful", None, ("files",))
    assert b"last_refresh_successful{" not in metrics.render()[0]
    assert ours(metrics.render()[0]) == ours(generate_latest(metrics.registry))
