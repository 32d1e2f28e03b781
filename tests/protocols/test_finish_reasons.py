"""The meaning of finish reasons: the words of all vendors, in any spelling, and values that are no reason."""

from __future__ import annotations

import pytest

from monitor.protocols.finish_reasons import ABORTS, FILTERS, LIMITS, NONE, REFUSALS, finish_of, reason_of, stop_of
from monitor.stream.events import Stop

WORDS = [
    *((word, Stop.LENGTH) for word in LIMITS),
    *((word, Stop.CONTENT_FILTER) for word in FILTERS),
    *((word, Stop.REFUSAL) for word in REFUSALS),
    *((word, Stop.ABORT) for word in ABORTS),
    *((word, Stop.COMPLETE) for word in ("stop", "end_turn", "eos_token", "tool_calls", "OF_A_LATER_VERSION")),
    ("MAX_TOKENS", Stop.LENGTH),
    ("maxTokens", Stop.LENGTH),
    ("FINISH_REASON_MAX_TOKENS", Stop.LENGTH),
    ("Content-Filter", Stop.CONTENT_FILTER),
    ("RECITATION", Stop.CONTENT_FILTER),
    ("content_filter: a_later_word", Stop.CONTENT_FILTER),
    ("function_call_filter: malformed_function_call", Stop.ABORT),
]


@pytest.mark.parametrize(("word", "stop"), WORDS, ids=[word for word, _ in WORDS])
def test_words_of_vendors(word: str, stop: Stop) -> None:
    """Words are compared without case, hyphens and underscores; an unknown one is a complete answer."""
    assert stop_of(word) is stop_of(word.upper()) is stop_of(word.replace("_", "-")) is stop


def test_an_unknown_word_is_what_the_protocol_says() -> None:
    """The protocol decides what an unknown reason means, in Gemini an abort; a missing one is a complete answer."""
    assert (stop_of("NEW", Stop.ABORT), stop_of("SAFETY", Stop.ABORT)) == (Stop.ABORT, Stop.CONTENT_FILTER)
    assert stop_of(None, Stop.ABORT) is Stop.COMPLETE


@pytest.mark.parametrize("value", [*NONE, None, False, 0, "FINISH_REASON_UNSPECIFIED", "None", " ", [], {}, ["stop"]])
def test_no_reason_at_all(value: object) -> None:
    """A value that means that the answer continues is no reason."""
    assert reason_of(value) is None


def test_reasons_of_other_types() -> None:
    """SGLang's reason is an object, some gateways send the number of Gemini's word, and a number is its text."""
    assert reason_of({"type": "abort", "message": "gone"}) == "abort"
    assert (reason_of(1, ("NONE", "STOP")), reason_of(9, ("NONE", "STOP"))) == ("STOP", "9")


def test_a_native_reason_wins_if_it_is_an_abort() -> None:
    """OpenRouter says `stop` for what its provider gave up; what the user chose to stop at is never a reason."""
    assert finish_of({"finish_reason": "stop", "native_finish_reason": "MALFORMED_FUNCTION_CALL"}) == (
        "MALFORMED_FUNCTION_CALL", Stop.ABORT,
    )  # fmt: skip
    assert finish_of({"finish_reason": "length", "native_finish_reason": "stop"}) == ("length", Stop.LENGTH)
    assert finish_of({"finish_reason": "stop", "stop_reason": "error"}) == ("stop", Stop.COMPLETE)
    assert finish_of({"finish_reason": None, "native_finish_reason": None}) is None
