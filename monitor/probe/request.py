"""The request of one probe: its id, its nonce, and the HTTP request with them."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

from monitor import __version__
from monitor.http import HttpRequest
from monitor.judge.content_check import counting_prompt, words_prompt
from monitor.protocols import Protocol, find
from monitor.stream.recording import EndRule
from monitor.target import Connection, CountCheck, Target, WordsCheck

_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_DEFAULT_PROMPT = "[{nonce}] Write two sentences about the sea, then write END-{nonce}."


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """The request of one probe, new for each: its id, its nonce, and the HTTP request with them."""

    target: Target
    protocol: Protocol
    probe_id: str
    nonce: str
    prompt: str
    call: HttpRequest


def ask(target: Target) -> ProbeRequest:
    """Return a new request to `target`."""
    protocol = find(target.protocol).of(target)
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
    call = HttpRequest(
        request.method, target.url, headers, request.body, target.timeouts, target.tls, proxy, keep_for, target.http
    )
    return ProbeRequest(target, protocol, probe_id, nonce, prompt, call)


def unasked(target: Target) -> ProbeRequest:
    """Return a placeholder for a request that could not be made."""
    call = HttpRequest("GET", target.url, {}, b"", target.timeouts, target.tls)
    return ProbeRequest(target, find(target.protocol), new_id(), "", "", call)


def _prompt(target: Target, nonce: str) -> str:
    if isinstance(target.check, CountCheck):
        return counting_prompt(target.check.to, nonce, target.prompt)
    if isinstance(target.check, WordsCheck):
        return words_prompt(target.check, nonce, target.prompt)
    return (target.prompt or _DEFAULT_PROMPT).replace("{nonce}", nonce)


def new_id() -> str:
    """Return a ULID: 26 characters that sort by time."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    return "".join(_BASE32[number >> shift & 31] for shift in range(125, -1, -5))


def end_rule(target: Target, protocol: Protocol) -> EndRule:
    """Return what counts as the end, from the protocol, the target's `terminator` and the requested answers."""
    return protocol.end_rule(target.terminator, _asked_for(target.body, protocol.choices))


def _asked_for(body: Mapping[str, object], key: str) -> int:
    """Return how many answers the target's body requests at `key`, a dotted path; one by default."""
    found: object = body
    for name in key.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, int) and found > 0 else 1
