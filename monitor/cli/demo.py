"""The demo: the fault lab, the daemon and the status page on loopback, with no config and no other service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from monitor.config import Config
from monitor.daemon.app import watch
from monitor.daemon.signals import Signals
from monitor.keys.values import host_port
from monitor.lab.server import serve
from monitor.settings import Limits, Monitor, Settings, Web
from monitor.target import CountCheck, Slo, Target, Timeouts


class DemoTarget(NamedTuple):
    """A target of the demo: the fault, and the expected verdict."""

    name: str
    protocol: str
    fault: str
    expect: str


TARGETS = (
    DemoTarget("chat", "openai-chat", "ok", "ok"),
    DemoTarget("chatchat", "chatchat", "ok", "ok"),
    DemoTarget("chatchat-agent", "chatchat-agent", "ok", "ok"),
    DemoTarget("chatchat-kb", "chatchat-kb", "ok", "ok"),
    DemoTarget("chatchat-old", "chatchat-0.2", "ok", "ok"),
    DemoTarget("cut-by-fin", "openai-chat", "cut?after=12&by=fin", "truncated/incomplete_body"),
    DemoTarget("cut-by-reset", "openai-chat", "cut?after=12&by=rst", "truncated/reset"),
    DemoTarget("cut-in-silence", "chatchat", "clean-cut?after=12", "truncated/no_terminator"),
    DemoTarget("cut-found-by-the-check", "chatchat-kb", "clean-cut?after=12", "truncated/incomplete_answer"),
    DemoTarget("hung-with-pings", "chatchat", "stall?after=5&pings=500ms", "stalled/no_output"),
    DemoTarget("hung", "openai-chat", "stall?after=5", "stalled/silent"),
    DemoTarget("error-in-the-stream", "chatchat", "error?after=5&kind=upstream", "stream_error/upstream"),
    DemoTarget("buffered-by-a-proxy", "openai-chat", "buffered?delay=1s", "ok"),
    DemoTarget("slow", "openai-chat", "slow?ttfc=2500ms&gap=30ms", "ok"),
    DemoTarget("cut-after-the-end", "openai-chat", "cut-after-end?by=fin", "ok"),
    DemoTarget("rate-limited", "openai-chat", "status?code=429&retry_after=7", "http_error/rate_limited"),
)
INTERVAL = 10.0


def targets(lab: str) -> Iterator[Target]:
    """Return the demo's targets at a lab's URL."""
    for one in TARGETS:
        yield Target(
            name=one.name,
            protocol=one.protocol,
            url=f"{lab}/{one.protocol}/{one.fault}",
            model="lab",
            labels={"expect": one.expect},
            interval=INTERVAL,
            timeouts=Timeouts(connect=2.0, headers=3.0, first_chunk=5.0, idle=3.0, total=15.0, drain=1.0),
            check=CountCheck(to=30),
            slo=Slo(),
        )


async def demo(host: str, port: int, signals: Signals, *, announce: Callable[[str, str], None], stdout: object) -> None:
    """Run until a stop is requested; `announce` gets the addresses of the status page and of the lab."""
    async with await serve("127.0.0.1", 0) as lab:
        base = f"http://127.0.0.1:{lab.port}"
        settings = Settings(Monitor("demo"), Web((host_port(host, port),)), limits=Limits(per_host=50))
        await watch(
            Config(settings, tuple(targets(base))),
            signals,
            stdout=stdout,  # type: ignore[arg-type]
            listening=lambda bound: announce(f"http://{host_port(host, bound)}", base),
        )
