"""Errors of types and bounds in words, each with its line and key."""

from __future__ import annotations

import pytest

from tests.config.cases import ENVIRON, Case, Mistakes, Reported, cases


@pytest.mark.parametrize("case", cases("explain"))
def test_each_mistake_has_its_line_key_and_words(reported: Reported, case: Case) -> None:
    """A single mistake in a valid file gives one message, with its line and key."""
    assert reported(case.text, ENVIRON) == (case.mistakes, case.warnings)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "ftp://s3cret"), ("model", "s3cret\n"), ("interval", "60"), ("proxy", "s3cret"),
        ("locations", "s3cret"),
        ("terminator", "s3cret"), ("name", "s3cret s3cret"), ("protocol", "s3cret:s3cret"), ("prompt", " "),
        ("upstream", "s3cret"),
        ("api_key_env", "s3cret"), ("api_key_file", "s3cret"), ("headers.X-A", "s3cret\n"), ("labels.a", "s3cret\n"),
        ("check", "s3cret"), ("record", "s3cret"), ("timeouts.idle", "s3cret"), ("tls.ca_file", "s3cret"),
        ("body.x", "s3cret"), ("check.pattern", "(s3cret"),
    ],
)  # fmt: skip
def test_no_message_holds_what_a_variable_holds(mistakes: Mistakes, key: str, value: str) -> None:
    """No message or hint repeats the value of a variable that is in the wrong place."""
    kind = 'check.kind = "pattern"\n' if key == "check.pattern" else ""
    given = {"name": "a", "protocol": "raw", "url": "http://x"}
    rest = "\n".join(f'{name} = "{text}"' for name, text in given.items() if name != key)
    wrong = 'interval = "1ms"\n' if key == "body.x" else ""
    reported = "\n".join(mistakes(f'[[targets]]\n{rest}\n{kind}{wrong}{key} = "${{V}}"\n', {"V": value}))
    assert reported
    assert value.strip() not in reported or not value.strip()
    assert "s3cret" not in reported
    assert "60s" not in reported
