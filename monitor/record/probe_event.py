"""The event of one probe, declared once: the log line, the history's row, the API's body, the input of CLI and pages.

A field whose default is UNSET may be absent. Every other key is always written; a reader assumes its default, if any,
when another version left the key out. Writers are strict: an event is made by `from_observation.event_of` and
matches the JSON Schema that `event_schema` derives from these declarations. Readers are lenient: they ignore unknown
keys and accept unknown values. Pass the text of an event through `redaction.visible` before printing it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from monitor.judge.verdict import OUR_OWN, TRUNCATED, UNREADABLE, Outcome, Phase, Unclean
from monitor.record.parts import Count, ServerError, Suspicion, Tokens, prepared
from monitor.stream.endings import AfterCut, BodyFraming
from monitor.stream.recording import Kind

SCHEMA = 1
TRIGGERS = ("schedule", "confirm", "signal", "api", "scrape", "cli")
_LONGEST = 1e9
_MIN_TOKENS = 2
_SUCCESS = 2
_ROWS = 5000
"""Rows of a timeline that are encoded at once: other threads wait for the interpreter lock meanwhile."""

Seconds = Annotated[float, Meta(ge=0, le=_LONGEST)]
Ratio = Annotated[float, Meta(ge=0, le=1)]
Text = Annotated[str, Meta(min_length=1)]


class EventError(ValueError):
    """The value is not the event of a probe; the text says what is wrong with it."""


def _word(words: Iterable[str], description: str, **more: str) -> Meta:
    """Describe a string of a closed set; readers accept other values, which a newer version may have written."""
    return Meta(description=description, extra_json_schema={"enum": [str(word) for word in words], **more})


def _about(description: str, **more: object) -> Meta:
    return Meta(description=description, extra_json_schema=more or None)


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds from zero to each clock that was reached."""

    dns: Annotated[Seconds, _about("The name was resolved.")] | UnsetType = UNSET
    connect: Annotated[Seconds, _about("The connection was established.")] | UnsetType = UNSET
    tls: Annotated[Seconds, _about("The TLS handshake was done.")] | UnsetType = UNSET
    request_sent: Annotated[Seconds, _about("The request was sent.")] | UnsetType = UNSET
    headers: Annotated[Seconds, _about("The head of the final response arrived.")] | UnsetType = UNSET
    first_byte: Annotated[Seconds, _about("The first byte of the body arrived.")] | UnsetType = UNSET
    first_event: (
        Annotated[Seconds, _about("The first thing that the protocol frames arrived, pings excluded.")] | UnsetType
    ) = UNSET
    first_chunk: (
        Annotated[Seconds, _about("The first output arrived: text, reasoning or tool call. This is TTFC.")] | UnsetType
    ) = UNSET
    first_content: Annotated[Seconds, _about("The first visible text arrived.")] | UnsetType = UNSET
    last_chunk: Annotated[Seconds, _about("The last output arrived.")] | UnsetType = UNSET
    end: Annotated[Seconds, _about("The stream ended.")] | UnsetType = UNSET


class Uncertainties(Timings, frozen=True, kw_only=True):
    """The uncertainty of each timing in seconds, and of what is computed from them."""

    duration: Annotated[Seconds, _about("Of `duration`.")] | UnsetType = UNSET
    tail: Annotated[Seconds, _about("Of `tail`.")] | UnsetType = UNSET
    gap: Annotated[Seconds, _about("Of each gap, at most.")] | UnsetType = UNSET


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds between network arrivals that carried output."""

    p50: Annotated[Seconds, _about("The median.")]
    p99: Annotated[Seconds, _about("The 99th percentile.")]
    max: Annotated[Seconds, _about("The longest.")]


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What one probe cost, by the config's `[prices]`."""

    amount: Annotated[float, Meta(ge=0, description="Money for input and output together.")]
    currency: Annotated[str, _about("The currency that the config names.")]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """The result of the content check."""

    kind: Annotated[str, _word(("count", "words", "pattern", "length"), "The kind of check.")] = ""
    progress: (
        Annotated[Ratio, _about("How much of the requested answer came, if that can be computed; 1 is all.")]
        | UnsetType
    ) = UNSET


