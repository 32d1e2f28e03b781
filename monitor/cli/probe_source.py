"""The sources of past probes for the commands: the running daemon's API, or the history's file."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import UNSET

from monitor.http.fetch import StatusError
from monitor.judge.verdict import Outcome
from monitor.record.observation import public_url
from monitor.record.probe_event import ProbeEvent
from monitor.record.rollup import DAY, Rollup
from monitor.record.target_state import TargetState
from monitor.record.target_summary import State, TargetSummary, summarize, window_of
from monitor.settings import MIB
from monitor.sinks import history_queries as store
from monitor.sinks.history_store import StoreError

_T = TypeVar("_T")
API = "/api/v1"
LARGEST = 64 * MIB
"""The largest response in bytes: a thousand targets take about three megabytes."""
WITHIN = 10.0
_RECENT = 30
Json = dict[str, Any]
Get = Callable[[str], bytes]
"""Fetches a URL: OSError without a response, StatusError if its status is not 200."""


class ProbeSourceError(Exception):
    """The query failed; the text says why and what to do."""


class UnknownProbeError(ProbeSourceError):
    """No probe with that id is stored."""


class ProbeSource(Protocol):
    """A source of past probes; each method raises ProbeSourceError."""

    def newest(self, limit: int, target: str | None, *, failed: bool = False, begins: str = "") -> list[Json]:
        """Return the events of the newest probes whose id begins so, newest first, without their timelines."""
        ...

    def find(self, probe_id: str) -> Json:
        """Return the event of one probe with its timeline."""
        ...

    def summaries(self) -> list[TargetSummary]:
        """Return a summary of every target."""
        ...


class _Targets(msgspec.Struct):
    targets: list[TargetSummary]


class _Probes(msgspec.Struct):
    probes: list[ProbeEvent]


@dataclass(frozen=True, slots=True)
class Daemon:
    """The API of a running daemon."""

    url: str
    get: Get

    def newest(self, limit: int, target: str | None, *, failed: bool = False, begins: str = "") -> list[Json]:
        """Request the list of recent probes."""
        asked = {"limit": str(limit)} | ({} if target is None else {"target": target})
        asked |= ({"failed": "true"} if failed else {}) | ({"id": begins} if begins else {})
        query = urlencode(asked, quote_via=quote)
        response, _ = self._get(f"/probes?{query}", _Probes)
        return list(response["probes"])

    def find(self, probe_id: str) -> Json:
        """Request one probe."""
        try:
            response, _ = self._get(f"/probes/{quote(probe_id, safe='')}", ProbeEvent)
        except StatusError:
            raise UnknownProbeError(_unknown(probe_id)) from None
        return dict(response)

    def summaries(self) -> list[TargetSummary]:
        """Request the list of targets."""
        return self._get("/targets", _Targets)[1].targets

    def _get(self, path: str, kind: type[_T]) -> tuple[Any, _T]:
        """Return a response as parsed JSON, which may have keys that are not known here, and as this type."""
        where = public_url(self.url)
        try:
            body = self.get(self.url.rstrip("/") + API + path)
            if len(body) > LARGEST:
                raise ProbeSourceError(f"{where}: its response has more than {LARGEST:,} bytes")
            response = _parsed(body)
            return response, msgspec.convert(response, kind)
        except StatusError as error:
            if error.status == HTTPStatus.NOT_FOUND and kind is ProbeEvent:
                raise
            raise ProbeSourceError(f"{where}: {_refusal(error.status)}") from None
        except OSError as error:
            raise ProbeSourceError(
                f"no answer from {where} ({error}): is the daemon running, and does it listen there? "
                "pass --url URL, or --db FILE for its history's file"
            ) from None
        except (ValueError, RecursionError) as error:  # msgspec's own are among them
            raise ProbeSourceError(f"{where}: the server is not a chat-monitor of this version: {error}") from None


def _parsed(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON; ValueError if it is not valid or has a number that other programs cannot read."""
    value = json.loads(body)
    if (wrong := next(_out_of_range(value), None)) is not None:
        raise ValueError(f"out of the range of numbers - at `{wrong}`")
    return value


def _out_of_range(value: object, path: str = "$") -> Iterator[str]:
    """Yield the paths of numbers that JSON or a double lacks: NaN, Infinity, and those beyond a double."""
    match value:
        case int() | float() if not abs(value) <= sys.float_info.max:
            yield path
        case dict():
            yield from (found for key, inner in value.items() for found in _out_of_range(inner, f"{path}.{key:.40}"))
        case list():
            yield from (found for at, inner in enumerate(value) for found in _out_of_range(inner, f"{path}[{at}]"))
        case _:
            pass


def _refusal(status: int) -> str:
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return f"status {status}: its web config file requires a user: pass --url http://USER:PASSWORD@HOST:PORT"
    if status == HTTPStatus.NOT_FOUND:
        return "status 404: it is not a chat-monitor, or the path of its pages is missing in the URL"
    if status == HTTPStatus.BAD_REQUEST:
        return "status 400: it does not know this query: it is an older chat-monitor, or another server"
    return f"the response has status {status}"


def _unknown(probe_id: str) -> str:
    return (
        f"no probe {probe_id!r} is stored: it is too old or never existed; `chat-monitor history` lists the ids, "
        "and `chat-monitor probe` stores none"
    )


@dataclass(frozen=True, slots=True)
class File:
    """The file of a history."""

    path: Path

    def newest(self, limit: int, target: str | None, *, failed: bool = False, begins: str = "") -> list[Json]:
        """Read the newest events."""
        return _read(lambda: store.newest(self.path, limit, target=target, failed=failed, begins=begins))

    def find(self, probe_id: str) -> Json:
        """Read one event."""
        found = _read(lambda: store.find(self.path, probe_id))
        if found is None:
            raise UnknownProbeError(_unknown(probe_id))
        return found

    def summaries(self) -> list[TargetSummary]:
        """Compute the daemon's summaries from each target's newest events, state and rollups."""
        kept = _read(lambda: store.of_each(self.path, _RECENT))
        states = _read(lambda: store.states(self.path))
        try:
            sums = store.sums(self.path, list(kept), {"24h": time.time() - DAY})
        except StoreError:  # an older version wrote no rollups
            sums = {}
        try:
            return [
                _with_state(
                    summarize(name, msgspec.convert(events, list[ProbeEvent])), states.get(name), sums.get(name)
                )
                for name, events in kept.items()
            ]
        except msgspec.ValidationError as error:
            raise ProbeSourceError(f"{self.path}: contains an invalid event: {error}") from None


def _with_state(it: TargetSummary, state: TargetState | None, sums: dict[str, Rollup] | None) -> TargetSummary:
    windows = UNSET if sums is None else {key: window_of(rollup) for key, rollup in sums.items()}
    if state is None:
        return msgspec.structs.replace(it, windows=windows)
    confirmed = state.confirmed
    shown = State.DOWN if not confirmed.up else State.AT_RISK if confirmed.failures else State.OK
    if shown is State.OK and it.last and it.last.outcome != Outcome.OK:
        shown = State.NOT_PROVEN
    return msgspec.structs.replace(it, windows=windows, state=shown.value, consecutive_failures=confirmed.failures)


def _read(read: Callable[[], _T]) -> _T:
    try:
        return read()
    except StoreError as error:
        raise ProbeSourceError(str(error)) from None
