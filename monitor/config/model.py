"""Every key of the config: its type, default, unit, bounds, and one sentence on what it does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema
from pydantic.annotated_handlers import GetJsonSchemaHandler
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from monitor.config import units, values
from monitor.protocols import PROTOCOLS
from monitor.settings import Buckets, Discovery, History, Limits, Log, Metrics, Network, Settings, Web
from monitor.target import Connection, CountCheck, Record, Slo, Target, Terminator, Timeouts, Tls

_WEB, _LOG, _METRICS, _BUCKETS, _LIMITS, _NETWORK, _HISTORY = (
    Web(), Log(), Metrics(), Buckets(), Limits(), Network(), History()
)  # fmt: skip
_TARGET, _TIMEOUTS, _SLO, _TLS = Target("", "", ""), Timeouts(), Slo(), Tls()


@dataclass(frozen=True, slots=True)
class Unit:
    """What a bare number counts."""

    name: str

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"x-unit": self.name}


class Table(BaseModel):
    """A table of the config; a key that it does not have is a mistake."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True, validate_default=False
    )


def _one_of(*keys: tuple[str, ...]) -> ConfigDict:
    """Return what an editor checks: that one of these sets of keys is there."""
    return ConfigDict(json_schema_extra={"oneOf": [{"required": list(one)} for one in keys]})


def _text(pattern: str) -> WithJsonSchema:
    """Return what an editor checks: the pattern, or a text with a ${VAR} in it."""
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern}|{units.VARIABLE_PATTERN})$"})


_PRINTABLE, _SAYS_SOMETHING = r"[^\x00-\x1f\x7f]*", r"[\s\S]*\S[\s\S]*"
_URL_PATTERN = r"[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#][^\s#]*"
_HEADER_PATTERN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"

Name = Annotated[str, AfterValidator(values.name), _text(values.NAME_PATTERN)]
Line = Annotated[str, AfterValidator(values.one_line), _text(_PRINTABLE)]
HttpUrl = Annotated[str, AfterValidator(values.url), _text(_URL_PATTERN)]
File = Annotated[
    str,
    AfterValidator(values.one_line),
    AfterValidator(values.not_blank),
    _text(rf"{_PRINTABLE}[^\x00-\x20\x7f]{_PRINTABLE}"),
]
Ratio = Annotated[float, Field(gt=0, lt=1)]
Bounds = Annotated[
    tuple[float, ...],
    Field(strict=False, max_length=40),
    AfterValidator(values.bounds),
    WithJsonSchema(
        {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}, "minItems": 1, "maxItems": 40}
    ),
    Unit("seconds"),
]
Networks = Annotated[
    tuple[Annotated[str, AfterValidator(values.cidr), _text("[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?")], ...],
    Field(strict=False),
]
Names = Annotated[tuple[Name, ...], Field(strict=False)]
Tokens = Annotated[int, Field(ge=1, le=10**9), Unit("tokens")]
RecordWord = Annotated[Record, Field(strict=False)]


class MonitorTable(Table):
    """The monitor itself."""

    location: Line = Field(
        default="",
        max_length=63,
        description="Where this monitor stands: a field of every event, and what `locations` of a target refers to.",
        examples=["eu-1"],
    )
    reload_on_change: bool = Field(
        default=Settings().reload_on_change,
        description="Whether a change of this file is a reload; else a reload has to be asked for.",
    )


class WebTable(Table):
    """The pages, the metrics and the API."""

    listen: Annotated[str, AfterValidator(values.listen), _text(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]]*):[0-9]{1,5}")] = (
        Field(
            default=f"{_WEB.host}:{_WEB.port}",
            description="Address and port to listen on; anything but loopback needs `--web.config.file`.",
        )
    )
    probe: bool = Field(
        default=_WEB.probe, description="Whether `GET /probe?target=NAME` may start a probe, which spends tokens."
    )
    allowed_hosts: Annotated[tuple[Annotated[str, AfterValidator(values.host_name)], ...], Field(strict=False)] = Field(
        default=_WEB.allowed_hosts,
        description="Further host names under which the monitor is reached, for example behind a reverse proxy.",
        examples=[["monitor.example.net"]],
    )