class SloResult(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the probe was good, by each objective."""

    availability: Annotated[bool, _about("The target was available.")]
    first_chunk: Annotated[bool, _about("The first chunk came within its threshold; not reached is false.")]


class ArrivalRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One network read of payload."""

    time: Annotated[Seconds, _about("When.")]
    uncertainty: Annotated[Seconds, _about("How uncertain that is.")]
    offset: Annotated[Count, _about("The payload offset of its first byte.")]
    size: Annotated[Count, _about("The number of its bytes.")]


class EventRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One decoded event of the stream."""

    time: Annotated[Seconds, _about("When.")]
    uncertainty: Annotated[Seconds, _about("How uncertain that is.")]
    kind: Annotated[str, _word(Kind, "What it is.")]
    offset: Annotated[Count, _about("The payload offset of its end.")]


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """Every arrival and every event, in order; of a very long stream a part of them."""

    arrivals: Annotated[
        list[ArrivalRow],
        _about("Network reads of payload; if some are omitted, a row has the bytes since the row before."),
    ]
    events: Annotated[list[EventRow], _about("What was decoded from them.")]
    omitted_arrivals: (
        Annotated[Count, _about("How many arrivals of a very long stream are not in `arrivals`.")] | UnsetType
    ) = UNSET
    omitted_events: (
        Annotated[Count, _about("How many events of a very long stream are not in `events`.")] | UnsetType
    ) = UNSET

    @property
    def thinned(self) -> bool:
        """Whether rows are omitted."""
        return bool(self.omitted_arrivals or self.omitted_events)


@prepared
class ProbeEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="probe"):
    """One probe, judged: the daemon's JSON log line, `probe --json`, a row of the history, the body of the API.

    Times are in seconds from zero, the moment at which the request was issued. A key that does not apply or was not
    reached is absent, never null; 0 is a measured zero. Consumers ignore keys that they do not know.
    """

    schema: Annotated[int, _about("The version of this shape; keys can be added within one version.", const=SCHEMA)] = (
        SCHEMA
    )
    probe_id: Annotated[
        Text, _about("Unique, and rising with time. It is also sent to the server, so that its log can be searched.")
    ]
    target: Annotated[Text, _about("The target's name in the config.")]
    labels: Annotated[dict[str, str], _about("The target's labels.")] | UnsetType = UNSET
    location: Annotated[str, _about("The location of this monitor, as configured.")] | UnsetType = UNSET
    timestamp: Annotated[
        str,
        _about(
            "Wall clock at zero, in UTC with microseconds.", pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$"
        ),
    ]
    trigger: Annotated[str, _word(TRIGGERS, "What started the probe.")] = ""
    monitor_version: Annotated[str, _about("The version of chat-monitor.")] = ""

    outcome: Annotated[str, _word(Outcome, "What the probe came to.")]
    cause: (
        Annotated[str, _about("Why. Absent for ok and unverified; each other outcome has its own set.")] | UnsetType
    ) = UNSET
    phase: Annotated[str, _word(Phase, "What was going on when it stopped.")] = ""
    unclean_end: Annotated[bool, _about("The stream was complete, and the connection failed after its end.")] = False
    unclean_cause: Annotated[str, _word(Unclean, "How the connection failed after the end.")] | UnsetType = UNSET
    detail: Annotated[str, _about("The verdict as a sentence, in this monitor's words, never the server's.")]

    protocol: Annotated[str, _about("The protocol.")]
    model: Annotated[str, _about("The model that was requested.")] | UnsetType = UNSET
    response_model: Annotated[str, _about("The model that answered, according to the server.")] | UnsetType = UNSET
    url: Annotated[str, _about("The URL of the request, without user-info and query values.")] = ""
    peer: Annotated[str, _about("Address and port that were connected to.")] | UnsetType = UNSET
    ip_family: Annotated[int, _about("4 or 6.", enum=[4, 6])] | UnsetType = UNSET
    connection: Annotated[
        str, _word(("fresh", "reuse"), "Whether the connection was opened for this probe or kept from the one before.")
    ] = "fresh"
    retried: (
        Annotated[
            bool,
            _about("A kept connection failed before any response byte, and a fresh one was opened.", const=True),
        ]
        | UnsetType
    ) = UNSET
    http_version: Annotated[str, _word(("1.0", "1.1", "2"), "The version of HTTP that was used.")] | UnsetType = UNSET
    http_status: Annotated[int, _about("The status of the final response.", minimum=100, maximum=999)] | UnsetType = (
        UNSET
    )
    content_type: Annotated[str, _about("The media type of the response, without parameters.")] | UnsetType = UNSET
    content_type_mismatch: (
        Annotated[bool, _about("The media type is not one of the protocol, but the body decodes as it.", const=True)]
        | UnsetType
    ) = UNSET
    body_framing: Annotated[str, _word(BodyFraming, "How the response marks the end of its body.")] | UnsetType = UNSET
    request_ids: (
        Annotated[dict[str, str], _about("Response headers by which the server or a proxy names the request.")]
        | UnsetType
    ) = UNSET
    finish_reason: Annotated[str, _about("The protocol's reason for the end, in the server's word.")] | UnsetType = (
        UNSET
    )
    retry_after: Annotated[Count, _about("Whole seconds that the server asked to wait.")] | UnsetType = UNSET

    timings: Annotated[Timings, _about("Seconds from zero to each clock that was reached.")] = Timings()
    uncertainty: Annotated[Seconds, _about("The largest uncertainty of the chunks' times, in seconds.")] = 0.0
    uncertainties: (
        Annotated[
            Uncertainties,
            _about("The uncertainty in seconds of each timing, and of `duration`, `tail` and the gaps."),
        ]
        | UnsetType
    ) = UNSET
    own_delay: (
        Annotated[
            Seconds,
            _about(
                "Seconds by which the monitor itself was late until the request was sent; taken out of the timings."
            ),
        ]
        | UnsetType
    ) = UNSET
    schedule_delay: (
        Annotated[Seconds, _about("Seconds by which the probe started late; not part of any timing.")] | UnsetType
    ) = UNSET
    duration: Annotated[Seconds, _about("Seconds from zero to the end.")]
    tail: Annotated[Seconds, _about("Seconds from the last chunk to the end.")] | UnsetType = UNSET
    chunks: Annotated[Count, _about("Output events.")] = 0
    pings: Annotated[Count, _about("Comments and pings: signs of life without output.")] = 0
    malformed_events: Annotated[Count, _about("Events that did not decode.")] = 0
    bytes: Annotated[Count, _about("Payload bytes.")] = 0
    arrivals: Annotated[Count, _about("Network reads of payload.")] = 0
    gap: Annotated[Gap, _about("Seconds between network arrivals that carried output.")] | UnsetType = UNSET
    buffered: Annotated[
        bool, _about("Five or more chunks came in one or two arrivals, close together: a proxy buffers, most likely.")
    ] = False
    tokens: Annotated[Tokens, _about("Tokens of this probe.")] | UnsetType = UNSET
    price: Annotated[Price, _about("What this probe cost, if the config has prices for its model.")] | UnsetType = UNSET
    check: Annotated[Check, _about("What the content check found.")] | UnsetType = UNSET
    slo: (
        Annotated[
            SloResult, _about("Whether the probe was good, by each objective; absent for aborted and inconclusive.")
        ]
        | UnsetType
    ) = UNSET
    server_error: (
        Annotated[
            ServerError,
            _about("The server's own words: cut to length, control characters escaped, secrets redacted."),
        ]
        | UnsetType
    ) = UNSET
    last_words: Annotated[str, _about("The last text before a cut, if `record` keeps it.")] | UnsetType = UNSET
    after_cut: (
        Annotated[str, _word(AfterCut, "The result of a connection attempt right after a cut; nothing is sent on it.")]
        | UnsetType
    ) = UNSET
    diagnosis: (
        Annotated[tuple[Suspicion, ...], _about("What this probe and those before it, together, point at.")] | UnsetType
    ) = UNSET
    timeline: Annotated[Timeline, _about("Every arrival and event, if it was requested.")] | UnsetType = UNSET

    @property
    def verdict(self) -> str:
        """Outcome and cause, joined with a slash."""
        return f"{self.outcome}/{self.cause}" if self.cause else self.outcome

    @property
    def available(self) -> bool:
        """Whether the availability SLO counts it as good."""
        return bool(self.slo and self.slo.availability)

    @property
    def ours(self) -> bool:
        """Whether it says nothing about the target."""
        return self.outcome in OUR_OWN

    @property
    def accepted(self) -> bool:
        """Whether the head was 2xx and the stream could be read."""
        good = (self.http_status or 0) // 100 == _SUCCESS
        return good and not self.ours and (self.outcome, self.cause or None) not in UNREADABLE

    @property
    def truncated(self) -> bool:
        """Whether the truncation ratio counts it."""
        return self.accepted and (self.outcome, self.cause or None) in TRUNCATED

    @property
    def wrong_content(self) -> bool:
        """Whether the content check failed."""
        return self.outcome == Outcome.WRONG_CONTENT

    @property
    def output_rate(self) -> float | None:
        """Output tokens a second between the first chunk and the last; None if that cannot be computed."""
        span = (self.timings.last_chunk or 0.0) - (self.timings.first_chunk or 0.0)
        if not self.tokens or self.tokens.output < _MIN_TOKENS or span <= 0:
            return None
        return (self.tokens.output - 1) / span


def reached(timings: Timings) -> dict[str, float]:
    """Return the reached clocks in order, with their times in seconds."""
    return {name: time for name, time in msgspec.structs.asdict(timings).items() if time is not UNSET}


def read(value: object) -> ProbeEvent:
    """Return the event of a probe from parsed JSON; EventError if it is not one."""
    try:
        return msgspec.convert(value, ProbeEvent)
    except (msgspec.ValidationError, RecursionError) as error:
        raise EventError(f"not the event of a probe: {error}") from None


def plain(event: ProbeEvent) -> dict[str, Any]:
    """Return an event as plain values for any JSON encoder."""
    return dict(msgspec.to_builtins(event))


def as_json(event: ProbeEvent) -> bytes:
    """Return an event as one line of JSON in UTF-8, without the line end; a lone surrogate becomes U+FFFD."""
    return b"".join(json_pieces(event))


def json_pieces(event: ProbeEvent) -> Iterator[bytes]:
    """Yield the same in pieces, so that a long timeline does not keep other threads waiting."""
    timeline = event.timeline
    if not timeline:
        yield _encoded(event)
        return
    yield _encoded(msgspec.structs.replace(event, timeline=UNSET))[:-1] + b',"timeline":'
    yield from timeline_pieces(timeline)
    yield b"}"


def timeline_pieces(timeline: Timeline) -> Iterator[bytes]:
    """Yield a timeline as JSON, in pieces."""
    yield b'{"arrivals":['
    yield from _rows(timeline.arrivals)
    yield b'],"events":['
    yield from _rows(timeline.events)
    yield b"]"
    for name in ("omitted_arrivals", "omitted_events"):
        if (count := getattr(timeline, name)) is not UNSET:
            yield f',"{name}":{count}'.encode()
    yield b"}"


def _rows(rows: list[Any]) -> Iterator[bytes]:
    for at in range(0, len(rows), _ROWS):
        yield (b"," if at else b"") + msgspec.json.encode(rows[at : at + _ROWS])[1:-1]


def _encoded(event: ProbeEvent) -> bytes:
    try:
        return msgspec.json.encode(event)
    except UnicodeEncodeError:  # a lone surrogate in data of a server
        return msgspec.json.encode(without_surrogates(plain(event)))


def without_surrogates(value: Any) -> Any:  # noqa: ANN401 - any part of a JSON document
    """Return JSON-ready values with U+FFFD in place of each lone surrogate, which UTF-8 cannot encode."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
        case list() | tuple():
            return [without_surrogates(item) for item in value]
        case _:
            return value
