"""Ask one target once and say what came back: request, transport, decoder, timeline, check, verdict, observation."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, unquote, urlsplit

from monitor import __version__
from monitor.judge.content_check import counting_prompt, examine
from monitor.stream.events import Failure
from monitor.record.observation import Observation, ServerError, Tokens
from monitor.protocols import Decoder, Protocol, find
from monitor.protocols.shapes import failure, load
from monitor.redaction import words
from monitor.settings import Limits
from monitor.target import KEPT, Connection, CountCheck, Record, Target, Terminator, own_limits
from monitor.stream.recording import CheckResult, Ending, EndKind, EndRule, Head, Mark, Recording
from monitor.http import HttpRequest, ExchangeInfo, Client
from monitor.judge.verdict import judge

_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CHARACTERS_A_TOKEN = 4
_ESCAPED = 10
"""Characters that an escape takes at most: words that are kept whole are not cut again because they grew."""
_DEFAULT_PROMPT = "[{nonce}] Write two sentences about the sea, then write END-{nonce}."


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """What one probe asks, made new for each: its id, its nonce, and the call that carries them."""

    target: Target
    protocol: Protocol
    probe_id: str
    nonce: str
    prompt: str
    call: HttpRequest


@dataclass(frozen=True, slots=True)
class Prober:
    """All that probes share; calling it asks a target once.

    `save` takes the payload as it comes.
    """

    carrier: Client
    limits: Limits
    location: str = ""
    save: Callable[[bytes], object] | None = None

    async def __call__(self, target: Target, trigger: str, schedule_delay: float | None = None) -> Observation:
        """Probe `target`; a cancellation ends the probe as `aborted` and is not raised."""
        question = ask(target)
        seen = Recording(end_rule(target, question.protocol))
        kept = bytearray()
        started = datetime.now(UTC)
        carried = await self._carry(question, seen, kept)
        return observe(
            question,
            seen,
            carried,
            kept=bytes(kept),
            timestamp=started,
            trigger=trigger,
            location=self.location,
            schedule_delay=schedule_delay,
        )

    async def _carry(self, question: ProbeRequest, seen: Recording, kept: bytearray) -> ExchangeInfo:
        decoder = Decoder(question.protocol, event_bytes=self.limits.event_bytes, events=self.limits.events)
        most = KEPT[question.target.record]

        def feed(data: bytes) -> str | None:
            for event, offset in decoder.feed(data):
                seen.record(event, offset)
            if most:
                kept.extend(data)
                del kept[:-most]
            if self.save is not None:
                self.save(data)
            return decoder.too_large

        carried = ExchangeInfo()
        try:
            carried = await self.carrier.carry(question.call, seen, feed)
            for event, offset in decoder.close():
                seen.record(event, offset)
        except Exception as error:  # noqa: BLE001 - a bug, ours or an outside protocol's, is a verdict and no lost probe
            seen.ending = Ending(EndKind.INTERNAL, seen.ending.at if seen.ending else 0.0, type(error).__name__)
        return carried


def ask(target: Target) -> ProbeRequest:
    """Return a new question to `target`."""
    protocol = find(target.protocol)
    probe_id, nonce = new_id(), secrets.token_hex(4)
    prompt = _prompt(target, nonce)
    request = protocol.request(target, prompt)
    headers = {
        "User-Agent": f"chat-monitor/{__version__}",
        **request.headers,
        "Accept-Encoding": "identity",
    }
    if target.request_id_header:
        headers[target.request_id_header] = probe_id
    if target.api_key is not None:
        headers[protocol.auth.header] = protocol.auth.form.format(target.api_key.reveal())
    own = {name.lower() for name in target.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in own}
    headers |= {name: value.reveal() for name, value in target.headers.items()}
    proxy = target.proxy.reveal() if target.proxy is not None else None
    keep_for = target.name if target.connection is Connection.REUSE else None
    call = HttpRequest(request.method, target.url, headers, request.body, target.timeouts, target.tls, proxy, keep_for)
    return ProbeRequest(target, protocol, probe_id, nonce, prompt, call)


def _prompt(target: Target, nonce: str) -> str:
    if isinstance(target.check, CountCheck):
        return counting_prompt(target.check.to, nonce, target.prompt)
    return (target.prompt or _DEFAULT_PROMPT).replace("{nonce}", nonce)


def new_id() -> str:
    """Return a ULID: 26 characters that sort by time."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    return "".join(_BASE32[number >> shift & 31] for shift in range(125, -1, -5))


def end_rule(target: Target, protocol: Protocol) -> EndRule:
    """Return what counts as the end: the protocol's declaration and the target's `terminator`."""
    declared = protocol.end or protocol.marker
    choices = target.body.get(protocol.choices)
    return EndRule(
        terminator=target.terminator if declared else Terminator.NONE,
        declares_end=protocol.end,
        declares_marker=protocol.marker,
        early=protocol.early,
        choices=choices if isinstance(choices, int) else 1,
    )