class LogTable(Table):
    """The log, which holds one event for each probe."""

    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="How lines are written: `auto` is text on a terminal and JSON elsewhere."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="The least level of the monitor's own messages; the events of probes are always written.",
    )
    timeline: bool = Field(
        default=_LOG.timeline, description="Whether each event carries every arrival and every message with its time."
    )


class HistoryTable(Table):
    """The recent probes of each target, kept for pages, `history` and `explain`."""

    path: File | None = Field(
        default=_HISTORY.path,
        description="The file they are kept in, relative to the state directory or to the config; without it, memory.",
        examples=["history.db"],
    )
    probes_per_target: Annotated[int, Field(ge=1, le=1_000_000), Unit("probes")] = Field(
        default=_HISTORY.probes_per_target, description="How many probes of each target are kept."
    )
    failures_per_target: Annotated[int, Field(ge=0, le=1_000_000), Unit("probes")] = Field(
        default=_HISTORY.failures_per_target, description="How many failed probes of each target are kept beyond those."
    )
    max_bytes: Annotated[int, units.memory("1MiB", "1000GiB")] = Field(
        default=_HISTORY.max_bytes, description="How large the history may grow before its oldest probes go."
    )
    max_age: Annotated[float, units.duration("1m", "3650d")] = Field(
        default=_HISTORY.max_age, description="How old a probe may grow before it goes."
    )
    record: RecordWord = Field(
        default=Record(_HISTORY.record),
        description="The most of the server's own words that is kept here, whatever a target's `record` is.",
    )


class BucketsTable(Table):
    """Upper bounds of the histograms' buckets, in seconds."""

    latency: Bounds = Field(
        default=_BUCKETS.latency, description="Of times to first chunk and content, and of durations."
    )
    gap: Bounds = Field(default=_BUCKETS.gap, description="Of gaps between chunks, and of the longest gap of a stream.")
    cut_after: Bounds = Field(
        default=_BUCKETS.cut_after, description="Of the time after which truncated streams ended."
    )


class MetricsTable(Table):
    """How much of each target is exported."""

    detail: Literal["full", "lean"] = Field(
        default="full", description="`full` is at most 250 series for each target, `lean` at most 120."
    )
    buckets: BucketsTable = Field(default=BucketsTable(), description=BucketsTable.__doc__)


class LimitsTable(Table):
    """What all targets together, or a single stream, may take."""

    concurrency: Annotated[int, Field(ge=1, le=10_000), Unit("probes")] = Field(
        default=_LIMITS.concurrency, description="How many probes run at a time."
    )
    per_host: Annotated[int, Field(ge=1, le=10_000), Unit("probes")] = Field(
        default=_LIMITS.per_host, description="How many probes of one host run at a time."
    )
    stream_bytes: Annotated[int, units.memory("1KiB", "4GiB")] = Field(
        default=_LIMITS.stream_bytes, description="How long a stream may grow before it is `bad_response/too_large`."
    )
    event_bytes: Annotated[int, units.memory("1KiB", "1GiB")] = Field(
        default=_LIMITS.event_bytes, description="How long a single event of a stream may grow before that."
    )
    events: Annotated[int, Field(ge=100, le=100_000_000), Unit("events")] = Field(
        default=_LIMITS.events, description="How many events a stream may have before that."
    )
    tokens_per_day: Tokens | None = Field(
        default=_LIMITS.tokens_per_day,
        description="How many tokens all targets together may spend a day; beyond that, probes are skipped.",
        examples=[5_000_000],
    )


class NetworkTable(Table):
    """Which addresses may be dialled, and how names are looked up."""

    deny: Networks = Field(
        default=(),
        description="Networks that are never dialled, besides link-local and metadata addresses.",
        examples=[["10.0.0.0/8"]],
    )
    allow: Networks = Field(
        default=(),
        description="Networks that are dialled in spite of `deny`, and of being link-local or metadata addresses.",
        examples=[["10.1.0.0/16"]],
    )
    ip_family: Literal[0, 4, 6] = Field(default=0, description="The only IP version that is dialled; 0 for both.")
    resolver: Annotated[str, AfterValidator(values.resolver)] = Field(
        default=_NETWORK.resolver,
        description="Who looks up names: `system`, or the name server at this address alone, for which neither "
        "`/etc/hosts` nor search domains are read, and `localhost` is the loopback.",
        examples=["10.0.0.2:53"],
    )


