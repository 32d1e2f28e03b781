"""Every fault of the lab in every protocol, probed over real sockets: verdict, flags, phase, and what was kept."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import NamedTuple

import pytest

from monitor.judge.verdict import Outcome
from monitor.lab.dialects import DIALECTS
from monitor.lab.scenarios import FAULTS, Scenario, all_scenarios, case_for
from monitor.lab.server import Lab
from monitor.lab.steps import Hold, Repeat, Script, Send
from monitor.probe.request import ask as question_to
from monitor.protocols import Decoder, find
from monitor.record.observation import Observation
from monitor.stream.endings import Deadline, EndKind, Mark
from monitor.stream.events import Output, Partial
from monitor.target import Target
from tests.conftest import PATIENT, QUICK, TIGHT, MakeProber, target
from tests.paces import paced, timed
from tests.records import record

pytestmark = pytest.mark.usefixtures("no_leaks")

AT_ONCE = 24
GRACE = 0.5
"""Seconds after its deadline within which a probe has to end."""
NONCE = "0a1b2c3d"
BY_FAULT = {name: [one for one in all_scenarios() if one.fault == name] for name in FAULTS}
PHASES = {
    "ok": "end",
    "timeout/headers": "headers",
    "no_response": "headers",
    "bad_response/malformed_head": "headers",
    "bad_response/encoding": "headers",
    "http_error": "headers",
    "empty/no_body": "headers",
    "filtered": "end",
    "truncated/server_abort": "end",
    "truncated/token_limit": "end",
}
"""The phase that an outcome or a verdict implies; all others go by how far the stream got."""
AFTER_THE_END = {"wrong_content", "empty", "bad_response/malformed_event"}
"""Outcomes and verdicts that a stream has after its end, where the protocol declares one."""


UNHURRIED = replace(PATIENT, drain=20.0)
"""No deadline is to end these, not even that of what comes after the end."""


class Lag:
    """How late the loop is while something runs: what a loaded machine adds to every time."""

    def __init__(self) -> None:
        self.total = 0.0
        self._since = 0.0

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[Lag]:
        """Add up how late a tick of 20 ms comes, for as long as the context lasts."""

        async def tick() -> None:
            while True:
                self._since = time.monotonic()
                await asyncio.sleep(0.02)
                self._add()

        self._since = time.monotonic()
        task = asyncio.create_task(tick())
        try:
            yield self
        finally:
            self._add()  # the tick that is under way may be the one that came late
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _add(self) -> None:
        self.total += max(time.monotonic() - self._since - 0.02, 0.0)


class Probed(NamedTuple):
    """One scenario as it was probed."""

    scenario: Scenario
    seen: Observation
    kept: bytes
    script: Script
    took: float
    """Seconds from the call to the observation."""
    lag: float
    """Seconds of these for which the loop was held up."""


async def probed(lab: Lab, prober: MakeProber, scenario: Scenario, places: asyncio.Semaphore) -> Probed:
    """Probe one scenario, and work out what the lab sends for it."""
    path, kept, lag = paced(scenario), bytearray(), Lag()
    timeouts = QUICK if timed(scenario) else UNHURRIED
    asked = target(lab.url + path, scenario.protocol, timeouts=timeouts)
    async with places, lag.watched():
        before = time.monotonic()
        seen = await prober(save=kept.extend)(asked, "cli")
        took = time.monotonic() - before
    return Probed(scenario, seen, bytes(kept), script_for(asked, scenario, path), took, lag.total)


def script_for(asked: Target, scenario: Scenario, path: str) -> Script:
    """Return the script that the lab plays for this target."""
    fault = FAULTS[scenario.fault]
    body = question_to(asked).call.body
    return fault.script(case_for(fault, DIALECTS[scenario.protocol], path.partition("?")[2], body))


@pytest.mark.parametrize("fault", BY_FAULT)
async def test_a_fault_is_named(lab: Lab, prober: MakeProber, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example of a fault, in every protocol that can show it, comes to what the lab promises."""
    monkeypatch.setattr("monitor.probe.request.secrets.token_hex", lambda _: NONCE)
    places = asyncio.Semaphore(AT_ONCE)
    found = await asyncio.gather(*(probed(lab, prober, one, places) for one in BY_FAULT[fault]))
    problems = [f"{one.scenario.path}: {problem}" for one in found for problem in problems_of(one)]
    assert not problems, "\n".join(problems)


def problems_of(one: Probed) -> list[str]:
    """Return what is not as it has to be, in words."""
    return [
        f"{what}: {got!r}, not {wanted!r}"
        for what, got, wanted in (
            ("verdict", verdict(one.seen), one.scenario.expect.verdict),
            ("flags", flags(one.seen), {one.scenario.expect.flag} - {""}),
            ("phase", one.seen.verdict.phase.value, phase(one)),
            ("kept", kept(one), ""),
            ("in time", late(one), ""),
        )
        if got != wanted
    ]


def verdict(seen: Observation) -> str:
    """Return outcome and cause as the lab writes them."""
    return "/".join(filter(None, (seen.verdict.outcome.value, seen.verdict.cause)))


