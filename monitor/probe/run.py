"""Ask one target once: the request goes out, the stream is decoded into the recording, and the end is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from monitor.http import Client, ExchangeInfo
from monitor.probe.assemble import kept_bytes, observe
from monitor.probe.request import ProbeRequest, ask, end_rule, unasked
from monitor.protocols import Decoder
from monitor.record.observation import Observation
from monitor.settings import Limits
from monitor.stream.endings import Ending, EndKind
from monitor.stream.recorder import Recorder
from monitor.stream.recording import EndRule
from monitor.target import Target


@dataclass(frozen=True, slots=True)
class Prober:
    """All that probes share; calling it asks a target once.

    `save` takes the payload as it comes.
    """

    client: Client
    limits: Limits
    location: str = ""
    save: Callable[[bytes], object] | None = None

    async def __call__(self, target: Target, trigger: str, schedule_delay: float | None = None) -> Observation:
        """Probe `target`; a cancellation ends the probe as `aborted`, and whatever fails here as `inconclusive`."""
        try:
            return await self._probe(target, trigger, schedule_delay)
        except Exception as error:  # noqa: BLE001 - memory, or a protocol from outside: every probe ends in one event
            kind = EndKind.RESOURCES if isinstance(error, MemoryError) else EndKind.INTERNAL
            seen = Recorder(EndRule())
            seen.ending = Ending(kind, 0.0, type(error).__name__)
            return observe(
                unasked(target),
                seen.finish(),
                ExchangeInfo(),
                timestamp=datetime.now(UTC),
                trigger=trigger,
                location=self.location,
                schedule_delay=schedule_delay,
            )

    async def _probe(self, target: Target, trigger: str, schedule_delay: float | None) -> Observation:
        question = ask(target)
        seen = Recorder(end_rule(target, question.protocol))
        kept = bytearray()
        started = datetime.now(UTC)
        decoder = Decoder(question.protocol, event_bytes=self.limits.event_bytes, events=self.limits.events)
        carried = await self._carry(question, seen, decoder, kept)
        return observe(
            question,
            seen.finish(),
            carried,
            kept=bytes(kept),
            timestamp=started,
            trigger=trigger,
            location=self.location,
            schedule_delay=schedule_delay,
            outside=decoder.outside,
        )

    async def _carry(self, question: ProbeRequest, seen: Recorder, decoder: Decoder, kept: bytearray) -> ExchangeInfo:
        most = kept_bytes(question.target)

        def feed(data: bytes) -> str | None:
            for event, offset in decoder.feed(data):
                seen.record(event, offset)
            if most:
                kept.extend(data)
                del kept[:-most]
            if self.save is not None:
                self.save(data)
            return decoder.too_large

        carried = ExchangeInfo()
        try:
            carried = await self.client.carry(question.call, seen, feed)
            for event, offset in decoder.close():
                seen.record(event, offset)
        except Exception as error:  # noqa: BLE001 - a bug, ours or an outside protocol's, is a verdict and no lost probe
            kind = EndKind.RESOURCES if isinstance(error, MemoryError) else EndKind.INTERNAL
            seen.ending = Ending(kind, seen.ending.at if seen.ending else 0.0, type(error).__name__)
        return carried