class DiscoveryTable(Table):
    """Further targets, from files or URLs in the formats of Prometheus' service discovery."""

    model_config = _one_of(("file_sd",), ("http_sd",))

    name: Name = Field(description="What the source is called in metrics and messages.", examples=["fleet"])
    file_sd: Annotated[tuple[File, ...], Field(strict=False)] = Field(
        default=(), description="Files, or patterns of file names, that list targets.", examples=[["targets/*.json"]]
    )
    http_sd: Annotated[tuple[HttpUrl, ...], Field(strict=False)] = Field(
        default=(), description="URLs that list targets.", examples=[["https://inventory.example.net/chat-targets"]]
    )
    refresh: Annotated[float, units.duration("1s", "1d")] = Field(
        default=Discovery("").refresh, description="How often they are read again."
    )


class MaintenanceTable(Table):
    """A window in which targets are not probed and count in no ratio: `start` and `end`, or `at` and `duration`."""

    model_config = _one_of(("start", "end"), ("at", "duration"))

    name: Name = Field(description="What the window is called in messages.", examples=["weekly"])
    targets: Names = Field(
        default=(), description="The names of the targets concerned; empty for all.", examples=[["local"]]
    )
    start: datetime | None = Field(
        default=None, description="When a single window begins, as an unquoted time with its offset.",
        examples=["2030-01-05T22:00:00Z"],
    )  # fmt: skip
    end: datetime | None = Field(
        default=None, description="When a single window ends, as an unquoted time with its offset.",
        examples=["2030-01-06T02:00:00Z"],
    )  # fmt: skip
    at: Annotated[str, AfterValidator(values.time_of_day), _text("[0-2][0-9]:[0-5][0-9]")] | None = Field(
        default=None, description="The time of day at which a recurring window begins.", examples=["02:30"]
    )
    duration: Annotated[float, units.duration("1m", "7d")] | None = Field(
        default=None, description="How long a recurring window lasts.", examples=["90m"]
    )
    weekdays: Annotated[tuple[values.Weekday, ...], Field(strict=False), AfterValidator(values.not_empty)] = Field(
        default=values.WEEKDAYS, description="The days on which a recurring window begins."
    )
    timezone: Annotated[str, AfterValidator(values.time_zone)] = Field(
        default="UTC", description="The time zone of `at` and `weekdays`, by its IANA name."
    )


Deadline = Annotated[float, units.duration("10ms", "1d")]


class TimeoutsTable(Table):
    """Deadlines, from the request's start but for `idle` and `drain`."""

    connect: Deadline = Field(
        default=_TIMEOUTS.connect, description="Until the connection stands, look-up and TLS included."
    )
    headers: Deadline = Field(default=_TIMEOUTS.headers, description="Until the response head is there.")
    first_chunk: Deadline = Field(default=_TIMEOUTS.first_chunk, description="Until the first output is there.")
    idle: Deadline = Field(
        default=_TIMEOUTS.idle, description="From one output to the next, before the stream is `stalled`."
    )
    total: Deadline = Field(default=_TIMEOUTS.total, description="Until the end; no other of these may be longer.")
    drain: Annotated[float, units.duration("0s", "60s")] = Field(
        default=_TIMEOUTS.drain, description="From the protocol's end on, to learn how the connection ends."
    )


_REQUIRED = "Whether a failed check makes the target unavailable; by default where the protocol has no end."


class CountTable(Table):
    """The counted list: numbers in order, then a word that is new for each probe."""

    kind: Literal["count"] = Field(description="The counted list.")
    to: Annotated[int, Field(ge=2, le=10_000), Unit("numbers")] = Field(
        default=CountCheck().to, description="How far to count."
    )
    required: bool | None = Field(default=None, description=_REQUIRED)


class PatternTable(Table):
    """A regular expression that the answer has to contain."""

    kind: Literal["pattern"] = Field(description="A regular expression.")
    pattern: Annotated[str, AfterValidator(values.not_blank), AfterValidator(values.pattern)] = Field(
        description="What the answer has to contain, in RE2's syntax, as in Prometheus.", examples=["(?i)paris"]
    )
    required: bool | None = Field(default=None, description=_REQUIRED)


