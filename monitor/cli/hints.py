"""Hints of `probe` after an HTTP error: whether a key was sent, and to which URL."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.judge.verdict import Outcome
from monitor.protocols import find
from monitor.record.observation import Observation, public_url
from monitor.redaction import visible
from monitor.target import Target

_KEY_HEADERS = frozenset({"authorization", "api-key", "x-api-key", "x-goog-api-key"})


def hints(observation: Observation) -> Iterator[str]:
    """Yield a sentence for each hint."""
    if observation.verdict.outcome is not Outcome.HTTP_ERROR:
        return
    if observation.verdict.cause == "auth" and not _sent_key(observation.target):
        yield "no key was sent: pass --api-key-env VAR, or set api_key_env or api_key_file of the target"
    if observation.verdict.cause == "not_found":
        url, model = visible(public_url(observation.target.url)), observation.target.model
        yield (
            f"requested {url}, model {visible(model)}: the server does not have one of them"
            if model
            else f"requested {url}: the server does not have it"
        )


def _sent_key(target: Target) -> bool:
    protocol = find(target.protocol).of(target)
    names = {name.lower() for name in target.headers}
    return target.api_key is not None or bool(names & (_KEY_HEADERS | {protocol.auth.header.lower()}))
