"""Several probes of one target: their lines, at every width, and their summary."""

from __future__ import annotations

import pytest

from monitor.cli.several import header, line, percentile, summary
from monitor.record.from_observation import event_of
from tests.sinks.samples import cut, refused, stopped, whole


def test_a_line_has_all_columns_under_their_heads() -> None:
    """A step that was not reached is a dash."""
    head = header(3, 80).plain
    row, failed = line(1, 3, event_of(whole()), 80).plain, line(2, 3, event_of(refused()), 80).plain
    assert head.split("  ")[:2] == ["#", "verdict"]
    assert row.split() == ["1", "ok", "200", "ms", "800", "ms", "300", "ms", "3"]
    assert failed.split() == ["2", "unreachable/refused", "-", "4.0", "ms", "-", "0"]
    assert len(head) == len(row) == len(failed) <= 80


@pytest.mark.parametrize(("width", "columns"), [(80, 4), (70, 3), (60, 2), (43, 1), (40, 0), (20, 0)])
def test_columns_are_dropped_before_the_verdict(width: int, columns: int) -> None:
    """Columns are dropped from the right, and none is cut."""
    heads = [name for name in ("first chunk", "duration", "longest gap", "chunks") if name in header(3, width).plain]
    assert len(heads) == columns
    row = line(2, 3, event_of(cut()), width).plain
    assert row.startswith("2  truncated/incomplete_body")
    assert len(row) <= max(width, 28)


def test_the_summary_has_outcomes_and_percentiles() -> None:
    """The commonest outcome first; what we stopped ourselves has no duration."""
    texts = [it.plain for it in summary([event_of(one) for one in (whole(), whole(), cut(), stopped())])]
    assert texts[1].startswith("  4 probes: 2 ok, 1 truncated/incomplete_body, 1 aborted")
    assert texts[2].startswith("  first chunk  p50 200 ms")
    assert texts[3] == "  duration     p50 800 ms  p90 800 ms  p99 800 ms  max 800 ms"
    assert texts[4].startswith("  longest gap  p50 300 ms")


def test_a_summary_of_nothing_but_failures() -> None:
    """The summary of failures has no line for steps that no probe reached, and names the suspects."""
    texts = [it.plain for it in summary([event_of(refused())])]
    assert texts[1] == "  1 probe: 1 unreachable/refused"
    assert not any(text.startswith("  first chunk") for text in texts)
    assert texts[-1].startswith("  suspect ")


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 2.0), (0.75, 3.0), (0.9, 4.0), (1.0, 4.0)])
def test_percentiles_are_values_that_were_measured(share: float, value: float) -> None:
    """Percentiles are measured values, by nearest rank."""
    assert percentile([1.0, 2.0, 3.0, 4.0], share) == value
