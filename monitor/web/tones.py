"""How an outcome looks: one letter and one tone each, so that colour is never all that tells them apart."""

from __future__ import annotations

from enum import StrEnum

from msgspec import UNSET

from monitor.judge.explanations import MEANINGS, Explanation
from monitor.judge.verdict import Outcome
from monitor.record.probe_event import ProbeEvent
from monitor.record.target_summary import BriefProbe


class Tone(StrEnum):
    """What kind of news it is; the names are classes of the stylesheet. Worst first: the order of the status page."""

    CUT = "cut"
    DOWN = "down"
    ODD = "odd"
    UNSURE = "unsure"
    OWN = "own"
    NONE = "none"
    GOOD = "good"


LETTERS: dict[str, str] = {
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


def verdict_tone(verdict: str) -> Tone:
    """Return the tone of `outcome/cause`."""
    outcome, _, cause = verdict.partition("/")
    return tone(BriefProbe(outcome=outcome, cause=cause or UNSET))


def tone(probe: ProbeEvent | BriefProbe) -> Tone:
    """Return the tone of a probe: what the truncation ratio counts is a cut, a time-out in the stream too."""
    return Tone.CUT if probe.truncated else usual_tone(probe.outcome)


def letter(outcome: str) -> str:
    """Return the letter of an outcome; one that is not known has a question mark."""
    return LETTERS.get(outcome, "?")


def meaning(event: ProbeEvent) -> Explanation | None:
    """Return what a verdict means, and what to do; None for a verdict that this version does not know."""
    return MEANINGS.get((event.outcome, event.cause or None))


def flags(event: ProbeEvent) -> list[str]:
    """Return what is worth a word although it does not change the verdict."""
    late = event.chunks > 0 and bool(event.slo) and not (event.slo and event.slo.first_chunk)
    return [
        word
        for word, holds in (
            (f"unclean end: {event.unclean_cause}", bool(event.unclean_cause)),
            ("buffered", event.buffered),
            ("content type mismatch", bool(event.content_type_mismatch)),
            ("over its SLO", late),
            ("retried", bool(event.retried)),
        )
        if holds
    ]
