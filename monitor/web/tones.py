"""How an outcome looks: one letter and one tone each, so that colour is never all that tells them apart."""

from __future__ import annotations

from enum import StrEnum

from monitor.judge.explanations import MEANINGS, Explanation
from monitor.judge.verdict import Outcome, Verdict
from monitor.record.observation import Observation
from monitor.record.probe_event import ProbeEvent
from monitor.stream.statistics import buffered


class Tone(StrEnum):
    """What kind of news it is; the names are classes of the stylesheet. Worst first: the order of the status page."""

    CUT = "cut"
    DOWN = "down"
    ODD = "odd"
    UNSURE = "unsure"
    OWN = "own"
    NONE = "none"
    GOOD = "good"


LETTERS: dict[Outcome, str] = {
    Outcome.OK: "\N{CHECK MARK}",
    Outcome.UNVERIFIED: "?",
    Outcome.TRUNCATED: "T",
    Outcome.STALLED: "S",
    Outcome.TIMEOUT: "L",
    Outcome.STREAM_ERROR: "E",
    Outcome.HTTP_ERROR: "H",
    Outcome.UNREACHABLE: "U",
    Outcome.NO_RESPONSE: "N",
    Outcome.BAD_RESPONSE: "B",
    Outcome.EMPTY: "0",
    Outcome.FILTERED: "F",
    Outcome.WRONG_CONTENT: "W",
    Outcome.ABORTED: "A",
    Outcome.INCONCLUSIVE: "I",
}

_TONES: dict[str, Tone] = {
    Outcome.OK: Tone.GOOD,
    Outcome.UNVERIFIED: Tone.UNSURE,
    Outcome.TRUNCATED: Tone.CUT,
    Outcome.STALLED: Tone.CUT,
    Outcome.STREAM_ERROR: Tone.CUT,
    Outcome.FILTERED: Tone.ODD,
    Outcome.WRONG_CONTENT: Tone.ODD,
    Outcome.ABORTED: Tone.OWN,
    Outcome.INCONCLUSIVE: Tone.OWN,
}


def usual_tone(outcome: str) -> Tone:
    """Return the tone that an outcome has as a rule."""
    return _TONES.get(outcome, Tone.DOWN)


def tone(verdict: Verdict | ProbeEvent) -> Tone:
    """Return the tone of a verdict: what the truncation ratio counts is a cut, a time-out in the stream too."""
    return Tone.CUT if verdict.truncated else usual_tone(verdict.outcome)


def meaning(verdict: Verdict) -> Explanation:
    """Return what the verdict means, and what to do."""
    return MEANINGS[verdict.outcome.value, verdict.cause]


def name(verdict: Verdict) -> str:
    """Return outcome and cause as they stand in events and labels."""
    return f"{verdict.outcome}/{verdict.cause}" if verdict.cause else verdict.outcome.value


def flags(seen: Observation) -> list[str]:
    """Return what is worth a word although it does not change the verdict."""
    verdict, recording = seen.verdict, seen.recording
    return [
        word
        for word, holds in (
            (f"unclean end: {verdict.unclean}", verdict.unclean is not None),
            ("buffered", buffered(recording)),
            ("content type mismatch", verdict.content_type_mismatch),
            ("over its SLO", recording.chunks > 0 and not seen.first_chunk_good),
            ("retried", seen.retried),
        )
        if holds
    ]
