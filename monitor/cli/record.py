"""`chat-monitor record`: one real stream with its timing and without secrets, for replay in tests."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from monitor.cli.adhoc import Options, target_options
from monitor.cli.common import COMPLETE, FAILED_TO_TELL, refuse
from monitor.cli.completion import target_names
from monitor.cli.config_file import config_option
from monitor.cli.event_loop import run_loop
from monitor.cli.probe import chosen
from monitor.http import Client
from monitor.http.timestamps import Stamping
from monitor.probe.confidential import secrets_of
from monitor.probe.run import Prober
from monitor.record.observation import Observation
from monitor.redaction import redactor
from monitor.settings import Settings
from monitor.stream.endings import EndKind
from monitor.target import Target

_PRIVATE = 0o600
_BEGINNING = 32
"""The most characters of the answer's beginning in a capture."""
_WHOLE, _CUT, _LEFT_OPEN = "whole", "cut", "open"


@click.command()
@click.argument("subject", metavar="NAME|URL", shell_complete=target_names)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@config_option
@target_options
def record(
    subject: str,
    directory: Path,
    config_file: Path | None,
    **given: Any,  # noqa: ANN401 - the fields of Options
) -> int:
    """Probe once and write the stream to a file in DIR for replay in tests: bytes, timing, verdict, without secrets.

    The file has mode 0600. Review it before you share it: an answer can contain other confidential text.
    """
    target, settings = chosen(subject, config_file, Options(**given))
    observation, body = _probed(target, settings)
    if not observation.recording.arrivals:
        raise refuse(f"no stream arrived, and nothing was written: {observation.verdict.detail}", FAILED_TO_TELL)
    try:
        click.echo(keep(observation, body, directory))
    except OSError as error:
        raise refuse(f"{error.filename or directory}: cannot be written: {error.strerror}", FAILED_TO_TELL) from None
    return COMPLETE


def _probed(target: Target, settings: Settings) -> tuple[Observation, bytes]:
    """Return the result of one probe, and the payload."""
    body = bytearray()

    async def probing() -> Observation:
        with closing(Stamping()) as stamping:
            await stamping.ready()
            client = Client(settings.limits, settings.network)
            try:
                return await Prober(client, settings.limits, save=body.extend)(target, "cli")
            finally:
                await client.close_kept()

    return run_loop(probing()), bytes(body)


def keep(observation: Observation, body: bytes, directory: Path) -> Path:
    """Write the capture of one probe, and return its file; each read of the payload is a chunk of the body."""
    reads = [
        (arrival.time, data)
        for arrival, data in zip(observation.recording.arrivals, _pieces(observation, body), strict=True)
    ]
    head = observation.recording.head
    media = head.content_type if head is not None else ""
    first = f"HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    segments = [(time, b"%x\r\n%s\r\n" % (len(data), data)) for time, data in reads if data]
    segments[0] = (segments[0][0], first + segments[0][1])
    end = {EndKind.COMPLETE: _WHOLE, EndKind.DEADLINE: _LEFT_OPEN}.get(observation.recording.ending.kind, _CUT)
    if end == _WHOLE:
        segments.append((max(observation.recording.ending.at, segments[-1][0]), b"0\r\n\r\n"))
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{observation.target.name}-{observation.probe_id}.capture"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:
        file.write(capture({**_expected(observation), "ended": end}, segments))
    return path


def capture(expectation: Mapping[str, str | int], reads: Sequence[tuple[float, bytes]]) -> bytes:
    """Return the file of a capture: TOML, a line `---`, and the bytes of the response as they came."""
    timing = "".join(f"  [{time:.4f}, {len(data)}],\n" for time, data in reads)
    head = "".join(f"{key} = {_toml(value)}\n" for key, value in expectation.items())
    return f"{head}reads = [\n{timing}]\n---\n".encode() + b"".join(data for _, data in reads)


def _toml(value: str | int) -> str:
    """Return text or a number as TOML; JSON's escapes of half a character and a bare DEL are not allowed there."""
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return text.encode("utf-8", "replace").decode()


def _pieces(observation: Observation, body: bytes) -> list[bytes]:
    """Return the payload by reads, without secrets, which are redacted before it is split."""
    clean = redactor(frozenset(secrets_of(observation.target)))
    text = body.decode("latin-1")
    places = pairwise((0, *(arrival.offset for arrival in observation.recording.arrivals)))
    return [piece.encode("latin-1") for piece in clean.parts(text, places)]


def _expected(observation: Observation) -> dict[str, str | int]:
    """Return what the capture comes to without a check."""
    clean, verdict = redactor(frozenset(secrets_of(observation.target))), observation.verdict
    return {
        "protocol": observation.target.protocol,
        "verdict": "/".join(filter(None, (verdict.outcome, verdict.cause))),
        "phase": str(verdict.phase),
        "chunks": observation.recording.chunks,
        "text": clean.between(observation.recording.text, 0, _BEGINNING),
        **({"unclean": str(verdict.unclean)} if verdict.unclean else {}),
    }
