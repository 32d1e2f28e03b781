"""Maintenance windows by the API: who may set them, their limits, and how they are listed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from aiohttp import ClientResponse
from pytest_aiohttp import AiohttpClient

from monitor.config import check_window
from monitor.maintenance import SetWindow, WindowRequest
from monitor.settings import Maintenance
from monitor.web.access import Access
from monitor.web.app import application
from monitor.web.formatting import iso
from monitor.web.source import WindowSource
from monitor.web.windows import NO_WINDOW, USERS_ONLY
from tests.web import samples
from tests.web.requests import Client, error_of
from tests.web.sources import Daemon
from tests.web.test_access import basic
from tests.web.test_openapi import fits

PATH = "/api/v1/maintenance"
ONE = f"{PATH}/{{id}}"
LOGIN = {"Authorization": basic("prom", "right")}
ONCE = Maintenance("once", ("t*",), {"team": "x"}, samples.NOW, samples.NOW + timedelta(hours=1))
NIGHTLY = Maintenance("nightly", at=time(2, 30), duration=5400.0)


@dataclass
class Windows:
    """The windows of the API's source, by id."""

    daemon: Daemon
    set: dict[str, SetWindow] = field(default_factory=dict)

    async def add(self, request: WindowRequest, user: str) -> SetWindow:
        """Set one."""
        window = request.window(f"id{len(self.set)}", samples.NOW, user)
        check_window(window.window, self.daemon.targets)
        self.set[window.id] = window
        return window

    async def end(self, window_id: str, _: str) -> SetWindow | None:
        """End one."""
        return self.set.pop(window_id, None)

    def source(self) -> WindowSource:
        """Return the application's source."""
        return WindowSource(lambda: (ONCE, NIGHTLY), lambda: tuple(self.set.values()), self.add, self.end)


@pytest.fixture
async def user(aiohttp_client: AiohttpClient, daemon: Daemon, access: Access) -> Client:
    """A client of a monitor with users."""
    source = replace(daemon.source(), windows=Windows(daemon).source())
    return await aiohttp_client(application(source, access=access), headers=LOGIN)


async def described(method: str, path: str, response: ClientResponse) -> Any:  # noqa: ANN401 - JSON
    """Return the body of an answer that is as the description has it."""
    body = await response.json()
    assert fits(method, path, response.status, body), body
    return body


async def test_a_window_is_set_listed_and_ended(user: Client) -> None:
    """A window is listed with its user, after those of the config, until it is ended."""
    asked = {"targets": ["t0*"], "comment": "new GPUs", "duration": "90m"}
    made = await described("POST", PATH, await user.post(PATH, json=asked))
    assert made["created_by"] == "prom"
    assert datetime.fromisoformat(made["end"]) == samples.NOW + timedelta(minutes=90)
    listed = (await described("GET", PATH, await user.get(PATH)))["windows"]
    assert [one["source"] for one in listed] == ["config", "config", "api"]
    assert listed[0] | {"name": "once", "labels": {"team": "x"}} == listed[0]
    assert listed[1] | {"at": "02:30", "duration": "1h30m", "timezone": "UTC"} == listed[1]
    assert listed[2] == made
    assert made["open_until"] == made["end"]
    assert (await described("DELETE", ONE, await user.delete(f"{PATH}/id0")))["id"] == "id0"
    again = await user.delete(f"{PATH}/id0")
    assert (again.status, await error_of(again)) == (404, NO_WINDOW)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "Input data was truncated"),
        ("[]", "Expected `object`, got `array`"),
        ({}, "name at least one"),
        ({"targets": ["*"], "untill": "x"}, "unknown field `untill`"),
        ({"targets": ["nobody"]}, "targets[0]: no target has this name"),
        ({"targets": ["x x"]}, 'targets[0]: "x x" is not a valid name'),
        ({"labels": {"team": "nobody"}}, "no target has these names and labels"),
        ({"targets": ["*"], "end": "2030-01-01T00:00:00"}, "`datetime` with a timezone"),
        ({"targets": ["*"], "duration": "soon"}, "duration: is not between"),
        ({"targets": ["*"], "duration": "400d"}, "duration: is not between"),
        ({"targets": ["*"], "comment": "x" * 1001}, "length <= 1000"),
    ],
)
async def test_a_window_that_cannot_be_set(user: Client, body: object, says: str) -> None:
    """What is wrong is 400 in words, and no window is set."""
    text = body if isinstance(body, str) else json.dumps(body)
    response = await user.post(PATH, data=text)
    assert response.status == 400
    assert says in await error_of(response)
    assert len((await (await user.get(PATH)).json())["windows"]) == 2


async def test_only_users_set_windows(aiohttp_client: AiohttpClient, daemon: Daemon, access: Access) -> None:
    """Without authenticated users it is 403, from another site as well, and a wrong password is 401."""
    source = replace(daemon.source(), windows=Windows(daemon).source())
    anybody = await aiohttp_client(application(source))
    for response in (await anybody.post(PATH, json={"targets": ["*"]}), await anybody.delete(f"{PATH}/id0")):
        assert (response.status, await error_of(response)) == (403, USERS_ONLY)
    protected = await aiohttp_client(application(source, access=access))
    assert (await protected.post(PATH, json={"targets": ["*"]})).status == 401
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await protected.post(PATH, json={"targets": ["*"]}, headers=LOGIN | headers)).status == 403
        assert (await protected.delete(f"{PATH}/id0", headers=LOGIN | headers)).status == 403


async def test_a_monitor_without_windows(aiohttp_client: AiohttpClient, daemon: Daemon) -> None:
    """A monitor without windows answers 501."""
    client = await aiohttp_client(application(daemon.source()))
    answers = (await client.get(PATH), await client.post(PATH), await client.delete(f"{PATH}/x"))
    assert [one.status for one in answers] == [501] * 3


async def test_a_body_that_does_not_come(user: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends half a body gets an error, and occupies nothing for long."""
    monkeypatch.setattr("monitor.web.windows._BODY_SECONDS", 0.001)
    answered = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await answered.wait()

    response = await user.post(PATH, data=body())
    answered.set()
    assert response.status == 408


async def test_pages_show_a_target_in_maintenance(aiohttp_client: AiohttpClient, daemon: Daemon) -> None:
    """Both pages and the API say until when, and such a target is not overdue."""
    until = samples.NOW + timedelta(hours=1)
    late = samples.NOW + timedelta(days=1)
    client = await aiohttp_client(application(replace(daemon.source(), resting=lambda _: until, now=lambda: late)))
    name = daemon.targets[0].name
    for page in ("/", f"/targets/{name}"):
        text = await (await client.get(page)).text()
        assert "maintenance until" in text
        assert ">overdue<" not in text
    summary = await (await client.get(f"/api/v1/targets/{name}")).json()
    assert (summary["maintenance_until"], summary["stale"]) == (iso(until), False)
