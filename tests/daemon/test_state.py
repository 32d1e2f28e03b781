"""The daemon's state on disk: the tokens of today, through restarts, kills and full disks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from monitor.files import save
from monitor.lab.server import Lab
from tests.daemons import QUICK_OK, named, running

pytestmark = pytest.mark.usefixtures("no_leaks", "own_logging", "no_spread")


async def test_tokens_of_today_survive_a_restart(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spent tokens are stored in the state directory, so that a target is skipped from the start."""
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}:/nowhere/else")
    poor = named("good", lab.url + QUICK_OK, tokens_per_day=1)
    async with running(poor) as daemon:
        await daemon.line(event="probe")
    async with running(poor) as daemon:
        await daemon.line(event="started")
        assert await daemon.metric('chat_stream_budget_tokens_remaining{target="good"}') == 0
        assert await daemon.metric('chat_stream_probes_skipped_total{reason="budget",target="good"}') == 1
        status, text = await daemon.post("/api/v1/targets/good/probe")
        assert (status, "the tokens of today are spent" in text) == (429, True)


async def test_tokens_are_kept_while_it_runs(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spent tokens are saved while the daemon runs, so that a kill loses few."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setattr("monitor.daemon.state.SAVE_EVERY", 0.001)
    saved, loop = asyncio.Event(), asyncio.get_running_loop()

    def noted(kept: bytes, path: Path) -> str | None:
        wrong = save(kept, path)
        loop.call_soon_threadsafe(saved.set)
        return wrong

    monkeypatch.setattr("monitor.daemon.state.save", noted)
    async with running(named("good", lab.url + QUICK_OK)) as daemon:
        await daemon.line(event="probe")
        await saved.wait()
        kept = await asyncio.to_thread((tmp_path / "budget.json").read_bytes)
        assert json.loads(kept)["spent"]["good"] > 0


async def test_tokens_that_cannot_be_kept(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error is reported and counted, an invalid file is put aside, and the daemon continues."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setattr("monitor.daemon.state.SAVE_EVERY", 0.001)
    monkeypatch.setattr(
        "monitor.daemon.state.save", lambda _, path: f"{path}: cannot be written: no space left on device"
    )
    (tmp_path / "budget.json").write_text("half a fi")
    async with running(named("good", lab.url + QUICK_OK)) as daemon:
        event = await daemon.line(event="the tokens spent before this start are unknown")
        assert "put aside as budget.json.corrupt" in event["why"]
        event = await daemon.line(event="the tokens spent cannot be saved")
        assert "no space left on device" in event["why"]
        assert await daemon.metric('chat_monitor_sink_errors_total{sink="history"}') == 1
