"""The sources of the commands: a running daemon's API over real sockets, and the history's file."""

from __future__ import annotations

import asyncio
import json
import re
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from msgspec import UNSET

from monitor.cli.probe_source import LARGEST, Daemon, File, ProbeSource, ProbeSourceError, UnknownProbeError
from monitor.http.fetch import StatusError, fetch
from monitor.lab.peer import peer
from monitor.lab.steps import Fin, Send
from monitor.record.from_observation import event_of
from monitor.record.observation import Observation
from monitor.record.target_summary import TargetSummary, summarize
from monitor.settings import MIB, HistorySettings, Network
from monitor.sinks.history import row
from monitor.sinks.history_store import Store, StoredProbe
from monitor.target import Record
from monitor.web.access import Access
from monitor.web.app import application
from monitor.web.server import serve
from tests.records import record
from tests.sinks.kept_probes import old_file, probes, rows
from tests.web import samples
from tests.web.sources import Daemon as ServedDaemon
from tests.web.test_access import hashed

NAME = 'a/b%2F "c" é'
AGES = 1e12


def get(url: str) -> bytes:
    """Get a URL, as the commands do."""
    return asyncio.run(fetch(url, Network(), within=10.0, at_most=LARGEST))


@pytest.fixture
def served() -> ServedDaemon:
    """Return a daemon with two targets, one of them with special characters in its name."""
    made = ServedDaemon()
    made.add(samples.target(NAME), samples.cut(), samples.complete())
    made.add(samples.target("other"), samples.complete())
    made.add(replace(samples.target("resting"), paused=True))
    return made


@pytest.fixture
def file(tmp_path: Path, served: ServedDaemon) -> Iterator[File]:
    """Return the file that holds the same."""
    path = tmp_path / "history.db"
    store = Store(path, HistorySettings(max_age=AGES))
    probes = sorted(
        (observation for recent in served.recent.values() for observation in recent),
        key=lambda observation: observation.timestamp,
    )
    store.keep([row(observation, Record.FULL, MIB) for observation in probes], 0.0)
    yield File(path)
    store.close()


def newest(place: ProbeSource, target: str | None = None, *, failed: bool = False, limit: int = 9) -> list[str]:
    """Return the ids of what is found."""
    return [event["probe_id"] for event in place.newest(limit, target, failed=failed)]


def looked(place: ProbeSource, served: ServedDaemon) -> None:
    """See that everything is found there that is to be found."""
    cut, complete = served.recent[NAME]
    assert len(newest(place)) == 3
    assert newest(place, NAME) == [cut.probe_id, complete.probe_id]
    assert newest(place, NAME, limit=1) == [cut.probe_id]
    assert newest(place, failed=True) == [cut.probe_id]
    assert newest(place, "nobody") == []
    assert place.newest(1, NAME, failed=False) == [json.loads(json.dumps(record(cut)))]
    assert place.find(cut.probe_id) == json.loads(json.dumps(record(cut, timeline=True)))
    assert [event["probe_id"] for event in place.newest(9, None, begins=cut.probe_id)] == [cut.probe_id]
    assert [event["probe_id"] for event in place.newest(9, None, begins=cut.probe_id[:-1])] == newest(place, NAME)
    assert place.newest(9, None, begins="%") == []
    for unknown in ("../x y", "0" * 26):
        with pytest.raises(
            UnknownProbeError, match=rf"no probe '{unknown}' is stored: it is too old or never existed; "
        ):
            place.find(unknown)


def glimpsed(observations: Sequence[Observation]) -> TargetSummary:
    """Return the summary of these probes of the target."""
    return summarize(NAME, [event_of(one) for one in observations])