def flags(seen: Observation) -> set[str]:
    """Return the event's flags that are set, as far as the lab's promise goes: `buffered` only of what is ok."""
    event = record(seen)
    names = {"unclean_end", "content_type_mismatch"} | ({"buffered"} if seen.verdict.outcome is Outcome.OK else set())
    return {name for name in names if event.get(name)}


def phase(one: Probed) -> str:
    """Return the phase that the contract has for this verdict and for what came before."""
    wanted = one.scenario.expect.verdict
    outcome = wanted.partition("/")[0]
    fixed = PHASES.get(wanted, PHASES.get(outcome))
    if fixed:
        return fixed
    if AFTER_THE_END & {wanted, outcome} and find(one.scenario.protocol).end:
        return "end"
    framed, outputs = decoded(one.scenario.protocol, one.kept)
    if outputs:
        return "stream"
    return "first_chunk" if framed else "first_event"


def decoded(protocol: str, payload: bytes) -> tuple[int, int]:
    """Return how many events a payload holds, pings excluded, and how many of them are output."""
    decoder = Decoder(find(protocol), event_bytes=TIGHT.event_bytes, events=TIGHT.events)
    events = [event for event, _ in (*decoder.feed(payload), *decoder.close())]
    framed = [
        event
        for event in events
        if not getattr(event, "ping", False) and getattr(event, "framed", True) and not isinstance(event, Partial)
    ]
    return len(framed), sum(isinstance(event, Output) for event in framed)


# -- what arrived before the fault ------------------------------------------------------------------------------------


def kept(one: Probed) -> str:
    """Say how what the probe kept differs from what the lab sent; nothing where it does not."""
    sent = payload_of(one.script)
    status = one.seen.recording.head.status if one.seen.recording.head else 0
    if status // 100 != 2 or verdict(one.seen) in {"bad_response/encoding", "empty/no_body"}:
        sent = b""
    bounded = one.seen.recording.ending.kind in {
        EndKind.DEADLINE,
        EndKind.TOO_LARGE,
    }
    endless = any(isinstance(step, Repeat) for step in one.script)
    if endless:
        return "" if one.kept.startswith(sent) else "lost what came before the endless part"
    if bounded and not isinstance(one.script[-1], Hold):
        return "" if sent.startswith(one.kept) else "not a beginning of what was sent"
    return "" if one.kept == sent else f"{len(one.kept)} of {len(sent)} bytes"


HEAD = re.compile(rb"HTTP/1\.1 (\d)(\d\d).*?\r\n\r\n", re.DOTALL)


def payload_of(script: Script) -> bytes:
    """Return the payload that a script sends behind its final head, as far as its framing holds."""
    sent = b"".join(step.data for step in script if isinstance(step, Send))
    head = HEAD.match(sent)
    while head and head[1] == b"1" and head[2] != b"01":
        sent = sent[head.end() :]
        head = HEAD.match(sent)
    if head is None:
        return b""
    body = sent[head.end() :]
    length = re.search(rb"\r\nContent-Length: (\d+)\r\n", head[0])
    if b"\r\nTransfer-Encoding: chunked\r\n" in head[0]:
        return dechunked(body)
    return body[: int(length[1])] if length else body


SIZE_LINE = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;[^\r\n]*)?\r\n")


def dechunked(body: bytes) -> bytes:
    """Return the payload of a chunked body up to where it ends, breaks off, or breaks its framing."""
    payload = bytearray()
    while (line := SIZE_LINE.match(body)) and (size := int(line[1], 16)) and size < 1 << 60:
        payload += body[line.end() : line.end() + size]
        if body[line.end() + size :][:2] != b"\r\n":
            break
        body = body[line.end() + size + 2 :]
    return bytes(payload)


# -- in time ----------------------------------------------------------------------------------------------------------


def late(one: Probed) -> str:
    """Say that the probe took longer than its deadline and the grace allow; nothing where it did not."""
    ending = one.seen.recording.ending
    limit = deadline(one.seen) if ending.deadline is not None else last_word(one)
    end = one.seen.recording.marks[Mark.END]
    if end > limit + GRACE:
        return f"its END mark at {end:.3f} s, the deadline at {limit:.3f} s"
    if one.took > limit + GRACE + one.lag:
        return f"it took {one.took:.3f} s, {one.lag:.3f} s of them the loop's, the deadline at {limit:.3f} s"
    return ""


def deadline(seen: Observation) -> float:
    """Return the deadline that ended the stream, in seconds from zero."""
    recording, limits = seen.recording, seen.target.timeouts
    match recording.ending.deadline:
        case Deadline.IDLE:
            return recording.marks[Mark.LAST_CHUNK] + limits.idle
        case Deadline.DRAIN:
            drained = (recording.end.stands_at or recording.end.marker_at or 0.0) + limits.drain
            return (
                max(drained, min(drained - limits.drain + limits.idle, limits.total))
                if recording.rule.early
                else drained
            )
        case passed:
            assert passed is not None
            return float(getattr(limits, passed))


def last_word(one: Probed) -> float:
    """Return when a probe that no deadline ended has to have seen why: with the last thing that came, or `total`."""
    if isinstance(one.script[-1], Hold):
        arrivals = one.seen.recording.arrivals
        return arrivals[-1].time if arrivals else one.seen.recording.marks[Mark.HEADERS]
    return one.seen.target.timeouts.total
