"""Text Generation Inference: SSE without a space after the colon; a token per event, the whole text in the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.lab.dialects.base import Dialect, EncodedAnswer, compact

WORDS: Mapping[str, str] = {"stop": "eos_token", "length": "length"}
"""OpenAI's finish reasons, which the lab's faults use, and TGI's."""
ERRORS: Mapping[str, tuple[str, str]] = {
    "overloaded": ("overloaded", "Model is overloaded"),
    "context_length": ("validation", "Input validation error: `inputs` must have less than 8 tokens. Given: 9"),
    "upstream": ("generation", "Request failed during generation: transport error: Connection reset by peer"),
    "other": ("incomplete_generation_stream", "Incomplete generation stream"),
}


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one token a piece, and the token that ends it."""
    outputs = [_token(piece, index) for index, piece in enumerate(pieces, 1)]
    count = len(outputs)
    details = {"finish_reason": WORDS[finish], "generated_tokens": count + 1, "seed": None, "input_length": 20}
    last = _token("<eos>", count + 1, special=True, generated_text="".join(pieces), details=details)
    return EncodedAnswer((*outputs, last), range(count), count)


def whole(text: str) -> bytes:
    """The one object if no stream was requested."""
    return compact({"generated_text": text}).encode()


def _token(text: str, index: int, *, special: bool = False, **more: object) -> bytes:
    token = {"id": 1000 + index, "text": text, "logprob": -0.5, "special": special}
    return _event({"index": index, "token": token, "generated_text": None, "details": None, **more})


def _event(frame: Mapping[str, object]) -> bytes:
    return f"data:{compact(frame)}\n\n".encode()


DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="text/event-stream",
    finishes=tuple(WORDS),
    errors={kind: _event({"error": message, "error_type": name}) for kind, (name, message) in ERRORS.items()},
    ping=b":\n\n",
    asides={
        "empty": _token("", 0),
        "special": _token("<s>", 0, special=True),
        "top": _token("", 0, top_tokens=[{"id": 7, "text": "1", "logprob": -0.7, "special": False}]),
    },
    usage=(20, 2),  # the end token counts
    garbled={
        "json": b'data:{"index":1,"token":{"id":1001,"text":\n\n',
        "shape": _event({"index": 1, "token": 7}),
        "text": b"data:the cat sat on the wire\n\n",
    },
)
