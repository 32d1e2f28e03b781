"""The result of one probe: the recording is judged and redacted, and becomes an observation."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from monitor.budget import charge
from monitor.http import ExchangeInfo
from monitor.judge.content_check import CheckResult, examine
from monitor.judge.verdict import Outcome, Phase, Verdict, judge
from monitor.probe.confidential import secrets_of
from monitor.probe.request import ProbeRequest
from monitor.protocols.outside import KEPT as KEPT_OUTSIDE
from monitor.protocols.outside import Outside
from monitor.protocols.stream_errors import answered_error, failure
from monitor.record.observation import Observation
from monitor.record.parts import ServerError, Tokens
from monitor.redaction import Redactor, last_words, redactor, words
from monitor.stream.events import Failure
from monitor.stream.recording import Recording
from monitor.target import KEPT, Connection, Record, Target, own_limits

_CHARACTERS_A_TOKEN = 4
_USUAL = 128
"""The most characters of a text whose safe form is stored for the next probe."""


def token_limit(target: Target) -> int:
    """Return the limit on output tokens that is sent: the target's `body` may override it."""
    return min(own_limits(target.body), default=target.max_tokens)


def _merged_limit(request: ProbeRequest) -> int:
    """Return the limit on output tokens in the body that is sent, for all answers together."""
    try:
        body = json.loads(request.call.body or b"{}")
    except ValueError:
        body = {}
    merged = body if isinstance(body, dict) else {}
    choices = merged.get(request.protocol.choices)
    each = max(own_limits(merged), default=request.target.max_tokens)
    return each * (choices if type(choices) is int and choices > 1 else 1)


def _charged(request: ProbeRequest, tokens: Tokens | None) -> int:
    if tokens is None:
        return 0
    return charge(request.target, request.call.body, _merged_limit(request), tokens.input + tokens.output)


def observe(  # noqa: PLR0913 - the parts of a probe's result
    request: ProbeRequest,
    recording: Recording,
    info: ExchangeInfo,
    *,
    timestamp: datetime,
    trigger: str,
    kept: bytes = b"",
    location: str = "",
    schedule_delay: float | None = None,
    outside: Outside | None = None,
) -> Observation:
    """Judge a recording and return the observation; the server's text is redacted here, once for all sinks.

    `outside` is the text outside the protocol's framing.
    """
    target = request.target
    safe = _Safe(target)
    received, recording = recording.head, _safe_recording(recording, safe)
    check = _examined(request, recording)
    verdict = judge(
        recording if recording.head is received else replace(recording, head=received),
        check,
        content_types=request.protocol.content_types,
        max_tokens=token_limit(target),
    )
    outside = None if verdict.phase is Phase.END else outside
    error = _error(recording, verdict, info, "" if outside is None else safe.whole(outside.text, KEPT_OUTSIDE))
    verdict = _with_remarks(verdict, request, recording, outside)
    tokens = _tokens(recording, request.prompt)
    return Observation(
        probe_id=request.probe_id,
        target=target,
        timestamp=timestamp,
        trigger=trigger,
        recording=recording,
        verdict=verdict,
        location=location,
        peer=info.peer,
        ip_family=info.ip_family,
        connection=(Connection.REUSE if info.reused else Connection.FRESH).value,
        retried=info.retried,
        own_delay=info.own_delay,
        schedule_delay=schedule_delay,
        tokens=tokens,
        charged=_charged(request, tokens),
        check=check,
        server_error=_server_error(target.record, error, safe),
        last_words=_last_words(kept, target, safe, truncated=verdict.truncated or target.record is Record.FULL),
        certificate_expiry=info.certificate_expiry,
        after_cut=info.after_cut,
    )


def _examined(request: ProbeRequest, recording: Recording) -> CheckResult | None:
    """Return the result of the content check, if there is a check and output."""
    if request.target.check is None or not recording.chunks:
        return None
    return examine(request.target.check, recording.text, request.nonce)


def _error(recording: Recording, verdict: Verdict, info: ExchangeInfo, outside: str) -> Failure | None:
    """Return the server's error: in the stream, for its finish reason, in an error body, or outside the framing."""
    return (
        _failure(recording, verdict)
        or _end_error(recording, verdict)
        or answered_error(info.error_body.decode("utf-8", "replace"))
        or answered_error(outside)
    )


