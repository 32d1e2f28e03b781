"""What one probe asks: its id, its nonce, and the request that carries them."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass

from monitor import __version__
from monitor.http import HttpRequest
from monitor.judge.content_check import counting_prompt
from monitor.protocols import Protocol, find
from monitor.stream.recording import EndRule
from monitor.target import Connection, CountCheck, Target, Terminator

_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
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