class LengthTable(Table):
    """The least length of the answer."""

    kind: Literal["length"] = Field(description="A least length.")
    min: Annotated[int, Field(ge=1, le=10_000_000), Unit("characters")] = Field(
        description="How many characters the answer has to have.", examples=[200]
    )
    required: bool | None = Field(default=None, description=_REQUIRED)


CHECKS: dict[str, type[Table]] = {"count": CountTable, "pattern": PatternTable, "length": LengthTable}


def _kind_of_check(given: object) -> str | None:
    """Return the tag of a check; the angle brackets keep it apart from keys in the paths of errors."""
    if given == "none":
        return "<none>"
    kind = given.get("kind") if isinstance(given, dict) else None
    return f"<{kind}>" if isinstance(kind, str) and kind in CHECKS else None


Check = Annotated[
    Annotated[Literal["none"], Tag("<none>")]
    | Annotated[CountTable, Tag("<count>")]
    | Annotated[PatternTable, Tag("<pattern>")]
    | Annotated[LengthTable, Tag("<length>")],
    Discriminator(_kind_of_check),
]


class FirstChunkTable(Table):
    """The objective for the time to the first chunk."""

    threshold: Annotated[float, units.duration("1ms", "1d")] = Field(
        default=_SLO.threshold, description="The time within which the first chunk is good."
    )
    objective: Ratio = Field(
        default=_SLO.objective, description="The ratio of probes whose first chunk has to be good."
    )


class SloTable(Table):
    """Service level objectives, as ratios below 1."""

    availability: Ratio = Field(default=_SLO.availability, description="The ratio of probes that have to be available.")
    first_chunk: FirstChunkTable = Field(default=FirstChunkTable(), description=FirstChunkTable.__doc__)


class TlsTable(Table):
    """How the target's certificate is judged, and ours for it; PEM files."""

    ca_file: File | None = Field(
        default=_TLS.ca_file, description="The authorities to trust instead of the system's.", examples=["ca.pem"]
    )
    cert_file: File | None = Field(
        default=_TLS.cert_file, description="The client certificate, with its chain.", examples=["client.pem"]
    )
    key_file: File | None = Field(
        default=_TLS.key_file, description="The client certificate's key, where `cert_file` does not hold it.",
        examples=["client.key"],
    )  # fmt: skip
    server_name: Annotated[str, AfterValidator(values.host_name)] | None = Field(
        default=_TLS.server_name,
        description="The name to ask for and to expect in the certificate, instead of the URL's host.",
        examples=["gateway.internal"],
    )
    insecure_skip_verify: bool = Field(
        default=_TLS.insecure_skip_verify, description="Whether any certificate is accepted: for tests only."
    )


# A nullable number, not a union of two: so it has one complaint, not two.
Temperature = Annotated[
    Annotated[float, Field(ge=0, le=10)] | None,
    BeforeValidator(lambda given: None if given == "none" else given),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "maximum": 10}, {"const": "none"}]}),
]
HeaderName = Annotated[str, AfterValidator(values.header_name)]


def _mapping(names: JsonDict, value: JsonDict, **more: int) -> WithJsonSchema:
    """Return what an editor checks of a table whose keys are free: its names, and its values or a ${VAR}."""
    return WithJsonSchema({"type": "object", "additionalProperties": value, "propertyNames": names, **more})


def _in_any_case(words: Iterable[str]) -> str:
    """Return a pattern that needs no flag, which not every regular expression of an editor has."""
    return "|".join("".join(f"[{c.upper()}{c}]" if c.isalpha() else c for c in word) for word in sorted(words))


_LABELS = _mapping(
    {"pattern": f"^(?!__){values.LABEL_PATTERN}$", "not": {"enum": [*sorted(values.RESERVED_LABELS)]}},
    {"type": "string", "maxLength": values.LONGEST_LABEL, "pattern": f"^{_PRINTABLE}$"},
    maxProperties=20,
)
_HEADER_NAMES: JsonDict = {"pattern": f"^(?!(?:{_in_any_case(values.OWN_HEADERS)})$){_HEADER_PATTERN}$"}


