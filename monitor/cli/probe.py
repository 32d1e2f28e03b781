"""`chat-monitor probe`: probes of a target, or of a URL, now.

Exit status: the worst of the probes (contract, section 5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from monitor.cli import several
from monitor.cli.adhoc import (
    Duration,
    Options,
    adhoc_target,
    corrected,
    overridden,
    raised,
    refuse_missing_scheme,
    target_options,
)
from monitor.cli.common import COMPLETE, FAILED, FAILED_TO_TELL, OVER_SLO, TRUNCATED, refuse
from monitor.cli.completion import target_names
from monitor.cli.config_file import config_option, discovered, read_config
from monitor.cli.entry import INTERRUPTED
from monitor.cli.event_loop import cancelled_by_ctrl_c, run_loop
from monitor.cli.hints import hints
from monitor.cli.terminal import probe_lines, width_of
from monitor.config import Config
from monitor.diagnosis.diagnosis import Diagnosis
from monitor.files import private
from monitor.http import Client
from monitor.http.timestamps import Stamping
from monitor.judge.verdict import OUR_OWN
from monitor.probe.curl import curl_command, hidden_in_curl
from monitor.probe.run import Prober
from monitor.record.from_observation import event_of
from monitor.record.observation import Observation
from monitor.record.probe_event import as_json as event_as_json
from monitor.settings import Settings
from monitor.target import Target

Show = Callable[[Observation, int], None]
"""Shows one probe with its number when it ends."""
Correct = Callable[[Observation, bytes], Target | None]
"""Returns the corrected target after the first response with its payload; None if it was correct."""
_WORST_FIRST = (FAILED, TRUNCATED, FAILED_TO_TELL, OVER_SLO, COMPLETE)


@click.command()
@click.argument("subject", metavar="NAME|URL", shell_complete=target_names)
@config_option
@target_options
@click.option("--prompt", help="The prompt to send; {nonce} in it is replaced. The answer is then not checked.")
@click.option("--max-tokens", type=click.IntRange(1, 1_000_000), help="The limit on output tokens.")
@click.option("--timeout", type=Duration(), metavar="DURATION", help="The time for the whole stream, such as 20s.")
@click.option("--curl", is_flag=True, help="Print the request as a curl command, with $KEY for the key; send nothing.")
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
    curl: bool,
    count: int,
    as_json: bool,
    timeline: bool,
    save: Path | None,
    **given: Any,  # noqa: ANN401 - the fields of Options
) -> int:
    """Probe a target of the config, or a URL, now, and show the waterfall of the stream.

    With -n it prints a line after each probe, and a summary at the end or after Ctrl-C.
    """
    options = Options(**given)
    if curl:
        target, _ = chosen(subject, config_file, options.without_key())
        try:
            command = curl_command(target, key=options.api_key_env is not None)
        except Exception as error:  # noqa: BLE001 - a protocol from outside may raise anything
            raise refuse(raised(target, error), FAILED_TO_TELL) from None
        click.echo(command)
        if hidden := hidden_in_curl(target):
            click.echo(hidden, err=True)
        return COMPLETE
    target, settings = chosen(subject, config_file, options)
    brief = count > 1 and not as_json and not timeline
    if as_json or timeline:
        show: Show = partial(_show_json, timeline=timeline)
    else:
        show = partial(_show_line, count=count) if brief else _show_waterfall
    open_question = "://" in subject and options.protocol is None
    correct = partial(corrected, subject, options, settings.limits) if open_question else None
    observations, interrupted = _probe(target, settings, count, save, show, correct)
    if brief and observations:
        _show_summary(observations)
    if interrupted:
        return INTERRUPTED
    statuses = {status_of(one) for one in observations}
    return next(status for status in _WORST_FIRST if status in statuses)


def chosen(subject: str, config_file: Path | None, options: Options) -> tuple[Target, Settings]:
    """Return the target of the command line, by its URL or name, and the settings to probe it with."""
    if "://" in subject:
        return adhoc_target(subject, options), Settings()
    refuse_missing_scheme(subject)
    config = read_config(config_file)
    return overridden(named_target(config, subject), options), config.settings


def status_of(observation: Observation) -> int:
    """Return the exit status of one probe."""
    if observation.verdict.outcome in OUR_OWN:
        return FAILED_TO_TELL
    if observation.verdict.truncated:
        return TRUNCATED
    if not observation.available:
        return FAILED
    return COMPLETE if observation.first_chunk_good else OVER_SLO


def _probe(  # noqa: PLR0913, PLR0917 - what is probed, and how it is shown
    target: Target, settings: Settings, count: int, save: Path | None, show: Show, correct: Correct | None
) -> tuple[list[Observation], bool]:
    """Probe `count` times and show each; return the results, and whether Ctrl-C ended it.

    With `correct`, the first response may select another target: that one is probed, and the first is discarded.
    """

    async def one_probe(prober: Prober, meant: Target, number: int, payload: bytearray) -> Observation:
        with _saved(save, number) as keep:

            def take(data: bytes) -> None:
                if correct is not None and number == 1:
                    payload.extend(data)
                if keep is not None:
                    keep(data)

            return await replace(prober, save=take)(meant, "cli")

    async def probing() -> tuple[list[Observation], bool]:
        observations: list[Observation] = []
        diagnosis, meant = Diagnosis(), target
        with closing(Stamping()) as stamping, cancelled_by_ctrl_c() as interrupted:
            prober = Prober(Client(settings.limits, settings.network), settings.limits, settings.monitor.location)
            try:
                await stamping.ready()
                for number in range(1, count + 1):
                    payload = bytearray()
                    one = await one_probe(prober, meant, number, payload)
                    if payload and correct is not None and (other := correct(one, bytes(payload))) is not None:
                        meant = other
                        one = await one_probe(prober, meant, number, payload)
                    observations.append(replace(one, diagnosis=diagnosis.take(one).suspicions))
                    show(observations[-1], number)
                    if interrupted.is_set():
                        break
            except asyncio.CancelledError:  # between two probes: the summary covers those that have ended
                assert interrupted.is_set(), "nothing else cancels this task"
            finally:
                await prober.client.close_kept()
        return observations, interrupted.is_set()

    return run_loop(probing())


@contextmanager
def _saved(save: Path | None, number: int) -> Iterator[Callable[[bytes], object] | None]:
    """Yield a function for the body of probe `number`, written to its file at the end, outside the event loop.

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


