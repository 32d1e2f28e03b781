"""OpenAI's responses: numbered events, deltas of one text, and the whole response when it is completed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.lab.dialects.base import Dialect, EncodedAnswer, compact, event
from monitor.lab.dialects.errors import ERRORS

REASONS: Mapping[str, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""OpenAI's finish reasons, which the lab's faults use, and why a response is incomplete."""


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one delta a piece."""
    text = "".join(pieces)
    usage = {"input_tokens": 20, "output_tokens": len(pieces), "total_tokens": 20 + len(pieces)}
    last = _response("completed", text, usage=usage)
    if finish in REASONS:
        last = _response("incomplete", text, usage=usage, incomplete_details={"reason": REASONS[finish]})
    named: tuple[tuple[str, dict[str, Any]], ...] = (
        ("response.created", {"response": _response("in_progress")}),
        ("response.content_part.added", {"item_id": "msg_lab", "part": {"type": "output_text", "text": ""}}),
        *(("response.output_text.delta", {"item_id": "msg_lab", "delta": piece}) for piece in pieces),
        ("response.output_text.done", {"item_id": "msg_lab", "text": text}),
        (f"response.{last['status']}", {"response": last}),
    )
    messages = tuple(_event(name, sequence_number=number, **more) for number, (name, more) in enumerate(named))
    return EncodedAnswer(messages, range(2, 2 + len(pieces)), len(messages) - 1)


def whole(text: str) -> bytes:
    """The response if no stream was requested."""
    return compact(_response("completed", text)).encode()


def _response(status: str, text: str = "", **more: object) -> dict[str, Any]:
    output = [{"type": "message", "content": [{"type": "output_text", "text": text}]}] if text else []
    return {"id": "resp_lab", "object": "response", "status": status, "model": "lab", "output": output, **more}


def _event(name: str, **more: object) -> bytes:
    return event(compact({"type": name, **more}), name=name)


DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="text/event-stream; charset=utf-8",
    finishes=("stop", *REASONS),
    errors={
        kind: _event("response.failed", response=_response("failed", error=error))
        for kind, (_, error) in ERRORS.items()
    }
    | {"event": _event("error", code="server_error", message="the dice fell badly", param=None)},
    asides={
        "empty": _event("response.output_text.delta", item_id="msg_lab", delta=""),
        "reasoning": _event("response.reasoning_text.delta", item_id="rs_lab", delta="one after the other "),
        "unknown": _event("response.note.added", note="of a later version"),
    },
    kinds={"reasoning": "reasoning"},
    usage=(20, 1),
    garbled={
        "json": b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":\n\n',
        "text": event("the cat sat on the wire"),
    },
)
