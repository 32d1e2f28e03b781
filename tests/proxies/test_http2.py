"""Servers and proxies that speak HTTP/2 to us: complete, killed, frozen, reloaded, and cut by their own time-outs."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest
import trustme

from monitor.keys.secret import Secret
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
    hard-stop-after {stop}
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
    admin {admin}
    grace_period {stop}
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
ENVOY = """
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin_port}}}}}}}
node: {{id: one, cluster: one}}
dynamic_resources: {{lds_config: {{path_config_source: {{path: "{place}/listeners.yaml"}}}}}}
static_resources:
  clusters:
  - name: model
    type: STATIC
    load_assignment:
      cluster_name: model
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {upstream}}}}}}}
"""
ENVOY_LISTENERS = """
resources:
- "@type": type.googleapis.com/envoy.config.listener.v3.Listener
  name: front
  metadata: {{filter_metadata: {{version: {{number: {number}}}}}}}
  address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
  filter_chains:
  - transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
        common_tls_context:
          alpn_protocols: [h2, http/1.1]
          tls_certificates: [{{certificate_chain: {{filename: "{chain}"}}, private_key: {{filename: "{key}"}}}}]
    filters:
    - name: envoy.filters.network.http_connection_manager
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: front
        drain_timeout: {stop}
        route_config:
          virtual_hosts:
          - name: all
            domains: ["*"]
            routes: [{{match: {{prefix: "/"}}, route: {{cluster: model, timeout: {timeout}}}}}]
        http_filters:
        - name: envoy.filters.http.router
          typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
"""
TRAEFIK = """
tls: {{certificates: [{{certFile: "{chain}", keyFile: "{key}"}}]}}
http:
  routers: {{all: {{rule: "PathPrefix(`/`)", service: model, tls: {{}}}}}}
  services: {{model: {{loadBalancer: {{servers: [{{url: "http://127.0.0.1:{upstream}"}}]}}}}}}
