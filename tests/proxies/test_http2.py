"""Servers and proxies that speak HTTP/2 to us: complete, killed, frozen, reloaded, and cut by their own time-outs."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest
import trustme

from monitor.keys.tls import Tls
from monitor.record.observation import Observation
from monitor.target import Http, Timeouts
from tests.proxies.conftest import NGINX as HTTP1_NGINX
from tests.proxies.conftest import During
from tests.proxies.programs import ROOT, Program, binary, free_port, running, upstream
from tests.test_wire import verdict

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("no_leaks")]

NGINX = HTTP1_NGINX.replace(
    "listen 127.0.0.1:{port};",
    "listen 127.0.0.1:{port} ssl http2; ssl_certificate {chain}; ssl_certificate_key {key};",
).replace(
    "{location}",
    "proxy_http_version 1.1; proxy_set_header Connection ''; proxy_buffering off; proxy_read_timeout {timeout};",
)
HAPROXY = """
global
    hard-stop-after 500ms
defaults
    mode http
    timeout connect 2s
    timeout client 10s
    timeout server {timeout}
    option http-no-delay
listen lab
    bind 127.0.0.1:{port} ssl crt {both} alpn h2,http/1.1
    server upstream 127.0.0.1:{upstream}
"""
CADDY = """
{{
    admin off
    auto_https off
}}
https://127.0.0.1:{port} {{
    tls {chain} {key}
    reverse_proxy 127.0.0.1:{upstream} {{
        flush_interval -1
        transport http {{
            read_timeout {timeout}
        }}
    }}
}}
"""


class Files(NamedTuple):
    """A certificate for 127.0.0.1, and who signed it."""

    chain: Path
    key: Path
    both: Path
    authority: Path


class Front(Protocol):
    """Starts a server in front of a port."""

    def __call__(self, name: str, upstream: int, read: str = "10s") -> AbstractAsyncContextManager[Program]:
        """Run it for as long as the context lasts."""
        ...


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Return a certificate's files."""
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    files = Files(*(tmp_path / name for name in ("chain.pem", "key.pem", "both.pem", "ca.pem")))
    made.private_key_pem.write_to_path(files.key)
    files.chain.write_bytes(b"".join(one.bytes() for one in made.cert_chain_pems))
    files.both.write_bytes(files.chain.read_bytes() + files.key.read_bytes())
    authority.cert_pem.write_to_path(files.authority)
    return files


def _nginx(place: Path, config: str) -> list[str]:
    return [binary("nginx", "nginx-light"), "-p", str(place), "-c", config, "-e", "stderr", "-g", "daemon off;"]


def _caddy(_: Path, config: str) -> list[str]:
    return [binary("caddy", "caddy"), "run", "--config", config, "--adapter", "caddyfile"]


CONFIGS: dict[str, tuple[str, Callable[[Path, str], list[str]]]] = {
    "nginx": (NGINX, _nginx),
    "haproxy": (HAPROXY, lambda _, config: [binary("haproxy", "haproxy"), "-W", "-db", "-f", config]),
    "caddy": (CADDY, _caddy),
}


@pytest.fixture
def front(tmp_path: Path, files: Files) -> Front:
    """Return what starts one of them, with TLS and HTTP/2."""

    @asynccontextmanager
    async def start(name: str, upstream: int, read: str = "10s") -> AsyncIterator[Program]:
        port = free_port()
        if name in CONFIGS:
            template, command_of = CONFIGS[name]
            config = tmp_path / name
            user = "user root;\n" if os.geteuid() == 0 else ""  # else its workers could not write below tmp_path
            values = {"user": user, "main": "", "place": tmp_path, "port": port, "upstream": upstream}
            config.write_text(template.format(**values, timeout=read, **files._asdict()))
            command = command_of(tmp_path, str(config))
        elif name == "nghttpx":
            command = [
                binary("nghttpx", "nghttp2-proxy"), f"-f127.0.0.1,{port}", f"-b127.0.0.1,{upstream}",
                f"--backend-read-timeout={read}", "--workers=1", "--single-process",
                str(files.key), str(files.chain),
            ]  # fmt: skip
        else:
            command = [
                sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{port}", "--certfile", str(files.chain),
                "--keyfile", str(files.key), "--graceful-timeout", "1", "tests.proxies.http2_app:app",
            ]  # fmt: skip
        home = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(tmp_path))
        async with running(command, port, tmp_path, {**home, "PYTHONPATH": str(ROOT)}) as program:
            yield program

    return start


class Look(Protocol):
    """Probes one of them in HTTP/2."""

    async def __call__(self, program: Program, query: str, act: Callable[[], object] | None = None) -> Observation:
        """Return what was seen; `act` is called in mid-stream."""
        ...


@pytest.fixture
def look(during: During, files: Files) -> Look:
    """Return what probes in HTTP/2, over TLS."""
    timeouts = Timeouts(connect=5.0, headers=5.0, first_chunk=5.0, idle=2.5, total=20.0, drain=0.5)

    async def probe(program: Program, query: str, act: Callable[[], object] | None = None) -> Observation:
        keys: dict[str, Any] = {"http": Http.TWO, "tls": Tls(ca_file=str(files.authority)), "timeouts": timeouts}
        return await during(f"https://127.0.0.1:{program.port}/openai-chat/{query}", act, **keys)

    return probe


