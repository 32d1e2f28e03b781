"""What the config says of everything but targets: plain frozen values, with the defaults of the contract."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time
from ipaddress import IPv4Network, IPv6Network

MIB = 1024 * 1024


def _doubling(first: float, last: float) -> tuple[float, ...]:
    """Bounds from `first`, each twice the one before, up to `last` (0.01 to 655.36 holds OpenTelemetry's GenAI set)."""
    bounds = [first]
    while bounds[-1] * 2 <= last * 1.0001:
        bounds.append(round(bounds[-1] * 2, 6))
    return tuple(bounds)


LATENCY_BUCKETS = _doubling(0.01, 655.36)
GAP_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
# Pairs around the usual time-outs of proxies: 15, 30, 60, 100, 120, 300 and 600 s.
CUT_AFTER_BUCKETS = (
    1.0, 5.0, 10.0, 14.5, 16.5, 29.5, 31.5, 59.5, 61.5, 99.5, 101.5, 119.5, 121.5, 299.5, 301.5, 599.5, 601.5,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Buckets:
    """Upper bounds of the histograms, in seconds."""

    latency: tuple[float, ...] = LATENCY_BUCKETS
    gap: tuple[float, ...] = GAP_BUCKETS
    cut_after: tuple[float, ...] = CUT_AFTER_BUCKETS


@dataclass(frozen=True, slots=True)
class Metrics:
    """`[metrics]`: how much of a target is exported."""

    detail: str = "full"
    buckets: Buckets = field(default_factory=Buckets)


@dataclass(frozen=True, slots=True)
class Web:
    """`[web]`: where the daemon listens, under which further names, and whether a scrape may start a probe."""

    host: str = "127.0.0.1"
    port: int = 9877
    probe: bool = False
    allowed_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Log:
    """`[log]`: how events are written, and from which level on.

    `format` is "auto" (text on a terminal, else JSON), "json" or "text"; `level` is debug, info, warning or error.
    """

    format: str = "auto"
    level: str = "info"
    timeline: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """`[limits]`: what all targets together, or one stream, may take."""

    concurrency: int = 50
    per_host: int = 4
    stream_bytes: int = 32 * MIB
    event_bytes: int = 4 * MIB
    events: int = 200_000
    tokens_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class History:
    """`[history]`: how much is kept of each target's probes, and where; without a path, in memory alone.

    `record` caps what a target's own `record` lets through; `max_age` is in seconds.
    """

    path: str | None = None
    probes_per_target: int = 200
    failures_per_target: int = 100
    max_bytes: int = 256 * MIB
    max_age: float = 30 * 86400.0
    record: str = "full"


@dataclass(frozen=True, slots=True)
class Network:
    """`[network]`: addresses that may not be dialled, and how names are looked up.

    `ip_family` is 0 (either), 4 or 6; `resolver` is "system" or the IP:PORT of a name server.
    """

    deny: tuple[IPv4Network | IPv6Network, ...] = ()
    allow: tuple[IPv4Network | IPv6Network, ...] = ()
    ip_family: int = 0
    resolver: str = "system"


@dataclass(frozen=True, slots=True)
class Discovery:
    """One `[[discovery]]`: files (patterns) or URLs that list targets in Prometheus' own formats."""

    name: str
    file_sd: tuple[str, ...] = ()
    http_sd: tuple[str, ...] = ()
    refresh: float = 60.0


@dataclass(frozen=True, slots=True)
class Maintenance:
    """One `[[maintenance]]`: a window in which targets (all, where none is named) are not probed.

    Either once, from `start` to `end`; or for `duration` seconds from `at` on `weekdays` (Monday is 0) in `timezone`.
    """

    name: str
    targets: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    at: time | None = None
    duration: float = 0.0
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Settings:
    """All that is not a target."""

    location: str = ""
    reload_on_change: bool = False
    web: Web = field(default_factory=Web)
    log: Log = field(default_factory=Log)
    metrics: Metrics = field(default_factory=Metrics)
    limits: Limits = field(default_factory=Limits)
    network: Network = field(default_factory=Network)
    history: History = field(default_factory=History)
    discovery: tuple[Discovery, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
