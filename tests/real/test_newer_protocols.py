"""Protocols as programs of others speak them, and a gateway of others in front of the fault lab."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, web

from monitor.keys.secret import Secret
from monitor.lab.server import Lab, serve
from monitor.target import CountCheck, Target
from tests.conftest import PATIENT, MakeProber
from tests.real.install import GGUF, MOCK, is_current, mock_stamp
from tests.real.servers import INSTALLED, MODEL, Server, free_port, llama_server
from tests.test_wire import verdict

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

AIMOCK = INSTALLED / "mock" / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.cjs"
needs_mock = pytest.mark.skipif(
    not (shutil.which("node") and is_current(INSTALLED / "mock", mock_stamp())),
    reason=f"{MOCK} is not installed: python tests/real/install.py (needs npm)",
)
LITELLM = INSTALLED / "litellm" / "bin" / "litellm"
needs_litellm = pytest.mark.skipif(not LITELLM.exists(), reason="LiteLLM is not installed: make diagnosis installs it")
needs_llama = pytest.mark.skipif(not (INSTALLED / GGUF).exists(), reason="not installed: python tests/real/install.py")
ANSWER = " ".join(map(str, range(1, 30)))
CHARACTERS = 4
"""Of the answer in each of the mock's chunks."""
FIXTURES = {
    "fixtures": [
        {"match": {"userMessage": "whole"}, "response": {"content": ANSWER}},
        {"match": {"userMessage": "cut"}, "response": {"content": ANSWER}, "truncateAfterChunks": 12},
    ]
}
MOCKED = {
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "anthropic-messages": "/v1/messages",
    "ollama-chat": "/api/chat",
    "ollama-generate": "/api/generate",
    "gemini": "/v1beta/models/m:streamGenerateContent?alt=sse",
    "bedrock-converse": "/model/m/converse-stream",
    "cohere-v2": "/v2/chat",
}


def of(url: str, protocol: str, **more: Any) -> Target:  # noqa: ANN401 - fields of Target
    """Return a target that no deadline ends on a machine that does other things, too."""
    fields: dict[str, Any] = {"model": "m", "timeouts": PATIENT, "check": None}
    return Target("one", protocol, url, **(fields | more))


@pytest.fixture
async def mock(tmp_path: Path) -> AsyncIterator[Server]:
    """Run the mock server on a free port."""
    (tmp_path / "answers.json").write_text(json.dumps(FIXTURES))
    port = free_port()
    options = ("--port", str(port), "--fixtures", str(tmp_path), "--chunk-size", str(CHARACTERS), "--latency", "5")
    server = Server("aimock", ("node", str(AIMOCK), *options), port, tmp_path, "/health")
    await server.start()
    yield server
    await server.stop()


@needs_mock
async def test_a_mock_server_of_others(mock: Server, prober: MakeProber) -> None:
    """The streams of a third-party mock server are ok if complete, and truncated if cut."""
    found = {}
    for protocol, path in MOCKED.items():
        for prompt in ("whole", "cut"):
            observation = await prober()(of(mock.base_url + path, protocol, prompt=prompt), "cli")
            found[protocol, prompt] = (
                verdict(observation),
                observation.recording.text in {ANSWER, ANSWER[: len(observation.recording.text)]},
            )
    assert found == {
        (protocol, prompt): (comes_to, True)
        for protocol in MOCKED
        for prompt, comes_to in (("whole", "ok"), ("cut", "truncated/incomplete_body"))
    }


@needs_llama
async def test_the_legacy_completions_of_llama_cpp(tmp_path: Path, prober: MakeProber) -> None:
    """llama-server's `/v1/completions` is whole with the reason that it ends for, and its tokens are counted."""
    async with llama_server(scratch=tmp_path) as server:
        asked = of(
            f"{server.base_url}/v1/completions", "openai-completions", model=MODEL, prompt="1\n2\n3\n4\n", max_tokens=24
        )
        observation = await prober()(asked, "cli")
    assert verdict(observation) == "ok"
    assert observation.recording.usage.output == observation.recording.chunks


