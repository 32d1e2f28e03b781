"""One thing to watch: where it is, how to ask it, what a whole answer is, and what is too slow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that no repr, log or dump may show."""

    value: str = field(repr=False)

    def reveal(self) -> str:
        """Return the value, for the wire and for nothing else."""
        return self.value


class Terminator(StrEnum):
    """What has to be seen for a stream to be complete (contract, section 1)."""

    END = "end"
    MARKER = "marker"
    EITHER = "either"
    BOTH = "both"
    NONE = "none"


class Connection(StrEnum):
    """Whether each probe dials anew, or takes the connection that the one before left open."""

    FRESH = "fresh"
    REUSE = "reuse"


class Record(StrEnum):
    """How much of the server's own words is kept."""

    NONE = "none"
    ERROR = "error"
    TAIL = "tail"
    FULL = "full"


KEPT = {Record.NONE: 0, Record.ERROR: 0, Record.TAIL: 512, Record.FULL: 65536}
"""Bytes of the end of a body that each keeps."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Deadlines in seconds from the request's start; `idle` from the last output, `drain` from the protocol's end."""

    connect: float = 5.0
    headers: float = 30.0
    first_chunk: float = 60.0
    idle: float = 30.0
    total: float = 300.0
    drain: float = 2.0

    def within(self, seconds: float) -> Timeouts:
        """Return these, where all of it, drain included, has to be over after so many seconds."""
        drain = min(self.drain, seconds / 10)
        return replace(self, total=min(self.total, seconds - drain), drain=drain)


@dataclass(frozen=True, slots=True)
class CountCheck:
    """The counted list: 1 to `to`, then the nonce."""

    to: int = 40
    required: bool | None = None
    kind: Literal["count"] = "count"


@dataclass(frozen=True, slots=True)
class PatternCheck:
    """A regular expression that the answer has to contain."""

    pattern: str
    required: bool | None = None
    kind: Literal["pattern"] = "pattern"


@dataclass(frozen=True, slots=True)
class LengthCheck:
    """The least number of characters of an answer."""

    min: int
    required: bool | None = None
    kind: Literal["length"] = "length"


Check = CountCheck | PatternCheck | LengthCheck


@dataclass(frozen=True, slots=True)
class Slo:
    """Objectives: the ratio of available probes, and of those whose first chunk came within `threshold` seconds."""

    availability: float = 0.99
    threshold: float = 2.0
    objective: float = 0.95


@dataclass(frozen=True, slots=True)
class Tls:
    """How the target's certificate is judged, and ours for it; paths of PEM files."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None
    insecure_skip_verify: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """One configured target; durations in seconds."""

    name: str
    protocol: str
    url: str = field(repr=False)
    model: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    interval: float = 60.0
    confirm: int = 2
    timeouts: Timeouts = field(default_factory=Timeouts)
    prompt: str | None = None
    check: Check | None = None
    max_tokens: int = 400
    temperature: float | None = 0.0
    slo: Slo = field(default_factory=Slo)
    terminator: Terminator = Terminator.END
    upstream: str | None = None
    tls: Tls = field(default_factory=Tls)
    proxy: Secret | None = None
    headers: Mapping[str, Secret] = field(default_factory=dict)
    api_key: Secret | None = None
    request_id_header: str | None = "X-Request-ID"
    body: Mapping[str, object] = field(default_factory=dict)
    record: Record = Record.ERROR
    tokens_per_day: int | None = None
    paused: bool = False
    locations: tuple[str, ...] = ()
    connection: Connection = Connection.FRESH
    interval_when_failing: float | None = None
    """Seconds between probes while the target fails; None for no other than `interval`."""


_LIMITS = (
    "max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "max_new_tokens", "n_predict",
    "num_predict",
)  # fmt: skip
_PLACES = ("options", "parameters", "generationConfig")


def own_limits(body: Mapping[str, object]) -> list[int]:
    """Return the limits on output tokens that a target's own `body` sets, by any protocol's name for them."""
    places = (body, *(place for key in _PLACES if isinstance(place := body.get(key), Mapping)))
    return [value for place in places for key in _LIMITS if isinstance(value := place.get(key), int)]
