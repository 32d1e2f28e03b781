"""Measure the diagnosis on simulated and real incidents, and write docs/diagnosis.md.

The real ones: a model server that is killed, restarted, frozen, made to raise or timed out by its proxy, and a proxy
that is killed, with nginx, HAProxy and Caddy (Debian), envoy, traefik and LiteLLM (PyPI, in .real). What is not
installed is left out. Run it as `python -m tests.diagnosis.measure`.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from monitor.diagnosis.diagnosis import Diagnosis
from monitor.http import Client
from monitor.http.timestamps import Stamping
from monitor.keys.secret import Secret
from monitor.probe.run import Prober
from monitor.record.parts import Suspect
from monitor.settings import Limits, Network
from monitor.target import Target, Timeouts
from tests.diagnosis.incidents import EPOCH, Server, Watched, scenario_of
from tests.diagnosis.matrix import Matrix, Run, count, score
from tests.proxies.conftest import CADDY, HAPROXY, NGINX
from tests.proxies.programs import PLACES, end, free_port, listening, started

ROOT = Path(__file__).parents[2]
REAL = ROOT / ".real"
PAGE = ROOT / "docs" / "diagnosis.md"
BEGIN, END = "<!-- measured -->", "<!-- end of what was measured -->"
SEEDS = 416
HELD_OUT = 100_000
"""The first seed of those that the rules were not tried on while they were written."""
INTERVAL, BEFORE, DURING, AFTER = 1.0, 5.0, 9.0, 5.0
TIMEOUTS = Timeouts(connect=2.0, headers=6.0, first_chunk=6.0, idle=6.0, total=20.0, drain=0.5)
KEY = "sk-a-key-of-this-test-alone"
MASTER = "LITELLM_MASTER_KEY"

ENVOY = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{match: {{prefix: "/"}}, route: {{cluster: model, timeout: 2s}}}}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: model
    type: STATIC
    load_assignment:
      cluster_name: model
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {upstream}}}}}}}
"""
TRAEFIK = """
http:
  routers: {{all: {{rule: "PathPrefix(`/`)", service: model}}}}
  services: {{model: {{loadBalancer: {{servers: [{{url: "http://127.0.0.1:{upstream}"}}]}}}}}}
"""
LITELLM = """
model_list:
- model_name: m
  litellm_params:
    {{model: openai/m, api_base: "http://127.0.0.1:{upstream}/v1", api_key: none, timeout: 2, stream_timeout: 2}}
litellm_settings: {{num_retries: 0}}
"""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A program that forwards: how it is started in a folder, and what makes its own time-out cut."""

    command: Callable[[Path, int, int], Sequence[str]]
    slow: str = "think"
    env: Mapping[str, str] = field(default_factory=dict)


def _written(place: Path, name: str, text: str) -> str:
    path = place / name
    path.write_text(text)
    return str(path)


def _nginx(place: Path, port: int, upstream: int) -> Sequence[str]:
    location = "proxy_buffering off; proxy_read_timeout 2s; proxy_http_version 1.1; proxy_set_header Connection '';"
    text = NGINX.format(user="user root;\n", place=place, port=port, upstream=upstream, location=location, main="")
    return "nginx", "-p", str(place), "-c", _written(place, "c", text), "-e", "stderr", "-g", "daemon off;"


def _nginx_default(place: Path, port: int, upstream: int) -> Sequence[str]:
    location = "proxy_buffering off; proxy_read_timeout 2s;"
    text = NGINX.format(user="user root;\n", place=place, port=port, upstream=upstream, location=location, main="")
    return "nginx", "-p", str(place), "-c", _written(place, "c", text), "-e", "stderr", "-g", "daemon off;"


def _haproxy(place: Path, port: int, upstream: int) -> Sequence[str]:
    text = HAPROXY.format(port=port, upstream=upstream, server="2s", option="option http-no-delay")
    return "haproxy", "-db", "-f", _written(place, "c", text)


def _caddy(place: Path, port: int, upstream: int) -> Sequence[str]:
    proxy = "flush_interval -1\n        transport http {\n            read_timeout 2s\n        }"
    text = CADDY.format(port=port, upstream=upstream, proxy=proxy)
    return "caddy", "run", "--config", _written(place, "c", text), "--adapter", "caddyfile"


def _envoy(place: Path, port: int, upstream: int) -> Sequence[str]:
    config = _written(place, "c.yaml", ENVOY.format(port=port, upstream=upstream))
    return "envoy", "-c", config, "--disable-hot-restart", "--concurrency", "1"


def _traefik(place: Path, port: int, upstream: int) -> Sequence[str]:
    config = _written(place, "c.yaml", TRAEFIK.format(upstream=upstream))
    listen = f"--entrypoints.web.address=127.0.0.1:{port}"
    patience = "--entrypoints.web.transport.respondingtimeouts.writetimeout=2s"
    return "traefik", listen, patience, f"--providers.file.filename={config}"


def _litellm(place: Path, port: int, upstream: int) -> Sequence[str]:
    config = _written(place, "c.yaml", LITELLM.format(upstream=upstream))
    return "litellm", "--config", config, "--host", "127.0.0.1", "--port", str(port)


GATEWAYS = {
    "nginx": Gateway(_nginx), "nginx, HTTP/1.0 to its upstream": Gateway(_nginx_default), "haproxy": Gateway(_haproxy),
    "caddy": Gateway(_caddy), "envoy": Gateway(_envoy, slow="long"), "traefik": Gateway(_traefik, slow="long"),
    "litellm": Gateway(_litellm, env={MASTER: KEY}),
}  # fmt: skip
_HOMES = ("litellm",)


def program(name: str) -> str | None:
    """Return the path of an installed program: Debian's, or one in .real."""
    places = [PLACES, *(str(REAL / home / "bin") for home in _HOMES)]
    return shutil.which(name, path=":".join(places))