ProtocolName = Annotated[
    Line, WithJsonSchema({"anyOf": [{"enum": list(PROTOCOLS)}, {"type": "string", "pattern": r":|\$\{"}]})
]
_PROTOCOL = "The wire format, by name, or `package.module:NAME` for one from outside."
_URL = "Where the chat is asked for."
_A_PROTOCOL, _A_URL = "openai-chat", "http://127.0.0.1:8000/v1/chat/completions"


class TargetKeys(Table):
    """What `[defaults]` and each `[[targets]]` may hold; a target's own keys win, and tables are merged key by key."""

    protocol: ProtocolName | None = Field(default=None, description=_PROTOCOL, examples=[_A_PROTOCOL])
    url: HttpUrl | None = Field(default=None, description=_URL, examples=[_A_URL])
    model: Line | None = Field(default=_TARGET.model, description="The model to ask for.", examples=["my-model"])
    interval: Annotated[float, units.duration("1s", "1d")] = Field(
        default=_TARGET.interval, description="The time from one probe's start to the next."
    )
    interval_when_failing: Annotated[float, units.duration("1s", "1d")] | None = Field(
        default=_TARGET.interval_when_failing,
        description="A shorter interval while the target fails, to confirm it sooner; such probes bend no ratio.",
        examples=["10s"],
    )
    confirm: Annotated[int, Field(ge=1, le=100), Unit("probes")] = Field(
        default=_TARGET.confirm, description="How many failures in a row it takes for `chat_stream_up` to fall."
    )
    prompt: Annotated[str, AfterValidator(values.not_blank), _text(_SAYS_SOMETHING)] | None = Field(
        default=_TARGET.prompt,
        max_length=1_000_000,
        description=(
            "A text of your own to send; it switches the counted list off, or, with a `count` check in the same "
            "table or above it, is put before the request for the list."
        ),
        examples=["What is the capital of France?"],
    )
    check: Check | None = Field(
        default=None,
        description=(
            'What makes an answer whole: "none", or a table with a `kind`; by default the counted list to 40, where '
            "the protocol takes a prompt and you gave none."
        ),
        examples=[{"kind": "count", "to": 40}],
    )
    max_tokens: Annotated[int, Field(ge=1, le=10_000_000), Unit("tokens")] = Field(
        default=_TARGET.max_tokens, description="The most that the model may answer."
    )
    temperature: Temperature = Field(
        default=_TARGET.temperature, description='The temperature to ask for; "none" sends none.'
    )
    terminator: Annotated[Terminator, Field(strict=False)] = Field(
        default=_TARGET.terminator,
        description="What makes a stream complete: the protocol's end, its marker, either, both or none.",
    )
    connection: Annotated[Connection, Field(strict=False)] = Field(
        default=_TARGET.connection,
        description="Whether each probe dials anew or reuses the connection of the one before.",
    )
    upstream: Annotated[
        str, AfterValidator(values.optional_name), _text(f"(?:{values.NAME_PATTERN})?")
    ] | None = Field(
        default=_TARGET.upstream,
        description="The name of the target behind this one, to tell whose fault a cut is; empty for none.",
        examples=["local"],
    )  # fmt: skip
    proxy: Annotated[str, AfterValidator(values.optional_url), _text(f"(?:{_URL_PATTERN})?")] | None = Field(
        default=None,
        description="The HTTP proxy to go through; empty for none.",
        examples=["http://proxy.internal:3128"],
    )
    api_key_env: (
        Annotated[str, AfterValidator(values.variable_name), _text(f"(?:{values.VARIABLE_NAME_PATTERN})?")] | None
    ) = Field(
        default=None,
        description="The environment variable that holds the key; empty for none.",
        examples=["GATEWAY_KEY"],
    )
    api_key_file: Line | None = Field(
        default=None,
        description="The file that holds the key, among the unit's credentials or beside the config; empty for none.",
        examples=["gateway.key"],
    )
    request_id_header: Annotated[str, AfterValidator(values.optional_header_name)] = Field(
        default=_TARGET.request_id_header or "",
        description="The header that carries the probe's id, to find it in the server's log; empty for none.",
    )
    record: RecordWord = Field(
        default=_TARGET.record,
        description="How much of the server's own words is kept: `tail` also the last bytes before a cut.",
    )
    tokens_per_day: Tokens | None = Field(
        default=_TARGET.tokens_per_day,
        description="How many tokens may be spent a day; beyond that, probes are skipped.",
        examples=[500_000],
    )
    paused: bool = Field(default=_TARGET.paused, description="Whether it is left alone for now.")
    locations: Annotated[tuple[Line, ...], Field(strict=False)] = Field(
        default=_TARGET.locations,
        description="The `[monitor] location`s that watch it; empty for all.",
        examples=[["eu-1", "us-1"]],
    )
    timeouts: TimeoutsTable = Field(default=TimeoutsTable(), description=TimeoutsTable.__doc__)
    slo: SloTable = Field(default=SloTable(), description=SloTable.__doc__)
    tls: TlsTable = Field(default=TlsTable(), description=TlsTable.__doc__)
    labels: Annotated[
        dict[Annotated[str, AfterValidator(values.label_name)], Annotated[str, AfterValidator(values.label_value)]],
        _LABELS,
    ] = Field(
        default_factory=dict,
        max_length=20,
        description="Labels of all its series; every target has the same names, and one that it lacks is empty.",
        examples=[{"team": "search"}],
    )
    headers: Annotated[
        dict[HeaderName, Annotated[str, AfterValidator(values.header_value)]],
        _mapping(_HEADER_NAMES, {"type": "string", "pattern": f"^(?:[\\t -~]*|{units.VARIABLE_PATTERN})$"}),
    ] = Field(
        default_factory=dict, description="Further request headers; no secrets.", examples=[{"X-Tenant": "probe"}]
    )
    header_files: Annotated[dict[HeaderName, File], _mapping(_HEADER_NAMES, {"type": "string", "pattern": r"\S"})] = (
        Field(
            default_factory=dict,
            description="Further request headers whose values are read from files, as `api_key_file` is.",
            examples=[{"X-Gateway-Token": "gateway.token"}],
        )
    )
    body: Annotated[dict[str, Any], AfterValidator(values.encodable)] = Field(
        default_factory=dict,
        description="What is merged into the request's JSON body; an empty table replaces one.",
        examples=[{"seed": 7}],
    )


