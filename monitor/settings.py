"""The settings of the config except targets, as frozen values. Each field with a description is a key."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from monitor.keys import types, units, values
from monitor.keys.tls import Tls
from monitor.keys.types import Unit, doc

MIB = 1024 * 1024
KEPT_BYTES, KEPT_BYTES_PER_TARGET = 128 * MIB, 32 * 1024
"""Memory for the recent probes of all targets: the first in total, or the second for each target if that is more."""
_ALL_KEPT, _MOST_KEPT, _LEAST_KEPT = 4000, 50, 5
"""Recent probes: of all targets together, the most of each, and the fewest of each whatever their number."""
LOG_QUEUE_BYTES = 8 * MIB
"""Bytes that may wait for the log's stream before lines are dropped."""
QUEUE_BYTES = 32 * MIB
"""Bytes that may wait for the history before further probes are dropped."""


def probes_kept(targets: int) -> int:
    """Return how many recent probes of each of so many targets are kept in memory."""
    return max(_LEAST_KEPT, min(_MOST_KEPT, _ALL_KEPT // max(targets, 1)))


def _doubling(first: float, last: float) -> tuple[float, ...]:
    """Bounds from `first`, each twice the one before, up to `last` (0.01 to 655.36 holds OpenTelemetry's GenAI set)."""
    bounds = [first]
    while bounds[-1] * 2 <= last * 1.0001:
        bounds.append(round(bounds[-1] * 2, 6))
    return tuple(bounds)


LATENCY_BUCKETS = _doubling(0.01, 655.36)
GAP_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
# Pairs around common time-outs of proxies: 15, 30, 60, 100, 120, 300 and 600 s.
CUT_AFTER_BUCKETS = (
    1.0, 5.0, 10.0, 14.5, 16.5, 29.5, 31.5, 59.5, 61.5, 99.5, 101.5, 119.5, 121.5, 299.5, 301.5, 599.5, 601.5,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Monitor:
    """The monitor itself."""

    location: Annotated[
        types.Line,
        Field(max_length=63),
        doc("Where this monitor runs: a field of every event, to which `locations` of a target refers.", "eu-1"),
    ] = ""
    locations: Annotated[
        tuple[types.Line, ...],
        Field(strict=False),
        doc(
            "Every location that has a monitor with these targets, the same list in each: they probe a target in turns "
            "and share its budget.",
            ["eu-1", "us-1"],
        ),
    ] = ()
    reload_on_change: Annotated[bool, doc("Whether a change of the config file triggers a reload.")] = False


@dataclass(frozen=True, slots=True)
class Web:
    """The pages, the metrics and the API."""

    listen: Annotated[
        types.Listen,
        doc(
            "Address and port to listen on, or an array of them; `:9877` and `[::]:9877` take IPv4 and IPv6, and "
            "anything but loopback needs `--web.config.file`."
        ),
    ] = ("127.0.0.1:9877",)
    probe: Annotated[bool, doc("Whether `GET /probe?target=NAME` may start a probe, which spends tokens.")] = False
    allowed_hosts: Annotated[
        tuple[types.HostName, ...],
        Field(strict=False),
        doc(
            "Further host names under which the monitor is reached, for example behind a reverse proxy.",
            ["monitor.example.net"],
        ),
    ] = ()
    external_url: Annotated[
        types.PageUrl,
        doc(
            "The URL of the pages for users, with the path of a reverse proxy: dashboards link there.",
            "https://monitor.example.net/chat",
        ),
    ] = None
    max_connections: Annotated[
        int,
        Field(ge=8, le=100_000),
        Unit("connections"),
        doc("How many clients may be connected at once; beyond that, an idle connection is closed."),
    ] = 256

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Host and port of each address to listen on; "" is every address, and port 0 a free one."""
        return tuple(map(values.split_listen, self.listen))


@dataclass(frozen=True, slots=True)
class Log:
    """The log, which holds one event for each probe."""

    format: Annotated[
        Literal["auto", "json", "text"],
        doc("How lines are written: `auto` is text on a terminal and JSON elsewhere."),
    ] = "auto"
    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        doc("The minimum level of the monitor's own messages; the events of probes are always written."),
    ] = "info"
    timeline: Annotated[bool, doc("Whether each event carries every arrival and every message with its time.")] = False


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """The recent probes of each target, kept for pages, `history` and `explain`."""

    path: Annotated[
        types.File | None,
        types.Path.STATE,
        doc(
            "The file they are kept in, relative to the state directory or to the config; without it, memory.",
            "history.db",
        ),
    ] = None
    probes_per_target: Annotated[
        int, Field(ge=1, le=1_000_000), Unit("probes"), doc("How many probes of each target are kept.")
    ] = 200
    failures_per_target: Annotated[
        int,
        Field(ge=0, le=1_000_000),
        Unit("probes"),
        doc("How many failed probes of each target are kept beyond those."),
    ] = 100
    max_bytes: Annotated[
        int,
        units.memory("1MiB", "1000GiB"),
        doc("How large the history may grow before its oldest probes are deleted."),
    ] = 256 * MIB
    max_age: Annotated[float, units.duration("1m", "3650d"), doc("How old a probe may grow before it is deleted.")] = (
        30 * 86400.0
    )
    record: Annotated[
        Literal["none", "error", "tail", "full"],
        doc("The limit on the server's text that is kept here, whatever a target's `record` is."),
    ] = "full"


@dataclass(frozen=True, slots=True)
class Buckets:
    """Upper bounds of the histograms' buckets, in seconds."""

    latency: Annotated[types.Bounds, doc("Of times to first chunk and content, and of durations.")] = LATENCY_BUCKETS
    gap: Annotated[types.Bounds, doc("Of gaps between chunks, and of the longest gap of a stream.")] = GAP_BUCKETS
    cut_after: Annotated[types.Bounds, doc("Of the time after which truncated streams ended.")] = CUT_AFTER_BUCKETS


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """How much of each target is exported."""

    detail: Annotated[
        Literal["full", "lean"], doc("`full` is at most 250 series for each target, `lean` at most 120.")
    ] = "full"
    buckets: Buckets = field(default_factory=Buckets)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of all targets together, and of a single stream."""

    concurrency: Annotated[int, Field(ge=1, le=10_000), Unit("probes"), doc("How many probes run at a time.")] = 50
    per_host: Annotated[
        int, Field(ge=1, le=10_000), Unit("probes"), doc("How many probes of one host run at a time.")
    ] = 4
    stream_bytes: Annotated[
        int,
        units.memory("1KiB", "4GiB"),
        doc("How long a stream may grow before it is `bad_response/too_large`."),
    ] = 32 * MIB
    event_bytes: Annotated[
        int, units.memory("1KiB", "1GiB"), doc("How long a single event of a stream may grow before that.")
    ] = 4 * MIB
    events: Annotated[
        int, Field(ge=100, le=100_000_000), Unit("events"), doc("How many events a stream may have before that.")
    ] = 200_000
    in_flight_bytes: Annotated[
        int,
        units.memory("1MiB", "64GiB"),
        doc(
            "How much memory the streams in flight may take together; beyond that, the one that takes most is "
            "`inconclusive/resources`."
        ),
    ] = 128 * MIB
    tokens_per_day: Annotated[
        types.Tokens | None,
        doc("How many tokens all targets together may spend a day; beyond that, probes are skipped.", 5_000_000),
    ] = None


@dataclass(frozen=True, slots=True)
class Prices:
    """What tokens cost, for metrics, events and `check --plan`."""

    currency: Annotated[types.Currency, doc("The currency of all prices.")] = "USD"
    models: Annotated[
        types.ModelPrices,
        doc(
            "The price of a million tokens of input and of output, by model; a name may be a pattern with `*`, `?` or "
            "`[...]`, and the longest one that matches counts.",
            {"my-model": {"input": 0.15, "output": 0.6}},
        ),
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Network:
    """Which addresses may be dialled, and how names are looked up."""

    deny: Annotated[
        types.Networks,
        doc("Networks to which no connection is made, besides link-local and metadata addresses.", ["10.0.0.0/8"]),
    ] = ()
    allow: Annotated[
        types.Networks,
        doc(
            "Networks that may be connected to despite `deny`, or although they are link-local or metadata addresses.",
            ["10.1.0.0/16"],
        ),
    ] = ()
    ip_family: Annotated[Literal[0, 4, 6], doc("The only IP version to use; 0 for both.")] = 0
    resolver: Annotated[
        types.Resolver,
        doc(
            "What resolves names: `system`, or only the name server at this address, without `/etc/hosts` and search "
            "domains; `localhost` is then always loopback.",
            "10.0.0.2:53",
        ),
    ] = "system"
    proxy_from_environment: Annotated[
        bool,
        doc(
            "Whether `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` are used for targets and sources without `proxy`; "
            "otherwise these variables are ignored."
        ),
    ] = False
    no_proxy: Annotated[
        types.NoProxy,
        doc(
            "Hosts that are never reached through a proxy: addresses, networks, names with their subdomains, or "
            "`.example.net` for only the subdomains; all but networks may have a `:PORT`.",
            ["10.0.0.0/8", "gateway.internal"],
        ),
    ] = ()


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """The user and the password that are sent to the servers of `http_sd`."""

    username: Annotated[types.OptionalLine, doc("The name of the user.", "chat-monitor")] = None
    password_file: Annotated[
        types.File | None,
        types.Path.PASSWORD,
        doc("A file with the password; it is read at each refresh.", "inventory.password"),
    ] = None
    password_env: Annotated[
        types.VariableName, doc("The environment variable that holds the password.", "INVENTORY_PASSWORD")
    ] = None


@dataclass(frozen=True, slots=True)
class DiscoverySource:
    """Further targets, from files or URLs in the formats of Prometheus' service discovery."""

    name: Annotated[types.Name, doc("What the source is called in metrics and messages.", "fleet")]
    file_sd: Annotated[
        tuple[types.File, ...],
        Field(strict=False),
        types.Path.CONFIG,
        doc("Files, or patterns of file names, that list targets.", ["targets/*.json"]),
    ] = ()
    http_sd: Annotated[
        tuple[types.HttpUrl, ...],
        Field(strict=False),
        types.HIDDEN,
        doc("URLs that list targets.", ["https://inventory.example.net/chat-targets"]),
    ] = ()
    bearer_token_file: Annotated[
        types.File | None,
        types.Path.SECRET,
        doc(
            "A file with the token that is sent to the servers of `http_sd`; it is read at each refresh.",
            "inventory.token",
        ),
    ] = None
    basic_auth: BasicAuth = field(default_factory=BasicAuth)
    tls: Tls = field(default_factory=Tls)
    proxy: Annotated[
        types.ProxyUrl,
        types.HIDDEN,
        doc("The HTTP proxy for requests to the servers of `http_sd`.", "http://proxy.internal:3128"),
    ] = None
    refresh: Annotated[float, units.duration("1s", "1d"), doc("How often they are read again.")] = 60.0


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A window in which targets are not probed and count in no ratio: `start` and `end`, or `at` and `duration`."""

    name: Annotated[types.Name, doc("What the window is called in messages.", "weekly")]
    targets: Annotated[
        types.TargetPatterns,
        doc(
            "The targets of the window, by name or by a pattern with `*`, `?` or `[...]`; NAME means all its models; "
            "empty for all targets.",
            ["local", "vllm-*"],
        ),
    ] = ()
    labels: Annotated[
        types.Labels,
        doc(
            "Labels that the targets of the window have, each equal to this value or matching it as a pattern.",
            {"team": "search"},
        ),
    ] = field(default_factory=dict)
    start: Annotated[
        datetime | None,
        doc("When a single window begins, as an unquoted time with its offset.", "2030-01-05T22:00:00Z"),
    ] = None
    end: Annotated[
        datetime | None,
        doc("When a single window ends, as an unquoted time with its offset.", "2030-01-06T02:00:00Z"),
    ] = None
    at: Annotated[types.TimeOfDay, doc("The time of day at which a recurring window begins.", "02:30")] = None
    duration: Annotated[float | None, units.duration("1m", "7d"), doc("How long a recurring window lasts.", "90m")] = (
        None
    )
    weekdays: Annotated[types.Weekdays, doc("The days on which a recurring window begins.")] = values.WEEKDAYS
    timezone: Annotated[types.TimeZone, doc("The time zone of `at` and `weekdays`, by its IANA name.")] = "UTC"


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole config except its targets."""

    monitor: Monitor = field(default_factory=Monitor)
    web: Web = field(default_factory=Web)
    log: Log = field(default_factory=Log)
    history: HistorySettings = field(default_factory=HistorySettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    limits: Limits = field(default_factory=Limits)
    prices: Prices = field(default_factory=Prices)
    network: Network = field(default_factory=Network)
    discovery: tuple[DiscoverySource, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    include: Annotated[
        tuple[types.File, ...],
        Field(strict=False),
        doc(
            "Further config files, or patterns of file names, relative to this one: arrays of tables are appended, and "
            "other tables are merged.",
            ["conf.d/*.toml"],
        ),
    ] = ()