"""


class Files(NamedTuple):
    """A certificate for 127.0.0.1, and who signed it."""

    chain: Path
    key: Path
    both: Path
    authority: Path


class Front(Protocol):
    """Starts a server in front of a port."""

    def __call__(
        self, name: str, upstream: int, read: str = "10s", stop: str = "10s"
    ) -> AbstractAsyncContextManager[Program]:
        """Run it for as long as the context lasts; `stop` is how long it waits for streams if it stops."""
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


def _haproxy(_: Path, config: str) -> list[str]:
    return [binary("haproxy", "haproxy"), "-W", "-db", "-f", config]


def _envoy(_: Path, config: str) -> list[str]:
    return [binary("envoy"), "-c", config, "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]


CONFIGS: dict[str, tuple[str, Callable[[Path, str], list[str]]]] = {
    "nginx": (NGINX, _nginx), "haproxy": (HAPROXY, _haproxy), "caddy": (CADDY, _caddy), "envoy": (ENVOY, _envoy),
}  # fmt: skip


@pytest.fixture
def front(tmp_path: Path, files: Files) -> Front:
    """Return what starts one of them, with TLS and HTTP/2."""

    @asynccontextmanager
    async def start(name: str, upstream: int, read: str = "10s", stop: str = "10s") -> AsyncIterator[Program]:
        port, admin = free_port(), free_port()
        user = "user root;\n" if os.geteuid() == 0 else ""  # else its workers could not write below tmp_path
        values: dict[str, Any] = {
            "user": user, "main": "", "place": tmp_path, "port": port, "upstream": upstream, "timeout": read,
            "stop": stop, "admin": f"127.0.0.1:{admin}", "admin_port": admin, **files._asdict(),
        }  # fmt: skip
        for number in (1, 2):
            (tmp_path / f"listeners-{number}.yaml").write_text(ENVOY_LISTENERS.format(**values, number=number))
        (tmp_path / "listeners-1.yaml").rename(tmp_path / "listeners.yaml")
        (tmp_path / "admin").write_text(values["admin"])
        if name in CONFIGS:
            template, command_of = CONFIGS[name]
            config = tmp_path / f"{name}.{'yaml' if name == 'envoy' else 'conf'}"
            config.write_text(template.format(**values))
            command = command_of(tmp_path, str(config))
            command += ["--drain-time-s", stop.removesuffix("s")] if name == "envoy" else []
        elif name == "nghttpx":
            command = [
                binary("nghttpx", "nghttp2-proxy"), f"-f127.0.0.1,{port}", f"-b127.0.0.1,{upstream}",
                f"--backend-read-timeout={read}", "--workers=1", "--single-process",
                str(files.key), str(files.chain),
            ]  # fmt: skip
        elif name == "traefik":
            config = tmp_path / "dynamic.yaml"
            config.write_text(TRAEFIK.format(**values))
            transport = "--entrypoints.web.transport"
            command = [
                binary("traefik"), f"--entrypoints.web.address=127.0.0.1:{port}", "--log.level=ERROR",
                f"{transport}.respondingtimeouts.writetimeout={read}", f"{transport}.lifecycle.gracetimeout={stop}",
                f"--providers.file.filename={config}",
            ]  # fmt: skip
        else:
            command = [
                sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{port}", "--certfile", str(files.chain),
                "--keyfile", str(files.key), "--graceful-timeout", "1", "tests.proxies.http2_app:app",
            ]  # fmt: skip
        home = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(tmp_path))
        tls = ssl.create_default_context(cafile=files.authority)
        async with running(command, port, tmp_path, {**home, "PYTHONPATH": str(ROOT)}, tls) as program:
            yield program

    return start


class Look(Protocol):
    """Probes one of them in HTTP/2."""

    async def __call__(
        self,
        program: Program,
        query: str,
        act: Callable[[], object] | None = None,
        **more: Any,  # noqa: ANN401 - fields of Target
    ) -> Observation:
        """Return what was seen; `act` is called in mid-stream."""
        ...


@pytest.fixture
def look(during: During, files: Files) -> Look:
    """Return what probes in HTTP/2, over TLS."""
    timeouts = Timeouts(connect=5.0, headers=5.0, first_chunk=5.0, idle=2.5, total=20.0, drain=0.5)

    async def probe(
        program: Program,
        query: str,
        act: Callable[[], object] | None = None,
        **more: Any,  # noqa: ANN401 - see Look
    ) -> Observation:
        keys: dict[str, Any] = {
            "http": Http.TWO,
            "tls": Tls(ca_file=str(files.authority)),
            "timeouts": timeouts,
            **more,
        }
        return await during(f"https://127.0.0.1:{program.port}/openai-chat/{query}", act, **keys)

    return probe


def spoken(observation: Observation) -> str:
    """Return verdict, version and detail, for a failure to show."""
    version = observation.recording.head.http_version if observation.recording.head else "-"
    return f"{verdict(observation)} {version} {observation.verdict.detail}"


PROXIES = ("nginx", "haproxy", "caddy", "nghttpx", "envoy", "traefik")


@pytest.mark.parametrize("name", [*PROXIES, "hypercorn"])
async def test_a_whole_answer(front: Front, look: Look, lab_port: int, name: str) -> None:
    """The answer is complete, in HTTP/2, and its chunks come one by one."""
    async with front(name, lab_port) as program:
        observation = await look(program, "ok?gap=20ms")
    assert spoken(observation).startswith("ok 2"), spoken(observation)
    assert observation.recording.reads > 20


SAYS_IT = dict.fromkeys(("nginx", "nghttpx", "envoy", "traefik"), "RST_STREAM INTERNAL_ERROR")
"""Those that say by a reset of the stream that an answer is not whole; the others end it as if it were."""


def as_it_says(name: str, observation: Observation) -> bool:
    """Whether a cut of the upstream has the verdict expected for this proxy."""
    if name in SAYS_IT:
        return verdict(observation) == "truncated/reset" and SAYS_IT[name] in observation.verdict.detail
    return verdict(observation) == "truncated/no_terminator"


@pytest.mark.parametrize("name", PROXIES)
async def test_an_upstream_that_dies(front: Front, look: Look, name: str) -> None:
    """Nginx and nghttpx reset the stream; haproxy and Caddy send END_STREAM, and only the protocol's end tells."""
    async with upstream() as server, front(name, server.port) as program:
        observation = await look(program, "ok?gap=50ms", server.process.kill)
    assert as_it_says(name, observation), spoken(observation)


