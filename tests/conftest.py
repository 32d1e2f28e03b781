"""Fixtures of many tests: a lab, probes with short timeouts, and checks for blocking calls and leaks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import bcrypt
import pytest
import structlog
from aiohttp.abc import AbstractResolver
from blockbuster import BlockBuster
from hypothesis import settings
from pytest_asyncio.plugin import PytestAsyncioFunction
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from monitor.http import Client
from monitor.lab.server import Lab, serve
from monitor.probe import assemble, run
from monitor.probe.run import Prober
from monitor.record.observation import Observation
from monitor.settings import Limits, Network
from monitor.stream.endings import Deadline
from monitor.target import CountCheck, Target, Timeouts
from monitor.web.access import Access
from tests.records import record
from tests.sinks.samples import mistakes

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")  # a machine that does other things, too, is no failure of what is tested

PATIENT = Timeouts(connect=200.0, headers=200.0, first_chunk=200.0, idle=200.0, total=250.0, drain=200.0)
"""Timeouts that never pass, however busy the machine is: the test fails before."""
SHORT = Timeouts(connect=0.5, headers=1.0, first_chunk=1.0, idle=0.8, total=1.5, drain=0.3)
"""Timeouts for a deadline that ends a stream."""
WITHIN = 120.0
"""Seconds within which another thread or process acts, however busy the machine is."""
TIGHT = Limits(stream_bytes=512 << 10, event_bytes=64 << 10, events=20_000)
_MAY_BLOCK = (
    (
        "monitor/http/tls.py",
        "tls_context",
    ),  # once per setting, and kept; the daemon does it in a thread
    ("monitor/sinks/metrics/sink.py", "__init__"),  # at the start, before anything is watched
    ("prometheus_client/process_collector.py", "collect"),  # /proc is no disk: some 50 us
    ("coverage/collector.py", "lock_data"),  # the measurement of coverage is none of ours
)
"""Where our code may block in a running loop."""
_LONG = 300
"""The fewest reads of a timeline that is not checked against the schema: each takes some 50 us."""
_TURNS = 2000
"""Turns of the loop within which aborted transports have their last callbacks."""


_SHARED = frozenset(
    {"alerts", "browser", "comparison", "kubernetes", "machine", "proxies", "real", "soak", "stopped", "systemd"}
)
"""Directories whose tests share programs that are started once: one worker runs them all."""
_LEFT_OUT = pytest.StashKey[int]()
_PROGRAMS = frozenset({"promtool", "vmalert"})
"""Fixtures that are programs from Debian's packages."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count what drives Debian's programs as `real`."""
    for item in items:
        if _PROGRAMS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.real)


def pytest_configure() -> None:
    """Let started programs be interrupted: a background job of a shell ignores SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class ByPlace(LoadScopeScheduling):  # type: ignore[misc]  # it ships no types
    """Distributes tests that share a program together, and all others one by one."""

    def _split_scope(self, nodeid: str) -> str:
        place = Path(nodeid.partition("::")[0]).parent.name
        return place if place in _SHARED else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByPlace | None:
    """Make `--dist loadscope` group by directory: groups of pytest-xdist 3.8 are lost on pytest 9."""
    return ByPlace(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count what is left out."""
    for item in items:
        known = item.config.stash.get(_LEFT_OUT, 0)
        item.config.stash[_LEFT_OUT] = known + (item.get_closest_marker("real") is not None)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Make a worker report how many tests it left out."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left out"] = session.config.stash.get(_LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 - a class of pytest-xdist that it does not name
    """Receive from each worker which tests it left out; all have left out the same."""
    node.config.stash[_LEFT_OUT] = getattr(node, "workeroutput", {}).get("left out", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print how many tests did not run, and the command for them."""
    if left_out := config.stash.get(_LEFT_OUT, 0):
        terminalreporter.write_line(f"left out: {left_out} tests with real servers or Debian packages: make test-real")


def target(url: str, protocol: str = "openai-chat", **more: Any) -> Target:  # noqa: ANN401 - fields of Target
    """Return a target with long timeouts and the counted list as its check."""
    fields: dict[str, Any] = {"name": "one", "model": "lab", "timeouts": PATIENT, "check": CountCheck(9)}
    if protocol in {"raw", "generic"}:
        fields["body"] = {"prompt": "{prompt}"}
    return Target(protocol=protocol, url=url, **(fields | more))


def only(*deadlines: Deadline | None) -> Timeouts:
    """Return timeouts of which these alone are short: no other deadline ends a stream."""
    return replace(PATIENT, **{one.value: getattr(SHORT, one.value) for one in deadlines if one is not None})


class MakeProber(Protocol):
    """Makes a prober with tight limits."""

    def __call__(
        self,
        *,
        limits: Limits = TIGHT,
        network: Network = ...,
        resolver: AbstractResolver | None = None,
        save: Callable[[bytes], object] | None = None,
    ) -> Prober:
        """Return a prober."""
        ...


class Ask(Protocol):
    """Probes a URL once."""

    async def __call__(
        self,
        url: str,
        protocol: str = "openai-chat",
        **more: Any,  # noqa: ANN401 - fields of Target
    ) -> Observation:
        """Return the observation."""
        ...


@pytest.fixture
def prober() -> MakeProber:
    """Return what makes a prober with tight limits."""

    def make(
        *,
        limits: Limits = TIGHT,
        network: Network | None = None,
        resolver: AbstractResolver | None = None,
        save: Callable[[bytes], object] | None = None,
    ) -> Prober:
        return Prober(Client(limits, network or Network(), resolver), limits, save=save)

    return make


@pytest.fixture
def ask(prober: MakeProber) -> Ask:
    """Return what probes a URL once, with long timeouts and the counted list as its check."""

    async def once(url: str, protocol: str = "openai-chat", **more: Any) -> Observation:  # noqa: ANN401 - see Ask
        return await prober()(target(url, protocol, **more), "cli")

    return once


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    """Yield a fault lab on a free port of loopback."""
    async with await serve("127.0.0.1", 0) as lab:
        yield lab


@pytest.fixture(scope="session", autouse=True)
def every_event_fits() -> Iterator[None]:
    """Check the event of every probe of a test against docs/event.schema.json, which allows no null."""
    observe = assemble.observe
    assert mistakes({}), "the schema is read before any loop runs"

    def observed(*what: Any, **more: Any) -> Observation:  # noqa: ANN401 - whatever the real one takes
        observation = observe(*what, **more)
        wrong = mistakes(record(observation, timeline=observation.recording.reads < _LONG))
        assert wrong == [], wrong
        return observation

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "observe", observed)
        yield


