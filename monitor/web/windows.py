"""Maintenance windows by the API: `GET` and `POST /api/v1/maintenance`, and `DELETE /api/v1/maintenance/ID`."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from monitor.config import ConfigError
from monitor.keys.units import duration_text
from monitor.maintenance import SetWindow, WindowRequest, open_until
from monitor.record.parts import given
from monitor.settings import Maintenance
from monitor.web.answers import STATE, problem, resource, source_of

NO_WINDOW = "No maintenance window of this id was set, or it has ended."
USERS_ONLY = (
    "Only authenticated users can set maintenance windows: use --web.config.file with basic_auth_users, or with "
    "client certificates that are required."
)
_NO_WINDOWS = "This monitor sets no maintenance windows."
_BODY_SECONDS = 10.0
_REQUEST = msgspec.json.Decoder(WindowRequest)


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """One maintenance window, of the config or set by a user."""

    source: Annotated[Literal["config", "api"], Meta(description="Whether the config has it, or a user set it.")]
    name: Annotated[str, Meta(description="Its name in the config.")] | UnsetType = UNSET
    id: Annotated[str, Meta(description="The id by which it is ended, if a user set it.")] | UnsetType = UNSET
    targets: Annotated[tuple[str, ...], Meta(description="Names of targets, or patterns; empty for all.")] = ()
    labels: Annotated[dict[str, str], Meta(description="Labels that the targets have, or patterns.")] = {}
    start: Annotated[datetime, Meta(description="When it begins, in RFC 3339.", tz=True)] | UnsetType = UNSET
    end: Annotated[datetime, Meta(description="When it ends, in RFC 3339.", tz=True)] | UnsetType = UNSET
    at: Annotated[str, Meta(description="The time of day at which a recurring window begins.")] | UnsetType = UNSET
    duration: Annotated[str, Meta(description="How long it then lasts.")] | UnsetType = UNSET
    weekdays: Annotated[tuple[str, ...], Meta(description="The days on which it begins.")] | UnsetType = UNSET
    timezone: Annotated[str, Meta(description="The time zone of `at` and `weekdays`.")] | UnsetType = UNSET
    open_until: (
        Annotated[datetime, Meta(description="When it ends, in RFC 3339, if it is open now.", tz=True)] | UnsetType
    ) = UNSET
    created: Annotated[datetime, Meta(description="When it was set, in RFC 3339.", tz=True)] | UnsetType = UNSET
    created_by: Annotated[str, Meta(description="The user who set it.")] | UnsetType = UNSET
    comment: Annotated[str, Meta(description="Why it was set.")] | UnsetType = UNSET


def of_config(window: Maintenance, now: datetime) -> Window:
    """Return a window of the config."""
    recurring = window.at is not None
    return Window(
        source="config",
        name=window.name,
        targets=window.targets,
        labels=dict(window.labels),
        start=given(window.start),
        end=given(window.end),
        at=f"{window.at:%H:%M}" if window.at else UNSET,
        duration=duration_text(window.duration) if window.duration else UNSET,
        weekdays=window.weekdays if recurring else UNSET,
        timezone=window.timezone if recurring else UNSET,
        open_until=given(open_until(window, now)),
    )


def of_user(one: SetWindow, now: datetime) -> Window:
    """Return a window that a user set."""
    return Window(
        source="api",
        id=one.id,
        targets=one.targets,
        labels=one.labels,
        start=one.start,
        end=one.end,
        open_until=given(open_until(one.window, now)),
        created=one.created,
        created_by=one.created_by,
        comment=one.comment or UNSET,
    )


async def listed(request: web.Request) -> web.Response:
    """`GET /api/v1/maintenance`: the windows of the config, and those that users have set."""
    source = source_of(request)
    windows, now = source.windows, source.now()
    if windows is None:
        return _refused(request)
    found = (*(of_config(one, now) for one in windows.configured()), *(of_user(one, now) for one in windows.set()))
    return await resource(request, lambda: {"windows": [msgspec.to_builtins(one) for one in found]})


async def added(request: web.Request) -> web.Response:
    """`POST /api/v1/maintenance`: set a window."""
    windows, user = source_of(request).windows, _user(request)
    if windows is None or user is None:
        return _refused(request)
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            body = await request.read()
        window = await windows.add(_REQUEST.decode(body), user)
    except TimeoutError:
        return problem(request, 408, f"The body did not come within {_BODY_SECONDS:g} s.")
    except ValueError as error:  # msgspec's, too
        return problem(request, 400, str(error))
    except ConfigError as error:
        return problem(request, 400, "; ".join(f"{one.key}: {one.message}" for one in error.mistakes))
    return await _shown(request, window)


async def ended(request: web.Request) -> web.Response:
    """`DELETE /api/v1/maintenance/ID`: end a window that a user has set."""
    windows, user = source_of(request).windows, _user(request)
    if windows is None or user is None:
        return _refused(request)
    window = await windows.end(request.match_info["id"], user)
    if window is None:
        return problem(request, 404, NO_WINDOW)
    return await _shown(request, window)


async def _shown(request: web.Request, window: SetWindow) -> web.Response:
    return await resource(request, lambda: msgspec.to_builtins(of_user(window, source_of(request).now())))


def _refused(request: web.Request) -> web.Response:
    """Refuse a request if no windows can be set here, or this client may not set them."""
    if source_of(request).windows is None:
        return problem(request, 501, _NO_WINDOWS)
    return problem(request, 403, USERS_ONLY)


def _user(request: web.Request) -> str | None:
    """Return the name of the client; None if not every client is identified."""
    access = request.app[STATE].access
    if access is None or not access.authenticates:
        return None
    certificate = request.transport.get_extra_info("peercert") if request.transport else None
    return access.user(request.headers.get("Authorization", ""), certificate)