@pytest.mark.parametrize("name", PROXIES)
async def test_its_time_out(front: Front, look: Look, lab_port: int, name: str) -> None:
    """A model that thinks for longer is cut, as an upstream that dies is; the probe has what came before."""
    async with front(name, lab_port, "1s") as program:
        observation = await look(program, "stall?after=3&gap=20ms")
    assert as_it_says(name, observation), spoken(observation)
    assert observation.recording.chunks == 3


@pytest.mark.parametrize("name", [*PROXIES, "hypercorn"])
async def test_one_that_is_killed(front: Front, look: Look, lab_port: int, name: str) -> None:
    """SIGKILL ends the connection without END_STREAM: by a FIN, or by a reset if it had not read all of ours."""
    async with front(name, lab_port) as program:
        master, *workers = family(program)
        observation = await look(program, "ok?gap=50ms", lambda: _kill(master, workers))
    assert verdict(observation) in {"truncated/incomplete_body", "truncated/reset"}, spoken(observation)


@pytest.mark.parametrize("name", [*PROXIES, "hypercorn"])
async def test_one_that_freezes(front: Front, look: Look, lab_port: int, name: str) -> None:
    """SIGSTOP is silence, and no cut."""
    async with front(name, lab_port) as program:
        processes = family(program)
        try:
            observation = await look(program, "ok?gap=50ms", lambda: _signal(processes, signal.SIGSTOP))
        finally:
            _signal(processes, signal.SIGCONT)
    assert verdict(observation) == "stalled/silent", spoken(observation)


def _reload(program: Program, name: str) -> None:
    """Have a proxy read its config again; what it does with the streams is its own."""
    place = program.log.parent
    match name:
        case "haproxy":
            program.signal(signal.SIGUSR2)
        case "caddy":
            config = place / "caddy.conf"
            config.write_text(config.read_text() + f"http://127.0.0.1:{free_port()} {{\n respond ok\n}}\n")
            address = (place / "admin").read_text()
            command = [
                binary("caddy"),
                "reload",
                "--config",
                str(config),
                "--adapter",
                "caddyfile",
                "--address",
                address,
            ]
            subprocess.run(command, check=True, capture_output=True)
        case "envoy":
            (place / "listeners-2.yaml").rename(place / "listeners.yaml")
        case "traefik":
            config = place / "dynamic.yaml"
            changed = config.read_text().replace("PathPrefix(`/`)", "PathPrefix(`/openai-chat`)")
            (place / "new").write_text(changed)
            (place / "new").rename(config)
        case _:
            program.signal(signal.SIGHUP)


@pytest.mark.parametrize("name", [one for one in PROXIES if one != "caddy"])
async def test_a_reload(front: Front, look: Look, lab_port: int, name: str) -> None:
    """A reload may announce itself by GOAWAY, and leaves the stream alone."""
    async with front(name, lab_port) as program:
        observation = await look(program, "ok?gap=60ms", threading.Thread(target=_reload, args=(program, name)).start)
    assert verdict(observation) == "ok", spoken(observation)


CUT_BY_A_RELOAD = {
    "haproxy": "truncated/no_terminator",
    "caddy": "truncated/no_terminator",
    "envoy": "truncated/incomplete_body",
}