class Rig:
    """A model server and a gateway in front of it, as processes that can be ended, and a target at each."""

    def __init__(self, place: Path, gateway: Gateway) -> None:
        self.place, self.gateway = place, gateway
        self.model_port, self.gateway_port = free_port(), free_port()
        self.mode = place / "mode"
        self.mode.write_text("ok")
        self.model: subprocess.Popen[str] | None = None
        self.front: subprocess.Popen[str] | None = None

    async def start_model(self) -> None:
        """Start it, and wait for its port."""
        command = [
            sys.executable,
            str(Path(__file__).with_name("model_server.py")),
            str(self.model_port),
            str(self.mode),
        ]
        self.model = await self._start(command, self.model_port, "model", {})

    async def start_front(self) -> None:
        """Start the gateway, and wait for its port."""
        name, *arguments = self.gateway.command(self.place, self.gateway_port, self.model_port)
        path = program(name)
        assert path is not None
        self.front = await self._start([path, *arguments], self.gateway_port, "front", self.gateway.env)

    async def _start(
        self, command: Sequence[str], port: int, name: str, more: Mapping[str, str]
    ) -> subprocess.Popen[str]:
        homes = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(self.place))
        env = {"PATH": f"{REAL}/litellm/bin:{PLACES}", **homes, **more}
        process = started(command, self.place, self.place / f"{name}.log", env)
        await listening(process, port, self.place / f"{name}.log", within=120.0)
        return process

    def targets(self) -> tuple[Target, Target]:
        """Return the model server's target, and the gateway's with it as `upstream`."""
        path, more = "/v1/chat/completions", {"model": "m", "interval": INTERVAL, "timeouts": TIMEOUTS}
        direct = Target("model", "openai-chat", f"http://127.0.0.1:{self.model_port}{path}", **more)  # type: ignore[arg-type]
        front = Target(
            "front", "openai-chat", f"http://127.0.0.1:{self.gateway_port}{path}", upstream="model",
            api_key=Secret(KEY), **more,  # type: ignore[arg-type]
        )  # fmt: skip
        return direct, front

    def end(self) -> None:
        """End both."""
        for process in (self.model, self.front):
            if process is not None:
                process.send_signal(signal.SIGCONT)
                end(process)


@dataclass(frozen=True, slots=True)
class Deed:
    """One disturbance of a rig, how to undo it, and who may be blamed for each target."""

    do: Callable[[Rig], object]
    undo: Callable[[Rig], Awaitable[None]]
    model: frozenset[Suspect] | None
    front: frozenset[Suspect] | None
    lasts: float = DURING


def _say(mode: str) -> Callable[[Rig], object]:
    return lambda rig: rig.mode.write_text(mode)


def _slow_down(rig: Rig) -> None:
    rig.mode.write_text(rig.gateway.slow)


def _send(number: signal.Signals, *, front: bool = False) -> Callable[[Rig], None]:
    def send(rig: Rig) -> None:
        process = rig.front if front else rig.model
        assert process is not None
        process.send_signal(number)

    return send


async def _restart_model(rig: Rig) -> None:
    assert rig.model is not None
    rig.model.wait()
    await rig.start_model()


async def _restart_front(rig: Rig) -> None:
    assert rig.front is not None
    rig.front.wait()
    await rig.start_front()


async def _thaw(rig: Rig) -> None:
    _send(signal.SIGCONT)(rig)


async def _all_well(rig: Rig) -> None:
    rig.mode.write_text("ok")


def _only(*suspects: Suspect) -> frozenset[Suspect]:
    return frozenset(suspects)


DEEDS = {
    "killed": Deed(_send(signal.SIGKILL), _restart_model, _only(Suspect.RESTART), _only(Suspect.UPSTREAM)),
    "restarted": Deed(_send(signal.SIGTERM), _restart_model, _only(Suspect.RESTART), _only(Suspect.UPSTREAM), 1.0),
    "frozen": Deed(_send(signal.SIGSTOP), _thaw, _only(), _only(Suspect.UPSTREAM), 2 * DURING),
    "made to raise": Deed(_say("raise"), _all_well, _only(Suspect.APP_EXCEPTION), _only(Suspect.UPSTREAM)),
    "timed out by its proxy": Deed(_slow_down, _all_well, None, _only(Suspect.PROXY_TIMEOUT), 2 * DURING),
    "proxy killed": Deed(
        _send(signal.SIGKILL, front=True), _restart_front, None, _only(Suspect.RESTART)
    ),
}  # fmt: skip


