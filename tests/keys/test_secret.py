"""A value that nothing may show."""

from __future__ import annotations

from monitor.keys.secret import Secret, pem_lines


def test_a_secret_is_shown_only_when_asked_for() -> None:
    """Neither repr nor str shows the value; `reveal` returns it."""
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret!r} {secret}"
    assert secret.reveal() == "hunter2"


def test_the_lines_of_a_private_key_are_secrets() -> None:
    """The key as one text, and each line of at least sixteen characters, are secrets."""
    whole, short = "abcdefghijklmnop", "abcdefghijklmno"
    pem = f"-----BEGIN EC PRIVATE KEY-----\n{whole}\n{short}\n-----END EC PRIVATE KEY-----\n"
    assert list(pem_lines(pem)) == [whole + short, whole]
    assert list(pem_lines(pem.replace("PRIVATE KEY", "CERTIFICATE"))) == []
