"""One thing to watch: its defaults are the contract's, and nothing of it that is secret shows in a repr."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from monitor.keys.secret import Secret
from monitor.target import CountCheck, FirstChunkSlo, LengthCheck, PatternCheck, Slo, Target, Timeouts, own_limits

CANARY = "sk-canary-5f1e"


def test_the_defaults_are_the_contracts() -> None:
    """A target that says nothing more is asked as section 7 of the contract has it."""
    target = Target("one", "openai-chat", "http://127.0.0.1/")
    assert (target.interval, target.confirm, target.max_tokens, target.temperature) == (60.0, 2, 400, 0.0)
    assert target.timeouts == Timeouts(connect=5.0, headers=30.0, first_chunk=60.0, idle=30.0, total=300.0, drain=2.0)
    assert target.slo == Slo(availability=0.99, first_chunk=FirstChunkSlo(threshold=2.0, objective=0.95))
    assert (target.terminator, target.connection, target.record) == ("end", "fresh", "error")


def test_no_repr_shows_a_secret() -> None:
    """Keys, headers, the proxy and the URL, which may hold a password or a key, are left out wherever it is printed."""
    secret = Secret(CANARY)
    target = Target(
        "one",
        "raw",
        f"http://user:{CANARY}@127.0.0.1/?key={CANARY}",
        api_key=secret,
        headers={"X-Key": secret},
        proxy=secret,
    )
    assert CANARY not in repr(target)
    assert CANARY not in f"{target}{secret}"
    assert secret.reveal() == CANARY


@pytest.mark.parametrize("check", [CountCheck(), PatternCheck("x"), LengthCheck(1)])
def test_a_check_leaves_to_the_protocol_whether_it_is_required(check: CountCheck | PatternCheck | LengthCheck) -> None:
    """Whether a failed check makes a target unavailable depends on its protocol, unless the config says it."""
    assert check.required is None


def test_a_target_does_not_change() -> None:
    """A target is immutable: a reload makes a new one."""
    with pytest.raises(FrozenInstanceError):
        Target("one", "raw", "http://127.0.0.1/").name = "two"  # type: ignore[misc]


def test_the_limits_of_a_body() -> None:
    """Every protocol's name for the limit is found, at the top and in options; a non-number is ignored."""
    body = {"max_tokens": 1, "max_output_tokens": "2", "n_predict": 3, "options": {"num_predict": 4}}
    assert own_limits(body) == [1, 3, 4]
    assert own_limits({"generationConfig": {"maxOutputTokens": 5}, "parameters": {"max_new_tokens": 6}}) == [6, 5]
    assert own_limits({"options": "none"}) == []
