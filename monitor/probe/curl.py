"""A probe's request as a curl command, without secrets: to be run by hand, or sent to the server's operator."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from monitor.http import HttpRequest
from monitor.keys.secret import Secret
from monitor.probe.confidential import secrets_of
from monitor.probe.request import ask
from monitor.record.observation import public_url
from monitor.redaction import redacted
from monitor.target import Http, Target

_PLAIN = frozenset({"accept", "content-type"})
_VERSIONS = {
    (Http.TWO, True): "--http2",
    (Http.AUTO, True): "--http2",
    (Http.TWO, False): "--http2-prior-knowledge",
}
"""curl's option for the version of HTTP, by the target's `http` and whether the URL is https."""
_VARIABLE = re.compile(r"\$[A-Z][A-Z0-9_]*")


def hidden_in_curl(target: Target) -> str:
    """Return what has to be filled in before the command of a target is run, as a sentence; empty if nothing."""
    return "query values are hidden, as they may be secrets: put them in for ***" if urlsplit(target.url).query else ""


def curl_command(target: Target, *, key: bool = False) -> str:
    """Return the request of a probe, with keys and custom headers as shell variables and other secrets removed.

    `key` says that there is a key, although the target has none here. The nonce in the prompt is new.
    """
    shown = replace(
        target,
        api_key=None if target.api_key is None and not key else Secret("$KEY"),
        headers={name: Secret(_placeholder(name, value)) for name, value in target.headers.items()},
    )
    call = ask(shown).call
    return " \\\n  ".join(redacted(part, secrets_of(target)) for part in _parts(call, target))


def _parts(call: HttpRequest, target: Target) -> Iterator[str]:
    yield f"curl -N -i -X {call.method} {shlex.quote(public_url(call.url))}"
    for name, value in call.headers.items():
        yield f"-H {_quoted(f'{name}: {value}')}"
    yield f"--data-raw {shlex.quote(call.body.decode('utf-8', 'replace'))}"
    yield f"--connect-timeout {call.timeouts.connect:g} --max-time {call.timeouts.total:g}"
    if (version := _VERSIONS.get((call.http, call.secure))) is not None:
        yield version
    tls = target.tls
    for option, file in (("--cacert", tls.ca_file), ("--cert", tls.cert_file), ("--key", tls.key_file)):
        if file is not None:
            yield f"{option} {shlex.quote(str(file))}"
    if tls.insecure_skip_verify:
        yield "--insecure"
    if target.proxy is not None:
        yield f"--proxy {shlex.quote(public_url(target.proxy.reveal()))}"


def _placeholder(name: str, value: Secret) -> str:
    """Return a variable in place of a header's value, which may be secret; two headers never are."""
    return value.reveal() if name.lower() in _PLAIN else "$" + re.sub(r"[^A-Z0-9]", "_", f"HEADER_{name}".upper())


def _quoted(text: str) -> str:
    """Quote a header for the shell so that variables are expanded."""
    if _VARIABLE.search(text) is None:
        return shlex.quote(text)
    return '"' + re.sub(r'([\\"`])', r"\\\1", text) + '"'
