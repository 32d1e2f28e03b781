"""`chat-monitor demo` and `lab`: the fault lab with a daemon that probes it, or alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial

import click
from rich.console import Console

from monitor.cli.common import FAILED_TO_TELL, host_and_port, refuse
from monitor.cli.demo import demo as play
from monitor.cli.demo_screen import show_demo
from monitor.cli.event_loop import run_loop, status_of_stop
from monitor.daemon.signals import Signals
from monitor.keys.values import host_port
from monitor.lab.dialects import add_dialect
from monitor.lab.server import Log, serve
from monitor.lab.tls_faults import TlsLab
from monitor.web.server import ListenError


@click.command()
@click.option(
    "--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="The address of the status page; default: a free port."
)
def demo(listen: str) -> int:
    """Run the fault lab, the daemon and the status page on loopback, without a config.

    On a terminal `top` shows its targets below the addresses; elsewhere the events are written.
    """
    host, port = _where(listen)
    console = Console(highlight=False)
    if sys.stdout.isatty() and not console.is_dumb_terminal:
        return show_demo(listen, console)

    def announce(page: str, lab: str) -> None:
        click.echo(
            f"status page  {page}/\nmetrics      {page}/metrics\nfault lab    {lab}/\nstop with Ctrl-C\n", err=True
        )

    async def playing() -> int:
        signals = Signals(partial(click.echo, err=True))
        signals.listen()
        signals.stop_with_the_terminal()
        await play(host, port, signals, announce=announce, stdout=sys.stdout)
        return status_of_stop(signals)

    try:
        return run_loop(playing())
    except ListenError as error:
        raise refuse(str(error), FAILED_TO_TELL) from None


@click.command()
@click.option(
    "--listen", default="127.0.0.1:9878", show_default=True, metavar="HOST:PORT", help="The address to listen on."
)
@click.option("--protocol", "protocols", multiple=True, metavar="package.module:NAME", help="Serve this protocol, too.")
def lab(listen: str, protocols: tuple[str, ...]) -> int:
    """Run the fault lab alone: every protocol and every fault has a URL, for tests of your alerts.

    TLS faults need the extra `lab`: pip install '.[lab]' in a checkout.
    """
    host, port = _where(listen)
    for name in protocols:
        try:
            add_dialect(name)
        except ValueError as error:
            raise refuse(f"--protocol: {error}") from None

    def log(done: Mapping[str, object]) -> None:
        click.echo(json.dumps(done, default=str))

    async def serving() -> int:
        signals = Signals()
        signals.listen()
        signals.stop_with_the_terminal()
        async with AsyncExitStack() as stack:
            try:
                secure = await _tls_faults(stack, host, port + 1 if port else 0, log)
                laboratory = await stack.enter_async_context(await serve(host, port, log=log, tls=secure))
            except OSError as error:
                raise refuse(
                    f"cannot listen on {listen} and the ports after it: {error.strerror}; "
                    "is another lab running? pass --listen HOST:PORT",
                    FAILED_TO_TELL,
                ) from None
            click.echo(
                f"fault lab on http://{host_port(host, laboratory.port)}/ (the index lists every fault)", err=True
            )
            await signals.stop.wait()
        return status_of_stop(signals)

    return run_loop(serving())


async def _tls_faults(stack: AsyncExitStack, host: str, first_port: int, log: Log) -> TlsLab | None:
    """Open the ports of the TLS faults; without the library for certificates, print that and open none."""
    try:
        from monitor.lab.tls import tls_lab  # noqa: PLC0415 - it imports cryptography, which is an extra
    except ModuleNotFoundError as error:
        click.echo(f"no TLS faults: {error}; they need the extra `lab`: pip install '.[lab]' in a checkout", err=True)
        return None
    return await stack.enter_async_context(tls_lab(host, first_port, log=log))


def _where(listen: str) -> tuple[str, int]:
    """Return host and port; without a host, every address of IPv4."""
    host, port = host_and_port(listen, "--listen")
    return host or "0.0.0.0", port  # noqa: S104 - the user asks for it