@pytest.fixture(autouse=True)
def no_blocking(request: pytest.FixtureRequest) -> Iterator[None]:
    """Make every blocking call that our code makes in a running loop an error."""
    if not isinstance(request.node, PytestAsyncioFunction):
        yield
        return
    buster = BlockBuster("monitor")
    for call in buster.functions.values():
        for file, function in _MAY_BLOCK:
            call.can_block_in(file, function)
    buster.activate()
    try:
        yield
    finally:
        buster.deactivate()


@pytest.fixture
async def no_leaks() -> AsyncIterator[None]:
    """Fail a test that leaves a task, a thread of ours or a descriptor open; connections are descriptors."""
    before, watched = _descriptors(), _watched()
    yield
    for _ in range(_TURNS):
        if not _left() and _descriptors().keys() <= before.keys() and _watched() <= watched:
            return
        await asyncio.sleep(0)
    opened = {number: what for number, what in _descriptors().items() if number not in before}
    pytest.fail(f"left over: {_left()} {opened}, watched by the loop: {_watched() - watched}")


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Restore the logging: the daemon sends all of it to its own stream."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    for handler in handlers:
        root.removeHandler(handler)  # the daemon would close them
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def no_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask every target at once when the daemon starts."""
    monkeypatch.setattr("monitor.schedule.SPREAD", 0.0)
    monkeypatch.setattr("monitor.schedule.TYPICAL", 0.0)


def _left() -> list[str]:
    tasks = [repr(task) for task in asyncio.all_tasks() - {asyncio.current_task()}]
    return tasks + [thread.name for thread in threading.enumerate() if thread.name == "look-up"]


def _watched() -> set[int]:
    """Return the descriptors that the loop still watches; a closed one would affect the next file with its number."""
    selector = getattr(asyncio.get_running_loop(), "_selector", None)
    return set(selector.get_map()) if selector is not None else set()


def _descriptors() -> dict[int, str]:
    """Return the open descriptors with what they are; the one that lists them is gone when it is looked at."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found[int(entry.name)] = str(entry.readlink())
    return found


@pytest.fixture
def access(tmp_path: Path) -> Iterator[Access]:
    """Return the access rules with one user, `prom`, whose password is `right`."""
    file = tmp_path / "web.yml"
    file.write_text(f"basic_auth_users:\n  prom: {bcrypt.hashpw(b'right', bcrypt.gensalt(4)).decode()}\n")
    found = Access(file)
    yield found
    found.close()
