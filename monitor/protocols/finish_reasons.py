"""The meaning of finish reasons: one table for all protocols, because gateways pass on those of their upstream.

Reasons are compared without case, hyphens, underscores and spaces: `MAX_TOKENS`, `max_tokens`, `maxTokens`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from monitor.stream.events import Stop

LIMITS = (
    "length", "limit", "max_tokens", "max_output_tokens", "max_completion_tokens", "max_new_tokens", "max_token",
    "max_length", "max_output", "max_tokens_reached", "max_predicted_tokens_reached", "token_limit",
    "token_limit_reached", "model_length", "length_limit", "context", "context_length", "context_length_exceeded",
    "context_length_reached", "context_window_exceeded", "model_context_window_exceeded", "error_limit", "incomplete",
    "pause_turn",
)  # fmt: skip
"""The model's limit, ours or its own."""
FILTERS = (
    "content_filter", "content_filtered", "content_moderation", "content_policy", "content_policy_violation",
    "policy_violation", "moderation", "filter", "filtered", "flagged", "blocked", "safety", "sensitive", "error_toxic",
    "recitation", "blocklist", "prohibited_content", "spii", "image_safety", "image_prohibited_content",
    "image_recitation", "model_armor", "jailbreak", "guardrail", "guardrails", "guardrail_intervened",
)  # fmt: skip
"""A filter of the provider's or of a gateway's."""
REFUSALS = ("refusal", "refused")
"""The model itself."""
ABORTS = (
    "abort", "aborted", "error", "errored", "exception", "fail", "failed", "failure", "timeout", "timed_out",
    "time_limit", "cancel", "cancelled", "canceled", "user_cancel", "user_stopped", "interrupted", "terminated",
    "preempted", "disconnected", "network_error", "connection_error", "internal_error", "server_error",
    "upstream_error", "engine_error", "insufficient_system_resource", "model_unloaded", "malformed_function_call",
    "malformed_tool_use", "malformed_model_output", "malformed_response", "unexpected_tool_call",
    "too_many_tool_calls", "missing_thought_signature", "no_image", "image_other", "language",
)  # fmt: skip
"""The producer of the answer aborted it."""
NONE = ("", "0", "false", "null", "none", "not_finished")
"""No reason: the answer continues. So do all reasons that end with `_UNSPECIFIED`."""
_UNSPECIFIED = "unspecified"
_PREFIX = "finishreason"


def _bare(word: str) -> str:
    return re.sub(r"[\W_]+", "", word).casefold().removeprefix(_PREFIX)


_STOPS: Mapping[str, Stop] = {
    _bare(word): stop
    for stop, words in (
        (Stop.LENGTH, LIMITS),
        (Stop.CONTENT_FILTER, FILTERS),
        (Stop.REFUSAL, REFUSALS),
        (Stop.ABORT, ABORTS),
    )
    for word in words
}
_NONE = frozenset(map(_bare, NONE))
_NAMES = ("type", "reason", "name")
"""Keys of an object with the reason, such as SGLang's `{"type": "abort", "message": ...}`."""


def reason_of(value: object, numbers: Sequence[str] = ()) -> str | None:
    """Return a finish reason, None for no reason; `numbers` are the names of numeric reasons."""
    if isinstance(value, dict):
        value = next((value[name] for name in _NAMES if name in value), None)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(numbers):
        value = numbers[value]
    if value is None or isinstance(value, dict | list):
        return None
    word = str(value).strip()
    bare = _bare(word)
    return None if bare in _NONE or bare.endswith(_UNSPECIFIED) else word


def stop_of(reason: str | None, unknown: Stop = Stop.COMPLETE) -> Stop:
    """Return the meaning of a finish reason; no reason is a complete answer, and an unknown one is `unknown`.

    Gemini's endpoint for OpenAI clients joins two reasons, as in `content_filter: RECITATION`: the later one wins.
    """
    if reason is None:
        return Stop.COMPLETE
    words = (reason, *reversed(reason.split(":")))
    return next((_STOPS[word] for word in map(_bare, words) if word in _STOPS), unknown)


def words_of(reason: object) -> str:
    """Return the message of a reason that is an object, such as SGLang's; "" without one."""
    message = reason.get("message") if isinstance(reason, dict) else None
    return message if isinstance(message, str) else ""


def finish_of(choice: Mapping[str, object]) -> tuple[str, Stop] | None:
    """Return the finish reason of an OpenAI choice and what it means, None without one.

    OpenRouter's `native_finish_reason`, that of its upstream, takes precedence if it is an abort.
    vLLM's `stop_reason` is a string chosen by the user, and is ignored.
    """
    native = reason_of(choice.get("native_finish_reason"))
    if native is not None and stop_of(native) is Stop.ABORT:
        return native, Stop.ABORT
    reason = reason_of(choice.get("finish_reason"))
    return None if reason is None else (reason, stop_of(reason))