def _failure(recording: Recording, verdict: Verdict) -> Failure | None:
    """Return the error of the stream: one after the end counts if the verdict says so."""
    return recording.end.failure or (recording.end.late_failure if verdict.outcome is Outcome.STREAM_ERROR else None)


def _end_error(recording: Recording, verdict: Verdict) -> Failure | None:
    """Return the server's message about a finish reason of an incomplete answer, such as Cohere's `error`."""
    message = recording.end.words
    return failure(message) if message and verdict.outcome in {Outcome.TRUNCATED, Outcome.FILTERED} else None


def _with_remarks(verdict: Verdict, request: ProbeRequest, recording: Recording, outside: Outside | None) -> Verdict:
    """Add to the detail how many lines were outside the framing, and the protocol's remark."""
    remarks = [verdict.detail] if verdict.detail else []
    if outside is not None and outside.lines:
        remarks.append(f"{outside.lines} line{'' if outside.lines == 1 else 's'} outside the protocol's framing")
    if request.protocol.remark is not None and recording.decoded and (remark := request.protocol.remark()):
        remarks.append(remark)
    return replace(verdict, detail="; ".join(remarks)) if remarks else verdict


def _tokens(recording: Recording, prompt: str) -> Tokens | None:
    usage = recording.usage.believed(chunks=recording.chunks)
    if usage.output is None and not recording.chunks:
        return None
    return Tokens(
        input=usage.input if usage.input is not None else len(prompt) // _CHARACTERS_A_TOKEN,
        output=usage.output if usage.output is not None else recording.chunks,
        reasoning=usage.reasoning or 0,
        estimated=usage.output is None or (usage.input is None and recording.usage.input is not None),
    )


class _Safe:
    """Makes text of the server safe to store: it removes the target's secrets."""

    def __init__(self, target: Target) -> None:
        self.redactor = redactor(frozenset(secrets_of(target)))

    def __call__(self, text: str | None, limit: int) -> str | None:
        if not text:
            return None
        return _usual_words(text, self.redactor, limit) if len(text) <= _USUAL else words(text, self.redactor, limit)

    def whole(self, text: str, most: int) -> str:
        """Return a text; one that was cut to `most` characters ends before the last secret that the cut may divide."""
        if len(text) < most:
            return text
        return self.redactor.between(text, 0, max(len(text) - self.redactor.margin, 0))


@lru_cache(maxsize=1024)
def _usual_words(text: str, safe: Redactor, limit: int) -> str:
    """Return a short text made safe: a server's content type, model and finish reason are the same in each probe."""
    return words(text, safe, limit)


def kept_bytes(target: Target) -> int:
    """Return how much of a body's end to buffer, so that what `record` stores does not begin inside a secret."""
    most = KEPT[target.record]
    return most and most + redactor(frozenset(secrets_of(target))).margin


def _safe_recording(recording: Recording, safe: _Safe) -> Recording:
    """Return the recording with the server's text made safe."""
    head, end, model = recording.head, recording.end, safe(recording.model, 100)
    if (reason := safe(end.reason, 100)) != end.reason:
        end = replace(end, reason=reason)
    if head is not None:
        ids = tuple((name, safe(value, 128) or "") for name, value in head.request_ids)
        content_type = safe(head.content_type, 128) or ""
        if (content_type, ids) != (head.content_type, head.request_ids):
            head = replace(head, content_type=content_type, request_ids=ids)
    if head is recording.head and end is recording.end and model == recording.model:
        return recording
    return replace(recording, head=head, end=end, model=model)


def _server_error(record: Record, found: Failure | None, safe: _Safe) -> ServerError | None:
    if found is None or record is Record.NONE:
        return None
    words = {"type": safe(found.type, 100), "code": safe(found.code, 100), "message": safe(found.message, 300)}
    given = {name: text for name, text in words.items() if text is not None}
    return ServerError(**given) if given else None


def _last_words(kept: bytes, target: Target, safe: _Safe, *, truncated: bool) -> str | None:
    if not kept or not truncated:
        return None
    return last_words(kept.decode("utf-8", "replace"), safe.redactor, KEPT[target.record])