def token_limit(target: Target) -> int:
    """Return the limit on output tokens that is really asked for: the target's `body` may have one of its own."""
    return min(own_limits(target.body), default=target.max_tokens)


def observe(  # noqa: PLR0913 - what a probe saw has as many sides as this
    question: ProbeRequest,
    seen: Recording,
    carried: ExchangeInfo,
    *,
    timestamp: datetime,
    trigger: str,
    kept: bytes = b"",
    location: str = "",
    schedule_delay: float | None = None,
) -> Observation:
    """Judge what was seen and put it together; the server's own words are redacted here, once for all sinks."""
    target = question.target
    safe = _Safe(target)
    check = _examined(question, seen)
    verdict = judge(seen, check, content_types=question.protocol.content_types, max_tokens=token_limit(target))
    seen.mark(Mark.END, _end_of(seen))
    seen.model, seen.reason = safe(seen.model, 100), safe(seen.reason, 100)
    seen.head = _safe_head(seen.head, safe)
    return Observation(
        probe_id=question.probe_id,
        target=target,
        timestamp=timestamp,
        trigger=trigger,
        timeline=seen,
        verdict=verdict,
        location=location,
        peer=carried.peer,
        ip_family=carried.ip_family,
        connection=(Connection.REUSE if carried.reused else Connection.FRESH).value,
        retried=carried.retried,
        schedule_delay=schedule_delay,
        tokens=_tokens(seen, question.prompt),
        check=check,
        server_error=_server_error(target.record, seen.failure or _answered_error(carried.error_body), safe),
        last_words=_last_words(kept, safe, truncated=verdict.truncated or target.record is Record.FULL),
        certificate_expiry=carried.certificate_expiry,
        after_cut=carried.after_cut,
    )


def _examined(question: ProbeRequest, seen: Recording) -> CheckResult | None:
    """Return what the content check finds, where there is a check and output to look at."""
    if question.target.check is None or not seen.chunks:
        return None
    return examine(question.target.check, seen.text, question.nonce)


def _end_of(seen: Recording) -> float:
    """Return when the stream ended: where only our drain ended it, when the protocol's end arrived."""
    ending = seen.ending
    at = ending.at if ending is not None else 0.0
    if seen.ended_at is not None and ending is not None and ending.kind is EndKind.DEADLINE:
        at = seen.ended_at
    return max(at, seen.marks.get(Mark.LAST_CHUNK, 0.0))


def _tokens(seen: Recording, prompt: str) -> Tokens | None:
    usage = seen.usage
    if usage.output is None and not seen.chunks:
        return None
    return Tokens(
        input=usage.input if usage.input is not None else len(prompt) // _CHARACTERS_A_TOKEN,
        output=usage.output if usage.output is not None else seen.chunks,
        reasoning=usage.reasoning or 0,
        estimated=usage.output is None,
    )


class _Safe:
    """Makes the server's words safe to keep: none of the target's secrets is left in them."""

    def __init__(self, target: Target) -> None:
        self._secrets = tuple(secrets_of(target))

    def __call__(self, text: str | None, limit: int) -> str | None:
        return words(text, self._secrets, limit) if text else None


def secrets_of(target: Target) -> Iterator[str]:
    """Return every value that the server may have been told in confidence."""
    if target.api_key is not None:
        yield target.api_key.reveal()
    for value in target.headers.values():
        yield value.reveal()
        yield value.reveal().rpartition(" ")[2]
    for url in (target.url, target.proxy.reveal() if target.proxy is not None else ""):
        parts = urlsplit(url)
        yield from (unquote(it) for it in (parts.username, parts.password) if it)
        yield from (value for _, value in parse_qsl(parts.query))


def _safe_head(head: Head | None, safe: _Safe) -> Head | None:
    if head is None:
        return None
    ids = tuple((name, safe(value, 128) or "") for name, value in head.request_ids)
    return Head(
        head.status, safe(head.content_type, 128) or "", head.encoding, head.framing, head.empty, head.retry_after, ids
    )


def _answered_error(body: bytes) -> Failure | None:
    """Return the error that the body of a refusal tells of; None where it tells nothing."""
    text = body.decode("utf-8", "replace").strip()
    if not text:
        return None
    try:
        frame = load(text)
    except (ValueError, TypeError):
        return failure(text)
    return failure(frame.get("error") or frame.get("detail") or frame.get("message") or frame)


def _server_error(record: Record, found: Failure | None, safe: _Safe) -> ServerError | None:
    if found is None or record is Record.NONE:
        return None
    return ServerError(safe(found.type, 100), safe(found.code, 100), safe(found.message, 300))


def _last_words(kept: bytes, safe: _Safe, *, truncated: bool) -> str | None:
    if not kept or not truncated:
        return None
    return safe(kept.decode("utf-8", "replace"), _ESCAPED * len(kept))
