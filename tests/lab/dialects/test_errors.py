"""The errors inside a stream: one for each cause."""

from __future__ import annotations

from monitor.lab.dialects.errors import ERRORS


def test_there_is_an_error_for_every_cause() -> None:
    """The causes of `stream_error`, each with a status and an object of the usual keys."""
    causes = {"overloaded", "rate_limited", "quota", "context_length", "auth", "not_found", "upstream", "other"}
    assert set(ERRORS) == causes
    for status, error in ERRORS.values():
        assert 400 <= status <= 599
        assert set(error) == {"message", "type", "code"}