async def test_the_daemon(served: ServedDaemon) -> None:
    """The daemon's API gives lists, one probe, and a summary of all targets."""
    source = served.source()
    server = await serve(application(source), [("127.0.0.1", 0)])
    try:
        place = Daemon(f"http://127.0.0.1:{server.port}/", get)
        await asyncio.to_thread(looked, place, served)
        glances = {it.name: it for it in await asyncio.to_thread(place.summaries)}
    finally:
        await server.close()
    asked, worked_out = glances[NAME], glimpsed(served.recent[NAME])
    assert (asked.last, asked.consecutive_failures) == (worked_out.last, worked_out.consecutive_failures)
    assert [one.outcome for one in asked.recent] == [one.outcome for one in worked_out.recent]
    assert asked.first_chunk
    assert worked_out.first_chunk
    assert (asked.first_chunk.p50, asked.truncation_ratio) == (worked_out.first_chunk.p50, 1 / 2)
    assert (glances["resting"].paused, glances["resting"].last) == (True, UNSET)


@pytest.mark.parametrize("password", ["grün", "пароль", "p@ss:w/rd"])
async def test_a_daemon_that_asks_who_comes(served: ServedDaemon, tmp_path: Path, password: str) -> None:
    """User and password of the URL are sent in UTF-8, as the daemon reads them."""
    file = tmp_path / "web.yml"
    await asyncio.to_thread(file.write_text, f"basic_auth_users:\n  jürgen: {hashed(password)}\n")
    access = await asyncio.to_thread(Access, file)
    server = await serve(application(served.source(), access=access), [("127.0.0.1", 0)])
    try:
        user = f"{quote('jürgen')}:{quote(password, safe='')}"
        place = Daemon(f"http://{user}@127.0.0.1:{server.port}/", get)
        assert NAME in {it.name for it in await asyncio.to_thread(place.summaries)}
    finally:
        await server.close()
        access.close()


def test_the_file(served: ServedDaemon, file: File) -> None:
    """The same, except targets that were never probed."""
    looked(file, served)
    glances = {it.name: it for it in file.summaries()}
    (one, expected) = glances[NAME], glimpsed(served.recent[NAME])
    assert (one.last, one.recent, one.first_chunk) == (expected.last, expected.recent, expected.first_chunk)
    assert (one.state, one.consecutive_failures, one.windows) == ("at_risk", 1, UNSET)  # its probes are of long ago


@pytest.mark.parametrize(
    ("kinds", "state"), [("..", "ok"), ("..x", "at_risk"), (".xx", "down"), ("..x.", "ok"), ("aa", UNSET)]
)
def test_states_and_ratios_of_the_file(tmp_path: Path, kinds: str, state: object) -> None:
    """States and ratios from the file are those that the daemon would have: confirmed, and of the last day."""
    path = tmp_path / "history.db"
    with closing(Store(path, HistorySettings())) as store:
        store.keep(rows(*probes(kinds, end=time.time())), time.time())
    (it,) = File(path).summaries()
    assert it.state == state
    assert it.windows
    assert it.windows["24h"].probes == len(kinds.replace("a", ""))


def test_a_file_of_an_older_version(tmp_path: Path) -> None:
    """A file of an older version has probes, but neither states nor ratios."""
    old_file(tmp_path / "history.db", probes("x"))
    (it,) = File(tmp_path / "history.db").summaries()
    assert (it.name, it.state, it.windows, it.consecutive_failures) == ("gateway", UNSET, UNSET, 1)


def test_a_target_that_is_not_proven(tmp_path: Path) -> None:
    """A target whose last probe proves nothing is up and unproven."""
    one = rows(*probes(".", end=time.time()))[0]
    event = json.dumps(json.loads(zlib.decompress(one.event)) | {"outcome": "unverified"}).encode()
    path = tmp_path / "history.db"
    with closing(Store(path, HistorySettings())) as store:
        store.keep([replace(one, event=zlib.compress(event))], time.time())
    assert File(path).summaries()[0].state == "not_proven"


