"""The secrets that are sent to a server."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.keys.secret import Secret
from monitor.probe.confidential import of_url, secrets_of
from tests.conftest import target

CASES = {
    "nothing": ({}, set()),
    "key": ({"api_key": Secret("the-key")}, {"the-key"}),
    "variable": ({"from_variables": (Secret("in-the-body"),)}, {"in-the-body"}),
    "bearer": ({"headers": {"X": Secret("Bearer tok")}}, {"Bearer tok", "tok"}),
    "basic": (
        {"headers": {"X": Secret("Basic dXNlcjpwdw==")}},
        {"Basic dXNlcjpwdw==", "dXNlcjpwdw==", "user", "pw", "="},
    ),
    "no base64": ({"headers": {"X": Secret("Basic !")}}, {"Basic !", "!"}),
    "cookies": ({"headers": {"Cookie": Secret("a=one; b=two")}}, {"a=one; b=two", "b=two", "one", "two"}),
    "a word of the protocol": ({"headers": {"Accept": Secret("text/event-stream")}}, set()),
    "proxy": ({"proxy": Secret("http://u:p@proxy:1")}, {"u", "p", "u:p"}),
    "body": ({"body": {"api_key": "one", "parts": [{"auth_token": "two"}], "seed": 1, "password": 2}}, {"one", "two"}),
    "no secret in a body": ({"body": {"stop": "END", "max_tokens": 4}}, set()),
}


@pytest.mark.parametrize(("fields", "known"), CASES.values(), ids=CASES.keys())
def test_what_is_known(fields: dict[str, Any], known: set[str]) -> None:
    """Keys, headers, user-info, query values and the body's secrets are known, and the words of protocols are not."""
    assert set(secrets_of(target("http://chat.test/", **fields))) - {""} == known


def test_a_url_as_it_is_written_and_decoded() -> None:
    """User, password and query values are known percent-encoded as well as decoded."""
    found = set(of_url("http://us%65r:p%40ss@h/p?key=a%2Fb+c&flag"))
    assert found >= {"us%65r", "user", "p%40ss", "p@ss", "user:p@ss", "a%2Fb+c", "a/b c", "flag"}