class Watching:
    """Probes the targets of one rig repeatedly, and scores the suspects."""

    def __init__(self, rig: Rig, matrix: Matrix) -> None:
        direct, front = rig.targets()
        model = Server("model")
        self.watched = (Watched(direct, model), Watched(front, Server("front", "nginx", model)))
        self._prober = Prober(Client(Limits(), Network()), Limits())
        self._matrix, self._diagnosis = matrix, Diagnosis()
        self._open: dict[str, bool] = {}
        self.undone = False

    async def watch(self, one: Watched) -> None:
        """Probe one target until it is cancelled."""
        run = Run()
        while True:
            observation = await self._prober(one.target, "schedule")
            if observation.verdict.outcome == "aborted":
                return
            self._diagnosis.take(observation)
            if one.blames and not self.undone:
                begin, _, who = one.blames[0]
                one.blames[0] = (begin, time.time() - EPOCH + 3600.0, who)
            elif one.blames and not observation.failed and one.blames[0][1] > time.time() - EPOCH:
                begin, _, who = one.blames[0]  # the first good one after that is the end
                one.blames[0] = (begin, observation.timestamp.timestamp() - EPOCH - 0.01, who)
            found = [Suspect(it.suspect) for it in self._diagnosis.now(one.target.name)]
            count(self._matrix, one, observation, found, run)
            await asyncio.sleep(INTERVAL)


async def incident(name: str, gateway: Gateway, what: str, matrix: Matrix) -> None:
    """Start a rig, do one thing to it, undo it, and score every probe."""
    with tempfile.TemporaryDirectory() as folder:
        rig, deed = Rig(Path(folder), gateway), DEEDS[what]
        try:
            await rig.start_model()
            await rig.start_front()
            watching = Watching(rig, matrix)
            tasks = [asyncio.create_task(watching.watch(one)) for one in watching.watched]
            await asyncio.sleep(BEFORE)
            now = time.time() - EPOCH
            for one, who in zip(watching.watched, (deed.model, deed.front), strict=True):
                one.kind = f"{what}: {name}"
                if who is not None:
                    one.blames.append((now, now + 3600.0, who))
            deed.do(rig)
            await asyncio.sleep(deed.lasts)
            await deed.undo(rig)
            watching.undone = True
            await asyncio.sleep(AFTER + INTERVAL * 4)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            rig.end()


async def real(matrix: Matrix) -> list[str]:
    """Play every deed with every gateway that is installed, a few at a time; return the names of those."""
    known = [name for name, one in GATEWAYS.items() if program(one.command(Path(tempfile.gettempdir()), 1, 1)[0])]
    places = asyncio.Semaphore(4)

    async def play(name: str, what: str) -> None:
        async with places:
            await incident(name, GATEWAYS[name], what, matrix)

    with closing(Stamping()) as stamping:
        await stamping.ready()
        await asyncio.gather(*(play(name, what) for name in known for what in DEEDS))
    return known


def figures(matrix: Matrix, what: str) -> str:
    """Return the figures of a matrix as text."""
    return (
        f"{what}: {matrix.accusations} accusations, {len(matrix.wrong)} of them wrong ({matrix.wrong_share:.1%}), "
        f"{len(matrix.late)} later than two probes after the end, {len(matrix.innocents)} of innocent targets; "
        f"from the third failed probe on {matrix.right} of {matrix.from_third} are right ({matrix.right_share:.1%})."
    )


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulated", action="store_true", help="leave the real servers out, and the page alone")
    simulated, real_ones = Matrix(), Matrix()
    only_simulated = parser.parse_args().simulated
    for seed in range(HELD_OUT, HELD_OUT + SEEDS):
        score(simulated, scenario_of(seed), seed)
    parts = [figures(simulated, f"{SEEDS} simulated incidents"), "", *simulated.lines(), ""]
    if not only_simulated:
        known = asyncio.run(real(real_ones))
        parts += [figures(real_ones, f"Real incidents, with {'; '.join(known)}"), "", *real_ones.lines(), ""]
    text = "\n".join(parts)
    sys.stdout.write(text)
    for one in (
        *simulated.wrong,
        *simulated.late,
        *real_ones.wrong,
        *real_ones.late,
        *real_ones.innocents,
        *real_ones.missed,
    ):
        sys.stderr.write(f"{one}\n")
    if not only_simulated:
        page = PAGE.read_text()
        head, tail = page[: page.index(BEGIN) + len(BEGIN)], page[page.index(END) :]
        PAGE.write_text(f"{head}\n{text}\n{tail}")


if __name__ == "__main__":
    main()
