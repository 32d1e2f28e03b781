"""The commands; each imports what it needs only when it runs, so that `--help` and `check` are quick.

Exit status: 2 for a usage or config error in every command; of `probe` the worst of its probes (contract, section 5).
"""

from __future__ import annotations

import asyncio
import errno
import faulthandler
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from monitor import __version__

if TYPE_CHECKING:
    from rich.table import Table

    from monitor.cli.probe_source import ProbeSource
    from monitor.config import Config
    from monitor.daemon.app import Signals
    from monitor.record.observation import Observation
    from monitor.settings import Metrics, Settings
    from monitor.shard import Shard
    from monitor.target import Target
    from monitor.web.access import Access

T = TypeVar("T")
CONFIG_PLACES = (Path("config.toml"), Path("/etc/chat-monitor/config.toml"))
COMPLETE, FAILED_TO_TELL, USAGE, TRUNCATED, FAILED, OVER_SLO, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
REDRAWN_EVERY = 2.0
"""Seconds between two tables of `top`."""
_UNWRITTEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_WORST_FIRST = (FAILED, TRUNCATED, FAILED_TO_TELL, OVER_SLO, COMPLETE)


def main() -> None:
    """Run a command; Ctrl-C is no traceback but 130, a full disk a line; `| head` is click's to handle."""
    try:
        status = commands.main(prog_name="chat-monitor", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = INTERRUPTED
    except OSError as error:
        if error.errno not in _UNWRITTEN:
            raise
        click.echo(f"chat-monitor: the output cannot be written: {error.strerror}", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left in the buffer is not tried again at the exit
        status = FAILED_TO_TELL
    sys.exit(status or COMPLETE)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="chat-monitor")
def commands() -> None:
    """Watch streaming chats, notice every truncation and name its cause."""


_config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="The config; else ./config.toml or /etc/chat-monitor/config.toml.",
)


# -- run ---------------------------------------------------------------------------------------------------------------


@commands.command()
@_config_option
@click.option("--shard", metavar="I/N", help="Watch the I-th of N parts of the targets, from 1.")
@click.option(
    "--web.listen-address", "listen", metavar="HOST:PORT", help="Listen there; the config's `web.listen` else."
)
@click.option(
    "--web.config.file",
    "web_config",
    type=click.Path(path_type=Path),
    help="TLS, client certificates and users, in Prometheus' own web config format.",
)
@click.option("--web.allow-unprotected", "unprotected", is_flag=True, help="Allow other than loopback addresses.")
def run(
    config_file: Path | None, shard: str | None, listen: str | None, web_config: Path | None, *, unprotected: bool
) -> int:
    """Run the daemon."""
    part = _shard(shard)

    def load() -> Config:
        from monitor.config import load as read

        config = read(_place(config_file), os.environ)
        settings = _listening(config.settings, listen)
        return replace(config, settings=settings, shard=part)

    if sys.__stderr__ is not None:  # every thread's stack on a fatal signal, the watchdog's SIGABRT among them
        faulthandler.enable(sys.__stderr__)
    config = _load(load)
    for warning in config.warnings:
        click.echo(f"warning: {warning}", err=True)
    access = _access(web_config)
    _refuse_unprotected(config.settings.web.host, unprotected=unprotected or (access is not None and access.protects))
    return _watch(config, load, access)


def _watch(config: Config, load: Callable[[], Config], access: Access | None) -> int:
    from monitor.daemon.app import Signals, StartError, watch
    from monitor.web.server import ListenError

    async def watching() -> int:
        signals = Signals()
        signals.listen()
        await watch(config, signals, stdout=sys.stdout, load=load, access=access)
        return _status_of_stop(signals)

    try:
        return _run(watching())
    except (ListenError, StartError) as error:
        raise _refused(str(error)) from None


def _status_of_stop(signals: Signals) -> int:
    return INTERRUPTED if signals.stopped_by is signal.SIGINT else COMPLETE


def _listening(settings: Settings, listen: str | None) -> Settings:
    """Return the settings with the address of the command line, where one is given."""
    if listen is None:
        return settings
    host, port = _address(listen, "--web.listen-address")
    return replace(settings, web=replace(settings.web, host=host, port=port))


def _access(path: Path | None) -> Access | None:
    """Return what the web config file asks for, where there is one."""
    from monitor.web.access import Access

    return None if path is None else _load(lambda: Access(path))


