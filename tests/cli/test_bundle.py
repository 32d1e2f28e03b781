"""`explain --bundle`: a file for the support of the server's operator."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.bundle import bundle
from monitor.cli.probe_source import File, ProbeSourceError
from monitor.record.probe_event import read
from monitor.settings import MIB, HistorySettings
from monitor.sinks.history import row
from monitor.sinks.history_store import Store
from monitor.target import Record
from tests.cli.commands import Cli, Done
from tests.sinks.samples import GATEWAY, START, cut, whole

OURS = replace(GATEWAY, labels={"team": "canary-label"})


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """Return a history with two good probes, one of another target, a cut one, and a good one after it."""
    path = tmp_path / "history.db"
    other = replace(GATEWAY, name="other")
    probes = [
        whole(OURS, probe_id="1"),
        whole(OURS, probe_id="2"),
        whole(other, probe_id="3"),
        cut(OURS, probe_id="4", last_words="canary-words"),
        whole(OURS, probe_id="5"),
    ]
    timed = [replace(one, timestamp=START + timedelta(minutes=number)) for number, one in enumerate(probes)]
    with closing(Store(path, HistorySettings(max_age=1e12))) as store:
        store.keep([row(one, Record.FULL, MIB) for one in timed], 0.0)
    return path


def content(path: Path) -> dict[str, Any]:
    """Return what a file holds."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_what_the_file_holds(cli: Cli, db: Path, tmp_path: Path) -> None:
    """The probe with its timeline, the last good one of its target before it, and the request; nothing of ours."""
    file = tmp_path / "support.json"
    done = cli("explain", "4", "--db", db, "--bundle", file)
    assert (done.status, done.err) == (0, f"written to {file}: read it before you send it\n")
    assert done.out == cli("explain", "4", "--db", db).out
    found = content(file)
    assert list(found) == ["probe", "last_good_probe", "curl", "curl_note"]
    assert "put them in for ***" in found["curl_note"]
    assert [found[key]["probe_id"] for key in ("probe", "last_good_probe")] == ["4", "2"]
    assert found["probe"]["cause"] == "incomplete_body"
    assert all(found[key]["timings"] and found[key]["timeline"]["arrivals"] for key in ("probe", "last_good_probe"))
    assert found["curl"].startswith("curl -N -i -X POST 'https://gateway.example.com:8443/v1/chat")
    assert "$KEY" in found["curl"]
    assert "canary" not in file.read_text()
    assert '"target"' not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_request_of_the_config(cli: Cli, db: Path, tmp_path: Path) -> None:
    """The bundle has the configured prompt and no secret; if the config lacks the target, the event is used."""
    for name in ("key", "header"):
        (tmp_path / name).write_text(f"{name}-canary")
        (tmp_path / name).chmod(0o600)
    config = tmp_path / "config.toml"
    config.write_text(
        '[[targets]]\nname = "gateway"\nprotocol = "openai-chat"\nurl = "https://gateway.example.com/"\nmodel = "m"\n'
        'prompt = "say hello"\napi_key_file = "key"\nheader_files = {X-Tenant = "header"}\n'
    )
    for name, probe_id in (("own", "4"), ("lacking", "3")):
        done = cli("explain", probe_id, "--db", db, "--bundle", tmp_path / name, "--config", config)
        assert done.status == 0
    own, lacking = (tmp_path / name for name in ("own", "lacking"))
    assert "say hello" in content(own)["curl"]
    assert "canary" not in own.read_text()
    assert "say hello" not in content(lacking)["curl"]
    assert "last_good_probe" not in content(lacking)


def test_a_file_that_exists_is_not_replaced(cli: Cli, db: Path, tmp_path: Path) -> None:
    """An existing file is not replaced, a link is not followed, and a missing directory is named."""
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "new")
    for name, why in (("mine", "file exists"), ("link", "file exists"), ("no/file", "no such file or directory")):
        done = cli("explain", "4", "--db", db, "--bundle", tmp_path / name)
        assert (done.status, done.err) == (1, f"chat-monitor: {tmp_path / name}: cannot be written: {why}\n")
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "new").exists()


@contextmanager
def small_files(most: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full(cli: Cli, db: Path, tmp_path: Path) -> None:
    """On a full disk the incomplete file is removed."""
    file = tmp_path / "support.json"
    with small_files(100):
        done = cli("explain", "4", "--db", db, "--bundle", file)
    assert (done.status, done.err) == (1, f"chat-monitor: {file}: cannot be written: file too large\n")
    assert not file.exists()


def test_a_config_with_a_mistake(cli: Cli, db: Path, tmp_path: Path) -> None:
    """A mistake in the config is reported before anything is written."""
    (tmp_path / "config.toml").write_text("nope = 1")
    done = cli("explain", "4", "--db", db, "--config", tmp_path / "config.toml", "--bundle", tmp_path / "new")
    assert (done.status, "nope" in done.err, (tmp_path / "new").exists()) == (2, True, False)


def test_a_probe_that_is_not_kept(cli: Cli, db: Path, tmp_path: Path) -> None:
    """No file is written."""
    file = tmp_path / "support.json"
    done: Done = cli("explain", "9", "--db", db, "--bundle", file)
    assert (done.status, file.exists()) == (1, False)


class Dropping(File):
    """A history that drops a probe between the list and the question for it."""

    def find(self, probe_id: str) -> dict[str, Any]:
        """Have nothing any more."""
        raise ProbeSourceError(probe_id)


def test_a_good_probe_that_was_dropped_meanwhile(db: Path) -> None:
    """If the good probe was deleted meanwhile, its listed event is used, without a timeline."""
    found = bundle(Dropping(db), read(File(db).find("4")), None)
    assert found["last_good_probe"]["probe_id"] == "2"
    assert "timeline" not in found["last_good_probe"]


def test_a_protocol_that_cannot_make_a_request(db: Path) -> None:
    """One from outside that is not installed here: the rest is useful without the request."""
    event = read(File(db).find("4") | {"protocol": "no_such_module:NAME", "http_version": "2"})
    assert list(bundle(File(db), event, None)) == ["probe", "last_good_probe"]
