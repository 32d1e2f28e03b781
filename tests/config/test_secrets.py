"""Files and variables that hold secrets."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.config.secrets import Places
from monitor.keys.values import Wrong


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A config's directory, with a directory for the unit's credentials."""
    (tmp_path / "creds").mkdir()
    (tmp_path / "etc").mkdir()
    environ = {
        "CREDENTIALS_DIRECTORY": str(tmp_path / "creds"),
        "STATE_DIRECTORY": "/var/lib/x:/var/lib/y",
        "KEY": "k\n",
        "BLANK": " ",
    }
    return Places(tmp_path / "etc", environ)


def test_credentials_come_first(places: Places, tmp_path: Path) -> None:
    """A relative name is looked up in the unit's credentials, then next to the config; an absolute one is used."""
    (tmp_path / "etc" / "key").write_text("config's")
    assert places.secret_file("key").reveal() == "config's"
    (tmp_path / "creds" / "key").write_text("unit's\r\n")
    assert places.secret_file("key").reveal() == "unit's"
    assert places.secret_file(str(tmp_path / "etc" / "key")).reveal() == "config's"


def test_state_is_where_systemd_says(places: Places, tmp_path: Path) -> None:
    """A file that the monitor writes is in the first state directory, or next to the config."""
    assert places.state("history.db") == "/var/lib/x/history.db"
    assert Places(tmp_path, {}).state("history.db") == str(tmp_path / "history.db")


def test_a_variable_holds_a_secret(places: Places) -> None:
    """The variable's value is the secret, without a line end."""
    secret = places.secret_variable("KEY")
    assert secret.reveal() == "k"
    assert "k" not in repr(secret).removeprefix("Secret")


def test_a_password_may_have_any_printable_characters(places: Places, tmp_path: Path) -> None:
    """A password may have characters beyond ASCII; a second line or a control character is a mistake."""
    file = tmp_path / "etc" / "password"
    file.write_text("пароль €\r\n")
    assert places.password_path("password") == str(file)
    assert places.password_file("password").reveal() == "пароль €"
    assert places.password_variable("KEY").reveal() == "k"
    for text in ("one\ntwo", "tab\tin it"):
        file.write_text(text)
        with pytest.raises(Wrong) as caught:
            places.password_file("password")
        message = (caught.value.context or {})["message"]
        assert message == "names a file that does not hold one line of printable characters"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NOPE", "the variable NOPE is not set"),
        ("K8S_KEY_2", "the variable K8S_KEY_2 is not set"),
        ("sk-123", "the variable is not set"),
        ("sk_live", "the variable is not set"),
        ("AKIAIOSFODNN7EXAMPLE", "the variable is not set"),
        ("BLANK", "names a variable that is empty"),
    ],
)
def test_a_variable_without_a_secret_is_refused(places: Places, name: str, message: str) -> None:
    """A variable that is not set or empty is a mistake; its name is not repeated if it may be the key itself."""
    with pytest.raises(Wrong) as caught:
        places.secret_variable(name)
    assert (caught.value.context or {})["message"] == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "names a file that is empty"), (b"\n", "names a file that is empty"),
        (b"two\nlines\n", "names a file that does not hold one line of printable ASCII"),
        ("ключ".encode(), "names a file that does not hold one line of printable ASCII"),
        (b"\xff\xfe", "is not a UTF-8 file"),
        (None, "cannot be read: no such file or directory"),
    ],
)  # fmt: skip
def test_a_file_without_a_secret_is_refused(
    places: Places, tmp_path: Path, content: bytes | None, message: str
) -> None:
    """An empty, binary, multi-line or missing file is a mistake, whose message does not show the content."""
    if content is not None:
        (tmp_path / "etc" / "key").write_bytes(content)
    with pytest.raises(Wrong) as caught:
        places.secret_file("key")
    assert (caught.value.context or {})["message"] == message


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_only_regular_files_are_read(places: Places, tmp_path: Path, kind: str) -> None:
    """A directory, or a pipe that would block, is refused."""
    path = tmp_path / "etc" / "key"
    path.mkdir() if kind == "directory" else os.mkfifo(path)
    with pytest.raises(Wrong, match="is not a regular file"):
        places.secret_file("key")


@pytest.mark.parametrize(
    ("environ", "name", "hint"),
    [
        ({}, "key", "looked for in the config's directory"),
        (
            {"CREDENTIALS_DIRECTORY": "/nowhere"},
            "key",
            "looked for in $CREDENTIALS_DIRECTORY and the config's directory",
        ),
        ({}, "/nowhere/key", ""),
    ],
)
def test_says_where_it_looked(tmp_path: Path, environ: dict[str, str], name: str, hint: str) -> None:
    """The hint names the places where a relative file was searched."""
    with pytest.raises(Wrong) as caught:
        Places(tmp_path, environ).secret_file(name)
    assert (caught.value.context or {})["hint"] == hint


def test_a_name_too_long_for_a_file_is_refused(places: Places) -> None:
    """A key in place of the name of its file is a mistake, however long it is."""
    with pytest.raises(Wrong, match="cannot be read: file name too long"):
        places.secret_file("a" * 5000)


def test_pem_files_are_found_and_looked_at(places: Places, tmp_path: Path) -> None:
    """The path of a file is returned if the file contains PEM."""
    (tmp_path / "creds" / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    (tmp_path / "etc" / "no.pem").write_text("hello")
    assert places.pem("ca.pem") == str(tmp_path / "creds" / "ca.pem")
    with pytest.raises(Wrong, match="is not a PEM file"):
        places.pem("no.pem")


def test_a_file_that_thousands_of_targets_name_is_read_once(places: Places, tmp_path: Path) -> None:
    """Places with a cache return the first result again; errors are not cached."""
    known = replace(places, known={})
    with pytest.raises(Wrong):
        known.secret_file("key")
    file = tmp_path / "etc" / "key"
    file.write_text("first")
    assert known.secret_file("key").reveal() == "first"
    file.write_text("second")
    assert known.secret_file("key").reveal() == "first"
    assert places.secret_file("key").reveal() == "second"
