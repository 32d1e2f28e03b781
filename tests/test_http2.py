"""The lab over HTTP/2: its scenarios, its own faults, and cuts anywhere, with the expected verdicts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from monitor.http.h2_frames import HEADER
from monitor.lab.dialects import DIALECTS
from monitor.lab.fault import LabFault
from monitor.lab.h2_script import NotInHttp2Error, in_http2
from monitor.lab.scenarios import FAULTS, HTTP2_FAULTS, Scenario, case_for, scenarios
from monitor.lab.server import Lab
from monitor.probe.request import ask as question_to
from monitor.record.observation import Observation
from monitor.target import CountCheck, Http
from tests.conftest import PATIENT, MakeProber, target
from tests.paces import paced
from tests.test_wire import AT_ONCE, conclusive, flags, shortened, verdict

pytestmark = pytest.mark.usefixtures("no_leaks")

SPOKEN = ("openai-chat", "ollama-chat", "gemini", "raw")
"""One protocol of each framing of a stream: what HTTP/2 changes is below the protocols."""
ONLY_1 = frozenset({"garbage-head", "partial-head", "chunk-size", "chunk-data", "trailing"})
"""Faults that HTTP/2 cannot say, or that are none in it."""
LARGE = frozenset({"drip", "h2-flood", "h2-frames", "huge-event", "infinite", "tiny-chunks"})
"""Faults whose many frames cost a second of CPU time: one protocol shows them."""
NONCE = "0a1b2c3d"
CHECK = CountCheck(2)


def meant(scenario: Scenario) -> bool:
    """Whether a scenario of HTTP/1.1 applies to HTTP/2: it can be expressed, and is not cut at a byte of its wire."""
    fault = FAULTS[scenario.fault]
    if scenario.fault in ONLY_1 or "wire=" in scenario.query:
        return False
    try:
        in_http2(fault.script(case_for(fault, DIALECTS[scenario.protocol], scenario.query)), 1)
    except NotInHttp2Error:
        return False
    return True


def listed(faults: Mapping[str, LabFault]) -> list[Scenario]:
    """Return the examples of these faults."""
    every = (one for name in SPOKEN for fault in faults.values() for one in scenarios(name, fault))
    return [one for one in every if one.protocol == SPOKEN[0] or one.fault not in LARGE]


SHARED = [one for one in listed(FAULTS) if meant(one)]
OWN = listed(HTTP2_FAULTS)


@pytest.mark.parametrize("fault", sorted({one.fault for one in (*SHARED, *OWN)}))
async def test_a_fault_is_named(lab: Lab, prober: MakeProber, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example that applies to HTTP/2 has the verdict that the lab expects, as over HTTP/1.1."""
    monkeypatch.setattr("monitor.probe.request.secrets.token_hex", lambda _: NONCE)
    places = asyncio.Semaphore(AT_ONCE)

    async def wrong(one: Scenario) -> str:
        async with places:
            asked = target(lab.url + paced(one), one.protocol, timeouts=shortened(one), http=Http.TWO)
            observation, _ = await conclusive(prober, asked)
        got, wanted = (verdict(observation), flags(observation)), (one.expect.verdict, {one.expect.flag} - {""})
        version = observation.recording.head.http_version if observation.recording.head else "2"
        return (
            "" if got == wanted and version == "2" else f"{one.path}: {got}, not {wanted}: {observation.verdict.detail}"
        )

    found = await asyncio.gather(*(wrong(one) for one in (*SHARED, *OWN) if one.fault == fault))
    assert not any(found), "\n".join(filter(None, found))


async def test_a_fault_of_one_version_is_refused_in_the_other(lab: Lab, prober: MakeProber) -> None:
    """The lab says so with a status."""
    for path, http in (("h2-reset", Http.ONE), ("chunk-size", Http.TWO)):
        observation = await prober()(target(f"{lab.url}/openai-chat/{path}", http=http), "cli")
        assert verdict(observation) == "http_error/rejected"


