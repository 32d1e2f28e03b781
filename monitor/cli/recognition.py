"""Recognize the protocol of a response's payload, independent of the requested one."""

from __future__ import annotations

from monitor.protocols import PROTOCOLS, Decoder, Protocol
from monitor.settings import Limits
from monitor.stream.events import Done, Finish, Malformed, Meta, Output


def recognized(payload: bytes, limits: Limits) -> Protocol | None:
    """Return the only protocol that decodes `payload` from its first event to its end; None if that is ambiguous.

    Several protocols share OpenAI's chunk: if all of them decode the same answer, it is the first one of the registry.
    """
    readings = [(protocol, text) for protocol in PROTOCOLS.values() if (text := _read(protocol, payload, limits))]
    return readings[0][0] if len({text for _, text in readings}) == 1 else None


def _read(protocol: Protocol, payload: bytes, limits: Limits) -> str:
    """Return the answer in `payload` for a protocol; "" if it does not decode completely, or has no end."""
    if not protocol.end or protocol.configure is not None:
        return ""
    decoder = Decoder(protocol, event_bytes=limits.event_bytes, events=limits.events)
    events = [event for event, _ in (*decoder.feed(payload), *decoder.close())]
    foreign = any(isinstance(event, Malformed) or (isinstance(event, Meta) and event.foreign) for event in events)
    ended = any(isinstance(event, Finish | Done) for event in events)
    if foreign or not ended:
        return ""
    return "".join(event.text for event in events if isinstance(event, Output) and not event.repeats)
