"""Tests of the colour of an outcome."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from msgspec import UNSET

from monitor.judge.verdict import CAUSES, Outcome
from monitor.record.observation import Observation
from monitor.stream.endings import Ending, EndKind
from monitor.web.tones import LETTERS, Tone, flags, letter, meaning, tone
from tests.web import samples


def test_every_outcome_has_a_letter_of_its_own() -> None:
    """No two outcomes share a letter, so that colour is never all that tells them apart."""
    assert set(LETTERS) == set(Outcome)
    assert len(set(LETTERS.values())) == len(Outcome)


@pytest.mark.parametrize(
    ("observation", "expected", "named"),
    [
        (samples.complete(), Tone.GOOD, "ok"),
        (samples.unverified(), Tone.UNSURE, "unverified"),
        (samples.cut(), Tone.CUT, "truncated/incomplete_body"),
        (samples.stalled(), Tone.CUT, "stalled/no_output"),
        (samples.erred(), Tone.CUT, "stream_error/upstream"),
        (samples.overdue(), Tone.CUT, "timeout/first_chunk"),
        (samples.headless(), Tone.DOWN, "timeout/headers"),
        (samples.unreachable(), Tone.DOWN, "unreachable/refused"),
        (samples.rejected(), Tone.DOWN, "http_error/overloaded"),
        (samples.wrong(), Tone.WARNING, "wrong_content/missing"),
        (samples.aborted(), Tone.OWN, "aborted/shutdown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_tone(observation: Observation, expected: Tone, named: str) -> None:
    """What the truncation ratio counts is a cut; a time-out before the head is not."""
    event = samples.event(observation)
    assert tone(event) is expected
    assert event.verdict == named
    (probe,) = samples.probes(observation)
    assert tone(probe.brief) is expected
    assert probe.brief.verdict == named


def test_every_verdict_has_a_meaning() -> None:
    """Each outcome with each of its causes has an explanation; one of another version has none."""
    event = samples.event(samples.complete())
    for outcome, causes in CAUSES.items():
        for cause in causes or (UNSET,):
            found = meaning(msgspec.structs.replace(event, outcome=outcome.value, cause=cause))
            assert found
            assert found.do
    assert meaning(msgspec.structs.replace(event, outcome="vanished")) is None
    assert letter("vanished") == "?"


def test_flags() -> None:
    """An unclean end, a buffered stream, another content type, a slow first chunk and a retry are each worth a word."""
    assert flags(samples.event(samples.complete())) == []
    assert flags(samples.event(samples.unreachable())) == []
    burst = samples.played(samples.chunks(6, 2.5, 0.0), Ending(EndKind.COMPLETE, 2.5))
    observation = replace(samples.observed(burst), retried=True)
    observation = replace(observation, verdict=replace(samples.garbled().verdict, content_type_mismatch=True))
    assert flags(samples.event(observation)) == [
        "unclean end: reset",
        "content type mismatch",
        "over its SLO",
        "retried",
    ]
    assert flags(samples.event(samples.buffered())) == ["buffered"]
