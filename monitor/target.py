"""One target: its URL, its request, when an answer is complete, and when it is too slow.

Each field with a description is a key of the config.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from monitor.keys import types, units
from monitor.keys.secret import Secret
from monitor.keys.tls import Tls
from monitor.keys.types import HIDDEN, Unit, doc


class Terminator(StrEnum):
    """What makes a stream complete (contract, section 1)."""

    END = "end"
    MARKER = "marker"
    EITHER = "either"
    BOTH = "both"
    NONE = "none"


class Connection(StrEnum):
    """Whether each probe opens a connection, or reuses the one that the previous probe left open."""

    FRESH = "fresh"
    REUSE = "reuse"


class Http(StrEnum):
    """The version of HTTP."""

    ONE = "1.1"
    TWO = "2"
    AUTO = "auto"


class Record(StrEnum):
    """How much text of the server is stored."""

    NONE = "none"
    ERROR = "error"
    TAIL = "tail"
    FULL = "full"


KEPT = {Record.NONE: 0, Record.ERROR: 0, Record.TAIL: 512, Record.FULL: 65536}
"""The bytes of a body's end that each stores."""


Deadline = Annotated[float, units.duration("10ms", "1d")]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Deadlines, from the request's start but for `idle` and `drain`."""

    connect: Annotated[Deadline, doc("Until the connection is established, name resolution and TLS included.")] = 5.0
    headers: Annotated[Deadline, doc("Until the response head has arrived.")] = 30.0
    first_chunk: Annotated[Deadline, doc("Until the first output has arrived.")] = 60.0
    idle: Annotated[Deadline, doc("From one output to the next, before the stream is `stalled`.")] = 30.0
    total: Annotated[Deadline, doc("Until the end; none of the other time-outs may be longer.")] = 300.0
    drain: Annotated[
        float,
        units.duration("0s", "60s"),
        doc("From the protocol's end on, to learn how the connection ends."),
    ] = 2.0

    def within(self, seconds: float) -> Timeouts:
        """Return these limited so that the probe, drain included, is over after this many seconds."""
        drain = min(self.drain, seconds / 10)
        return replace(self, total=min(self.total, seconds - drain), drain=drain)


Required = Annotated[
    bool | None,
    doc("Whether a failed check makes the target unavailable; by default only if the protocol has no end."),
]


@dataclass(frozen=True, slots=True)
class CountCheck:
    """The counted list: numbers in order, then a word that is new for each probe."""

    to: Annotated[int, Field(ge=2, le=10_000), Unit("numbers"), doc("How far to count.")] = 40
    required: Required = None
    kind: Annotated[Literal["count"], doc("The counted list.")] = "count"


@dataclass(frozen=True, slots=True)
class WordsCheck:
    """Given words in an order that is new for each probe, then a word that is new, too."""

    to: Annotated[int, Field(ge=2, le=60), Unit("words"), doc("How many words to ask for.")] = 30
    required: Required = None
    kind: Annotated[Literal["words"], doc("Given words, to be written in a new order each time.")] = "words"


@dataclass(frozen=True, slots=True)
class PatternCheck:
    """A regular expression that the answer has to contain."""

    pattern: Annotated[
        types.Pattern, doc("What the answer must contain, in RE2's syntax, as in Prometheus.", "(?i)paris")
    ]
    required: Required = None
    kind: Annotated[Literal["pattern"], doc("A regular expression.")] = "pattern"


@dataclass(frozen=True, slots=True)
class LengthCheck:
    """The least length of the answer."""

    min: Annotated[
        int,
        Field(ge=1, le=10_000_000),
        Unit("characters"),
        doc("The least number of characters of the answer.", 200),
    ]
    required: Required = None
    kind: Annotated[Literal["length"], doc("A minimum length.")] = "length"


ListCheck = CountCheck | WordsCheck
"""Checks with their own prompt."""
Check = CountCheck | WordsCheck | PatternCheck | LengthCheck


