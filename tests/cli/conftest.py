"""Fixtures of the command tests: a way to run one, a lab and a config."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.cli.main import main
from monitor.lab.server import serve
from monitor.settings import MIB, HistorySettings
from monitor.sinks.history import row
from monitor.sinks.history_store import Store
from monitor.target import Record
from tests.cli.commands import PACE, Cli, Done
from tests.conftest import WITHIN
from tests.sinks.samples import GATEWAY, cut, whole


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Return what runs a command in this process."""

    def run(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["chat-monitor", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return Done(left.value.code, out, err)

    return run


@pytest.fixture(scope="module")
def lab_url() -> Iterator[str]:
    """Yield the URL of a lab that runs in a thread of its own."""
    ready, url, stop = threading.Event(), list[str](), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serving() -> None:
        async with await serve("127.0.0.1", 0) as lab:
            url.append(lab.url)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serving(),))
    thread.start()
    assert ready.wait(WITHIN)
    yield url[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(WITHIN)
    loop.close()


@pytest.fixture
def config(tmp_path: Path, lab_url: str) -> Path:
    """Return a config with a good target, a slow one, and one that is cut."""
    path = tmp_path / "config.toml"
    path.write_text(
        f"""
[web]
listen = "127.0.0.1:0"
[defaults]
protocol = "openai-chat"
model = "lab"
check = {{kind = "count", to = 9}}
[[targets]]
name = "good"
url = "{lab_url}/openai-chat/ok?{PACE}"
[[targets]]
name = "late"
url = "{lab_url}/openai-chat/ok?gap=1ms&ttfc=30ms"
slo = {{first_chunk = {{threshold = "10ms"}}}}
[[targets]]
name = "broken"
url = "{lab_url}/openai-chat/cut?{PACE}"
"""
    )
    return path


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Return a history with a complete probe and, after it, a cut one of another target."""
    path = tmp_path / "history.db"
    with closing(Store(path, HistorySettings(max_age=1e12))) as store:
        probes = (whole(probe_id="1"), cut(replace(GATEWAY, name="b"), probe_id="2", last_words="so far so g"))
        store.keep([row(one, Record.FULL, MIB) for one in probes], 0.0)
    return path
