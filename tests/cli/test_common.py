"""Functions that all commands use: addresses, loopback or not, and refusals."""

from __future__ import annotations

import click
import pytest

from monitor.cli.common import USAGE, host_and_port, is_http, is_loopback, own_address, refuse
from monitor.settings import Settings, Web


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:9877", ("127.0.0.1", 9877)),
        ("[::1]:9877", ("::1", 9877)),
        (":9877", ("", 9877)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_an_address_is_host_and_port(text: str, expected: tuple[str, int]) -> None:
    """Brackets are an IPv6 address's, and no host is every address."""
    assert host_and_port(text, "--listen") == expected


@pytest.mark.parametrize(
    ("listen", "port", "expected"),
    [
        ("10.0.0.1:9877", None, "10.0.0.1:9877"), (":9877", None, "127.0.0.1:9877"), ("0.0.0.0:1", 2, "127.0.0.1:2"),
        ("[::1]:9877", None, "[::1]:9877"), ("[::]:9877", None, "127.0.0.1:9877"),
    ],
)  # fmt: skip
def test_the_address_of_the_daemon_on_its_machine(listen: str, port: int | None, expected: str) -> None:
    """A daemon that listens on every address is reached by loopback."""
    assert own_address(Settings(web=Web(listen=(listen,))), port) == expected


@pytest.mark.parametrize("text", ["9877", "127.0.0.1", "a:65536", "a:", "a:b", "a:\u0661"])
def test_no_address_is_a_usage_error_that_names_its_option(text: str) -> None:
    """The error says what was given and shows one that is valid."""
    with pytest.raises(click.BadParameter, match="is not HOST:PORT, such as") as raised:
        host_and_port(text, "--listen")
    assert raised.value.param_hint == "--listen"


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.9", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("a", False)]
)
def test_which_hosts_are_loopback(host: str, expected: bool) -> None:
    """Addresses by their range, names only if it is localhost."""
    assert is_loopback(host) is expected


def test_a_refusal_is_one_line_and_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    """The line names the program; the status is 2 unless another is given."""
    assert (refuse("no").exit_code, refuse("never", 1).exit_code) == (USAGE, 1)
    assert capsys.readouterr().err == "chat-monitor: no\nchat-monitor: never\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("HTTP://a", True), ("https://a/b", True), ("ftp://a", False), ("http://[", False), ("a:1", False)],
)
def test_http_urls(text: str, expected: bool) -> None:
    """A URL of another scheme, or one that cannot be parsed, is none."""
    assert is_http(text) is expected
