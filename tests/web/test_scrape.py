"""Tests of the parameters of a probe by scrape, on literal values."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.record.observation import Observation
from monitor.web import scrape
from tests.web import samples


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("10", 9.5), ("10.000000", 9.5), ("1", 0.5), ("0.6", 0.3), ("1e9", 86_400.0)],
)
def test_how_long_a_scrape_waits(header: str | None, seconds: float | None) -> None:
    """Half a second is left for the response, or half of a short timeout; more than a day is ignored."""
    assert scrape.time_limit(header) == seconds


@pytest.mark.parametrize("header", ["", "soon", "0", "-1", "inf", "-inf", "nan", "1e400"])
def test_what_is_no_timeout(header: str) -> None:
    """A timeout that is not a number of seconds above 0 is refused."""
    with pytest.raises(scrape.BadRequestError):
        scrape.time_limit(header)


def test_what_is_asked_for() -> None:
    """The query has one target, and `debug` adds the event to the numbers."""
    assert scrape.requested([("target", "a")]) == ("a", False)
    assert scrape.requested([("debug", "true"), ("target", "a")]) == ("a", True)
    assert scrape.requested([("target", "a"), ("debug", "no")]) == ("a", False)


def aged(seconds: float, observation: Observation) -> Observation:
    """Return the observation as one that was made so long ago."""
    return replace(observation, timestamp=samples.NOW - timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("recent", "answers"),
    [
        ([], None),
        ([aged(59.0, samples.cut())], 0),
        ([aged(60.0, samples.cut())], None),
        ([aged(-5.0, samples.cut())], None),
        ([aged(1.0, samples.aborted()), aged(30.0, samples.cut())], 1),
        ([aged(1.0, samples.aborted())], None),
    ],
)
def test_who_answers_in_a_new_probes_stead(recent: list[Observation], answers: int | None) -> None:
    """The newest that says something of the target, while it is younger than the interval; not one from the future."""
    expected = None if answers is None else recent[answers]
    assert scrape.fresh(samples.probes(*recent), 60.0, samples.NOW) is expected
