"""Everything that real servers were seen to send, sent again over a socket, segment by segment, and what it comes to.

The lab's peer does the pacing: the gaps of NAME.timing, shrunk so that a stream takes a tenth of a second, and then the
ending that the recording had.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from monitor.lab.peer import Peer, peer
from monitor.lab.steps import Fin, Hold, Script, Send, Step, Wait
from monitor.record.observation import Observation
from monitor.target import CountCheck, PatternCheck, Timeouts
from tests.conftest import MakeProber, target
from tests.test_wire import HEAD, dechunked, verdict

pytestmark = pytest.mark.usefixtures("no_leaks")

CAPTURES = Path(__file__).parent / "captures"
TAKES = 0.1
"""Seconds that a stream takes when it is sent again, at most."""
LIMITS = Timeouts(connect=2.0, headers=3.0, first_chunk=3.0, idle=0.6, total=5.0, drain=0.3)
RECORDED_NONCE = "b2c4"
"""The nonce that the recorded prompts asked for."""
ENDINGS: dict[str, Step] = {
    "END COMPLETE(0-chunk), conn kept alive": Hold(),
    "END COMPLETE(content-length 56)": Hold(),
    "END curl exit 0": Hold(),
    "END FIN WITHOUT terminating 0-chunk -> incomplete chunked read": Fin(),
    "END curl exit 18": Fin(),
    "END CLIENT_MAXS": Hold(),
    "END our limit: no byte in 12 s, conn still open": Hold(),
}
"""How a recording ended: closed by the server, or open when whoever recorded it had seen enough."""


class Row(NamedTuple):
    """One recording: what it speaks, what it comes to without any check, when it stopped, and how many chunks came."""

    name: str
    protocol: str
    verdict: str
    phase: str
    chunks: int


CUT = "truncated/incomplete_body"
ROWS = (
    Row("chatchat/c0210_chat_mid_fin", "chatchat-0.2", "unverified", "stream", 3),
    Row("chatchat/c0210_chat_ok", "chatchat-0.2", "unverified", "stream", 6),
    Row("chatchat/c0210_kb_nokb", "chatchat-0.2", "bad_response/content_type", "first_event", 0),
    Row("chatchat/c0210_nonstream", "chatchat-0.2", "unverified", "stream", 1),
    Row("chatchat/c031_llm_mid_fin", "chatchat", CUT, "stream", 3),
    Row("chatchat/c031_llm_ok", "chatchat", "ok", "end", 6),
    Row("chatchat/c03_agent_qwen", "chatchat-agent", "ok", "end", 1),
    Row("chatchat/c03_kb_nokb", "chatchat-kb", "bad_response/content_type", "first_event", 0),
    Row("chatchat/c03_kb_ok", "chatchat-kb", "unverified", "stream", 6),
    Row("chatchat/c03_llm_err500", "chatchat", "stream_error/upstream", "first_chunk", 0),
    Row("chatchat/c03_llm_mid_fin", "chatchat", "stream_error/upstream", "stream", 3),
    Row("chatchat/c03_stall50s", "chatchat", "stalled/no_output", "stream", 3),
    Row("chatchat/c03_success", "chatchat", "ok", "end", 6),
    Row("chatchat/mini_v020", "chatchat-0.2-text", "unverified", "stream", 6),
    Row("chatchat/mini_v023kb", "chatchat-0.2-json", "unverified", "stream", 6),
    Row("chatchat/mini_v024kb", "chatchat-0.2-json", "unverified", "stream", 6),
    Row("chatchat/mini_v027", "chatchat-0.2-json", "unverified", "stream", 6),
    Row("chatchat/mini_v027_fail", "chatchat-0.2-json", CUT, "stream", 3),
    Row("made/cohere_v2_timeout", "cohere-v2", "truncated/server_abort", "end", 3),
    Row("made/cohere_v2_whole", "cohere-v2", "ok", "end", 6),
    Row("made/coze_v3_failed", "coze-v3", "stream_error/other", "stream", 3),
    Row("made/coze_v3_whole", "coze-v3", "ok", "end", 6),
    Row("made/dify_agent_whole", "dify", "ok", "end", 6),
    Row("made/dify_chat_error", "dify", "stream_error/upstream", "stream", 3),
    Row("made/dify_chat_whole", "dify", "ok", "end", 6),
    Row("made/dify_chatflow_whole", "dify", "ok", "end", 6),
    Row("made/dify_workflow_failed", "dify", "stream_error/overloaded", "stream", 3),
    Row("made/fastgpt_detail_whole", "fastgpt", "ok", "end", 6),
    Row("made/fastgpt_error", "fastgpt", "stream_error/upstream", "stream", 3),
    Row("made/fastgpt_whole", "fastgpt", "ok", "end", 6),
    Row("made/gemini_overloaded", "gemini", "stream_error/overloaded", "stream", 3),
    Row("made/gemini_whole", "gemini", "ok", "end", 7),
    Row("made/ollama_chat_runner_died", "ollama-chat", "stream_error/upstream", "stream", 3),
    Row("made/ollama_chat_whole", "ollama-chat", "ok", "end", 6),
    Row("made/tgi_incomplete", "tgi", "stream_error/other", "stream", 3),
    Row("made/tgi_whole", "tgi", "ok", "end", 6),
    Row("real/c0311_agent_model_down", "chatchat-agent", "stream_error/other", "first_chunk", 0),
    Row("real/c0311_agent_whole", "chatchat-agent", "ok", "end", 1),
    Row("real/c0311_chat_model_down", "chatchat", CUT, "first_event", 0),
    Row("real/c0311_chat_model_kill", "chatchat", CUT, "stream", 20),
    Row("real/c0311_chat_server_kill", "chatchat", CUT, "stream", 20),
    Row("real/c0311_chat_server_terminate", "chatchat", CUT, "stream", 20),
    Row("real/c0311_chat_whole", "chatchat", "ok", "end", 34),
    Row("real/c0311_kb_model_down", "chatchat-kb", "empty/no_output", "first_chunk", 0),
    Row("real/c0311_kb_model_kill", "chatchat-kb", "unverified", "stream", 20),
    Row("real/c0311_kb_server_kill", "chatchat-kb", CUT, "stream", 20),
    Row("real/c0311_kb_whole", "chatchat-kb", "unverified", "stream", 34),
    Row("real/c0311_openai_model_kill", "chatchat", CUT, "stream", 20),
    Row("real/c0311_openai_whole", "chatchat", "ok", "end", 34),
    Row("real/c0313_agent_model_down", "chatchat-agent", "stream_error/other", "first_chunk", 0),
    Row("real/c0313_agent_whole", "chatchat-agent", "ok", "end", 1),
    Row("real/c0313_chat_model_down", "chatchat", "stream_error/upstream", "first_chunk", 0),
    Row("real/c0313_chat_model_kill", "chatchat", "stream_error/upstream", "stream", 20),
    Row("real/c0313_chat_server_kill", "chatchat", CUT, "stream", 20),
    Row("real/c0313_chat_server_terminate", "chatchat", CUT, "stream", 20),
    Row("real/c0313_chat_whole", "chatchat", "ok", "end", 34),
    Row("real/c0313_kb_model_down", "chatchat-kb", "empty/no_output", "first_chunk", 0),
    Row("real/c0313_kb_model_kill", "chatchat-kb", "unverified", "stream", 20),
    Row("real/c0313_kb_server_kill", "chatchat-kb", CUT, "stream", 20),
    Row("real/c0313_kb_whole", "chatchat-kb", "unverified", "stream", 34),
    Row("real/c0313_openai_model_kill", "chatchat", "stream_error/upstream", "stream", 20),
    Row("real/c0313_openai_whole", "chatchat", "ok", "end", 34),
    Row("real/llama_completion_model_kill", "llamacpp-completion", CUT, "stream", 21),
    Row("real/llama_completion_whole", "llamacpp-completion", "ok", "end", 34),
    Row("real/llama_messages_model_kill", "anthropic-messages", CUT, "stream", 19),
    Row("real/llama_messages_whole", "anthropic-messages", "ok", "end", 34),
    Row("real/llama_model_kill", "openai-chat", CUT, "stream", 20),
    Row("real/llama_model_terminate", "openai-chat", "stalled/silent", "stream", 21),
    Row("real/llama_responses_model_kill", "openai-responses", CUT, "stream", 17),
    Row("real/llama_responses_whole", "openai-responses", "ok", "end", 34),
    Row("real/llama_whole", "openai-chat", "ok", "end", 34),
    Row("servers/01_direct_kill9", "openai-chat", CUT, "stream", 48),
    Row("servers/17_caddy_kill9", "openai-chat", "truncated/no_terminator", "stream", 27),
    Row("servers/40_litellm_upstream_kill9", "openai-chat", "stream_error/upstream", "stream", 78),
    Row("servers/litellm_anthropic_messages", "anthropic-messages", "ok", "end", 16),
    Row("servers/litellm_mock-429", "openai-chat", "http_error/rate_limited", "headers", 0),
    Row("servers/litellm_openai_chat", "openai-chat", "ok", "end", 12),
    Row("servers/litellm_responses", "openai-responses", "ok", "end", 16),
    Row("servers/llama-cpp-python_empty_stream_default_format", "openai-chat", "empty/no_output", "end", 0),
    Row("servers/llama-cpp-python_openai_chat", "openai-chat", "ok", "end", 7),
    Row("servers/llama-server_anthropic_messages", "anthropic-messages", "ok", "end", 16),
    Row("servers/llama-server_completion_native", "llamacpp-completion", "ok", "end", 6),
    Row("servers/llama-server_error_badjson", "openai-chat", "http_error/server", "headers", 0),
    Row("servers/llama-server_openai_chat", "openai-chat", "ok", "end", 16),
    Row("servers/llama-server_openai_chat_usage", "openai-chat", "ok", "end", 6),
    Row("servers/llama-server_responses", "openai-responses", "ok", "end", 8),
)  # fmt: skip


class Capture(NamedTuple):
    """A recording, read."""

    raw: bytes
    segments: tuple[tuple[float, int], ...]
    """When each read came, and how many bytes it had."""
    ending: Step

    @property
    def script(self) -> Script:
        """The steps that send it again: every read as one segment, after its share of the time."""
        pace = min(1.0, TAKES / max(self.segments[-1][0], TAKES))
        steps: list[Step] = []
        before, offset = 0.0, 0
        for at, size in self.segments:
            steps += [Wait((at - before) * pace), Send(self.raw[offset : offset + size])]
            before, offset = at, offset + size
        return [*steps, self.ending]


def capture(name: str) -> Capture:
    """Return the recording of this name."""
    *lines, last = (CAPTURES / f"{name}.timing").read_text().splitlines()
    reads = [re.fullmatch(r"(\d+\.\d+) (\d+)", line) for line in lines]
    segments = tuple((float(read[1]), int(read[2])) for read in reads if read)
    return Capture((CAPTURES / f"{name}.raw").read_bytes(), segments, ENDINGS[last])


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
    async with peer(capture(name).script) as server:
        seen = await prober(save=kept.extend)(target(f"{server.url}/", protocol, **fields), "cli")
        await server.over()
    return seen, bytes(kept), server


def test_every_recording_is_in_the_table() -> None:
    """None is left out, and each has as many bytes as its reads."""
    found = {str(file.relative_to(CAPTURES).with_suffix("")) for file in CAPTURES.rglob("*.raw")}
    assert found == {row.name for row in ROWS}
    for name in found:
        one = capture(name)
        assert sum(size for _, size in one.segments) == len(one.raw), name


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
async def test_a_recording_is_judged(prober: MakeProber, row: Row) -> None:
    """The same bytes in the same segments with the same ending come to what the table says, and none is lost."""
    seen, kept, server = await replayed(prober, row.name, row.protocol)
    assert verdict(seen) == row.verdict
    assert (seen.verdict.phase, seen.recording.chunks) == (row.phase, row.chunks)
    assert seen.verdict.unclean is None
    status = seen.recording.head.status if seen.recording.head else 0
    assert kept == (body_of(capture(row.name).raw) if status == 200 else b"")
    assert server.links[0].sent == len(capture(row.name).raw)


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
    """Where the server swallows it, only the content check sees it; and what had come before is kept in all four."""
    monkeypatch.setattr("monitor.probe.request.secrets.token_hex", lambda _: RECORDED_NONCE)
    seen, _, _ = await replayed(prober, face.name, face.protocol)
    checked, _, _ = await replayed(prober, face.name, face.protocol, check=face.check)
    assert (verdict(seen), verdict(checked)) == (face.wire, face.checked)
    assert seen.recording.head is not None
    assert seen.recording.head.status == 200
    assert seen.recording.chunks == checked.recording.chunks >= 3
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
    seen, _, _ = await replayed(prober, name, protocol, check=check)
    assert verdict(seen) == "ok"
