"""Run one probe: send the request, decode the stream into the recording, and judge it at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from traceback import clear_frames

from monitor.http import Client, ExchangeInfo
from monitor.http.errors import abort_reason
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
    """What all probes share; a call runs one probe.

    `save` gets the payload as it arrives, in the event loop: it must not wait for a disk.
    """

    client: Client
    limits: Limits
    location: str = ""
    save: Callable[[bytes], object] | None = None

    async def __call__(self, target: Target, trigger: str, schedule_delay: float | None = None) -> Observation:
        """Probe `target`; a cancellation ends the probe as `aborted`, a failure of the monitor as `inconclusive`."""
        request: ProbeRequest | None = None
        try:
            request = ask(target)
            return await self._probe(request, trigger, schedule_delay)
        except BaseException as error:  # noqa: BLE001 - a cancellation, memory, an outside protocol: each ends in one event
            clear_frames(error.__traceback__)  # they refer to the data of the stream
            recorder = Recorder(EndRule())
            recorder.ending = _ending_of(error, 0.0)
            return observe(
                request or unasked(target),
                recorder.finish(),
                ExchangeInfo(),
                timestamp=datetime.now(UTC),
                trigger=trigger,
                location=self.location,
                schedule_delay=schedule_delay,
            )

    async def _probe(self, request: ProbeRequest, trigger: str, schedule_delay: float | None) -> Observation:
        recorder = Recorder(end_rule(request.target, request.protocol))
        decoder = Decoder(request.protocol, event_bytes=self.limits.event_bytes, events=self.limits.events)
        kept = bytearray()
        started = datetime.now(UTC)
        info = await self._exchange(request, recorder, decoder, kept)
        return observe(
            request,
            recorder.finish(),
            info,
            kept=bytes(kept),
            timestamp=started,
            trigger=trigger,
            location=self.location,
            schedule_delay=schedule_delay,
            outside=decoder.outside,
        )

    async def _exchange(
        self, request: ProbeRequest, recorder: Recorder, decoder: Decoder, kept: bytearray
    ) -> ExchangeInfo:
        most = kept_bytes(request.target)

        def feed(data: bytes) -> str | None:
            for event, offset in decoder.feed(data):
                recorder.record(event, offset)
            if most:
                kept.extend(data)
                del kept[:-most]
            if self.save is not None:
                self.save(data)
            return decoder.too_large

        recorder.besides = lambda: decoder.held + len(kept)
        info = ExchangeInfo()
        try:
            info = await self.client.send(request.call, recorder, feed)
            for event, offset in decoder.close():
                recorder.record(event, offset)
        except BaseException as error:  # noqa: BLE001 - a bug, ours or an outside protocol's, is a verdict and no lost probe
            recorder.ending = _ending_of(error, recorder.ending.at if recorder.ending else 0.0)
        return info


def _ending_of(error: BaseException, at: float) -> Ending:
    """Return the ending for what was raised; a cancellation that nobody requested is a bug of an outside protocol."""
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        return Ending(EndKind.ABORTED, at, abort_reason(error))
    return Ending(EndKind.RESOURCES if isinstance(error, MemoryError) else EndKind.INTERNAL, at, type(error).__name__)