@pytest.mark.parametrize("name", CUT_BY_A_RELOAD)
async def test_a_reload_that_cuts(front: Front, look: Look, lab_port: int, name: str) -> None:
    """Caddy 2.6 cuts at once, haproxy after `hard-stop-after`, envoy after its drain time; two of them end it clean."""
    async with front(name, lab_port, stop="1s") as program:
        observation = await look(program, "ok?gap=60ms", threading.Thread(target=_reload, args=(program, name)).start)
    assert verdict(observation) == CUT_BY_A_RELOAD[name], spoken(observation)


STOPS = {
    "haproxy": signal.SIGUSR1,
    **dict.fromkeys(("nginx", "caddy", "nghttpx", "envoy", "traefik", "hypercorn"), signal.SIGTERM),
}
CLEAN, CUT = {"truncated/no_terminator"}, {"truncated/incomplete_body", "truncated/reset"}
STOPPED = {"haproxy": CLEAN, "caddy": CLEAN | CUT}
"""What a stop makes of a stream; Caddy races the end of its time with the end of its process."""


@pytest.mark.parametrize("name", STOPS)
async def test_a_stop(front: Front, look: Look, lab_port: int, name: str) -> None:
    """A stop cuts the stream, at once or after a time-out; haproxy ends it cleanly, and Caddy may."""
    async with front(name, lab_port, stop="1s") as program:
        processes = family(program)
        observation = await look(program, "ok?gap=60ms", lambda: _signal(processes, STOPS[name]))
    assert verdict(observation) in STOPPED.get(name, CUT), spoken(observation)


CONNECTING = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_certificates: [{{certificate_chain: {{filename: "{chain}"}}, private_key: {{filename: "{key}"}}}}]
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{connect_matcher: {{}}}}
                route:
                  cluster: target
                  timeout: 10s
                  upgrade_configs: [{{upgrade_type: CONNECT, connect_config: {{}}}}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
          upgrade_configs: [{{upgrade_type: CONNECT}}]
  clusters:
  - name: target
    type: STATIC
    load_assignment:
      cluster_name: target
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {upstream}}}}}}}
"""


async def test_through_a_proxy_in_tls(front: Front, look: Look, lab_port: int, files: Files, tmp_path: Path) -> None:
    """CONNECT to envoy over TLS, which speaks HTTP/2 itself if it is offered: the target is asked in HTTP/2."""
    config, port = tmp_path / "connect.yaml", free_port()
    async with front("nginx", lab_port) as target:
        config.write_text(CONNECTING.format(port=port, upstream=target.port, **files._asdict()))
        async with running(_envoy(tmp_path, str(config)), port, tmp_path) as proxy:
            through: dict[str, Any] = {"proxy": Secret(f"https://127.0.0.1:{port}")}
            whole = await look(target, "ok?gap=20ms", **through)
            cut = await look(target, "ok?gap=60ms", proxy.process.kill, **through)
    assert spoken(whole).startswith("ok 2"), spoken(whole)
    assert verdict(cut) in {"truncated/incomplete_body", "truncated/reset"}, spoken(cut)


@pytest.mark.parametrize("fault", ["raise", "return"])
async def test_an_application_that_ends_early(front: Front, look: Look, fault: str) -> None:
    """Hypercorn says nothing when its application raises, or returns before the end: the stream stays open."""
    async with front("hypercorn", 0) as program:
        observation = await look(program, f"ok?fault={fault}")
    assert verdict(observation) == "stalled/silent", spoken(observation)


def _children(pid: int) -> list[int]:
    found = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*found, *(each for one in found for each in _children(one))]


def family(program: Program) -> list[int]:
    """Return the process of a program and those of its workers."""
    return [program.process.pid, *_children(program.process.pid)]


def _signal(processes: list[int], number: signal.Signals) -> None:
    """Send a signal to each process; some children of nghttpx end by themselves right after its start."""
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _kill(master: int, workers: list[int]) -> None:
    """Kill the workers first, with the master held: it would start new ones."""
    os.kill(master, signal.SIGSTOP)
    _signal([*workers, master], signal.SIGKILL)
