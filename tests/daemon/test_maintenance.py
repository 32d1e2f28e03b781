"""Maintenance windows that users set in a running daemon: through restarts, and with an invalid file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from monitor.lab.server import Lab
from monitor.web.access import Access
from tests.daemons import QUICK_OK, Running, named, running
from tests.web.test_access import basic

pytestmark = pytest.mark.usefixtures("no_leaks", "own_logging", "no_spread")

LOGIN = {"Authorization": basic("prom", "right")}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file in the state directory."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    return tmp_path / "maintenance.json"


@asynccontextmanager
async def watching(lab: Lab, access: Access) -> AsyncIterator[Running]:
    """Yield a daemon with one target, and with users."""
    async with running(named("good", lab.url + QUICK_OK), access=access) as daemon:
        yield daemon


async def asked(daemon: Running, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Ask the API as a user, and return status and body of the answer."""
    async with (
        aiohttp.ClientSession(headers=LOGIN) as session,
        session.request(method, f"{daemon.base}/api/v1/{path}", json=body) as response,
    ):
        return response.status, await response.json()


async def test_a_window_outlasts_a_restart(lab: Lab, access: Access, state: Path) -> None:
    """A window is logged with its user, holds after a restart from the first probe on, and can be ended."""
    async with watching(lab, access) as daemon:
        status, window = await asked(daemon, "POST", "maintenance", {"targets": ["good"], "comment": "new GPUs"})
        event = await daemon.line(event="a maintenance window was set")
        assert (status, event["user"], event["window"]) == (200, "prom", window["id"])
        assert (event["targets"], event["comment"], event["until"]) == (["good"], "new GPUs", f"{window['end'][:19]}Z")
    again = await asyncio.to_thread(Access, access.path)
    async with watching(lab, again) as daemon:
        while (await asked(daemon, "GET", "targets/good"))[1].get("maintenance_until") != f"{window['end'][:19]}Z":
            continue
        refused = await asked(daemon, "POST", "targets/good/probe")
        assert refused == (429, {"error": "the target is in a maintenance window"})
        assert (await asked(daemon, "DELETE", f"maintenance/{window['id']}"))[0] == 200
        assert (await asked(daemon, "GET", "maintenance"))[1] == {"windows": []}
        assert (await asked(daemon, "POST", "targets/good/probe"))[0] == 200
        assert (await asked(daemon, "DELETE", f"maintenance/{window['id']}"))[0] == 404
        assert json.loads(await asyncio.to_thread(state.read_text))["windows"] == []


@pytest.mark.parametrize(
    ("kept", "why", "aside"),
    [
        ("half a fi", "is not a valid list of maintenance windows; it was put aside as", "maintenance.json.corrupt"),
        ('{"version": 2, "windows": "other"}', "was written by a later version; it was put", "maintenance.json.newer"),
    ],
)
async def test_a_file_that_cannot_be_used(  # noqa: PLR0917 - fixtures and a case
    lab: Lab, access: Access, state: Path, kept: str, why: str, aside: str
) -> None:
    """The log says so, it is put aside, and windows can be set."""
    await asyncio.to_thread(state.write_text, kept)
    async with watching(lab, access) as daemon:
        event = await daemon.line(event="maintenance windows set before are not known")
        assert why in event["why"]
        assert await asyncio.to_thread(state.with_name(aside).read_text) == kept
        assert (await asked(daemon, "POST", "maintenance", {"targets": ["good"]}))[0] == 200


async def test_windows_that_cannot_be_kept(lab: Lab, access: Access, state: Path) -> None:
    """A full disk is reported and counted, and the window holds while the monitor runs."""
    state.with_name("maintenance.json.new").mkdir()
    async with watching(lab, access) as daemon:
        assert (await asked(daemon, "POST", "maintenance", {"targets": ["good"]}))[0] == 200
        assert "cannot be written" in (await daemon.line(event="maintenance windows are not kept"))["why"]
        assert len((await asked(daemon, "GET", "maintenance"))[1]["windows"]) == 1


async def test_without_a_state_directory(
    lab: Lab, access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows hold as long as the monitor runs, and no file is written."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    async with watching(lab, access) as daemon:
        assert (await asked(daemon, "POST", "maintenance", {"targets": ["good"]}))[0] == 200
        assert (await asked(daemon, "POST", "targets/good/probe"))[0] == 429
    assert [one.name for one in await asyncio.to_thread(lambda: list(tmp_path.iterdir()))] == ["web.yml"]
