"""Everything that real servers were seen to send, sent again over a socket, segment by segment, and what it comes to.

The lab's peer does the pacing: the gaps of the capture, shrunk so that a stream takes a tenth of a second, and then the
ending that it had.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from monitor.lab.peer import Peer, peer
from monitor.lab.steps import Fin, Hold, Script, Send, Step, Wait
from monitor.record.observation import Observation
from monitor.stream.endings import BodyFraming, Deadline
from monitor.target import CountCheck, PatternCheck
from tests.conftest import MakeProber, only, target
from tests.protocols.replay import Capture, capture, names
from tests.test_wire import HEAD, dechunked, verdict

pytestmark = pytest.mark.usefixtures("no_leaks")

TAKES = 0.1
"""Seconds that a stream takes when it is sent again, at most."""
LIMITS = only(Deadline.IDLE, Deadline.DRAIN)
RECORDED_NONCE = "b2c4"
"""The nonce that the recorded prompts asked for."""


def script(one: Capture) -> Script:
    """Return the steps that send a capture again: every read as one segment, after its share of the time."""
    pace = min(1.0, TAKES / max(one.segments[-1][0], TAKES))
    steps: list[Step] = []
    before, offset = 0.0, 0
    for at, size in one.segments:
        steps += [Wait((at - before) * pace), Send(one.raw[offset : offset + size])]
        before, offset = at, offset + size
    closed = one.ended == "cut" or one.response.head.framing is BodyFraming.CLOSE
    return [*steps, Fin() if closed else Hold()]


def body_of(raw: bytes) -> bytes:
    """Return the payload of a recorded response."""
    head = HEAD.match(raw)
    assert head is not None
    body = raw[head.end() :]
    return dechunked(body) if b"transfer-encoding: chunked" in head[0].lower() else body


async def replayed(
    prober: MakeProber,
    name: str,
    protocol: str,
    **more: Any,  # noqa: ANN401 - fields of Target
) -> tuple[Observation, bytes, Peer]:
    """Probe a peer that sends this recording; return what was seen, the payload as it was read, and the peer."""
    kept = bytearray()
    fields: dict[str, Any] = {"check": None, "timeouts": LIMITS, **more}
    async with peer(script(capture(name))) as server:
        observation = await prober(save=kept.extend)(target(f"{server.url}/", protocol, **fields), "cli")
        await server.over()
    return observation, bytes(kept), server


@pytest.mark.parametrize("name", names())
async def test_a_recording_is_judged(prober: MakeProber, name: str) -> None:
    """The same bytes, segments and ending give the verdict of the capture, and no byte is lost."""
    one = capture(name)
    assert sum(size for _, size in one.segments) == len(one.raw)
    observation, kept, server = await replayed(prober, name, one.protocol)
    assert verdict(observation) == one.verdict
    assert (observation.verdict.phase, observation.recording.chunks) == (one.phase, one.chunks)
    assert (observation.verdict.unclean or "") == one.unclean
    status = observation.recording.head.status if observation.recording.head else 0
    assert kept == (body_of(one.raw) if status == 200 else b"")
    assert server.links[0].sent == len(one.raw)


# -- the four faces of one failure -------------------------------------------------------------------------------------


class Face(NamedTuple):
    """How one server shows that its upstream's connection was lost in mid-stream: always with status 200."""

    name: str
    protocol: str
    wire: str
    """What the wire and the protocol alone come to."""
    checked: str
    """What it comes to with a content check."""
    check: CountCheck | PatternCheck


COUNTED = CountCheck(400)
SENTENCE = PatternCheck(r"Hello from the fake upstream\.")
FACES = (
    Face("real/c0311_chat_model_kill", "chatchat", "truncated/incomplete_body", "truncated/incomplete_body", COUNTED),
    Face("real/c0313_chat_model_kill", "chatchat", "stream_error/upstream", "stream_error/upstream", COUNTED),
    Face("real/c0313_kb_model_kill", "chatchat-kb", "unverified", "truncated/incomplete_answer", COUNTED),
    Face("chatchat/c0210_chat_mid_fin", "chatchat-0.2", "unverified", "wrong_content/pattern", SENTENCE),
)
"""Release 0.3.1.1 cuts the chunked body; 0.3.1.3 says it in the stream; its knowledge base and 0.2.10 say nothing."""


@pytest.mark.parametrize("face", FACES, ids=[face.name for face in FACES])
async def test_the_four_faces_of_one_failure(prober: MakeProber, face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the server hides the failure, only the content check detects it; the output before it is kept in all four."""
    monkeypatch.setattr("monitor.probe.request.secrets.token_hex", lambda _: RECORDED_NONCE)
    observation, _, _ = await replayed(prober, face.name, face.protocol)
    checked, _, _ = await replayed(prober, face.name, face.protocol, check=face.check)
    assert (verdict(observation), verdict(checked)) == (face.wire, face.checked)
    assert observation.recording.head is not None
    assert observation.recording.head.status == 200
    assert observation.recording.chunks == checked.recording.chunks >= 3
    if isinstance(face.check, CountCheck) and face.wire == "unverified":
        assert checked.check is not None
        assert checked.check.progress == 10 / 400


@pytest.mark.parametrize(
    ("name", "protocol", "check"),
    [
        ("real/c0311_chat_whole", "chatchat", CountCheck(12)),
        ("real/c0313_chat_whole", "chatchat", CountCheck(12)),
        ("real/c0313_openai_whole", "chatchat", CountCheck(12)),
        ("real/c0313_kb_whole", "chatchat-kb", CountCheck(12)),
        ("real/llama_whole", "openai-chat", CountCheck(12)),
        ("chatchat/c0210_chat_ok", "chatchat-0.2", SENTENCE),
    ],
)
async def test_a_whole_answer_passes_its_check(
    prober: MakeProber, name: str, protocol: str, check: CountCheck | PatternCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same servers without the failure are ok, so that it is the failure that the check sees."""
    monkeypatch.setattr("monitor.probe.request.secrets.token_hex", lambda _: RECORDED_NONCE)
    observation, _, _ = await replayed(prober, name, protocol, check=check)
    assert verdict(observation) == "ok"
