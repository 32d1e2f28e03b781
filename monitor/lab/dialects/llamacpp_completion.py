"""llama.cpp's own completion: SSE; a text in every event, and a last one with how it stopped and its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.lab.dialects.base import Dialect, EncodedAnswer, compact, event
from monitor.lab.dialects.errors import ERRORS

WORDS: Mapping[str, str] = {"stop": "eos", "length": "limit"}
"""OpenAI's finish reasons, which the lab's faults use, and llama.cpp's."""


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one event a piece."""
    outputs = [_piece(piece, number) for number, piece in enumerate(pieces, 1)]
    return EncodedAnswer((*outputs, event(compact(_last("", len(outputs), finish)))), range(len(outputs)), len(outputs))


def whole(text: str) -> bytes:
    """The one object if no stream was requested."""
    return compact(_last(text, 1, "stop")).encode()


def _piece(content: str, number: int, **more: object) -> bytes:
    frame = {"index": 0, "content": content, "tokens": [236743 + number], "stop": False, "id_slot": -1}
    return event(compact({**frame, "tokens_predicted": number, "tokens_evaluated": 20, **more}))


def _last(content: str, number: int, finish: str) -> Mapping[str, object]:
    return {
        "index": 0,
        "content": content,
        "tokens": [],
        "id_slot": 0,
        "stop": True,
        "model": "lab",
        "tokens_predicted": number,
        "tokens_evaluated": 20,
        "generation_settings": {"n_predict": 400, "stop": [], "stream": True},
        "prompt": "<bos>Count",
        "has_new_line": True,
        "truncated": False,
        "stop_type": WORDS[finish],
        "stopping_word": "",
        "tokens_cached": 19 + number,
        "timings": {"prompt_n": 20, "predicted_n": number},
    }


DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="text/event-stream",
    whole_type="application/json; charset=utf-8",
    finishes=tuple(WORDS),
    errors={kind: event(compact({"error": error})) for kind, (_, error) in ERRORS.items()}
    | {"field": f"error: {compact(ERRORS['other'][1])}\n\n".encode()},  # as older ones have it
    ping=b":\n\n",
    asides={
        "empty": _piece("", 0),
        "progress": _piece("", 0, prompt_progress={"total": 20, "cache": 0, "processed": 8, "time_ms": 13}),
    },
    usage=(20, 1),
    garbled={
        "json": b'data: {"index":0,"content":\n\n',
        "text": event("the cat sat on the wire"),
    },
)