async def test_several_requests_on_one_connection(lab: Lab, prober: MakeProber) -> None:
    """The lab answers each on its stream; what it refuses leaves the connection usable."""
    probe = prober()
    try:
        for path, wanted in (("ok", "ok"), ("nothing", "http_error/not_found"), ("ok", "ok")):
            url = f"{lab.url}/openai-chat/{path}?gap=0&ttfc=0"
            observation = await probe(target(url, http=Http.TWO, connection="reuse", timeouts=PATIENT), "cli")
            assert verdict(observation) == wanted
    finally:
        await probe.client.close_kept()


# -- cut anywhere ------------------------------------------------------------------------------------------------------

STRIDE = 37
"""Bytes between the cuts that are not at a boundary; no two sweeps cut at the same ones."""


@dataclass(frozen=True)
class Frames:
    """The DATA frames of a whole answer, to be cut anywhere."""

    sizes: tuple[int, ...]
    """Bytes of payload of each; the last one ends the stream."""
    complete: int
    """The payload offset after the byte that makes the answer whole."""

    @property
    def length(self) -> int:
        """Bytes of all frames."""
        return sum(HEADER + size for size in self.sizes)

    @property
    def boundaries(self) -> Iterator[int]:
        """Return the offsets at which a frame, its payload, or the end of the answer begins."""
        begin = payload = 0
        for size in self.sizes:
            yield from (begin, begin + HEADER)
            if payload < self.complete <= payload + size:
                yield begin + HEADER + self.complete - payload
            begin, payload = begin + HEADER + size, payload + size
        yield begin

    def places(self, first: int) -> list[int]:
        """Return the offsets to cut at: around each boundary, and every n-th byte."""
        near = {at + by for at in self.boundaries for by in (-1, 0, 1)}
        return sorted({at for at in near if 0 <= at <= self.length} | {*range(first, self.length, STRIDE)})

    def payload(self, position: int) -> int:
        """Return how much payload is before a byte of the frames."""
        found = 0
        for size in self.sizes:
            found += min(max(position - HEADER, 0), size)
            position -= HEADER + size
        return found

    def expected(self, position: int, by: str) -> tuple[str, str | None, int]:
        """Return verdict, unclean end and payload of a cut before this byte."""
        payload, kind = self.payload(position), "reset" if by == "rst" else "incomplete_body"
        if payload < self.complete:
            return f"truncated/{kind}", None, payload
        return "ok", None if position >= self.length else kind, payload


def result_of(observation: Observation) -> tuple[str, str | None, int]:
    """Return the same of an observation."""
    return verdict(observation), observation.verdict.unclean, observation.recording.bytes


@pytest.mark.parametrize("by", ["fin", "rst"])
@pytest.mark.parametrize("protocol", SPOKEN)
async def test_a_cut_anywhere(
    lab: Lab, prober: MakeProber, protocol: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the protocol's end it is never ok, after it always, and no byte that came is lost, in a frame or not.

    `tests/http/test_h2_frames.py` has every byte, `tests/test_cut_sweep.py` every byte of HTTP/1.1.
    """
    monkeypatch.setattr("monitor.probe.request.secrets.token_hex", lambda _: NONCE)
    keys: dict[str, Any] = {"check": CHECK, "timeouts": PATIENT, "http": Http.TWO}
    query = "n=2&gap=0&ttfc=0"
    asked = target(f"{lab.url}/{protocol}/ok?{query}", protocol, **keys)
    answer = case_for(FAULTS["ok"], DIALECTS[protocol], query, question_to(asked).call.body).answer
    frames = Frames((*map(len, answer.messages), 0), answer.complete)
    probe, places = prober(), asyncio.Semaphore(AT_ONCE)

    async def cut(position: int) -> str:
        url = f"{lab.url}/{protocol}/h2-cut?{query}&by={by}&wire={position}"
        async with places:
            observation = await probe(target(url, protocol, **keys), "cli")
        wanted = frames.expected(position, by)
        return "" if result_of(observation) == wanted else f"byte {position}: {result_of(observation)}, not {wanted}"

    wrongs = await asyncio.gather(*map(cut, frames.places(2 * SPOKEN.index(protocol) + (by == "rst"))))
    assert not any(wrongs), "\n".join(filter(None, wrongs))
