"""The property: cut at every byte of a response, in every framing, by FIN and by RST, and never ok without its end.

One protocol of each stream framing (events, lines, concatenated JSON, raw) is cut at every byte in every framing: at
even bytes by FIN in one framing and by RST in the next. The others are cut at every thirteenth byte: other ones in each
framing and by each end. All are cut around the byte that makes their answer whole, by FIN and by RST.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from dataclasses import dataclass

import pytest

from monitor.lab.dialects import DIALECTS
from monitor.lab.fault import ScriptContext
from monitor.lab.scenarios import FAULTS, case_for
from monitor.lab.server import Lab
from monitor.lab.wire import segments
from monitor.probe.request import ask as question_to
from monitor.record.observation import Observation
from monitor.target import CountCheck
from tests.conftest import PATIENT, MakeProber, target
from tests.lab.wires import BODY
from tests.test_wire import dechunked, verdict

pytestmark = pytest.mark.usefixtures("no_leaks")

AT_ONCE = 24
NONCE = "0a1b2c3d"
CHECK = CountCheck(2)
EVERY_BYTE = ("openai-chat", "ollama-chat", "chatchat-0.2-json", "bedrock-converse", "raw")
STRIDE = 13
AROUND = 3
"""Bytes before and after the one that makes an answer whole at which every protocol is cut."""
CLEAN_ENDS = {"truncated/no_terminator", "truncated/mid_event", "truncated/incomplete_answer", "empty/no_output"}
"""What a FIN in a close-delimited body can come to where the end has not arrived."""


@dataclass(frozen=True)
class Body:
    """A whole response body as the lab sends it, to be cut anywhere."""

    protocol: str
    framing: str
    wire: bytes
    boundaries: frozenset[int]
    """Payload offsets at which a message ends."""
    complete: int
    """The payload offset after the byte that makes the answer whole."""

    @staticmethod
    def of(case: ScriptContext, protocol: str, framing: str) -> Body:
        """Return the body of the right answer."""
        wire = b"".join(part.wire for part in segments(case, case.answer))
        return Body(protocol, framing, wire, frozenset(case.answer.starts), case.answer.complete)

    def payload(self, position: int) -> bytes:
        """Return the payload before a byte of the wire."""
        return dechunked(self.wire[:position]) if self.framing == "chunked" else self.wire[:position]

    def expected(self, position: int, by: str) -> tuple[str, str | None]:
        """Return verdict and unclean end of a cut before this byte; an empty verdict if several are correct."""
        payload = self.payload(position)
        ended = len(payload) >= self.complete
        whole = position == len(self.wire)
        if self.framing == "close":
            wire = "truncated/reset" if by == "rst" else ""
            closed = {len(payload), len(payload) + payload.endswith(b"\r")} & self.boundaries
            unclean = "reset" if by == "rst" else None if closed else "mid_event"
            unclean = None if DIALECTS[self.protocol].framing == "raw" and by == "fin" else unclean
        else:
            wire = "truncated/reset" if by == "rst" else "truncated/incomplete_body"
            unclean = None if whole else "reset" if by == "rst" else "incomplete_body"
        return ("ok", unclean) if ended else (wire, None)


@pytest.fixture
def known_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every probe ask with the same nonce, so that every answer is known to the byte."""
    monkeypatch.setattr("monitor.probe.request.secrets.token_hex", lambda _: NONCE)


@pytest.mark.usefixtures("known_nonce")
@pytest.mark.parametrize("by", ["fin", "rst"])
@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
@pytest.mark.parametrize("protocol", DIALECTS)
async def test_a_cut_at_every_byte(lab: Lab, prober: MakeProber, protocol: str, framing: str, by: str) -> None:
    """A stream cut before the protocol's end is never ok, after it always, and FIN and RST are distinguished."""
    query = f"n=2&gap=0&ttfc=0&framing={framing}"
    asked = target(f"{lab.url}/{protocol}/ok?{query}", protocol, check=CHECK, timeouts=PATIENT)
    body = Body.of(case_for(FAULTS["ok"], DIALECTS[protocol], query, question_to(asked).call.body), protocol, framing)
    probe, room = prober(), asyncio.Semaphore(AT_ONCE)

    async def cut(position: int) -> str:
        url = f"{lab.url}/{protocol}/cut?{query}&by={by}&wire={position}"
        async with room:
            observation = await probe(target(url, protocol, check=CHECK, timeouts=PATIENT), "cli")
        return wrong(observation, body, position, by)

    wrongs = await asyncio.gather(*map(cut, places_of(body, by)))
    assert not any(wrongs), "\n".join(filter(None, wrongs))


def places_of(body: Body, by: str) -> list[int]:
    """Return the bytes at which a body is cut by one of the two ends."""
    last, of_framing = len(body.wire), ("chunked", "length", "close").index(body.framing)
    every = body.protocol in EVERY_BYTE
    first = (of_framing + (by == "rst")) % 2 if every else 2 * of_framing + (by == "rst")
    whole = bisect_left(range(last), body.complete, key=lambda position: len(body.payload(position)))
    around = range(max(whole - AROUND, 0), min(whole + AROUND, last))
    return sorted({0, *range(first, last, 2 if every else STRIDE), *around, last})


@pytest.mark.parametrize("protocol", EVERY_BYTE)
@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_every_byte_is_a_place(protocol: str, framing: str) -> None:
    """Between them FIN and RST cut these protocols at every byte, and both cut around the end of the answer."""
    body = Body.of(case_for(FAULTS["ok"], DIALECTS[protocol], f"n=2&framing={framing}", BODY), protocol, framing)
    by_fin, by_rst = set(places_of(body, "fin")), set(places_of(body, "rst"))
    assert by_fin | by_rst == set(range(len(body.wire) + 1))
    both = {len(body.payload(position)) for position in by_fin & by_rst}
    assert {body.complete - 1, body.complete} <= both


def test_every_framing_is_cut_at_every_byte() -> None:
    """The protocols that are cut at every byte have every stream framing."""
    assert {DIALECTS[name].framing for name in EVERY_BYTE} == {dialect.framing for dialect in DIALECTS.values()}


def wrong(observation: Observation, body: Body, position: int, by: str) -> str:
    """Return what is wrong with the verdict of one cut; empty if nothing is."""
    wanted, unclean = body.expected(position, by)
    got = verdict(observation)
    if wanted and (got, observation.verdict.unclean) != (wanted, unclean):
        return f"byte {position}: {got}, unclean {observation.verdict.unclean}, not {wanted}, {unclean}"
    if not wanted and (observation.available or got not in CLEAN_ENDS):
        return f"byte {position}: {got} of a clean wire without the protocol's end"
    if observation.recording.bytes != len(body.payload(position)):
        return f"byte {position}: {observation.recording.bytes} bytes kept of {len(body.payload(position))}"
    return ""