@dataclass(frozen=True, slots=True)
class FirstChunkSlo:
    """The objective for the time to the first chunk."""

    threshold: Annotated[float, units.duration("1ms", "1d"), doc("The time within which the first chunk is good.")] = (
        2.0
    )
    objective: Annotated[types.Ratio, doc("The ratio of probes whose first chunk must be good.")] = 0.95


@dataclass(frozen=True, slots=True)
class Slo:
    """Service level objectives, as ratios below 1."""

    availability: Annotated[types.Ratio, doc("The ratio of probes that must be available.")] = 0.99
    first_chunk: FirstChunkSlo = field(default_factory=FirstChunkSlo)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What the shared alert rules compare with, for this target."""

    truncation: Annotated[types.Ratio, doc("The ratio of truncated streams above which an alert fires.")] = 0.05
    cuts: Annotated[
        int, Field(ge=1, le=1000), Unit("streams"), doc("How many truncated streams in a row it takes for a page.")
    ] = 3
    wrong_content: Annotated[types.Ratio, doc("The ratio of wrong answers above which an alert fires.")] = 0.1
    rate_limited: Annotated[
        types.Ratio, doc("The ratio of probes refused for their rate or quota above which an alert fires.")
    ] = 0.1
    gap: Annotated[
        float,
        units.duration("1ms", "1d"),
        doc("The longest pause that nine in ten streams may have between two chunks."),
    ] = 5.0
    certificate_expiry: Annotated[
        float,
        units.duration("1h", "3650d"),
        doc("How long before a certificate's expiry an alert fires; the last quarter of it, at most 3 days, pages."),
    ] = 14 * 86400.0


_PER = 1_000_000
"""The number of tokens of a price."""


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """The price of a million tokens of one model, in a currency."""

    input: float
    output: float
    currency: str

    def of(self, input_tokens: int, output_tokens: int) -> float:
        """Return the cost of this many tokens; reasoning counts as output."""
        return (input_tokens * self.input + output_tokens * self.output) / _PER


@dataclass(frozen=True, slots=True)
class GenericUsage:
    """Where the protocol `generic` finds the tokens that the server counted."""

    input: Annotated[types.OptionalPath, doc("The tokens of the prompt.", "usage.prompt_tokens")] = None
    output: Annotated[types.OptionalPath, doc("The tokens of the answer.", "usage.completion_tokens")] = None


@dataclass(frozen=True, slots=True)
class Generic:
    """How the protocol `generic` reads a stream: dotted paths, with `[*]` for all and `[0]` or `.0` for one."""

    framing: Annotated[
        Literal["sse", "lines", "json", "raw"] | None,
        doc("What a message is; by default `sse`, without any path or marker `raw`.", "lines"),
    ] = None
    output: Annotated[
        types.OptionalPath, doc("The visible text; without any path, the whole message.", "choices[*].text")
    ] = None
    reasoning: Annotated[types.OptionalPath, doc("The reasoning.", "choices[*].reasoning")] = None
    end: Annotated[
        types.OptionalPath,
        doc("The end: a reason or true; with `=VALUE`, that value alone.", "choices[*].finish_reason"),
    ] = None
    marker: Annotated[types.OptionalLine, doc("The message that is sent after the end.", "[DONE]")] = None
    error: Annotated[types.OptionalPath, doc("An error: a text or an object.", "error")] = None
    usage: GenericUsage = field(default_factory=GenericUsage)

    @property
    def reads_json(self) -> bool:
        """Whether any path is set, so that messages are JSON."""
        paths = (self.output, self.reasoning, self.end, self.error, self.usage.input, self.usage.output)
        return any(path is not None for path in paths)


@dataclass(frozen=True, slots=True)
class Target:
    """One chat to probe."""

    name: Annotated[
        types.Name,
        doc("What it is called in metrics, events and URLs: unique, letters, digits, `.`, `_` and `-`.", "local"),
    ]
    protocol: Annotated[
        types.Line,
        doc("The wire format: one of docs/protocols.md, or `package.module:NAME` for an external one.", "openai-chat"),
    ]
    url: Annotated[
        types.HttpUrl,
        HIDDEN,
        doc("The URL to which the chat request is sent.", "http://127.0.0.1:8000/v1/chat/completions"),
    ] = field(repr=False)
    model: Annotated[types.OptionalLine, doc("The model to ask for.", "my-model")] = None
    models: Annotated[
        types.ModelNames,
        doc("Several models to ask for: each is a target of its own, named NAME/MODEL.", ["large", "small"]),
    ] = ()
    preset: Annotated[
        Literal["none", "light"],
        doc(
            "Other defaults for what a probe costs: `light` is a count to 10 every 5 minutes; a target's preset wins "
            "over the keys of the defaults."
        ),
    ] = "none"
    interval: Annotated[float, units.duration("1s", "1d"), doc("The time from one probe's start to the next.")] = 60.0
    interval_when_failing: Annotated[
        float | None,
        units.duration("1s", "1d"),
        doc("A shorter interval while the target fails, to confirm it sooner; such probes change no ratio.", "10s"),
    ] = None
    confirm: Annotated[
        int,
        Field(ge=1, le=100),
        Unit("probes"),
        doc("How many failures in a row it takes for `chat_stream_up` to fall."),
    ] = 2
    recover: Annotated[
        int,
        Field(ge=1, le=100),
        Unit("probes"),
        doc("How many successes in a row it takes for `chat_stream_up` to rise again."),
    ] = 1
    prompt: Annotated[
        Annotated[types.Text, Field(max_length=1_000_000)] | None,
        doc(
            "A text of your own to send; it disables the counted list, or, with a `count` check in the same "
            "table or above it, is put before the request for the list.",
            "What is the capital of France?",
        ),
    ] = None
    check: Annotated[
        Check | None,
        doc(
            'What makes an answer whole: "none", or a table with a `kind`; by default the counted list to 40, if '
            "the protocol takes a prompt and none is set.",
            {"kind": "count", "to": 40},
        ),
    ] = None
    max_tokens: Annotated[int, Field(ge=1, le=10_000_000), Unit("tokens"), doc("The maximum length of the answer.")] = (
        400
    )
    temperature: Annotated[types.Temperature, doc('The temperature to ask for; "none" sends none.')] = 0.0
    terminator: Annotated[
        Terminator,
        Field(strict=False),
        doc("What makes a stream complete: the protocol's end, its marker, either, both or none."),
    ] = Terminator.END
    connection: Annotated[
        Connection,
        Field(strict=False),
        doc("Whether each probe opens a new connection or reuses that of the previous one."),
    ] = Connection.FRESH
    http: Annotated[
        Http,
        Field(strict=False),
        doc(
            "The version of HTTP: `auto` is 2 if the server agrees to it in the TLS handshake, else 1.1; `2` fails "
            "without that, and is used without negotiation for an `http://` URL."
        ),
    ] = Http.ONE
    upstream: Annotated[
        types.OptionalTargetName,
        doc("The name of the target that this one forwards to, used to diagnose failures; empty for none.", "local"),
    ] = None
    proxy: Annotated[
        types.ProxyUrl,
        HIDDEN,
        doc(
            "The HTTP proxy to go through, in TLS if it is `https://` (with the settings of `tls`); empty for none.",
            "http://proxy.internal:3128",
        ),
    ] = None
    api_key_env: Annotated[
        types.VariableName,
        HIDDEN,
        doc("The environment variable that holds the key; empty for none.", "GATEWAY_KEY"),
    ] = None
    api_key_file: Annotated[
        types.OptionalLine,
        HIDDEN,
        doc(
            "The file that holds the key, among the unit's credentials or next to the config; empty for none.",
            "gateway.key",
        ),
    ] = None
    request_id_header: Annotated[
        types.OptionalHeaderName,
        doc("The header that carries the probe's id, to find it in the server's log; empty for none."),
    ] = "X-Request-ID"
    record: Annotated[
        Record,
        Field(strict=False),
        doc("How much of the server's text is kept: its error message, also the last bytes before a cut, or all."),
    ] = Record.ERROR
    tokens_per_day: Annotated[
        types.Tokens | None,
        doc("How many tokens may be spent a day; beyond that, probes are skipped.", 500_000),
    ] = None
    tokens_per_probe: Annotated[
        types.Tokens | None,
        doc(
            "The most that one probe may be charged, if that is more than four times its prompt and `max_tokens`: for "
            "system prompts and documents that the server adds.",
            20_000,
        ),
    ] = None
    paused: Annotated[bool, doc("Whether the target is not probed for now.")] = False
    locations: Annotated[
        tuple[types.Line, ...],
        Field(strict=False),
        doc("The `[monitor] location`s that probe it; empty for all.", ["eu-1", "us-1"]),
    ] = ()
    replicas: Annotated[
        int,
        Field(ge=1, le=100),
        Unit("shards"),
        doc("How many shards of each location probe it, in turns; no more than there are."),
    ] = 1
    timeouts: Timeouts = field(default_factory=Timeouts)
    slo: Slo = field(default_factory=Slo)
    alerts: Annotated[
        Literal["page", "ticket", "none"],
        doc(
            "Which alerts the target may raise: `page` all of them, `ticket` only those that do not page, or `none`.",
        ),
    ] = "page"
    thresholds: Thresholds = field(default_factory=Thresholds)
    tls: Tls = field(default_factory=Tls)
    generic: Generic = field(default_factory=Generic)
    labels: Annotated[
        types.Labels,
        doc(
            "Labels of all its series; every target has the same names, and one that it lacks is empty.",
            {"team": "search"},
        ),
    ] = field(default_factory=dict)
    headers: Annotated[types.Headers, doc("Further request headers; no secrets.", {"X-Tenant": "probe"})] = field(
        default_factory=dict
    )
    header_files: Annotated[
        types.HeaderFiles,
        doc(
            "Further request headers whose values are read from files, as `api_key_file` is.",
            {"X-Gateway-Token": "gateway.token"},
        ),
    ] = field(default_factory=dict)
    body: Annotated[
        types.Json,
        doc(
            "What is merged into the request's JSON body, table by table; an empty table replaces the request's table.",
            {"seed": 7},
        ),
    ] = field(default_factory=dict)
    api_key: Secret | None = None
    """The key from `api_key_env` or `api_key_file`. The values from `header_files` are in `headers`."""
    price: ModelPrice | None = None
    """The price of its model in `[prices]`."""
    from_variables: tuple[Secret, ...] = ()
    """The values of all variables that are sent to the server, in any key."""
    turn: int = 0
    """This monitor's number among those that probe the target, from 0: its probes start this many turns later."""
    turns: int = 1
    """The number of monitors that probe the target, in all locations: an interval has as many turns of equal length."""

    @property
    def turn_seconds(self) -> float:
        """The length of a turn: the time from the start of one monitor's probe to the start of the next monitor's."""
        return self.interval / self.turns


_LIMITS = (
    "max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "max_new_tokens", "n_predict",
    "num_predict", "maxTokens",
)  # fmt: skip
_PLACES = ("options", "parameters", "generationConfig", "inferenceConfig")


def own_limits(body: Mapping[str, object]) -> list[int]:
    """Return the limits on output tokens that a target's own `body` sets, by any protocol's name for them."""
    places = (body, *(place for key in _PLACES if isinstance(place := body.get(key), Mapping)))
    return [value for place in places for key in _LIMITS if isinstance(value := place.get(key), int)]
