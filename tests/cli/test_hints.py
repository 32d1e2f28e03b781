"""Hints after an HTTP error: only for what the target lacks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.cli.hints import hints
from monitor.judge.verdict import Outcome
from monitor.keys.secret import Secret
from monitor.record.observation import Observation
from monitor.target import Target
from tests.sinks.samples import GATEWAY, refused, whole


def http_error(cause: str, target: Target) -> Observation:
    """Return an observation that was answered with an error of HTTP."""
    observation = refused(target)
    return replace(observation, verdict=replace(observation.verdict, outcome=Outcome.HTTP_ERROR, cause=cause))


@pytest.mark.parametrize(
    "target",
    [
        replace(GATEWAY, api_key=Secret("canary")),
        replace(GATEWAY, headers={"authorization": Secret("canary")}),
        replace(GATEWAY, protocol="anthropic-messages", headers={"X-Api-Key": Secret("canary")}),
    ],
)
def test_a_key_that_was_sent_is_not_missed(target: Target) -> None:
    """There is no hint about a missing key if one was sent, in the protocol's header or another one."""
    assert list(hints(http_error("auth", target))) == []


def test_a_key_that_was_not_sent_is_named() -> None:
    """A 401 says then how one is given; a good chat and another error need no hint."""
    (hint,) = hints(http_error("auth", replace(GATEWAY, headers={"X-Team": Secret("t")})))
    assert hint.startswith("no key was sent")
    assert list(hints(whole())) == []
    assert list(hints(http_error("server", GATEWAY))) == []


def test_a_404_shows_what_was_asked_for() -> None:
    """The URL without its secrets, and the model."""
    target = replace(GATEWAY, url="http://user:canary@host/v1/x?key=canary", model="m\x1b")
    (hint,) = hints(http_error("not_found", target))
    assert hint == "requested http://host/v1/x?key=***, model m\\x1b: the server does not have one of them"
    (hint,) = hints(http_error("not_found", replace(target, model=None)))
    assert hint == "requested http://host/v1/x?key=***: the server does not have it"
