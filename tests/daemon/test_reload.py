"""Reload: the current config, whole or not at all, by difference; on a real file, by signal, request and change."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitor.config import Config
from monitor.lab.peer import peer
from monitor.lab.server import Lab
from monitor.lab.steps import Fin, Gate, Send
from monitor.web.access import Access
from tests.daemons import HEAD, HI, QUICK_CUT, QUICK_OK, STOP, ConfigFile, named, reloaded, running, watched
from tests.gates import Reached
from tests.name_servers import has, name_server, replies

pytestmark = pytest.mark.usefixtures("no_leaks", "own_logging", "no_spread")

ANSWER = (Send(HEAD + HI + STOP), Fin())
REFUSED = "reload rejected, the old config stays in use"
GAUGE = "chat_monitor_config_last_reload_successful"


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    """Return a config file."""
    return ConfigFile(tmp_path / "config.toml")


# -- by difference -----------------------------------------------------------------------------------------------------


async def test_what_is_unchanged_keeps_its_numbers(lab: Lab, file: ConfigFile) -> None:
    """Counters and streaks go on, under other label names too; what is new is asked at once."""
    bad = watched("bad", lab.url + QUICK_CUT)
    file.write(bad)
    config = await file.first()
    async with running(*config.here, settings=config.settings, load=file) as daemon:
        await daemon.line(event="probe")
        assert await daemon.metric('chat_stream_accepted_total{target="bad"}') == 1
        file.write(bad, watched("new", lab.url + QUICK_OK, 'labels = {team = "search"}'))
        await reloaded(daemon)
        assert (await daemon.line(event="reloaded"))["targets"] == 2
        assert (await daemon.line(event="probe"))["target"] == "new"
        assert await daemon.metric('chat_stream_accepted_total{target="bad"}') is None
        assert await daemon.metric('chat_stream_accepted_total{target="bad",team=""}') == 1
        assert await daemon.metric('chat_stream_consecutive_truncations{target="bad",team=""}') == 1
        assert await daemon.metric('chat_stream_accepted_total{target="new",team="search"}') == 1
        assert await daemon.metric("chat_monitor_targets") == 2
        assert len(json.loads((await daemon.get("/api/v1/targets"))[1])["targets"]) == 2


async def test_what_is_unchanged_keeps_what_is_in_flight(file: ConfigFile) -> None:
    """A reload keeps unchanged probes in flight, also if label names change; a removed target is aborted."""
    stays, goes = Reached(), Reached()
    async with (
        peer((Send(HEAD + HI), Gate(stays), Send(STOP), Fin())) as one,
        peer((Send(HEAD + HI), Gate(goes))) as two,
        peer(ANSWER) as three,
    ):
        file.write(watched("stays", one.url), watched("goes", two.url))
        config = await file.first()
        async with running(*config.here, settings=config.settings, load=file) as daemon:
            await stays.reached.wait()
            await goes.reached.wait()
            labelled = watched("new", three.url, 'labels = {team = "search"}', 'check = "none"')
            file.write(watched("stays", one.url), labelled)
            await reloaded(daemon)
            gone = await daemon.line(event="probe", target="goes")
            assert (gone["outcome"], gone["cause"]) == ("aborted", "reload")
            assert (await daemon.get(f"/api/v1/probes/{gone['probe_id']}"))[0] == 404
            assert (await daemon.get("/targets/goes"))[0] == 404
            assert 'target="goes"' not in (await daemon.get("/metrics"))[1]
            assert (await daemon.line(event="probe"))["target"] == "new"
            stays.set()
            assert (await daemon.line(event="probe", target="stays"))["outcome"] == "ok"
            goes.set()


async def test_a_changed_target_is_asked_as_it_is_now(file: ConfigFile, tmp_path: Path) -> None:
    """A secret is read again from its file, and goes with the next request; the counters go on."""
    key = tmp_path / "key"
    key.write_text("first-canary")
    async with peer(ANSWER) as server:
        file.write(watched("one", server.url, f'api_key_file = "{key}"', 'check = "none"'))
        config = await file.first()
        async with running(*config.here, settings=config.settings, load=file) as daemon:
            await daemon.line(event="probe")
            key.write_text("second-canary")
            await reloaded(daemon)
            assert (await daemon.post("/api/v1/targets/one/probe"))[0] == 200
            sent = [request.headers["authorization"] for request in server.requests]
            assert sent == ["Bearer first-canary", "Bearer second-canary"]
            assert await daemon.metric('chat_stream_accepted_total{target="one"}') == 1


async def test_other_limits_hold_at_once(lab: Lab, file: ConfigFile) -> None:
    """The tokens of the day are those of the new config, and what was spent is spent."""
    one = watched("one", lab.url + QUICK_OK)
    file.write(one)
    config = await file.first()
    async with running(*config.here, settings=config.settings, load=file) as daemon:
        await daemon.line(event="probe")
        file.write(one, rest="[limits]\ntokens_per_day = 1")
        await reloaded(daemon)
        assert await daemon.metric('chat_stream_budget_tokens_remaining{target="one"}') == 0
        assert (await daemon.post("/api/v1/targets/one/probe"))[0] == 429


async def test_what_needs_a_restart_is_reported(lab: Lab, file: ConfigFile) -> None:
    """Changes of the listen address, log, metrics and history need a restart; all others are applied."""
    one = watched("one", lab.url + QUICK_OK)
    file.write(one)
    config = await file.first()
    async with running(*config.here, settings=config.settings, load=file) as daemon:
        await daemon.line(event="probe")
        settled = '[log]\nlevel = "debug"\n[metrics]\ndetail = "lean"\n[history]\nmax_age = "1d"\n'
        file.write(one, rest=settled + '[monitor]\nlocation = "eu-1"')
        await reloaded(daemon)
        event = await daemon.line(event="changed tables take effect after a restart")
        assert (event["level"], event["tables"]) == ("warning", ["log", "metrics", "history"])
        assert json.loads((await daemon.post("/api/v1/targets/one/probe"))[1])["location"] == "eu-1"


async def test_kept_connections_are_closed(lab: Lab, file: ConfigFile) -> None:
    """A reload closes kept connections, because certificates and rules may differ; until then they are reused."""
    file.write(watched("one", lab.url + QUICK_OK, 'connection = "reuse"'))
    async with running(config=await file.first(), load=file) as daemon:
        events = [await daemon.line(event="probe")]
        for again in (False, True, False):
            if again:
                await reloaded(daemon)
            events.append(json.loads((await daemon.post("/api/v1/targets/one/probe"))[1]))
        assert [one["connection"] for one in events] == ["fresh", "reuse", "fresh", "reuse"]
        assert not any("retried" in one for one in events)


# -- whole or not at all -----------------------------------------------------------------------------------------------


async def test_a_broken_config_changes_nothing(lab: Lab, file: ConfigFile) -> None:
    """The mistakes are in the response and the log, the gauge is 0 until a valid reload, and the old config stays."""
    good = watched("good", lab.url + QUICK_OK)
    file.write(good)
    config = await file.first()
    async with running(*config.here, settings=config.settings, load=file) as daemon:
        await daemon.line(event="probe")
        loaded = await daemon.metric("chat_monitor_config_last_reload_success_timestamp_seconds")
        file.write(good.replace('"good"', '"other"'), rest="nope = 1")
        status, text = await daemon.post("/-/reload")
        assert (status, "nope" in text) == (500, True)
        event = await daemon.line(event=REFUSED)
        assert (event["level"], "nope" in event["why"]) == ("error", True)
        assert await daemon.metric(GAUGE) == 0
        assert await daemon.metric("chat_monitor_config_last_reload_success_timestamp_seconds") == loaded
        assert await daemon.metric('chat_stream_accepted_total{target="good"}') == 1
        assert (await daemon.get("/-/ready"))[0] == 200
        file.write(good)
        await reloaded(daemon)
        assert await daemon.metric(GAUGE) == 1


async def test_a_config_that_is_gone(lab: Lab, file: ConfigFile) -> None:
    """A missing config is logged after a signal, and the daemon continues."""
    file.write(watched("good", lab.url + QUICK_OK))
    config = await file.first()
    async with running(*config.here, settings=config.settings, load=file) as daemon:
        file.path.unlink()
        daemon.signals.reload()
        assert "config.toml" in (await daemon.line(event=REFUSED))["why"]
        assert await daemon.metric(GAUGE) == 0


async def test_certificates_that_cannot_be_read(lab: Lab, file: ConfigFile) -> None:
    """Certificates are read before anything is replaced, so that no target is updated in part."""
    good = watched("good", lab.url + QUICK_OK)
    file.write(good)
    config = await file.first()
    async with running(*config.here, settings=config.settings, load=file) as daemon:
        (file.path.parent / "ca.pem").write_text("no certificate")
        file.write(good, watched("secure", "https://127.0.0.1:1/v1", 'tls = {ca_file = "ca.pem"}'))
        status, text = await daemon.post("/-/reload")
        assert (status, "secure" in text) == (500, True)
        assert await daemon.metric("chat_monitor_targets") == 1


USERS = "basic_auth_users: {prom: %s}\n"


async def test_users_change_with_a_reload(lab: Lab, file: ConfigFile, tmp_path: Path) -> None:
    """The web config file is read with the config; a mistake in either leaves both as they were."""
    web = tmp_path / "web.yml"
    web.write_text("http_server_config: {headers: {X-Frame-Options: sameorigin}}")
    file.write(watched("good", lab.url + QUICK_OK))
    config = await file.first()
    access = await asyncio.to_thread(Access, web)
    async with running(config=config, load=file, access=access) as daemon:
        web.write_text(USERS % "plain")
        status, text = await daemon.post("/-/reload")
        assert (status, "web.yml:1: basic_auth_users.prom: is not a bcrypt hash" in text) == (500, True)
        web.write_text(USERS % ("$2b$04$" + "." * 53))
        await reloaded(daemon)
        assert [(await daemon.get(path))[0] for path in ("/", "/-/ready")] == [401, 200]


async def test_a_bug_in_what_reads_it(lab: Lab, file: ConfigFile) -> None:
    """An unexpected exception is counted, its text is not in the response, and the old config stays."""
    file.write(watched("good", lab.url + QUICK_OK))
    config = await file.first()

    def broken() -> Config:
        raise RuntimeError("canary-secret")

    async with running(*config.here, settings=config.settings, load=broken) as daemon:
        assert await daemon.post("/-/reload") == (500, "reading it failed: RuntimeError\n")
        assert await daemon.metric(GAUGE) == 0
        assert await daemon.metric("chat_monitor_unhandled_exceptions_total") == 1


async def test_a_bug_in_the_swap(lab: Lab, file: ConfigFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception after a signal is counted and logged."""
    file.write(watched("good", lab.url + QUICK_OK))
    config = await file.first()

    def broken(*_: object) -> None:
        raise RuntimeError("a bug in the swap")

    async with running(*config.here, settings=config.settings, load=file) as daemon:
        await daemon.line(event="started")
        monkeypatch.setattr("monitor.daemon.reload.replace_targets", broken)
        daemon.signals.reload()
        assert "a bug in the swap" in (await daemon.line(event="unhandled exception"))["exception"]