class DefaultsTable(TargetKeys):
    """What holds for every target that says nothing else: any of its keys but `name`."""


# An editor cannot know what stands in the defaults: for it, only the name is required.
_REQUIRED_SOMEWHERE: JsonDict = {"x-required": True}


class TargetTable(TargetKeys):
    """One chat to watch."""

    model_config = ConfigDict(json_schema_extra={"required": ["name"]})

    name: Name = Field(
        description="What it is called in metrics, events and URLs: unique, letters, digits, `.`, `_` and `-`.",
        examples=["local"],
    )
    protocol: ProtocolName = Field(description=_PROTOCOL, examples=[_A_PROTOCOL], json_schema_extra=_REQUIRED_SOMEWHERE)
    url: HttpUrl = Field(description=_URL, examples=[_A_URL], json_schema_extra=_REQUIRED_SOMEWHERE)


class FileTable(Table):
    """The config of chat-monitor."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["targets"], "properties": {"targets": {"minItems": 1}}},
                {"required": ["discovery"], "properties": {"discovery": {"minItems": 1}}},
            ]
        }
    )

    monitor: MonitorTable = Field(default=MonitorTable(), description=MonitorTable.__doc__)
    web: WebTable = Field(default=WebTable(), description=WebTable.__doc__)
    log: LogTable = Field(default=LogTable(), description=LogTable.__doc__)
    history: HistoryTable = Field(default=HistoryTable(), description=HistoryTable.__doc__)
    metrics: MetricsTable = Field(default=MetricsTable(), description=MetricsTable.__doc__)
    limits: LimitsTable = Field(default=LimitsTable(), description=LimitsTable.__doc__)
    network: NetworkTable = Field(default=NetworkTable(), description=NetworkTable.__doc__)
    discovery: tuple[DiscoveryTable, ...] = Field(default=(), description=DiscoveryTable.__doc__)
    maintenance: tuple[MaintenanceTable, ...] = Field(default=(), description=MaintenanceTable.__doc__)
    defaults: DefaultsTable = Field(default=DefaultsTable(), description=DefaultsTable.__doc__)
    targets: tuple[TargetTable, ...] = Field(default=(), description=TargetTable.__doc__)
