"""Make the event of a probe from its observation: the only place that fills a `ProbeEvent`."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from monitor import __version__
from monitor.judge.verdict import OUR_OWN
from monitor.record.observation import Observation, shown_url
from monitor.record.parts import given
from monitor.record.probe_event import (
    ArrivalRow,
    Check,
    EventRow,
    Gap,
    Price,
    ProbeEvent,
    SloResult,
    Timeline,
    Timings,
    Uncertainties,
)
from monitor.stream.recording import GapFigures, Recording
from monitor.stream.statistics import buffered, gap_figures, uncertainties, uncertainty

_MONEY_DIGITS = 9
"""Decimals of an amount: a token of the cheapest models costs about 10^-8."""


def event_of(observation: Observation, *, timeline: bool = False) -> ProbeEvent:
    """Return the event of contract section 3; a key that does not apply or was not reached is absent."""
    recording, verdict, head = observation.recording, observation.verdict, observation.recording.head
    return ProbeEvent(
        probe_id=observation.probe_id,
        target=observation.target.name,
        labels=dict(observation.target.labels) or UNSET,
        location=observation.location or UNSET,
        timestamp=observation.timestamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        trigger=observation.trigger,
        monitor_version=__version__,
        outcome=verdict.outcome.value,
        cause=given(verdict.cause),
        phase=verdict.phase.value,
        unclean_end=verdict.unclean is not None,
        unclean_cause=verdict.unclean.value if verdict.unclean else UNSET,
        detail=verdict.detail,
        protocol=observation.target.protocol,
        model=given(observation.target.model),
        response_model=given(recording.model),
        url=shown_url(observation.target),
        peer=given(observation.peer),
        ip_family=given(observation.ip_family),
        connection=observation.connection,
        retried=observation.retried or UNSET,
        http_version=head.http_version if head else UNSET,
        http_status=head.status if head else UNSET,
        content_type=(head and head.content_type) or UNSET,
        content_type_mismatch=verdict.content_type_mismatch or UNSET,
        body_framing=head.framing.value if head else UNSET,
        request_ids=(head and dict(head.request_ids)) or UNSET,
        finish_reason=given(recording.end.reason) if head else UNSET,
        retry_after=given(head.retry_after) if head else UNSET,
        timings=Timings(**{mark.value: _seconds(time) for mark, time in recording.marks.items()}),
        uncertainty=_seconds(uncertainty(recording)),
        uncertainties=Uncertainties(**{name: _seconds(unsure) for name, unsure in uncertainties(recording).items()}),
        own_delay=UNSET if observation.own_delay is None else _seconds(observation.own_delay),
        schedule_delay=UNSET if observation.schedule_delay is None else _seconds(observation.schedule_delay),
        duration=_seconds(observation.duration),
        tail=UNSET if observation.tail is None else _seconds(observation.tail),
        chunks=recording.chunks,
        pings=recording.pings,
        malformed_events=recording.end.malformed_events,
        bytes=recording.bytes,
        arrivals=recording.reads,
        gap=_gap(gap_figures(recording)),
        buffered=buffered(recording),
        tokens=given(observation.tokens),
        price=_price(observation),
        check=_check(observation),
        slo=_slo(observation),
        server_error=given(observation.server_error),
        last_words=given(observation.last_words),
        after_cut=observation.after_cut.value if observation.after_cut else UNSET,
        diagnosis=observation.diagnosis or UNSET,
        timeline=timeline_of(recording) if timeline else UNSET,
    )


def timeline_of(recording: Recording) -> Timeline:
    """Return every arrival and event of a recording; it takes long for a long stream."""
    arrivals, before = [], 0
    for arrival in recording.arrivals:
        size = arrival.offset - before
        arrivals.append(ArrivalRow(_seconds(arrival.time), _seconds(arrival.uncertainty), before, size))
        before = arrival.offset
    events = [
        EventRow(_seconds(at.time), _seconds(at.uncertainty), kind.value, offset)
        for at, kind, offset in recording.events
    ]
    if recording.whole is None:
        return Timeline(arrivals=arrivals, events=events)
    return Timeline(
        arrivals=arrivals,
        events=events,
        omitted_arrivals=recording.whole.reads - len(arrivals),
        omitted_events=recording.whole.events - len(events),
    )


def _gap(found: GapFigures | None) -> Gap | UnsetType:
    return UNSET if found is None else Gap(**{name: _seconds(value) for name, value in found._asdict().items()})


def _check(observation: Observation) -> Check | UnsetType:
    if (it := observation.check) is None:
        return UNSET
    return Check(kind=it.kind, progress=UNSET if it.progress is None else round(it.progress, 4))


def _price(observation: Observation) -> Price | UnsetType:
    if observation.target.price is None or observation.tokens is None:
        return UNSET
    amount = observation.target.price.of(observation.tokens.input, observation.tokens.output)
    return Price(amount=round(amount, _MONEY_DIGITS), currency=observation.target.price.currency)


def _slo(observation: Observation) -> SloResult | UnsetType:
    if observation.verdict.outcome in OUR_OWN:
        return UNSET
    return SloResult(availability=observation.available, first_chunk=observation.first_chunk_good)


def _seconds(value: float) -> float:
    """Round to microseconds, the precision of an event."""
    return round(value, 6)