# -- when --------------------------------------------------------------------------------------------------------------


async def test_two_reloads_at_once(lab: Lab, file: ConfigFile) -> None:
    """One after the other, and both are answered."""
    file.write(watched("good", lab.url + QUICK_OK))
    config = await file.first()
    inside, most = 0, 0

    def counting() -> Config:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        read = file()
        inside -= 1
        return read

    async with running(*config.here, settings=config.settings, load=counting) as daemon:
        answers = await asyncio.gather(*(daemon.post("/-/reload") for _ in range(3)))
        assert answers == [(200, "reloaded.\n")] * 3
        assert (file.reads, most) == (4, 1)


async def test_a_reload_that_comes_too_late(file: ConfigFile) -> None:
    """While the daemon drains nothing is swapped: what is in flight ends by itself."""
    gate = Reached()
    async with peer((Send(HEAD + HI), Gate(gate), Send(STOP), Fin())) as server:
        file.write(watched("one", server.url))
        config = await file.first()
        async with running(*config.here, settings=config.settings, load=file) as daemon:
            await gate.reached.wait()
            file.write(watched("other", server.url))
            daemon.signals.stop.set()
            await daemon.line(event="stopping")
            assert await daemon.post("/-/reload") == (500, "the monitor is stopping\n")
            gate.set()
            assert (await daemon.line(event="probe"))["outcome"] == "ok"