def spoken(seen: Observation) -> str:
    """Return verdict, version and detail, for a failure to show."""
    version = seen.recording.head.http_version if seen.recording.head else "-"
    return f"{verdict(seen)} {version} {seen.verdict.detail}"


PROXIES = ("nginx", "haproxy", "caddy", "nghttpx")


@pytest.mark.parametrize("name", [*PROXIES, "hypercorn"])
async def test_a_whole_answer(front: Front, look: Look, lab_port: int, name: str) -> None:
    """It is complete, in HTTP/2, and its chunks come one by one."""
    async with front(name, lab_port) as program:
        seen = await look(program, "ok?gap=20ms")
    assert spoken(seen).startswith("ok 2"), spoken(seen)
    assert seen.recording.reads > 20


SAYS_IT = {"nginx": "RST_STREAM INTERNAL_ERROR", "nghttpx": "RST_STREAM INTERNAL_ERROR"}
"""Those that say by a reset of the stream that an answer is not whole; the others end it as if it were."""


def as_it_says(name: str, seen: Observation) -> bool:
    """Whether a cut behind this proxy is seen as it has to be."""
    if name in SAYS_IT:
        return verdict(seen) == "truncated/reset" and SAYS_IT[name] in seen.verdict.detail
    return verdict(seen) == "truncated/no_terminator"


@pytest.mark.parametrize("name", PROXIES)
async def test_an_upstream_that_dies(front: Front, look: Look, name: str) -> None:
    """Nginx and nghttpx reset the stream; haproxy and Caddy send END_STREAM, and only the protocol's end tells."""
    async with upstream() as server, front(name, server.port) as program:
        seen = await look(program, "ok?gap=50ms", server.process.kill)
    assert as_it_says(name, seen), spoken(seen)


@pytest.mark.parametrize("name", PROXIES)
async def test_its_time_out(front: Front, look: Look, lab_port: int, name: str) -> None:
    """A model that thinks for longer is cut, as an upstream that dies is; the probe has what came before."""
    async with front(name, lab_port, "1s") as program:
        seen = await look(program, "stall?after=3&gap=20ms")
    assert as_it_says(name, seen), spoken(seen)
    assert seen.recording.chunks == 3


@pytest.mark.parametrize("name", ["haproxy", "nghttpx", "hypercorn", "caddy", "nginx"])
async def test_one_that_is_killed(front: Front, look: Look, lab_port: int, name: str) -> None:
    """SIGKILL ends the connection without END_STREAM: by a FIN, or by a reset if it had not read all of ours."""
    async with front(name, lab_port) as program:
        master, *workers = family(program)
        seen = await look(program, "ok?gap=50ms", lambda: _kill(master, workers))
    assert verdict(seen) in {"truncated/incomplete_body", "truncated/reset"}, spoken(seen)


@pytest.mark.parametrize("name", ["haproxy", "nghttpx", "hypercorn", "caddy", "nginx"])
async def test_one_that_freezes(front: Front, look: Look, lab_port: int, name: str) -> None:
    """SIGSTOP is silence, and no cut."""
    async with front(name, lab_port) as program:
        processes = family(program)
        try:
            seen = await look(program, "ok?gap=50ms", lambda: _signal(processes, signal.SIGSTOP))
        finally:
            _signal(processes, signal.SIGCONT)
    assert verdict(seen) == "stalled/silent", spoken(seen)


@pytest.mark.parametrize("name", ["nginx", "nghttpx"])
async def test_a_reload(front: Front, look: Look, lab_port: int, name: str) -> None:
    """A reload may announce itself by GOAWAY, and leaves the stream alone."""
    async with front(name, lab_port) as program:
        seen = await look(program, "ok?gap=40ms", lambda: program.signal(signal.SIGHUP))
    assert verdict(seen) == "ok", spoken(seen)


async def test_a_hard_stop(front: Front, look: Look, lab_port: int) -> None:
    """The `hard-stop-after` of haproxy ends what still streams as if it were whole."""
    async with front("haproxy", lab_port) as program:
        processes = family(program)
        seen = await look(program, "ok?gap=60ms", lambda: _signal(processes, signal.SIGUSR1))
    assert verdict(seen) == "truncated/no_terminator", spoken(seen)


@pytest.mark.parametrize("fault", ["raise", "return"])
async def test_an_application_that_ends_early(front: Front, look: Look, fault: str) -> None:
    """Hypercorn says nothing when its application raises, or returns before the end: the stream stays open."""
    async with front("hypercorn", 0) as program:
        seen = await look(program, f"ok?fault={fault}")
    assert verdict(seen) == "stalled/silent", spoken(seen)


def _children(pid: int) -> list[int]:
    found = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*found, *(each for one in found for each in _children(one))]


def family(program: Program) -> list[int]:
    """Return the process of a program and those of its workers."""
    return [program.process.pid, *_children(program.process.pid)]


def _signal(processes: list[int], number: signal.Signals) -> None:
    for pid in processes:
        os.kill(pid, number)


def _kill(master: int, workers: list[int]) -> None:
    """Kill the workers first, with the master held: it would start new ones."""
    os.kill(master, signal.SIGSTOP)
    _signal([*workers, master], signal.SIGKILL)
