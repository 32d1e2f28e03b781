"""Dify's chats: an event a piece, then the message's end with the counts; a bare `event: ping` every ten seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.lab.dialects.base import Dialect, EncodedAnswer, event, spaced
from monitor.lab.dialects.errors import ERRORS

IDS: Mapping[str, object] = {
    "conversation_id": "45701982-8118-4bc5-8e9b-64562b4555f2",
    "message_id": "5ad4cb98-f0c7-4085-b384-88c403be6290",
    "created_at": 1700000000,
    "task_id": "900bbd43-dc0b-4383-a372-aa6e6c414227",
}
CODES: Mapping[str, str] = {"quota": "provider_quota_exceeded", "auth": "unauthorized", "not_found": "not_found"}


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one event a piece; what a filter stops is replaced."""
    outputs = [_event("message", answer=piece) for piece in pieces]
    replaced = (_event("message_replace", answer="I cannot say that."),) if finish == "content_filter" else ()
    usage = {"prompt_tokens": 20, "completion_tokens": len(outputs), "total_tokens": 20 + len(outputs)}
    end = _event("message_end", metadata={"usage": usage, "retriever_resources": []})
    messages = (*outputs, *replaced, end)
    return EncodedAnswer(messages, range(len(outputs)), len(messages) - 1)


def whole(text: str) -> bytes:
    """The message if no stream was requested."""
    return spaced({"event": "message", **IDS, "mode": "chat", "answer": text}).encode()


def _event(name: str, **more: object) -> bytes:
    return event(spaced({"event": name, **IDS, **more}))


def _workflow(status: str, error: str | None = None) -> bytes:
    """A chatflow's workflow, from its start to its end."""
    run = {"id": "lab", "workflow_id": "lab", "created_at": 1700000000}
    node = {"id": "node", "node_type": "llm", "title": "LLM", "index": 1}
    return b"".join(
        (
            _event("workflow_started", workflow_run_id="lab", data=run),
            _event("node_started", workflow_run_id="lab", data=node),
            _event("node_finished", workflow_run_id="lab", data={**node, "status": status, "error": error}),
            _event("workflow_finished", workflow_run_id="lab", data={**run, "status": status, "error": error}),
        )
    )


def _error(kind: str) -> bytes:
    code = CODES.get(kind, "completion_request_error")
    return _event("error", code=code, message=ERRORS[kind][1]["message"], status=400)


DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="text/event-stream; charset=utf-8",
    finishes=("stop", "content_filter"),
    errors={kind: _error(kind) for kind in ERRORS} | {"workflow": _workflow("failed", "the dice fell badly")},
    ping=b"event: ping\n\n",
    asides={
        "empty": _event("message", answer=""),
        "thought": _event(
            "agent_thought", id="lab", position=1, thought="one after the other", tool="", observation=""
        ),
        "reasoning": _event("reasoning_chunk", data={"reasoning": "one after the other ", "is_final": False}),
        "file": _event("message_file", id="lab", type="image", belongs_to="assistant", url="http://127.0.0.1/a.png"),
        "answer": _event("tts_message", audio="qqqq"),
        "answer-end": _event("tts_message_end", audio=""),
        "workflow": _workflow("succeeded"),
        "partial": _workflow("partial-succeeded"),
    },
    kinds={"reasoning": "reasoning"},
    usage=(20, 1),
    garbled={
        "json": b'data: {"event": "message", "answer":\n\n',
        "text": event("the cat sat on the wire"),
    },
)
