"""`chat-monitor probe`: probes of a target, or of a URL, now.

Exit status: the worst of the probes (contract, section 5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from monitor.cli.adhoc import adhoc_target, overridden
from monitor.cli.common import COMPLETE, FAILED, FAILED_TO_TELL, OVER_SLO, TRUNCATED, refuse
from monitor.cli.config_file import config_option, discovered, read_config
from monitor.cli.event_loop import run_loop
from monitor.cli.terminal import probe_lines, summary, suspects
from monitor.config import Config
from monitor.diagnosis.diagnosis import Diagnosis
from monitor.files import private
from monitor.http import Client
from monitor.http.timestamps import Stamping
from monitor.judge.verdict import OUR_OWN, Outcome
from monitor.probe.run import Prober
from monitor.record.from_observation import event_of
from monitor.record.observation import Observation
from monitor.record.probe_event import as_json as event_as_json
from monitor.settings import Settings
from monitor.target import Target

_WORST_FIRST = (FAILED, TRUNCATED, FAILED_TO_TELL, OVER_SLO, COMPLETE)


@click.command()
@click.argument("subject", metavar="NAME|URL")
@config_option
@click.option("--protocol", help="The protocol; default: what the path of the URL suggests.")
@click.option("--model", help="The model to request.")
@click.option("--api-key-env", metavar="VAR", help="The environment variable that holds the key.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header to send; can be repeated.")
@click.option("-n", "count", default=1, type=click.IntRange(1, 10_000), help="The number of probes, one after another.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON event per line.")
@click.option("--timeline", is_flag=True, help="Print JSON with every read and every event.")
@click.option(
    "--save", type=click.Path(path_type=Path, dir_okay=False), help="Write the bytes of the body to this file."
)
def probe(  # noqa: PLR0913 - a parameter for each option
    subject: str,
    config_file: Path | None,
    *,
    count: int,
    as_json: bool,
    timeline: bool,
    save: Path | None,
    **asked: Any,  # noqa: ANN401 - options of adhoc_target,
) -> int:
    """Probe a target of the config, or a URL, now, and show the waterfall of the stream."""
    if "://" in subject:
        target, settings = adhoc_target(subject, **asked), Settings()
    else:
        config = read_config(config_file)
        target, settings = overridden(named_target(config, subject), **asked), config.settings
    seen = _probe(target, settings, count, save, as_json=as_json or timeline, timeline=timeline)
    if count > 1 and not as_json and not timeline:
        console, events = Console(highlight=False, soft_wrap=True), [event_of(one) for one in seen]
        for part in (summary(events), *suspects(events[-1])):
            console.print(part)
    statuses = {status_of(one) for one in seen}
    return next(status for status in _WORST_FIRST if status in statuses)


def status_of(seen: Observation) -> int:
    """Return the exit status that one probe is worth."""
    if seen.verdict.outcome in OUR_OWN:
        return FAILED_TO_TELL
    if seen.verdict.truncated:
        return TRUNCATED
    if not seen.available:
        return FAILED
    return COMPLETE if seen.first_chunk_good else OVER_SLO


def _probe(  # noqa: PLR0913 - what is probed, and how it is shown
    target: Target, settings: Settings, count: int, save: Path | None, *, as_json: bool, timeline: bool
) -> list[Observation]:
    """Probe `count` times, showing each as it ends."""

    async def probing() -> list[Observation]:
        seen: list[Observation] = []
        diagnosis = Diagnosis()
        with closing(Stamping()) as stamping:
            await stamping.ready()
            prober = Prober(Client(settings.limits, settings.network), settings.limits, settings.monitor.location)
            try:
                for number in range(1, count + 1):
                    with _saved(save, number) as keep:
                        one = await replace(prober, save=keep)(target, "cli")
                    seen.append(replace(one, diagnosis=diagnosis.take(one).suspicions))
                    _show(seen[-1], as_json=as_json, timeline=timeline, brief=count > 1)
                    if seen[-1].verdict.outcome is Outcome.ABORTED:
                        raise KeyboardInterrupt
            finally:
                await prober.client.close_kept()
        return seen

    return run_loop(probing())


@contextmanager
def _saved(save: Path | None, number: int) -> Iterator[Callable[[bytes], object] | None]:
    """Yield what takes the body of probe `number`, written to its file at the end: the event loop waits for no disk.

    From the second probe on, the file's name ends in the number.
    """
    if save is None:
        yield None
        return
    path = save if number == 1 else save.with_name(f"{save.name}.{number}")
    try:
        file = open(path, "wb", opener=private)  # noqa: SIM115 - closed below
    except OSError as error:
        raise refuse(f"{path}: cannot be written: {error.strerror}") from None
    with file:
        body = bytearray()
        yield body.extend
        file.write(body)


def _show(seen: Observation, *, as_json: bool, timeline: bool, brief: bool) -> None:
    if as_json:
        click.echo(event_as_json(event_of(seen, timeline=timeline)))
    elif not brief:
        console, event = Console(highlight=False, soft_wrap=True), event_of(seen, timeline=True)
        for line in probe_lines(event, seen.target.slo.first_chunk.threshold):
            console.print(line)


def named_target(config: Config, name: str) -> Target:
    """Return the target of that name: of the config, else of its sources."""
    if all(target.name != name for target in config.targets):
        config = config.along_with(discovered(config, urls=True)[0])
    for target in config.targets:
        if target.name == name:
            return target
    near = get_close_matches(name, [target.name for target in config.targets], 1)
    raise refuse(f"no target {name!r} in the config" + (f"; did you mean {near[0]!r}?" if near else ""))
