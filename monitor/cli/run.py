"""`chat-monitor run`: the daemon."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from monitor.cli.common import FAILED_TO_TELL, host_and_port, is_loopback, refuse
from monitor.cli.config_file import config_option, existing_config, load_or_exit
from monitor.cli.event_loop import run_loop, status_of_stop
from monitor.config import Config
from monitor.config import load as read
from monitor.daemon.app import StartError, watch
from monitor.daemon.signals import Signals
from monitor.keys.values import host_port
from monitor.settings import Settings, Web
from monitor.shard import WHOLE, Shard, parse
from monitor.web.access import Access
from monitor.web.server import ListenError

_LAST_PORT = 65535


@click.command()
@config_option
@click.option(
    "--shard",
    metavar="I/N",
    envvar="CHAT_MONITOR_SHARD",
    help="Probe part I of N of the targets; I starts at 1. `auto/N` takes I from the ordinal at the end of $POD_NAME.",
)
@click.option(
    "--web.listen-address",
    "listen",
    metavar="HOST:PORT",
    multiple=True,
    help="An address to listen on, in place of `web.listen`; may be repeated. `:9877` takes IPv4 and IPv6.",
)
@click.option(
    "--web.port-by-shard",
    "by_shard",
    is_flag=True,
    help="Add I - 1 to the port, so that the shards of one host have different ports.",
)
@click.option(
    "--web.config.file",
    "web_config",
    type=click.Path(path_type=Path),
    help="TLS, client certificates and users, as a file in Prometheus' web config format.",
)
@click.option(
    "--web.allow-unprotected", "unprotected", is_flag=True, help="Listen on a public address without TLS or users."
)
def run(  # noqa: PLR0913 - one argument for each option
    config_file: Path | None,
    shard: str | None,
    listen: tuple[str, ...],
    web_config: Path | None,
    *,
    by_shard: bool,
    unprotected: bool,
) -> int:
    """Run the daemon until SIGTERM or Ctrl-C; SIGHUP reloads the config."""
    part = _shard(shard)
    hangups: list[int] = []
    signal.signal(signal.SIGHUP, lambda number, _: hangups.append(number))  # until the loop handles it

    def load() -> Config:
        config = read(path, os.environ)
        settings = _listening(config.settings, listen, part.index if by_shard else 0)
        return replace(config, settings=settings, shard=part)

    if sys.__stderr__ is not None:  # every thread's stack on a fatal signal, such as the watchdog's SIGABRT
        faulthandler.enable(sys.__stderr__)
    path = existing_config(config_file)
    config = load_or_exit(load)
    if lacking := sum(target.replicas > part.count for target in config.targets):
        click.echo(f"warning: replicas: {lacking} targets have more than the {part.count} shards there are", err=True)
    access = _access(web_config)
    for warning in (*config.warnings, *(access.warnings if access is not None else ())):
        click.echo(f"warning: {warning}", err=True)
    if not unprotected and (access is None or not access.protects):
        _refuse_unprotected(config.settings.web)
    return watch_config(config, load, access, hangups)


def watch_config(config: Config, load: Callable[[], Config], access: Access | None, hangups: Sequence[int] = ()) -> int:
    """Run the daemon until it is stopped, and return the exit status."""

    async def watching() -> int:
        signals = Signals(partial(click.echo, err=True))
        signals.listen()
        if hangups:
            signals.remember_reload()
        await watch(config, signals, stdout=sys.stdout, load=load, access=access)
        return status_of_stop(signals)

    try:
        return run_loop(watching())
    except ListenError as error:  # the port may be free in a moment
        raise refuse(str(error), FAILED_TO_TELL) from None
    except StartError as error:
        raise refuse(str(error)) from None


def _listening(settings: Settings, listen: Sequence[str], further: int = 0) -> Settings:
    """Return the settings with the addresses of the command line, if there are any, and ports so much further on."""
    if not listen and not further:
        return settings
    given = [host_and_port(one, "--web.listen-address") for one in listen]
    moved = [_further(host, port, further) for host, port in given or settings.web.addresses]
    return replace(settings, web=replace(settings.web, listen=tuple(dict.fromkeys(moved))))


def _further(host: str, port: int, further: int) -> str:
    """Return an address with its port so much further on; a free port stays one."""
    if port + further > _LAST_PORT:
        raise refuse(f"--web.port-by-shard: port {port} + {further} is above {_LAST_PORT}")
    return host_port(host, port + further if port else 0)


def _access(path: Path | None) -> Access | None:
    """Return the access rules of the web config file; None without a file."""
    return None if path is None else load_or_exit(lambda: Access(path))


def _refuse_unprotected(web: Web) -> None:
    public = next((host_port(*address) for address in web.addresses if not is_loopback(address[0])), None)
    if public is not None:
        raise refuse(
            f"refusing to listen on {public}: anyone who can connect can see every target; listen on 127.0.0.1, "
            "or pass --web.config.file with TLS or users, or --web.allow-unprotected"
        )


def _shard(text: str | None) -> Shard:
    """Return the shard of `I/N`; without it, the one with all targets."""
    if text is None:
        return WHOLE
    try:
        return parse(text, os.environ.get("POD_NAME", ""))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--shard") from None
