"""Every fault of the lab in every protocol, probed over real sockets: verdict, flags, phase, and what is recorded."""

from __future__ import annotations

import asyncio
import re
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
from monitor.target import Target, Timeouts
from tests.conftest import TIGHT, MakeProber, only, target
from tests.paces import paced
from tests.records import record

pytestmark = pytest.mark.usefixtures("no_leaks")

AT_ONCE = 24
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


class Probed(NamedTuple):
    """One scenario as it was probed."""

    scenario: Scenario
    observation: Observation
    kept: bytes
    script: Script


async def probed(lab: Lab, prober: MakeProber, scenario: Scenario, places: asyncio.Semaphore) -> Probed:
    """Probe one scenario, and work out what the lab sends for it."""
    path = paced(scenario)
    asked = target(lab.url + path, scenario.protocol, timeouts=shortened(scenario))
    async with places:
        observation, kept = await conclusive(prober, asked)
    return Probed(scenario, observation, kept, script_for(asked, scenario, path))


async def conclusive(prober: MakeProber, asked: Target) -> tuple[Observation, bytes]:
    """Probe until the monitor was not starved, and return the observation and the kept payload."""
    while True:
        kept = bytearray()
        observation = await prober(save=kept.extend)(asked, "cli")
        if verdict(observation) != "inconclusive/resources":
            return observation, bytes(kept)


def shortened(scenario: Scenario) -> Timeouts:
    """Return the timeouts for a scenario; after an end that may not be the last, `idle` is waited for as well."""
    return only(Deadline.DRAIN, Deadline.IDLE) if scenario.fault == "left-open" else only(ender(scenario))


def ender(scenario: Scenario) -> Deadline | None:
    """Return the deadline that has to end the probe of a scenario; None if its peer or its content ends it."""
    if scenario.fault == "left-open":
        return Deadline.DRAIN if find(scenario.protocol).end else Deadline.IDLE
    outcome, _, cause = scenario.expect.verdict.partition("/")
    return Deadline(cause) if outcome == "timeout" else Deadline.IDLE if outcome == "stalled" else None


def script_for(asked: Target, scenario: Scenario, path: str) -> Script:
    """Return the script that the lab plays for this target."""
    fault = FAULTS[scenario.fault]
    body = question_to(asked).call.body
    return fault.script(case_for(fault, DIALECTS[scenario.protocol], path.partition("?")[2], body))


@pytest.mark.parametrize("fault", BY_FAULT)
async def test_a_fault_is_named(lab: Lab, prober: MakeProber, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example of a fault has the verdict that the lab expects, in every protocol that can show it."""
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
            ("verdict", verdict(one.observation), one.scenario.expect.verdict),
            ("flags", flags(one.observation), {one.scenario.expect.flag} - {""}),
            ("phase", one.observation.verdict.phase.value, phase(one)),
            ("kept", kept(one), ""),
            ("ended by", one.observation.recording.ending.deadline, ender(one.scenario)),
            ("its end", misplaced(one.observation), ""),
        )
        if got != wanted
    ]


def verdict(observation: Observation) -> str:
    """Return outcome and cause as the lab writes them."""
    return "/".join(filter(None, (observation.verdict.outcome.value, observation.verdict.cause)))


def flags(observation: Observation) -> set[str]:
    """Return the event's flags that are set, as far as the lab's promise goes: `buffered` only of what is ok."""
    event = record(observation)
    names = {"unclean_end", "content_type_mismatch"} | (
        {"buffered"} if observation.verdict.outcome is Outcome.OK else set()
    )
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
    """Return how the kept payload differs from what the lab sent; empty if it does not."""
    sent = payload_of(one.script)
    status = one.observation.recording.head.status if one.observation.recording.head else 0
    if status // 100 != 2 or verdict(one.observation) in {"bad_response/encoding", "empty/no_body"}:
        sent = b""
    bounded = one.observation.recording.ending.kind in {
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
    """Return the payload that a script sends after its final head, as far as its framing is valid."""
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
    """Return the payload of a chunked body up to its end or to where its framing breaks."""
    payload = bytearray()
    while (line := SIZE_LINE.match(body)) and (size := int(line[1], 16)) and size < 1 << 60:
        payload += body[line.end() : line.end() + size]
        if body[line.end() + size :][:2] != b"\r\n":
            break
        body = body[line.end() + size + 2 :]
    return bytes(payload)


# -- when it ended ----------------------------------------------------------------------------------------------------


def misplaced(observation: Observation) -> str:
    """Say that a stream's END is not when its deadline passed, to the microsecond, or is before a byte that came."""
    recording = observation.recording
    end, last = recording.marks[Mark.END], recording.arrivals[-1] if recording.arrivals else None
    if recording.ending.deadline is Deadline.DRAIN:
        return "" if end < deadline(observation) else f"{end:.6f} s, after what came last"
    if recording.ending.deadline is not None:
        limit = max(deadline(observation), recording.marks.get(Mark.LAST_CHUNK, 0.0))
        return "" if abs(end - limit) < 1e-6 else f"{end:.6f} s, its deadline passed at {limit:.6f} s"
    if last is not None and end < last.time - last.uncertainty:
        return f"{end:.6f} s, a byte came at {last.time:.6f} s"
    return ""


def deadline(observation: Observation) -> float:
    """Return when the deadline passed that ended a stream, in seconds from zero."""
    passed, limits = observation.recording.ending.deadline, observation.target.timeouts
    assert passed is not None
    if passed is Deadline.IDLE:
        return observation.recording.marks[Mark.LAST_CHUNK] + limits.idle
    if passed is Deadline.DRAIN:
        return observation.recording.arrivals[-1].time + limits.drain
    return float(getattr(limits, passed.value))
