"""Tests of a soak's report: the fit, the promises, the table and the JSON."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from tests.soak.ledger import Judgement
from tests.soak.report import Findings, Fit, Held, as_json, as_markdown, fit, growth, promises

GOOD = Findings(
    seconds=600.0,
    targets=200,
    judgement=Judgement(
        Counter({"ok": 3}), Counter({("aborted/reload", "a reload"): 2}), frozenset({"ok"}), [], [], killed=1
    ),
    before=Held(9, ("tick",), 3),
    after=Held(9, ("tick",), 4),
    growth=Fit(1.0, 0.5),
    warm_after=60.0,
    memory=(70_000_000, 90_000_000, 91_000_000),
    still=[],
    unanswered=[],
    unhandled=0,
    acts={"40 scrapes at once": 3},
    ends={"SIGTERM twice": "as expected"},
    skipped={"overlap": 2},
    scrapes=(120, 0.5, 0),
    cpu={"daemon": 0.25},
    machine={"cores": 2},
)


def test_a_straight_line_is_found() -> None:
    """Points on a line give its slope, and no doubt."""
    found = fit([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)])
    assert found.slope == pytest.approx(2.0)
    assert found.error == pytest.approx(0.0)


def test_two_points_say_nothing() -> None:
    """A line goes through any two points: no slope is sure."""
    assert fit([(0.0, 1.0), (1.0, 3.0)]).error == float("inf")


def test_growth_is_in_megabytes_an_hour() -> None:
    """A kB a second is 3.6 MB an hour, what came before the warm-up aside."""
    samples = [(float(second), 10_000_000 if second < 100 else 50_000_000 + 1000 * second) for second in range(1000)]
    found = growth(samples, 100)
    assert found.slope == pytest.approx(3.6)
    assert found.error == pytest.approx(0.0, abs=1e-6)


def test_a_short_run_says_nothing_of_growth() -> None:
    """Minutes of samples give no growth, because caches fill at first."""
    found = growth([(float(second), 1000 * second) for second in range(170)], 0)
    assert found.error == float("inf")
    assert "too short to say" in as_markdown(replace(GOOD, growth=found))


def test_all_kept() -> None:
    """A soak in which nothing went wrong keeps every promise."""
    assert all(promise.kept for promise in promises(GOOD))
    assert "**broken**" not in as_markdown(GOOD)


def judged(**more: object) -> Judgement:
    """Return a judgement with something else in it."""
    return replace(GOOD.judgement, **more)  # type: ignore[arg-type]  # fields of it


@pytest.mark.parametrize(
    ("found", "broken"),
    [
        (replace(GOOD, judgement=judged(wrong=["cut: ok"])), "no wrong verdict"),
        (replace(GOOD, judgement=judged(right=Counter())), "no wrong verdict"),
        (replace(GOOD, judgement=judged(lost=["ID"])), "no lost event"),
        (replace(GOOD, after=Held(10, ("tick",), 3)), "descriptors back at the start"),
        (replace(GOOD, after=Held(9, ("tick", "leak"), 3)), "tasks back at the start"),
        (replace(GOOD, growth=Fit(6.0, 0.4)), "memory grows by less than 5 MB an hour"),
        (replace(GOOD, still=["cut"]), "every target is still probed"),
        (replace(GOOD, unanswered=["a scrape"]), "no unexpected answer to a scrape or reload"),
        (replace(GOOD, unhandled=1), "no unhandled exception"),
        (replace(GOOD, leaked=["0.log"]), "no secret in log and history"),
    ],
)
def test_a_broken_promise(found: Findings, broken: str) -> None:
    """Each promise is broken by what it is about, and by nothing else."""
    assert [promise.what for promise in promises(found) if not promise.kept] == [broken]
    assert f"| {broken} |" in as_markdown(found)
    assert as_json(found)["kept"] is False


def test_a_task_that_is_left_is_named() -> None:
    """The report names the tasks of which there are more than before."""
    report_ = {one.what: one.found for one in promises(replace(GOOD, after=Held(9, ("leak", "tick"), 3)))}
    assert report_["tasks back at the start"] == "1 before, 2 after, 1 more leak"


def test_doubt_breaks_no_promise() -> None:
    """A run too short to be sure of a slope does not say that memory grows."""
    assert all(promise.kept for promise in promises(replace(GOOD, growth=Fit(40.0, 20.0))))


def test_the_page_has_all_of_it() -> None:
    """The page has the disturbances, the output, our own faults with reasons, and the method."""
    page = as_markdown(replace(GOOD, judgement=judged(wrong=["cut: ok, but the lab expects truncated/reset"])))
    for words in (
        "probed 200 targets",
        "| 40 scrapes at once | 3 |",
        "| SIGTERM twice | as expected |",
        "| ok | 3 |",
        "| aborted/reload | a reload | 2 |",
        "- cut: ok, but the lab expects truncated/reset",
        "overlap 2",
        "70 MB at the start",
        "1.0 ± 1.0 MB/h",
    ):
        assert words in page


def test_the_json_is_json() -> None:
    """A growth of which nothing is sure has no error there."""
    report_ = json.loads(json.dumps(as_json(replace(GOOD, growth=Fit(0.0, float("inf"))))))
    assert report_["kept"] is True
    assert report_["growth_error"] is None
    assert report_["verdicts"] == {"ok": 3}


def test_scrapes_that_the_machine_left_no_time_for() -> None:
    """The report says how many there were, if there were any."""
    assert "had no answer" not in as_markdown(GOOD)
    assert "- 3 scrapes had no answer in 30 s" in as_markdown(replace(GOOD, scrapes=(120, 31.0, 3)))
