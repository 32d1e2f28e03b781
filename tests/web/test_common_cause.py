"""Tests of the sentence for targets that fail together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from monitor.record.observation import Observation
from monitor.web.common_cause import common_cause
from monitor.web.target_view import TargetView
from tests.web import samples


def on(host: str, name: str, *made: Observation, upstream: str | None = None, paused: bool = False) -> TargetView:
    """Return a target on a host with these probes."""
    of = replace(samples.target(name), url=f"https://{host}/v1", upstream=upstream, paused=paused)
    return samples.view(of, *made)


GOOD, CUT, RESET, REFUSED, HEADLESS = (
    samples.complete(),
    samples.cut(),
    samples.reset(),
    samples.unreachable(),
    samples.headless(),
)
FINE = on("d", "4", GOOD)
EARLIER = [samples.complete()] * 5


@pytest.mark.parametrize(
    ("views", "sentence"),
    [
        ([], ""),
        ([on("a", "1", CUT), on("b", "2", GOOD)], ""),
        (
            [on("a" if number % 2 else "b", str(number), HEADLESS if number else REFUSED) for number in range(5)],
            "None of the 5 targets answers: most likely it is the monitor's own network.",
        ),
        ([on("a", str(number), REFUSED) for number in range(5)], "All 5 targets on a fail."),
        (
            [on("a", "1", CUT, upstream="3"), on("b", "2", RESET, upstream="3"), on("c", "3", RESET), FINE],
            "All failing targets have the upstream 3, which fails as well.",
        ),
        (
            [on("a", "1", CUT, upstream="3"), on("b", "2", RESET, upstream="3")],
            "All failing targets have the upstream 3.",
        ),
        (
            [on("a", "1", CUT), on("a", "2", RESET), on("b", "3", GOOD), on("c", "4", RESET)],
            "All 2 targets on a fail; 1 of the other 2 targets fails.",
        ),
        (
            [on("a", "1", CUT), on("a", "2", RESET), on("b", "3", GOOD)],
            "All 2 targets on a fail; none of the other 1 target fails.",
        ),
        (
            [on("a", "1", CUT), on("b", "2", RESET), on("c", "3", HEADLESS), on("a", "4", GOOD)],
            "3 targets began to fail within 1 s, at 2026-11-22 22:09:48 UTC.",
        ),
        (
            [on("a", "1", CUT), on("b", "2", CUT, CUT, *EARLIER), on("c", "3", CUT, CUT), on("a", "4", GOOD)],
            "3 of the 3 failing targets ended with truncated/incomplete_body.",
        ),
        ([on("a", "1", CUT, CUT), on("b", "2", RESET), on("c", "3", HEADLESS), on("a", "4", GOOD)], ""),
        ([on("a", "1", CUT), on("a", "2", CUT, paused=True), on("b", "3", GOOD)], ""),
    ],
)  # fmt: skip
def test_the_most_telling_sentence(views: Sequence[TargetView], sentence: str) -> None:
    """Our own network, one upstream, one host, one moment, one reason; one that fails alone tells no story."""
    assert common_cause(views) == sentence