def test_what_the_file_knows(file: File) -> None:
    """Targets that were probed, alone."""
    glances = {it.name: it for it in file.summaries()}
    assert glances.keys() == {NAME, "other"}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            b"HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n",
            "127.0.0.1:.*: status 401: .* pass --url http://USER:PASSWORD@",
        ),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "the response has status 500"),
        (b"HTTP/1.1 404 Oops\r\nContent-Length: 0\r\n\r\n", "status 404: it is not a chat-monitor, or the path"),
        (b"HTTP/1.1 400 Oops\r\nContent-Length: 0\r\n\r\n", "status 400: .* an older chat-monitor, or another server"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "the server is not a chat-monitor of this version"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xff", "not a chat-monitor of this version"),
        (b"", "no answer from http://127.0.0.1:.* is the daemon running.* pass --url URL, or --db FILE"),
    ],
)
async def test_a_daemon_that_does_not_tell(answer: bytes, why: str) -> None:
    """The error says what to do, and does not show the password of the URL."""
    async with peer((Send(answer), Fin())) as server:
        place = Daemon(server.url.replace("//", "//user:canary@"), get)
        with pytest.raises(ProbeSourceError, match=why) as error:
            await asyncio.to_thread(newest, place)
    assert "canary" not in str(error.value)


def test_answers_that_are_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested too deep, or too long."""
    place = Daemon("http://127.0.0.1", lambda _: b"[" * 100_000)
    with pytest.raises(ProbeSourceError, match="not a chat-monitor of this version"):
        place.summaries()
    monkeypatch.setattr("monitor.cli.probe_source.LARGEST", 99_999)
    with pytest.raises(ProbeSourceError, match="its response has more than 99,999 bytes"):
        place.summaries()


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e999", "9" * 400, '"1"'])
@pytest.mark.parametrize("field", ["duration", "bytes", "unknown"])
def test_values_that_are_no_numbers(served: ServedDaemon, field: str, value: str) -> None:
    """What JSON lacks, or no double holds, is passed on by no command; the error names the URL and the field."""
    event = record(served.recent["other"][0])
    text = json.dumps(event | {field: [0, "@"] if field == "unknown" else "@"}).replace('"@"', value)
    summary = f'{{"targets": [{{"name": "a", "last": {text}}}]}}'
    place = Daemon("http://user:canary@127.0.0.1:1", lambda url: (summary if "targets" in url else text).encode())
    several = Daemon(place.url, lambda _: f'{{"probes": [{json.dumps(event)}, {text}]}}'.encode())
    if (field, value) == ("unknown", '"1"'):
        assert place.find("1")["unknown"] == several.newest(2, None)[1]["unknown"] == [0, "1"]
        return
    for ask, path in (
        (place.summaries, f"targets[0].last.{field}"),
        (lambda: place.find("1"), field),
        (lambda: several.newest(2, None), f"probes[1].{field}"),
    ):
        with pytest.raises(ProbeSourceError, match=rf"^http://127\.0\.0\.1:1: .* - at `\$\.{re.escape(path)}") as error:
            ask()
        assert len(str(error.value)) < 200


def test_one_probe_of_a_daemon_that_fails() -> None:
    """Only 404 means that the probe does not exist."""

    def refuse(_: str) -> bytes:
        raise StatusError(503)

    with pytest.raises(ProbeSourceError, match="the response has status 503"):
        Daemon("http://127.0.0.1", refuse).find("1")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """An unreadable file and an invalid event are errors in the store's words."""
    path = tmp_path / "h.db"
    for ask in (File(path).summaries, lambda: newest(File(path)), lambda: File(path).find("1")):
        with pytest.raises(ProbeSourceError, match=r"h\.db: no such file or directory"):
            ask()
    store = Store(path, HistorySettings(max_age=AGES))
    damaged = row(samples.cut(), Record.FULL, MIB)
    store.keep([StoredProbe("1", "a", 0.0, failed=True, event=damaged.timeline or b"", timeline=None)], 0.0)
    store.close()
    with pytest.raises(ProbeSourceError, match=r"h\.db: contains an invalid event"):
        File(path).summaries()
