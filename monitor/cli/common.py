"""Common parts of the commands: the exit statuses, and errors as one line."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import click

from monitor.keys.values import host_port, split_listen
from monitor.settings import Settings

COMPLETE, FAILED_TO_TELL, USAGE, TRUNCATED, FAILED, OVER_SLO = 0, 1, 2, 3, 4, 5
"""Exit statuses (contract, section 5); that of Ctrl-C is in `entry`."""


def host_and_port(text: str, option: str) -> tuple[str, int]:
    """Return host and port of an option's value; a usage error that names `option` if it is invalid."""
    try:
        return split_listen(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not HOST:PORT, such as 127.0.0.1:9877", param_hint=option) from None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_http(url: str) -> bool:
    """Whether a text is an http or https URL."""
    try:
        return urlsplit(url).scheme in {"http", "https"}
    except ValueError:
        return False


def own_address(settings: Settings, port: int | None = None) -> str:
    """Return the address of the daemon on its own machine, optionally with another port."""
    host, own = settings.web.addresses[0]
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return host_port(host, own if port is None else port)


def refuse(text: str, status: int = USAGE) -> click.exceptions.Exit:
    """Print a one-line error, and return the exception to raise."""
    click.echo(f"chat-monitor: {text}", err=True)
    return click.exceptions.Exit(status)