def _show_json(observation: Observation, _: int, *, timeline: bool) -> None:
    click.echo(event_as_json(event_of(observation, timeline=timeline)))


def _show_waterfall(observation: Observation, _: int) -> None:
    console, event = Console(highlight=False, soft_wrap=True), event_of(observation, timeline=True)
    for line in probe_lines(event, observation.target.slo.first_chunk.threshold, width_of(console)):
        console.print(line)
    _show_hints(observation, console)


def _show_line(observation: Observation, number: int, *, count: int) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if number == 1:
        console.print(several.header(count, console.width))
    console.print(several.line(number, count, event_of(observation), console.width))


def _show_summary(observations: Sequence[Observation]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for line in several.summary([event_of(one) for one in observations]):
        console.print(line)
    _show_hints(observations[-1], console)


def _show_hints(observation: Observation, console: Console) -> None:
    for hint in hints(observation):
        console.print(Text(f"  hint    {hint}", style="yellow"))


def named_target(config: Config, name: str) -> Target:
    """Return the target with that name, from the config or its sources."""
    if all(target.name != name for target in config.targets):
        config = config.along_with(discovered(config, urls=True)[0])
    for target in config.targets:
        if target.name == name:
            return target
    near = get_close_matches(name, [target.name for target in config.targets], 1)
    raise refuse(f"no target {name!r} in the config" + (f"; did you mean {near[0]!r}?" if near else ""))
