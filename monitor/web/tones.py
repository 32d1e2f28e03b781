"""How the pages show an outcome: by a letter and a tone, so that colour is never the only difference."""

from __future__ import annotations

from enum import StrEnum

from msgspec import UNSET

from monitor.judge.explanations import MEANINGS, Explanation
from monitor.judge.verdict import Outcome
from monitor.record.probe_event import ProbeEvent
from monitor.record.target_summary import BriefProbe


class Tone(StrEnum):
    """The tone of an outcome; the names are CSS classes. Worst first, as on the status page."""

    CUT = "cut"
    DOWN = "down"
    WARNING = "warning"
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
    Outcome.FILTERED: Tone.WARNING,
    Outcome.WRONG_CONTENT: Tone.WARNING,
    Outcome.ABORTED: Tone.OWN,
    Outcome.INCONCLUSIVE: Tone.OWN,
}


def usual_tone(outcome: str) -> Tone:
    """Return the usual tone of an outcome."""
    return _TONES.get(outcome, Tone.DOWN)


def verdict_tone(verdict: str) -> Tone:
    """Return the tone of `outcome/cause`."""
    outcome, _, cause = verdict.partition("/")
    return tone(BriefProbe(outcome=outcome, cause=cause or UNSET))


def tone(probe: ProbeEvent | BriefProbe) -> Tone:
    """Return the tone of a probe: a cut if the truncation ratio counts it, including time-outs in the stream."""
    return Tone.CUT if probe.truncated else usual_tone(probe.outcome)


def letter(outcome: str) -> str:
    """Return the letter of an outcome; a question mark for an unknown one."""
    return LETTERS.get(outcome, "?")


def meaning(event: ProbeEvent) -> Explanation | None:
    """Return the explanation of a verdict; None for an unknown one."""
    return MEANINGS.get((event.outcome, event.cause or None))


def flags(event: ProbeEvent) -> list[str]:
    """Return remarks that do not change the verdict."""
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
