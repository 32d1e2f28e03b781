"""The sentence that describes what happened: the explanation's text with its numbers, and notes with further facts.

It quotes nothing of the server but the finish reason, and only if that is one plain word.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from monitor.judge.explanations import MEANINGS
from monitor.judge.facts import Facts
from monitor.stream.endings import EndKind
from monitor.stream.events import Stop

_SHORT_OF = {
    "chunked": "no terminal chunk",
    "length": "fewer bytes than Content-Length",
    "close": "no length was declared",
    "h2": "no END_STREAM",
}
_FRAMING_WORDS = {"length": "length-delimited", "close": "close-delimited", "h2": "HTTP/2"}
_LENGTH, _AFTER, _GRPC = "content-length", "after GOAWAY", "grpc-status"
_STREAM_RESETS = {"RST_STREAM": "reset", "GOAWAY": "refused"}
"""How the details of HTTP/2's endings begin (`http.h2_connection`), and what its peer did."""
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
Pair = tuple[str, str | None]


class Note(NamedTuple):
    """What is added to the sentence of these outcomes and causes, if a condition holds."""

    pairs: frozenset[Pair]
    when: Callable[[Facts], bool]
    text: str


def _taken_back(facts: Facts) -> bool:
    end = facts.recording.end
    return end.early_ending and end.stands_at is None


def _marker_alone(facts: Facts) -> bool:
    end = facts.recording.end
    return end.marker_at is not None and end.stands_at is None


def _may_be_invented(facts: Facts) -> bool:
    """Whether the stream sent a complete end, and the only fault is that the answer is no more than a beginning."""
    clean = facts.ending.kind is EndKind.COMPLETE and facts.recording.end.stops == {Stop.COMPLETE}
    return clean and facts.arrived and facts.beginning


_NO_TERMINATOR = frozenset({("truncated", "no_terminator")})
_CLEAN_ENDS = _NO_TERMINATOR | {("truncated", "mid_event"), ("truncated", "incomplete_answer")}
_STOPPED = frozenset({
    ("filtered", "content_filter"), ("filtered", "refusal"), ("filtered", "prompt_blocked"),
    ("truncated", "token_limit"), ("wrong_content", "token_limit"),
})  # fmt: skip
NOTES = (
    Note(_NO_TERMINATOR, _taken_back, "the stream sent an end, and output followed it"),
    Note(_CLEAN_ENDS, lambda it: it.ending.detail.startswith(_GRPC), "the trailers have {detail}"),
    Note(_NO_TERMINATOR, _marker_alone, "the marker came without the end"),
    Note(
        frozenset({("wrong_content", "missing")}),
        _may_be_invented,
        "the answer is incomplete, and the stream says that it is complete: a gateway may have added the end",
    ),
    Note(_STOPPED, lambda it: own_word(it.recording.end.reason) != "", "finish reason {reason}"),
)


def detail(facts: Facts, outcome: str, cause: str | None) -> str:
    """Return the sentence for a stream with this outcome and cause."""
    recording, pair = facts.recording, (str(outcome), cause)
    framing = recording.head.framing.value if recording.head else ""
    progress = facts.check.progress if facts.check else None
    notes = [note.text for note in NOTES if pair in note.pairs and note.when(facts)]
    return "; ".join((MEANINGS[pair].detail, *notes)).format(
        chunks=f"{recording.chunks} chunk{'' if recording.chunks == 1 else 's'}",
        framing=_FRAMING_WORDS.get(framing, framing),
        expected=_expected(framing, facts.ending.detail),
        closed="ended the stream" if facts.ending.detail.startswith(_LENGTH) else "closed the connection",
        reset=_reset(facts.ending.detail),
        after=f", {facts.ending.detail}" if facts.ending.detail.startswith(_AFTER) else "",
        detail=facts.ending.detail,
        status=facts.status,
        reason=_reason(facts),
        why=_why(facts, pair),
        progress="nothing" if progress is None else f"{progress:.0%}",
        limit=facts.ending.detail or "the deadline",
    )


def _expected(framing: str, detail: str) -> str:
    """Return what a truncated body lacks, and what an HTTP/2 peer reported before."""
    missing = _SHORT_OF.get(framing, "no head")
    return detail if detail.startswith(_LENGTH) else f"{missing}, {detail}" if detail.startswith(_AFTER) else missing


def _reset(detail: str) -> str:
    """Return what was reset: in HTTP/2, possibly only the stream."""
    how = next((words for word, words in _STREAM_RESETS.items() if detail.startswith(word)), "")
    return f"{how} the stream ({detail})" if how else "reset the connection"


def own_word(reason: str | None) -> str:
    """Return a finish reason that is one plain word; "" for anything else that a server may send there."""
    return reason if reason and _PLAIN.fullmatch(reason) else ""


def _reason(facts: Facts) -> str:
    """Return the finish reason as the server sent it, or what it means if that is not a plain word."""
    return own_word(facts.recording.end.reason) or ", ".join(sorted(facts.recording.end.stops))


def _why(facts: Facts, pair: Pair) -> str:
    match pair:
        case _, "content_type":
            return "another one" if facts.recording.head and facts.recording.head.content_type else "missing"
        case _, "not_protocol" | "malformed_event":
            return (
                facts.recording.end.malformed[0]
                if facts.recording.end.malformed
                else "JSON with nothing of the protocol in it"
            )
        case _, "malformed_body":
            return facts.recording.end.broken or facts.ending.detail
        case _:
            return facts.ending.detail
