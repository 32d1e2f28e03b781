"""Record what the real chain sends, whole and cut, as `tests/captures/real/` keeps it.

Run `python -m tests.real.record` after `install.py`: it starts the servers, makes every recording anew and stops them.
Each is one connection: NAME.capture has the request as sent, when each read came and how many bytes it brought, how the
connection ended, and every byte that came. What a capture is expected to come to is kept if its file exists.
"""

import asyncio
import json
import time
import tomllib
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from monitor.cli.record import capture
from tests.real.servers import AGENT_MODEL, INSTALLED, KNOWLEDGE_BASE, MODEL, Server, chatchat, llama_server

CAPTURES = Path(__file__).parent.parent / "captures" / "real"

# Whoever is silent this long, with the connection open, has nothing more to say.
PATIENCE = 12.0


# A whole list and a cut one that are small files both; the model never ends the long one by itself.
SHORT, LONG, CUT_AFTER = 12, 400, 20

EXAMPLES = ((3, "44e1"), (12, "0c5e"), (3, "6d08"))

MODEL_SERVER = "llama-server"
CHATCHAT = {version: f"Langchain-Chatchat {version}" for version in ("0.3.1.3", "0.3.1.1")}
CHAT, OPENAI, KNOWLEDGE = "/chat/chat/completions", "/v1/chat/completions", "/chat/kb_chat"


@dataclass(frozen=True, slots=True)
class Scene:
    """One recording: whom to ask for what, and what happens to whom in the middle of it."""

    name: str
    server: str
    path: str
    ask: Callable[[str], dict[str, object]]
    fate: str = ""

    @property
    def body(self) -> dict[str, object]:
        """Return the request of a list: a short one for a complete stream, a long one for a cut."""
        return self.ask(counted(LONG if self.fate else SHORT, "b2c4"))

    @property
    def how(self) -> str:
        """Say in one line how the recording is made."""
        return f"`{self.path}` of {self.server}, {FATES[self.fate]}"


# What happens in the middle of a recording, in words; the first word of the name is who it happens to.
FATES = {
    "": f"whole: asked to count to {SHORT}",
    "model down": "the model server is not running",
    "model kill": f"SIGKILL to llama-server after {CUT_AFTER} events",
    "model terminate": f"SIGTERM to llama-server after {CUT_AFTER} events",
    "server kill": f"SIGKILL to Langchain-Chatchat itself after {CUT_AFTER} events",
    "server terminate": f"SIGTERM to Langchain-Chatchat itself after {CUT_AFTER} events",
}


def counted(to: int, nonce: str) -> str:
    """Ask for the counted list, in the words the model was shown."""
    return (
        f"[{nonce}] Count from 1 to {to}. Write one number per line, digits only. "
        f"After the last number write END-{nonce}."
    )


def chat(prompt: str, *, model: str = MODEL, **more: object) -> dict[str, object]:
    """Write the body of every OpenAI-shaped route."""
    messages = [{"role": "user", "content": prompt}]
    return {"model": model, "messages": messages, "stream": True, "temperature": 0, "max_tokens": 400, **more}


def agent(prompt: str) -> dict[str, object]:
    """Write the body of the same route in agent mode."""
    models = {
        "llm_model": {"model": AGENT_MODEL, "callbacks": True, "prompt_name": "default", "temperature": 0},
        "action_model": {"model": AGENT_MODEL, "callbacks": True, "prompt_name": "ChatGLM3", "temperature": 0},
    }
    return chat(prompt, model=AGENT_MODEL, tools=["calculate"], chat_model_config=models)


def knowledge(prompt: str) -> dict[str, object]:
    """Write the body of the knowledge-base route."""
    return {
        "query": prompt,
        "mode": "local_kb",
        "kb_name": KNOWLEDGE_BASE,
        "top_k": 1,
        "score_threshold": 2.0,
        "history": [],
        "stream": True,
        "model": MODEL,
        "temperature": 0,
        "max_tokens": 400,
        "prompt_name": "default",
        "return_direct": False,
    }


def messages(prompt: str) -> dict[str, object]:
    """Write the body of Anthropic's route."""
    return chat(prompt)


def responses(prompt: str) -> dict[str, object]:
    """Write the body of OpenAI's other route."""
    return {"model": MODEL, "input": prompt, "stream": True, "temperature": 0, "max_output_tokens": 400}


def completion(prompt: str) -> dict[str, object]:
    """Write the body of llama.cpp's own route, which applies no template: with the examples that make it count."""
    shown = "".join(f"User: {counted(to, nonce)}\nAssistant:\n{answer(to, nonce)}\n\n" for to, nonce in EXAMPLES)
    asked = f"{shown}User: {prompt}\nAssistant:\n"
    return {"model": MODEL, "prompt": asked, "stream": True, "temperature": 0, "n_predict": 400}


def answer(to: int, nonce: str) -> str:
    """Write the counted list."""
    return "\n".join([*map(str, range(1, to + 1)), f"END-{nonce}"])


