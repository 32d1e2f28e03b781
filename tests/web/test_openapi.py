"""The description of the API: it names every route, and each response agrees with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from jsonschema_rs import Draft202012Validator
from pytest_aiohttp import AiohttpClient
from yarl import URL

from monitor.web.access import Access
from monitor.web.app import application
from monitor.web.openapi import OPERATIONS, PREFIX, description
from tests.web import samples
from tests.web.requests import Client
from tests.web.sources import Daemon
from tests.web.test_access import basic

DESCRIBED = f"{PREFIX}/openapi.json"


def body_of(method: str, path: str, status: int) -> Any:  # noqa: ANN401 - a JSON Schema
    """Return the schema of a body, with all that it refers to in it."""
    document = description(login=False)
    answer = document["paths"][path][method.lower()]["responses"][str(status)]
    return answer["content"]["application/json"]["schema"] | {"components": document["components"]}


def fits(method: str, path: str, status: int, body: object) -> bool:
    """Whether a body is as the description has it."""
    return not list(Draft202012Validator(body_of(method, path, status)).iter_errors(body))


def test_every_route_is_described(daemon: Daemon) -> None:
    """The routes of the API and the operations are the same, and so are their parameters."""
    routes = [route for route in application(daemon.source()).router.routes() if route.resource is not None]
    served = {(route.method, str(getattr(route.resource, "canonical", ""))) for route in routes}
    assert {(method, path) for method, path in served if path.startswith(PREFIX) and method != "HEAD"} == set(
        OPERATIONS
    )
    for (_, path), operation in OPERATIONS.items():
        named = {one["name"] for one in operation.parameters if one["in"] == "path"}
        assert named == {part.strip("{}") for part in path.split("/") if part.startswith("{")}


def objects(part: object, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every part of a document that is an object, with its path."""
    if isinstance(part, dict):
        yield path, part
        for key, held in part.items():
            yield from objects(held, f"{path}/{key}")
    if isinstance(part, list):
        for index, held in enumerate(part):
            yield from objects(held, f"{path}/{index}")


def test_everything_says_what_it_means() -> None:
    """Each operation, parameter, answer and key has its words, and each reference leads somewhere."""
    document = description(login=True)
    for path, part in objects(document):
        if path.rpartition("/")[0].endswith("/properties") and "$ref" not in part:
            assert part.get("description") or path.startswith("/components/schemas/ProbeEvent/allOf"), path
        if "$ref" in part:
            assert part["$ref"].removeprefix("#/components/schemas/") in document["components"]["schemas"]
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            assert all(one["description"] for one in (*operation["parameters"], *operation["responses"].values()))
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(set(names)) == len(names)


async def test_what_is_answered_is_what_is_described(aiohttp_client: AiohttpClient, daemon: Daemon) -> None:
    """Each route, with targets and probes of every kind of news, and each refusal."""
    client = await aiohttp_client(application(replace(daemon.source(), probe=_probe)))
    targets = [target.name for target in daemon.targets]
    probes = [observation.probe_id for recent in daemon.recent.values() for observation in recent]
    asked: list[tuple[str, str, dict[str, str], int]] = [
        ("GET", f"{PREFIX}/targets", {}, 200),
        ("GET", f"{PREFIX}/probes", {}, 200),
        ("GET", DESCRIBED, {}, 200),
        ("GET", f"{PREFIX}/targets/{{name}}", {"name": "nobody"}, 404),
        ("GET", f"{PREFIX}/probes/{{id}}", {"id": "none"}, 404),
    ]
    asked += [("GET", f"{PREFIX}/targets/{{name}}", {"name": name}, 200) for name in targets]
    asked += [("GET", f"{PREFIX}/probes/{{id}}", {"id": one}, 200) for one in probes]
    asked += [
        ("GET", f"{PREFIX}/targets/{{name}}", {"name": "x"}, 404),
        ("GET", f"{PREFIX}/probes/{{id}}", {"id": "x"}, 404),
    ]
    asked += [("POST", f"{PREFIX}/targets/{{name}}/probe", {"name": name}, 200) for name in targets[:1]]
    for method, path, given, status in asked:
        url = path.format(**{key: quote(value, safe="") for key, value in given.items()})
        async with client.request(method, URL(url, encoded=True)) as response:
            assert (response.status, response.content_type) == (status, "application/json"), url
            assert fits(method, path, status, await response.json()), url
    async with client.get(f"{PREFIX}/probes?limit=0") as response:
        assert fits("GET", f"{PREFIX}/probes", response.status, await response.json())


async def _probe(_: str) -> Any:  # noqa: ANN401 - an observation
    return samples.complete()


async def test_it_is_for_those_who_may_see_the_api(
    access: Access, aiohttp_client: AiohttpClient, daemon: Daemon
) -> None:
    """It asks for the password that the API asks for, and says so."""
    client = await aiohttp_client(application(daemon.source(), access=access))
    assert (await client.get(DESCRIBED)).status == 401
    response = await client.get(DESCRIBED, headers={"Authorization": basic("prom", "right")})
    assert await response.json() == json.loads(json.dumps(description(login=True)))


async def test_without_users_no_login_is_described(client: Client) -> None:
    """Without a login the description requires none."""
    assert "security" not in await (await client.get(DESCRIBED)).json()