# -- LiteLLM in front of the fault lab ---------------------------------------------------------------------------------

KEY = "sk-only-on-loopback-1f8a"
CASES = {
    "ok": ("ok", "ok"),
    "clean-cut?after=5": ("wrong_content/missing", "wrong_content/missing"),
    "clean-cut?after=5&marker=yes": ("wrong_content/missing", "wrong_content/missing"),
    "server-abort": ("wrong_content/missing", "wrong_content/missing"),
    "cut?after=5&by=fin": ("stream_error/upstream", "stream_error/upstream"),
}
"""What a fault of the lab comes to behind LiteLLM, for chats and for the legacy completions."""
INVENTED = "a gateway may have added the end"


async def forwarded(lab: str, request: web.Request) -> web.StreamResponse:
    """Pass a request on to the lab's fault of that number, in the protocol of its path, and the answer back."""
    fault = list(CASES)[int(request.match_info["number"])]
    protocol = "openai-chat" if "/chat/" in request.path else "openai-completions"
    url = f"{lab}/{protocol}/{fault}"
    async with ClientSession() as session, session.post(url, data=await request.read()) as answer:
        back = web.StreamResponse(headers={"Content-Type": answer.content_type})
        await back.prepare(request)
        try:
            async for piece in answer.content.iter_any():
                await back.write(piece)
        except ClientError:
            assert request.transport is not None
            request.transport.abort()
    return back


@pytest.fixture
async def litellm(tmp_path: Path) -> AsyncIterator[Server]:
    """Run LiteLLM in front of the lab, a model for each case and each of the two protocols."""
    async with await serve("127.0.0.1", 0) as lab:
        front = await _front(lab)
        models = [
            {
                "model_name": f"{kind}{number}",
                "litellm_params": {"model": f"{provider}/m", "api_base": f"{front.name}/{number}", "api_key": "none"},
            }
            for kind, provider in (("chat", "openai"), ("text", "text-completion-openai"))
            for number in range(len(CASES))
        ]
        config = {"model_list": models, "litellm_settings": {"num_retries": 0}}
        (tmp_path / "config.yaml").write_text(json.dumps(config))  # of which YAML is a superset
        port = free_port()
        command = (str(LITELLM), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port))
        server = Server("litellm", command, port, tmp_path, "/health/liveliness", {"LITELLM_MASTER_KEY": KEY})
        await server.start()
        yield server
        await server.stop()
        await front.stop()


async def _front(lab: Lab) -> web.TCPSite:
    """Listen at the paths that LiteLLM requests for each case."""
    app = web.Application()
    app.router.add_post("/{number}/chat/completions", partial(forwarded, lab.url))
    app.router.add_post("/{number}/completions", partial(forwarded, lab.url))
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", free_port())
    await site.start()
    return site


@needs_litellm
async def test_litellm_invents_ends(litellm: Server, prober: MakeProber) -> None:
    """LiteLLM turns its upstream's silent end and abort into `stop`; only the check detects it."""
    found, invented = {}, set()
    for number, fault in enumerate(CASES):
        for at, (kind, protocol, path) in enumerate(
            (("chat", "openai-chat", "/v1/chat/completions"), ("text", "openai-completions", "/v1/completions"))
        ):
            more = {"model": f"{kind}{number}", "check": CountCheck(9), "api_key": Secret(KEY)}
            observation = await prober()(of(litellm.base_url + path, protocol, **more), "cli")
            found[fault, at] = verdict(observation)
            if INVENTED in observation.verdict.detail:
                invented.add((fault, at))
    assert found == {(fault, at): comes_to[at] for fault, comes_to in CASES.items() for at in (0, 1)}
    assert invented == {pair for pair, comes_to in found.items() if comes_to == "wrong_content/missing"}