async def record(
    server: Server,
    path: str,
    body: dict[str, object],
    name: Path,
    *,
    after: int = 0,
    then: Callable[[], None] | None = None,
) -> bytes:
    """Send one request, keep all that comes, and once `after` events have come do `then`, if there is such a thing."""
    request = _request(server.port, path, body)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    begun = time.monotonic()
    writer.write(request)
    raw, reads, silent = bytearray(), [], False
    while True:
        try:
            async with asyncio.timeout(PATIENCE):
                piece = await reader.read(65536)
        except (ConnectionResetError, TimeoutError) as error:
            piece, silent = b"", isinstance(error, TimeoutError)
        if piece:
            reads.append((time.monotonic() - begun, piece))
        raw += piece
        if then is not None and raw.count(b"data: ") > after:
            then()
            then = None
        if not piece or _whole(raw):
            break
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    file = name.with_suffix(".capture")
    ended = "whole" if _whole(raw) else "open" if silent else "cut"
    file.write_bytes(capture({**_said(file), "ended": ended, "request": request.decode()}, reads))
    return bytes(raw)


def _said(file: Path) -> dict[str, str | int]:
    """Return what the TOML of a capture says, but for its reads."""
    text = file.read_bytes().partition(b"\n---\n")[0].decode() if file.exists() else ""
    return {key: value for key, value in tomllib.loads(text).items() if key != "reads"}


def _whole(raw: bytes | bytearray) -> bool:
    return raw.endswith(b"\r\n0\r\n\r\n")


def _request(port: int, path: str, body: dict[str, object]) -> bytes:
    content = json.dumps(body, ensure_ascii=False).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Accept: text/event-stream\r\nContent-Length: {len(content)}\r\nConnection: keep-alive\r\n\r\n"
    )
    return head.encode() + content


def scenes() -> list[Scene]:
    """List every recording there is."""
    listed = _fates("llama", MODEL_SERVER, OPENAI, chat, "", "model kill", "model terminate")
    listed += _fates("llama_messages", MODEL_SERVER, "/v1/messages", messages, "", "model kill")
    listed += _fates("llama_responses", MODEL_SERVER, "/v1/responses", responses, "", "model kill")
    listed += _fates("llama_completion", MODEL_SERVER, "/completion", completion, "", "model kill")
    for version, server in CHATCHAT.items():
        short = "c" + version.replace(".", "")
        own = ("server kill", "server terminate")
        listed += _fates(f"{short}_chat", server, CHAT, chat, "", "model kill", "model down", *own)
        listed += _fates(f"{short}_openai", server, OPENAI, chat, "", "model kill")
        listed += _fates(f"{short}_kb", server, KNOWLEDGE, knowledge, "", "model kill", "model down", "server kill")
        listed += _fates(f"{short}_agent", server, CHAT, agent, "", "model down")
    return listed


def _fates(name: str, server: str, path: str, ask: Callable[[str], dict[str, object]], *fates: str) -> list[Scene]:
    return [Scene(f"{name}_{fate.replace(' ', '_') or 'whole'}", server, path, ask, fate) for fate in fates]


async def play(scene: Scene, servers: Mapping[str, Server], into: Path) -> None:
    """Make one recording, and put the servers back as they were."""
    model, asked = servers[MODEL_SERVER], servers[scene.server]
    whose, _, what = scene.fate.partition(" ")
    hit = model if whose == "model" else asked
    if what == "down":
        await model.stop()
    then = {"kill": hit.kill, "terminate": hit.terminate}.get(what)
    await record(asked, scene.path, scene.body, into / scene.name, after=CUT_AFTER, then=then)
    if scene.fate:
        await hit.restart()


def describe(listed: list[Scene], into: Path) -> str:
    """Write the page that says how each recording was made, and how it ended."""
    lines = [
        "# What the real chain sends, whole and cut",
        "",
        "Made by `python -m tests.real.record` with llama.cpp's server, Gemma 3 270M and two releases of",
        "Langchain-Chatchat, all on loopback. `NAME.capture` has what it comes to, how the connection ended, the time",
        "and size of each read, the request as sent, and every byte that came.",
        "",
        "| name | made by | ended |",
        "|---|---|---|",
    ]
    for scene in listed:
        ended = _said(into / f"{scene.name}.capture")["ended"]
        lines.append(f"| `{scene.name}` | {scene.how} | {ended} |")
    return "\n".join(lines) + "\n"


async def main() -> None:
    """Start the servers, make every recording, and stop them."""
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(llama_server())
        servers = {MODEL_SERVER: model}
        for version, name in CHATCHAT.items():
            servers[name] = await stack.enter_async_context(chatchat(INSTALLED, version, model.base_url))
        for scene in scenes():
            await play(scene, servers, CAPTURES)


if __name__ == "__main__":
    CAPTURES.mkdir(parents=True, exist_ok=True)
    asyncio.run(main())
    (CAPTURES / "README.md").write_text(describe(scenes(), CAPTURES))