async def test_a_reload_that_is_not_done_at_the_end(lab: Lab, file: ConfigFile) -> None:
    """A stop does not wait for a reload whose disk hangs."""
    file.write(watched("good", lab.url + QUICK_OK))
    config = await file.first()
    async with running(*config.here, settings=config.settings, load=file) as daemon:
        await daemon.line(event="probe")
        daemon.signals.reload()
        daemon.signals.stop.set()
        await daemon.task


async def test_without_a_config_there_is_nothing_to_reload(lab: Lab) -> None:
    """Without a config, as in the demo, the signal does nothing and the API says so."""
    async with running(named("good", lab.url + QUICK_OK)) as daemon:
        daemon.signals.reload()
        assert (await daemon.post("/-/reload"))[0] == 501


# -- by itself ---------------------------------------------------------------------------------------------------------

LOOK = "[monitor]\nreload_on_change = true"


async def test_a_file_that_changes_is_read(lab: Lab, file: ConfigFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `reload_on_change` a valid change is used, an invalid one reported once, and a missing file ignored."""
    monkeypatch.setattr("monitor.daemon.reload.CHECK_EVERY", 0.001)
    one, two = watched("one", lab.url + QUICK_OK), watched("two", lab.url + QUICK_OK)
    file.write(one, rest=LOOK)
    async with running(config=await file.first(), load=file) as daemon:
        file.write(one, two, rest=LOOK)
        assert (await daemon.line(event="reloaded"))["targets"] == 2
        file.write(one, "nope = 1", rest=LOOK)
        await daemon.line(event=REFUSED)
        reads = file.reads
        file.path.unlink()
        file.write(one, "nope = 1", rest=LOOK)
        file.write(one, rest=LOOK)
        assert (await daemon.line(event="reloaded"))["targets"] == 1
        assert file.reads <= reads + 2
        assert await daemon.metric(GAUGE) == 1


async def test_a_file_is_not_looked_at_unasked(lab: Lab, file: ConfigFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default a changed file waits for a reload; from a reload that enables it on, it does not."""
    monkeypatch.setattr("monitor.daemon.reload.CHECK_EVERY", 0.001)
    one = watched("one", lab.url + QUICK_OK)
    file.write(one)
    async with running(config=await file.first(), load=file) as daemon:
        file.write(one, rest=LOOK)
        await daemon.line(event="probe")
        for _ in range(20):
            await daemon.get("/-/ready")
        assert file.reads == 1
        await reloaded(daemon)
        file.write(one, watched("two", lab.url + QUICK_OK), rest=LOOK)
        await daemon.until("chat_monitor_targets", 2)


async def test_a_bug_in_a_reload_ends_no_looking(lab: Lab, file: ConfigFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in a reload is counted, and the next change is used."""
    monkeypatch.setattr("monitor.daemon.reload.CHECK_EVERY", 0.001)
    one, two = watched("one", lab.url + QUICK_OK), watched("two", lab.url + QUICK_OK)
    file.write(one, rest=LOOK)

    def broken(*_: object) -> None:
        raise RuntimeError("a bug in the swap")

    async with running(config=await file.first(), load=file) as daemon:
        await daemon.line(event="started")
        with monkeypatch.context() as patch:
            patch.setattr("monitor.daemon.reload.replace_targets", broken)
            file.write(one, two, rest=LOOK)
            await daemon.line(event="unhandled exception")
        file.write(two, rest=LOOK)
        assert (await daemon.line(event="reloaded"))["targets"] == 1


# -- systemd -----------------------------------------------------------------------------------------------------------


@contextmanager
def manager(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Yield the socket of systemd's notifications."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hearing:
        hearing.setblocking(False)
        hearing.bind(str(path))
        yield hearing


async def test_systemd_is_notified_of_a_reload(
    lab: Lab, file: ConfigFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The begin and the end of a reload, and its result, are sent to systemd."""
    good = watched("good", lab.url + QUICK_OK)
    file.write(good)
    config = await file.first()
    with manager(tmp_path / "notify", monkeypatch) as hearing:
        loop = asyncio.get_running_loop()
        async with running(*config.here, settings=config.settings, load=file) as daemon:
            assert (await loop.sock_recv(hearing, 999)).startswith(b"READY=1\n")
            for text, status in (
                ((good, watched("more", lab.url + QUICK_OK)), b"STATUS=watching 2 targets"),
                (("nope = 1",), b"STATUS=reload rejected, the old config stays in use"),
            ):
                file.write(*text)
                daemon.signals.reload()
                assert (await loop.sock_recv(hearing, 999)).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
                assert await loop.sock_recv(hearing, 999) == b"READY=1\n" + status


async def test_another_name_server(lab: Lab, file: ConfigFile) -> None:
    """Look-ups go to the one of the config in force, those of sources of targets too, and to no other."""
    url = f"http://one.test:{lab.port}{QUICK_OK}"
    answers = {"one.test": has("127.0.0.1"), "list.test": replies("NXDOMAIN")}
    source = '[[discovery]]\nname = "far"\nhttp_sd = ["http://list.test/"]'
    async with name_server(answers) as one, name_server(answers) as two:
        file.write(watched("first", url), rest=f'[network]\nresolver = "{one.address}"\nip_family = 4\n{source}')
        config = await file.first()
        async with running(load=file, config=config) as daemon:
            assert (await daemon.line(event="probe"))["outcome"] == "ok"
            before = one.asked[:]
            file.write(watched("second", url), rest=f'[network]\nresolver = "{two.address}"\nip_family = 4\n{source}')
            await reloaded(daemon)
            assert (await daemon.line(event="probe", target="second"))["outcome"] == "ok"
        assert sorted(one.asked) == sorted(two.asked) == ["list.test A udp", "one.test A udp"]
        assert one.asked == before


class Importing:
    """Records in which thread a module is imported; the other finders import it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.threads: list[threading.Thread] = []

    def find_spec(self, name: str, *_: object) -> None:
        """Note it."""
        if name == self._name:
            self.threads.append(threading.current_thread())


async def test_from_the_system_to_a_name_server_and_back(
    lab: Lab, file: ConfigFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reload uses its resolver at once, and imports the resolver's library outside the event loop."""
    importing = Importing("monitor.http.nameserver")
    monkeypatch.delitem(sys.modules, "monitor.http.nameserver", raising=False)
    monkeypatch.setattr(sys, "meta_path", [importing, *sys.meta_path])
    url = f"http://localhost:{lab.port}{QUICK_OK}"
    async with name_server({"one.test": has("127.0.0.1")}) as zone:
        file.write(watched("first", url))
        config = await file.first()
        async with running(load=file, config=config) as daemon:
            assert (await daemon.line(event="probe"))["outcome"] == "ok"
            assert importing.threads == []
            there = watched("second", f"http://one.test:{lab.port}{QUICK_OK}")
            file.write(there, rest=f'[network]\nresolver = "{zone.address}"')
            await reloaded(daemon)
            assert (await daemon.line(event="probe", target="second"))["outcome"] == "ok"
            assert len(importing.threads) == 1
            assert threading.current_thread() not in importing.threads
            asked = len(zone.asked)
            file.write(watched("third", url))
            await reloaded(daemon)
            assert (await daemon.line(event="probe", target="third"))["outcome"] == "ok"
            assert len(zone.asked) == asked
