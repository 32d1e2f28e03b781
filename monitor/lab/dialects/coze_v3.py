"""Coze's chat of version 3: named events without a space after the colon; the message again, its end, and `done`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.lab.dialects.base import Dialect, EncodedAnswer, compact
from monitor.lab.dialects.errors import ERRORS

IDS: Mapping[str, object] = {"id": "7490890868547698724", "conversation_id": "7490890868547682340", "bot_id": "lab"}


def encode(pieces: Sequence[str], finish: str = "stop") -> EncodedAnswer:
    """The answer, one delta a piece, and then whole."""
    del finish
    outputs = [_message("delta", piece) for piece in pieces]
    usage = {"token_count": 20 + len(outputs), "output_count": len(outputs), "input_count": 20}
    messages = (
        _chat("created"),
        _chat("in_progress"),
        *outputs,
        _message("completed", "".join(pieces)),
        _message("completed", compact({"msg_type": "generate_answer_finish", "data": ""}), type="verbose"),
        _chat("completed", completed_at=1700000001, usage=usage),
        _event("done", "[DONE]"),
    )
    return EncodedAnswer(messages, range(2, 2 + len(outputs)), len(messages) - 2, len(messages) - 1)


def whole(text: str) -> bytes:
    """The chat if no stream was requested; a real server returns the answer in another request."""
    return compact({"code": 0, "msg": "", "data": {**IDS, "status": "completed", "content": text}}).encode()


def _message(name: str, content: str, **more: object) -> bytes:
    message = {**IDS, "role": "assistant", "type": "answer", "content": content, "content_type": "text", **more}
    return _event(f"conversation.message.{name}", message)


def _chat(status: str, **more: object) -> bytes:
    error = {"code": 0, "msg": ""}
    state = {**IDS, "created_at": 1700000000, "last_error": error, "status": status, **more}
    return _event(f"conversation.chat.{status}", state)


def _event(name: str, value: object) -> bytes:
    return f"event:{name}\ndata:{compact(value)}\n\n".encode()


DIALECT = Dialect(
    encode=encode,
    whole=whole,
    content_type="text/event-stream; charset=utf-8",
    errors={
        kind: _chat("failed", last_error={"code": 5000, "msg": error["message"]}) for kind, (_, error) in ERRORS.items()
    }
    | {"event": _event("error", {"code": 4000, "msg": "the dice fell badly"})},
    asides={
        "empty": _message("delta", ""),
        "reasoning": _message("delta", "", reasoning_content="one after the other "),
        "tool": _message("completed", compact({"name": "count", "arguments": {"to": 9}}), type="function_call"),
        "tool-response": _message("completed", "9", type="tool_response"),
        "suggestion": _message("completed", "And on to 99?", type="follow_up"),
        "audio": _event("conversation.audio.delta", {**IDS, "type": "answer", "content": "qqqq"}),
        "ping": _event("ping", {}),
    },
    kinds={"reasoning": "reasoning", "tool": "tool_call"},
    usage=(20, 1),
    garbled={
        "json": b'event:conversation.message.delta\ndata:{"id":"1","type":"answer","content":\n\n',
        "text": b"event:conversation.message.delta\ndata:the cat sat on the wire\n\n",
    },
)
