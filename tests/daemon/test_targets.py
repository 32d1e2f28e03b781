"""The targets of a config in force: their certificates, and the hash that tells one config from another."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme

from monitor.daemon.app import StartError
from monitor.daemon.parts import SLICE
from monitor.keys.tls import Tls
from monitor.lab.server import Lab, serve
from monitor.schedule import Schedule
from monitor.sinks.memory import RecentProbes
from monitor.sinks.metrics.sink import Metrics
from monitor.target import Target
from tests.daemons import QUICK_CUT, QUICK_OK, ConfigFile, named, reloaded, running, watched

pytestmark = pytest.mark.usefixtures("no_leaks", "own_logging", "no_spread")


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    """Return a config file."""
    return ConfigFile(tmp_path / "config.toml")


async def test_a_file_that_cannot_be_read() -> None:
    """A target with unusable certificates is reported before any target is scheduled."""
    broken = named("secure", "https://127.0.0.1:1/", tls=Tls(ca_file="/nowhere/ca.pem"))
    with pytest.raises(StartError, match=r"^target 'secure': a file of `tls` cannot be used: .*No such file"):
        async with running(broken):
            pass


async def test_a_target_behind_tls(tmp_path: Path) -> None:
    """Certificates are read before the first probe, in a thread, and their expiry is exported."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    file = str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(file)
    async with (
        await serve("127.0.0.1", 0, ssl=context) as lab,
        running(named("secure", lab.url + QUICK_OK, tls=Tls(ca_file=file))) as daemon,
    ):
        assert (await daemon.line(event="probe"))["outcome"] == "ok"
        assert await daemon.metric('chat_stream_certificate_expiry_timestamp_seconds{target="secure"}')


async def test_the_hash_tells_one_config_from_another(lab: Lab, file: ConfigFile) -> None:
    """Another URL is another config, the same file the same."""
    file.write(watched("one", lab.url + QUICK_OK))
    config = await file.first()
    async with running(*config.here, settings=config.settings, load=file) as daemon:
        first = await daemon.metric("chat_monitor_config_hash")
        await reloaded(daemon)
        assert await daemon.metric("chat_monitor_config_hash") == first
        file.write(watched("one", lab.url + QUICK_CUT))
        await reloaded(daemon)
        assert await daemon.metric("chat_monitor_config_hash") != first


async def test_certificates_are_read_again(file: ConfigFile, tmp_path: Path) -> None:
    """An authority that has replaced another under the same name is trusted from the reload on, and not before."""
    old, new, context = trustme.CA(), trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    new.issue_cert("127.0.0.1").configure_cert(context)
    authority = str(tmp_path / "ca.pem")
    await asyncio.to_thread(old.cert_pem.write_to_path, authority)
    async with await serve("127.0.0.1", 0, ssl=context) as lab:
        file.write(watched("secure", lab.url + QUICK_OK, 'tls = {ca_file = "ca.pem"}', 'check = "none"'))
        async with running(config=await file.first(), load=file) as daemon:
            assert (await daemon.line(event="probe"))["cause"] == "tls_certificate"
            await asyncio.to_thread(new.cert_pem.write_to_path, authority)
            assert json.loads((await daemon.post("/api/v1/targets/secure/probe"))[1])["cause"] == "tls_certificate"
            await reloaded(daemon)
            assert json.loads((await daemon.post("/api/v1/targets/secure/probe"))[1])["outcome"] == "ok"


class Turns:
    """Counts how many targets are exported, restored and armed between two turns of the event loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most = Counter[str]()
        self.all = Counter[str]()
        self._now = Counter[str]()
        self._handle = asyncio.get_running_loop().call_soon(self._turn)
        add, restore, arm = Metrics.add, RecentProbes.restore, Schedule.arm

        def added(metrics: Metrics, target: Target) -> None:
            self._count("exported")
            add(metrics, target)

        def restored(recent: RecentProbes, targets: Sequence[Target], *kept: Any) -> None:  # noqa: ANN401 - passed on
            for _ in targets:
                self._count("restored")
            restore(recent, targets, *kept)

        def armed(schedule: Schedule, target: Target, after: float) -> None:
            self._count("armed")
            arm(schedule, target, after)

        monkeypatch.setattr(Metrics, "add", added)
        monkeypatch.setattr(RecentProbes, "restore", restored)
        monkeypatch.setattr(Schedule, "arm", armed)

    def _turn(self) -> None:
        self._now.clear()
        self._handle = asyncio.get_running_loop().call_soon(self._turn)

    def _count(self, what: str) -> None:
        self._now[what] += 1
        self.all[what] += 1
        self.most[what] = max(self.most[what], self._now[what])

    def stop(self) -> None:
        """Stop counting."""
        self._handle.cancel()


async def test_the_loop_turns_between_many_targets(file: ConfigFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start and in a reload, only a slice of the targets is exported, restored or armed at a time."""
    targets = [watched(f"t{number}", "http://127.0.0.1:9/", "paused = true") for number in range(5 * SLICE)]
    file.write(*targets)
    turns = Turns(monkeypatch)
    async with running(config=await file.first(), load=file) as daemon:
        assert turns.all == {"exported": 5 * SLICE, "restored": 5 * SLICE, "armed": 5 * SLICE}
        file.write(*(one.replace("1h", "30m") for one in targets[SLICE:]), *_others(3 * SLICE))
        await reloaded(daemon)
        turns.stop()
        assert await daemon.metric("chat_monitor_targets") == 7 * SLICE
    assert turns.all == {"exported": 12 * SLICE, "restored": 5 * SLICE, "armed": 12 * SLICE}
    assert turns.most == {"exported": SLICE, "restored": SLICE, "armed": SLICE}


def _others(number: int) -> list[str]:
    return [watched(f"other{index}", "http://127.0.0.1:9/", "paused = true") for index in range(number)]
