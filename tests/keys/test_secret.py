"""A value that nothing may show."""

from __future__ import annotations

from monitor.keys.secret import Secret


def test_a_secret_is_shown_only_when_asked_for() -> None:
    """Neither repr nor str hold the value; `reveal` does."""
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret!r} {secret}"
    assert secret.reveal() == "hunter2"