def _refuse_unprotected(host: str, *, unprotected: bool) -> None:
    if not unprotected and not _is_loopback(host):
        raise _refused(
            f"refusing to listen on {host}: whoever reaches it sees every target; listen on 127.0.0.1, "
            "or pass --web.config.file with TLS or users, or --web.allow-unprotected"
        )


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address(text: str, option: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - 16 bits
        raise click.BadParameter(f"{text!r} is not HOST:PORT, such as 127.0.0.1:9877", param_hint=option)
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - as ":9877" means everywhere, and is then refused


def _shard(text: str | None) -> Shard:
    """Return what `I/N` means; without it, the one that has all."""
    from monitor.shard import WHOLE, Shard

    if text is None:
        return WHOLE
    found = re.fullmatch(r"(\d{1,4})/(\d{1,4})", text, re.ASCII)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise click.BadParameter(f"{text!r} is not I/N with I from 1 to N", param_hint="--shard")
    return Shard(int(found[1]) - 1, int(found[2]))


# -- probe -------------------------------------------------------------------------------------------------------------


@commands.command()
@click.argument("subject", metavar="NAME|URL")
@_config_option
@click.option("--protocol", help="What it speaks; guessed from a URL's path where that is clear.")
@click.option("--model", help="The model to ask for.")
@click.option("--api-key-env", metavar="V", help="The environment variable that holds the key.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header to send; may be repeated.")
@click.option("-n", "count", default=1, type=click.IntRange(1, 10_000), help="How many probes, one after another.")
@click.option("--json", "as_json", is_flag=True, help="One event per line.")
@click.option("--timeline", is_flag=True, help="Every read and every event in the JSON.")
@click.option("--save", type=click.Path(path_type=Path, dir_okay=False), help="Write the body's bytes there.")
def probe(
    subject: str,
    config_file: Path | None,
    *,
    count: int,
    as_json: bool,
    timeline: bool,
    save: Path | None,
    **asked: Any,  # noqa: ANN401 - options of _adhoc,
) -> int:
    """Probe a target of the config, or a URL, now; show the waterfall of the stream."""
    from monitor.settings import Settings

    if "://" in subject:
        target, settings = _adhoc(subject, **asked), Settings()
    else:
        config = _from(config_file)
        target, settings = _otherwise(_named(config, subject), **asked), config.settings
    seen = _probe(target, settings, count, save, as_json=as_json or timeline, timeline=timeline)
    if count > 1 and not as_json and not timeline:
        from rich.console import Console

        from monitor.cli.terminal import summary, suspects
        from monitor.record.observation import record
        from monitor.record.probe_event import read

        console, events = Console(highlight=False, soft_wrap=True), [read(record(one)) for one in seen]
        for part in (summary(events), *suspects(events[-1])):
            console.print(part)
    statuses = {status_of(one) for one in seen}
    return next(status for status in _WORST_FIRST if status in statuses)


def status_of(seen: Observation) -> int:
    """Return the exit status that one probe is worth."""
    from monitor.judge.verdict import OUR_OWN

    if seen.verdict.outcome in OUR_OWN:
        return FAILED_TO_TELL
    if seen.verdict.truncated:
        return TRUNCATED
    if not seen.available:
        return FAILED
    return COMPLETE if seen.first_chunk_good else OVER_SLO


def _probe(
    target: Target, settings: Settings, count: int, save: Path | None, *, as_json: bool, timeline: bool
) -> list[Observation]:
    """Probe `count` times, showing each as it ends."""
    from monitor.diagnosis.suspects import diagnose
    from monitor.http import Client
    from monitor.http.timestamps import Stamping
    from monitor.judge.verdict import Outcome
    from monitor.probe.run import Prober

    async def probing() -> list[Observation]:
        seen: list[Observation] = []
        with closing(Stamping()) as stamping:
            await stamping.ready()
            prober = Prober(Client(settings.limits, settings.network), settings.limits, settings.location)
            try:
                for number in range(1, count + 1):
                    with _saved(save, number) as keep:
                        one = await replace(prober, save=keep)(target, "cli")
                    seen.append(replace(one, diagnosis=diagnose(one, lambda _: seen[::-1])))
                    _show(seen[-1], as_json=as_json, timeline=timeline, brief=count > 1)
                    if seen[-1].verdict.outcome is Outcome.ABORTED:
                        raise KeyboardInterrupt
            finally:
                await prober.carrier.let_go()
        return seen

    return _run(probing())


@contextmanager
def _saved(save: Path | None, number: int) -> Iterator[Callable[[bytes], object] | None]:
    """Give what writes the body of probe `number` to its file; the second and later ones have their number behind."""
    if save is None:
        yield None
        return
    path = save if number == 1 else save.with_name(f"{save.name}.{number}")
    try:
        file = path.open("wb")
    except OSError as error:
        raise _refused(f"{path}: cannot be written: {error.strerror}") from None
    with file:
        yield file.write


def _show(seen: Observation, *, as_json: bool, timeline: bool, brief: bool) -> None:
    if as_json:
        import msgspec

        from monitor.record.observation import record

        click.echo(msgspec.json.encode(record(seen, timeline=timeline)).decode())
    elif not brief:
        from rich.console import Console

        from monitor.cli.terminal import waterfall
        from monitor.record.observation import record
        from monitor.record.probe_event import read

        console, event = Console(highlight=False, soft_wrap=True), read(record(seen, timeline=True))
        for line in waterfall(event, seen.target.slo.threshold):
            console.print(line)


def _named(config: Config, name: str) -> Target:
    """Return the target of that name: of the config, else of its sources."""
    from difflib import get_close_matches

    if all(target.name != name for target in config.targets):
        config = config.along_with(_discovered(config, urls=True)[0])
    for target in config.targets:
        if target.name == name:
            return target
    near = get_close_matches(name, [target.name for target in config.targets], 1)
    raise _refused(f"no target {name!r} in the config" + (f"; did you mean {near[0]!r}?" if near else ""))


def _otherwise(
    target: Target, *, protocol: str | None, model: str | None, api_key_env: str | None, headers: Sequence[str]
) -> Target:
    """Return a target of the config with what the command line says in place of its own."""
    spoken = protocol or target.protocol
    said = _adhoc(target.url, protocol=spoken, model=model, api_key_env=api_key_env, headers=headers)
    names = {name.lower() for name in said.headers}
    kept = {name: value for name, value in target.headers.items() if name.lower() not in names}
    other: dict[str, Any] = {"headers": kept | dict(said.headers)}
    if spoken != target.protocol:  # what was meant for the other one does not fit
        other |= {"protocol": spoken, "terminator": said.terminator, "check": said.check, "prompt": None, "body": {}}
    if model is not None:
        other["model"] = model
    if api_key_env is not None:
        other["api_key"] = said.api_key
    return replace(target, **other)


_BY_PATH = (
    ("/knowledge_base/", "chatchat-kb"),
    ("/chat/kb_chat", "chatchat-kb"),
    ("/chat/chat/completions", "chatchat"),
    ("/chat/completions", "openai-chat"),
    ("/api/chat", "ollama-chat"),
    (":streamGenerateContent", "gemini"),
    ("/completion/", "llamacpp-completion"),
    ("/v2/chat/", "cohere-v2"),
    ("/v3/chat/", "coze-v3"),
    ("/generate_stream/", "tgi"),
    ("/chat-messages", "dify"),
    ("/completion-messages", "dify"),
    ("/workflows/run", "dify"),
    ("/responses", "openai-responses"),
    ("/messages", "anthropic-messages"),
    ("/chat/chat", "chatchat-0.2"),
    ("/chat/knowledge_base_chat", "chatchat-0.2"),
)


def _adhoc(
    url: str, *, protocol: str | None, model: str | None, api_key_env: str | None, headers: Sequence[str]
) -> Target:
    """Return a target for a URL of the command line, held to the rules of the config."""
    from monitor.config import ConfigError, target
    from monitor.protocols import PROTOCOLS

    path = urlsplit(url).path
    guess = path.split("/")[1] if path.split("/")[1:] and path.split("/")[1] in PROTOCOLS else None
    guess = guess or next((name for piece, name in _BY_PATH if piece in f"{path}/"), None)
    if protocol is None and guess is None:
        raise _refused(f"what does {path or '/'} speak? pass --protocol with one of {', '.join(PROTOCOLS)}")
    values = {
        "name": "url",
        "url": url,
        "protocol": protocol or guess,
        "model": model,
        "api_key_env": api_key_env,
        "headers": dict(map(_header, headers)) or None,
    }
    try:
        return target({key: value for key, value in values.items() if value is not None}, os.environ)
    except ConfigError as error:
        raise _refused(str(error)) from None


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter("a header is 'NAME: VALUE'", param_hint="--header")  # which may hold a key
    return name.strip(), value.strip()


# -- history, explain, top ---------------------------------------------------------------------------------------------

_url_option = click.option(
    "--url",
    default="http://127.0.0.1:9877",
    show_default=True,
    metavar="URL",
    envvar="CHAT_MONITOR_URL",  # for a URL with a password: a command line can be seen by everybody
    show_envvar=True,
    help="Where the running daemon listens.",
)
_db_option = click.option(
    "--db", type=click.Path(path_type=Path), help="Read the history's file instead, also while the daemon runs."
)


@commands.command()
@click.argument("target", required=False)
@click.option("--failed", is_flag=True, help="Only probes that found their target not available.")
@click.option("--json", "as_json", is_flag=True, help="One event per line.")
@click.option("-n", "limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="How many at most.")
@_url_option
@_db_option
def history(target: str | None, *, failed: bool, as_json: bool, limit: int, url: str, db: Path | None) -> int:
    """List the newest probes, of all targets or of one, newest first."""
    import json

    from rich.console import Console

    from monitor.cli.terminal import lines
    from monitor.record.probe_event import read

    place = _lookback(url, db)
    found = _looked_up(lambda: place.newest(limit, target, failed=failed))
    if not found:
        click.echo("no such probe is kept", err=True)
    if as_json:
        for event in found:
            click.echo(json.dumps(event).replace("\x7f", "\\u007f"))  # printable ASCII alone
        return COMPLETE
    console = Console(highlight=False, soft_wrap=True)
    for line in lines(_looked_up(lambda: [read(event) for event in found])):
        console.print(line)
    return COMPLETE


@commands.command()
@click.argument("probe_id")
@_url_option
@_db_option
def explain(probe_id: str, *, url: str, db: Path | None) -> int:
    """Tell all that is kept of one probe: where its time went, the last that came, whose fault it likely is."""
    from rich.console import Console

    from monitor.cli.terminal import explanation
    from monitor.record.probe_event import read

    place = _lookback(url, db)
    event = _looked_up(lambda: read(place.find(probe_id)))
    console = Console(highlight=False, soft_wrap=True)
    for line in explanation(event):
        console.print(line)
    return COMPLETE


@commands.command()
@_url_option
@_db_option
def top(*, url: str, db: Path | None) -> int:
    """Show every target, those that fail first; on a terminal that can again and again, until Ctrl-C."""
    from rich.console import Console
    from rich.live import Live

    from monitor.cli.probe_source import ProbeSourceError
    from monitor.redaction import visible

    place = _lookback(url, db)
    table, console = _looked_up(lambda: _overview(place)), Console(highlight=False)
    if not sys.stdout.isatty() or console.is_dumb_terminal:
        Console(highlight=False, width=250, height=25).print(table)  # rich minds a width beside a height alone
        return COMPLETE
    with Live(table, console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(REDRAWN_EVERY)
            try:
                table = _overview(place)
                table.caption = None
            except ProbeSourceError as error:  # what was seen last stays
                table.caption = visible(str(error))
            live.update(table, refresh=True)


def _overview(place: ProbeSource) -> Table:
    from datetime import UTC, datetime

    from monitor.cli.terminal import overview

    return overview(place.glances(), datetime.now(UTC))


def _lookback(url: str, db: Path | None) -> ProbeSource:
    """Return the file where there is one, else the daemon."""
    from monitor.cli.probe_source import LARGEST, WITHIN, Daemon, File
    from monitor.http import fetch
    from monitor.settings import Network

    if urlsplit(url).scheme not in {"http", "https"}:
        raise click.BadParameter("is no http:// or https:// URL", param_hint="--url")
    return File(db) if db else Daemon(url, lambda it: _run(fetch(it, Network(), within=WITHIN, at_most=LARGEST)))


def _looked_up(ask: Callable[[], T]) -> T:
    """Return what is answered; where nothing is, say why, with status 1."""
    from monitor.cli.probe_source import ProbeSourceError
    from monitor.record.probe_event import EventError
    from monitor.redaction import visible

    try:
        return ask()
    except (ProbeSourceError, EventError) as error:
        raise _refused(visible(str(error)), FAILED_TO_TELL) from None


# -- check, schema -----------------------------------------------------------------------------------------------------


@commands.command()
@_config_option
@click.option("--connect", is_flag=True, help="Open a connection to every target, and send nothing on it.")
@click.option("--plan", is_flag=True, help="What this config costs: requests and tokens a day, series, bytes a scrape.")
def check(config_file: Path | None, *, connect: bool, plan: bool) -> int:
    """Check a config: every mistake at once, with its line; sends nothing unless asked to connect."""
    path = _place(config_file)
    config = _from(path)
    found, wrong = _discovered(config, urls=connect)
    for warning in (*config.warnings, *wrong):
        click.echo(f"warning: {warning}", err=True)
    config = config.along_with(found)
    count = len(config.targets)
    if (many := _series(config.settings.metrics)) is not None:
        click.echo(f"warning: {config.document.mistake(('metrics', 'buckets'), many)}", err=True)
    if not _is_loopback(config.settings.web.host):
        message = "is no loopback address: the daemon wants --web.config.file or --web.allow-unprotected for it"
        click.echo(f"warning: {config.document.mistake(('web', 'listen'), message)}", err=True)
    click.echo(
        f"{path}: ok, {count} target{'s' if count != 1 else ''}" + (f", {len(found)} discovered" if found else "")
    )
    if not connect:
        for source in (one.name for one in config.settings.discovery if one.http_sd):
            click.echo(f"discovery {source}: its URLs are read with --connect")
    if plan:
        _print_plan(config)
    status = _try_connections(config) if connect else COMPLETE
    return FAILED_TO_TELL if wrong else status


def _series(metrics: Metrics) -> str | None:
    """Say where buckets of one's own make more series of a target than its detail promises."""
    from monitor.settings import Buckets

    if metrics.buckets == Buckets():
        return None
    from monitor.sinks.metrics.sink import series_per_target

    series, most = series_per_target(metrics), {"full": 250, "lean": 120}[metrics.detail]
    return f"make {series} series of each target, more than the {most} of the default ones" if series > most else None


def _discovered(config: Config, *, urls: bool) -> tuple[tuple[Target, ...], list[str]]:
    """Return what the sources of a config list now, from URLs only where asked to, and what is wrong with them."""
    from monitor.discovery import DiscoveryCallbacks, of_config

    wrong: list[str] = []
    told = DiscoveryCallbacks(
        refreshed=lambda *_: None,
        wrong=lambda source, text: wrong.append(f"discovery {source}: {text}"),
        failed=lambda error: wrong.append(f"discovery: {type(error).__name__}"),
    )
    return _run(of_config(config, told, os.environ, urls=urls).refresh()), wrong


def _print_plan(config: Config) -> None:
    from rich.console import Console

    from monitor.cli.terminal import plan_table
    from monitor.config.plan import Footprint
    from monitor.config.plan import plan as planned
    from monitor.sinks.metrics.sink import bytes_per_target, series_per_target

    metrics = config.settings.metrics

    def footprint(target: Target) -> Footprint:
        return Footprint(series_per_target(metrics), bytes_per_target(metrics, target.labels))

    table = plan_table(planned(config, footprint))
    Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(table)


def _try_connections(config: Config) -> int:
    from monitor.http import reach

    async def trying() -> list[str | None]:
        network = config.settings.network
        trials = (reach(_dialled(one), one.tls, network, one.timeouts.connect) for one in config.targets)
        return list(await asyncio.gather(*trials))

    failures = _run(trying())
    for target, failure in zip(config.targets, failures, strict=True):
        where = "its proxy: " if target.proxy is not None else ""
        click.echo(f"{target.name}: {where}{failure or 'connected'}")
    return FAILED_TO_TELL if any(failures) else COMPLETE


def _dialled(target: Target) -> str:
    """Return the URL of whom a probe of this target dials: the target, or its proxy."""
    return target.url if target.proxy is None else target.proxy.reveal()


@commands.command()
def schema() -> int:
    """Print the JSON Schema of the config, for editors."""
    import json

    from monitor.config.schema import schema as made

    click.echo(json.dumps(made(), indent=2))
    return COMPLETE


# -- export ------------------------------------------------------------------------------------------------------------


@commands.command()
@click.argument("what", type=click.Choice(["dashboards", "rules", "systemd", "scrape-config"]))
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@_config_option
@click.option("--grafana", metavar="URL", help="Where your Grafana is: what `dashboard_url` of the rules begins with.")
def export(what: str, directory: Path, config_file: Path | None, grafana: str | None) -> int:
    """Write what the package brings into DIR, fitted to the config where there is one; print each file."""
    from monitor.cli.export import Wish
    from monitor.cli.export import export as write

    wish = Wish(grafana=grafana)
    if config_file is not None or _place(None).exists():
        config = _from(config_file)
        wish = Wish(config.targets, config.settings, _place(config_file), grafana)
    else:
        click.echo("no config: written as shipped, for 5s to 15m between probes", err=True)
    try:
        for file in write(what, directory, wish):
            click.echo(file)
    except OSError as error:
        raise _refused(f"{error.filename or directory}: cannot be written: {error.strerror}") from None
    return COMPLETE


# -- demo, lab ---------------------------------------------------------------------------------------------------------


@commands.command()
@click.option(
    "--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="Where the status page is; a free port else."
)
def demo(listen: str) -> int:
    """Show it all at work: the fault lab, the daemon and the status page, on loopback, with no config."""
    from monitor.cli.demo import demo as play
    from monitor.daemon.app import Signals
    from monitor.web.server import ListenError

    host, port = _address(listen, "--listen")

    def announce(page: str, lab: str) -> None:
        click.echo(
            f"status page  {page}/\nmetrics      {page}/metrics\nfault lab    {lab}/\nstop with Ctrl-C\n", err=True
        )

    async def playing() -> int:
        signals = Signals()
        signals.listen()
        await play(host, port, signals, announce=announce, stdout=sys.stdout)
        return _status_of_stop(signals)

    try:
        return _run(playing())
    except ListenError as error:
        raise _refused(str(error)) from None


@commands.command()
@click.option(
    "--listen", default="127.0.0.1:9878", show_default=True, metavar="HOST:PORT", help="Where the lab listens."
)
def lab(listen: str) -> int:
    """Run the fault lab alone: every protocol and every fault by URL, for fire drills of one's own alerts."""
    import json

    from monitor.daemon.app import Signals
    from monitor.lab.server import serve
    from monitor.lab.tls import tls_lab

    host, port = _address(listen, "--listen")

    def log(done: Mapping[str, object]) -> None:
        click.echo(json.dumps(done, default=str))

    async def serving() -> int:
        signals = Signals()
        signals.listen()
        async with AsyncExitStack() as stack:
            try:
                secure = await stack.enter_async_context(tls_lab(host, port + 1 if port else 0, log=log))
                laboratory = await stack.enter_async_context(await serve(host, port, log=log, tls=secure))
            except OSError as error:
                raise _refused(
                    f"cannot listen on {listen} and the ports behind it: {error.strerror}; "
                    "is another lab running? pass --listen HOST:PORT"
                ) from None
            click.echo(f"fault lab on http://{host}:{laboratory.port}/ (the index lists every fault)", err=True)
            await signals.stop.wait()
        return _status_of_stop(signals)

    return _run(serving())


# -- shared ------------------------------------------------------------------------------------------------------------


def _run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` in a loop whose polls are noted, which bounds how uncertain a late read is."""
    from monitor.http.timestamps import new_loop

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)


def _place(config_file: Path | None) -> Path:
    """Return the config to read: the one asked for, else the first that is there."""
    if config_file is not None:
        return config_file
    return next((place for place in CONFIG_PLACES if place.exists()), CONFIG_PLACES[0])


def _load(load: Callable[[], T]) -> T:
    """Return what `load` reads; every mistake is a line, and the exit status 2."""
    from monitor.config import ConfigError

    try:
        return load()
    except ConfigError as error:
        for warning in error.warnings:
            click.echo(f"warning: {warning}", err=True)
        for mistake in error.mistakes:
            click.echo(str(mistake), err=True)
        raise click.exceptions.Exit(USAGE) from None


def _from(config_file: Path | None) -> Config:
    """Return the config of that file, or of the first place that has one."""
    from monitor.config import load

    return _load(lambda: load(_place(config_file), os.environ))


def _refused(text: str, status: int = USAGE) -> click.exceptions.Exit:
    """Say in one line what is wrong and what to do, and return what to raise."""
    click.echo(f"chat-monitor: {text}", err=True)
    return click.exceptions.Exit(status)
