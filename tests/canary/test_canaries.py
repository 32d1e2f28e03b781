"""One secret of each kind in every place, servers that echo all of them, and no output that holds one."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import re
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from urllib.parse import quote

import aiohttp
import bcrypt
import pytest
import trustme

from monitor.keys.secret import pem_lines
from tests.canary.echo import MODES, echo, forms, sent
from tests.canary.hunt import found, rows_of

KINDS = (
    "api-key-env", "api-key-file", "header-file", "header-variable", "body-variable", "query-variable", "path-variable",
    "user", "password", "proxy-user", "proxy-password", "list-user", "list-password", "list-query",
    "prompt-variable", "web-password", "cookie",
)  # fmt: skip
CORES = {kind: "q" + hashlib.sha256(kind.encode()).hexdigest()[:17] for kind in KINDS}
"""What is searched for of each secret: it stands in no other place."""
LOUD = {kind: f'{core}"<&+/{core[::-1]}' for kind, core in CORES.items()}
"""Secrets that every encoding has to escape."""
_STREAMS = tuple(mode for mode in MODES if not mode.startswith("list"))
_NAME = re.compile(r'\[\[targets\]\]\nname = "(\w+)"')
_COMMAND = (sys.executable, "-m", "monitor")
_COMMANDS = (
    "check", "check --plan", "check --connect", "probe t1", "probe t2 --json --timeline", "probe t14 -n 2 --save saved",
    "record t1 captures", "record t12 captures", "history --db history.db", "top --db history.db",
    "export dashboards out", "export rules out", "export scrape-config out", "export systemd out",
    "export kubernetes out", "probe t1 --curl", "probe tls --curl", "schema", "completion bash",
    "probe http://{server}/ok --model m --header-env X-Other=CANARY_HEADER_VARIABLE --header-file X-Token=header.txt",
    "record http://{server}/cut captures --model m --protocol openai-chat --header-env X-Other=CANARY_HEADER_VARIABLE",
)  # fmt: skip
_PLUGIN = """
from dataclasses import replace
from monitor.protocols import PROTOCOLS

def request(target, prompt):
    raise RuntimeError(f"{target.api_key.reveal()} {[one.reveal() for one in target.headers.values()]} {target.url}")

BROKEN = replace(PROTOCOLS["openai-chat"], name="canary_plugin:BROKEN", request=request)
"""


def environment() -> dict[str, str]:
    """Return the variables of the config: with all characters if possible, plain ones in a URL."""
    loud = {kind.upper().replace("-", "_"): value for kind, value in LOUD.items()}
    plain = ("USER", "PASSWORD", "PROXY_USER", "PROXY_PASSWORD", "LIST_USER", "LIST_PASSWORD", "LIST_QUERY")
    in_url = {name: CORES[name.lower().replace("_", "-")] for name in plain}
    encoded = {"QUERY_VARIABLE": CORES["query-variable"] + "%2F%3A"}
    path = {"PATH_VARIABLE": CORES["path-variable"]}
    return {f"CANARY_{name}": value for name, value in (loud | in_url | encoded | path).items()}


def config(server: str, directory: Path) -> str:
    """Return a config that has every secret in its place, for each answer of the server and each `record`."""
    (directory / "key.txt").write_text(LOUD["api-key-file"] + "\n")
    (directory / "header.txt").write_text(LOUD["header-file"] + "\n")
    lists = _with_user(server, "LIST_")
    text = [
        '[web]\nlisten = "127.0.0.1:0"\nprobe = true\n[log]\nlevel = "debug"\ntimeline = true\n',
        '[history]\npath = "history.db"\nrecord = "full"\n[limits]\nconcurrency = 4\n',
        *(
            f'[[discovery]]\nname = "{mode}"\nhttp_sd = ["{lists}/{mode}?k=${{CANARY_LIST_QUERY}}"]\n'
            for mode in ("list", "list-error")
        ),
        '[[discovery]]\nname = "files"\nfile_sd = ["targets.json"]\n',
        (
            '[defaults]\nprotocol = "openai-chat"\nmodel = "m"\ninterval = "1h"\ncheck = "none"\n'
            'timeouts = { total = "20s", first_chunk = "20s", headers = "20s", idle = "20s" }\n'
        ),
    ]
    (directory / "targets.json").write_text("[]")
    asked = (("full", _with_key), ("tail", _with_password), ("full", _through_proxy))
    for number, (mode, (record, keys)) in enumerate(product(_STREAMS, asked), start=1):
        text.append(f'[[targets]]\nname = "t{number}"\nrecord = "{record}"\n{keys(server, f"{mode}.{number}")}')
    text.append(f'[[targets]]\nname = "broken"\nprotocol = "canary_plugin:BROKEN"\n{_with_key(server, "ok")}')
    text.append(
        f'[[targets]]\nname = "tls"\nurl = "https://{server}/ok"\napi_key_env = "CANARY_API_KEY_ENV"\n'
        'tls = { cert_file = "client.pem", key_file = "client.key" }\n'
    )
    return "".join(text)


def _with_user(server: str, prefix: str = "") -> str:
    return f"http://${{CANARY_{prefix}USER}}:${{CANARY_{prefix}PASSWORD}}@{server}"


def _with_key(server: str, mode: str) -> str:
    return (
        f'url = "http://{server}/{mode}/${{CANARY_PATH_VARIABLE}}/v1?key=${{CANARY_QUERY_VARIABLE}}"\n'
        'api_key_env = "CANARY_API_KEY_ENV"\nheader_files = { X-Token = "header.txt" }\n'
        'headers = { X-Other = "${CANARY_HEADER_VARIABLE}", Cookie = "session=${CANARY_COOKIE}" }\n'
        'body = { user = "${CANARY_BODY_VARIABLE}" }\nprompt = "say ${CANARY_PROMPT_VARIABLE}"\n'
    )


def _with_password(server: str, mode: str) -> str:
    return f'url = "{_with_user(server)}/{mode}/v1"\n'


def _through_proxy(server: str, mode: str) -> str:
    return f'url = "http://{server}/{mode}/v1"\nproxy = "{_with_user(server, "PROXY_")}"\napi_key_file = "key.txt"\n'


class Outputs(dict[str, str]):
    """The output of each command, page and file, by name."""

    def leaks(self, words: set[str]) -> dict[str, set[str]]:
        """Return which secrets are in which outputs."""
        return {name: hits for name, text in self.items() if (hits := found(text, words))}


class Place:
    """A directory with the config, its certificates and users, and what runs commands in it."""

    def __init__(self, directory: Path, server: str) -> None:
        self.directory, self.server, self.outputs = directory, server, Outputs()
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        authority.cert_pem.write_to_path(directory / "ca.pem")
        certificate.private_key_pem.write_to_path(directory / "client.key")
        certificate.cert_chain_pems[0].write_to_path(directory / "client.pem")
        self.hashed = bcrypt.hashpw(LOUD["web-password"].encode(), bcrypt.gensalt(4)).decode()
        (directory / "web.yml").write_text(
            "tls_server_config: {cert_file: client.pem, key_file: client.key}\n"
            f"basic_auth_users: {{me: '{self.hashed}'}}\n"
        )
        (directory / "canary_plugin.py").write_text(_PLUGIN)
        (directory / "config.toml").write_text(config(server, directory))
        self.environ = os.environ | environment() | {
            "PYTHONPATH": f"{directory}:{Path(__file__).parents[2]}",
            "SSL_CERT_FILE": str(directory / "ca.pem"),
            "PYTHONASYNCIODEBUG": "1",
        }  # fmt: skip

    @property
    def secret(self) -> set[str]:
        """The text to search for."""
        tls = (self.directory / "client.key").read_text()
        return {*CORES.values(), *(line.lower() for line in pem_lines(tls)), self.hashed.lower()}

    async def runs(self, commands: Sequence[str]) -> None:
        """Run commands, and keep their outputs."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.canary.commands", cwd=self.directory, env=self.environ,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        given = json.dumps([command.format(server=self.server).split() for command in commands])
        out, _ = await process.communicate(given.encode())
        for command, (status, text) in zip(commands, json.loads(out), strict=True):
            assert status in {0, 1, 3, 4}, (command, text)
            self.outputs[command] = text

    async def pages(self, base: str, paths: list[str]) -> str:
        """Return what the user of the pages is shown at each path, with its headers."""
        trusted = await asyncio.to_thread(ssl.create_default_context, cafile=self.directory / "ca.pem")
        texts = []
        user = {"Authorization": "Basic " + base64.b64encode(f"me:{LOUD['web-password']}".encode()).decode()}
        async with aiohttp.ClientSession(base, headers=user, connector=aiohttp.TCPConnector(ssl=trusted)) as session:
            for path in paths:
                async with session.get(path) as response:
                    assert response.status in {200, 429}, path
                    texts.append(f"{response.headers} {await response.text()}")
        return "\n".join(texts)

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[tuple[asyncio.subprocess.Process, str, list[dict[str, object]]]]:
        """Yield the daemon when each target was probed, its address, and its events; SIGABRT ends it with a trace."""
        process = await asyncio.create_subprocess_exec(
            *_COMMAND, "run", "--config", "config.toml", "--web.config.file", "web.yml", cwd=self.directory,
            env=self.environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=1 << 26,
        )  # fmt: skip
        assert process.stdout is not None
        lines, events, address = [], [], ""
        try:
            waiting = set(_NAME.findall((self.directory / "config.toml").read_text()))
            while waiting:
                line = (await process.stdout.readline()).decode()
                assert line, (await process.communicate())[1].decode()
                lines.append(line)
                event = json.loads(line)
                if event["event"] == "started":
                    address = str(event["address"])
                if event["event"] == "probe":
                    events.append(event)
                    waiting.discard(event["target"])
            yield process, address, events
            process.send_signal(signal.SIGABRT)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGABRT)
            out, err = await process.communicate()
            self.outputs["log"] = "".join(lines) + out.decode()
            self.outputs["crash trace"] = err.decode()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """Yield a directory with all outputs, made with a server that echoes."""
    async with echo() as server:
        yield await asyncio.to_thread(Place, tmp_path, server)


def test_the_hunt_finds_every_form_and_the_server_says_them() -> None:
    """Nothing is proved by a search that misses: each form of each secret is found in what the server answers."""
    for kind, core in CORES.items():
        for form in forms(LOUD[kind]):
            assert found(json.dumps({"a": form}), [core]) == {core}, form
    head = f"POST /ok/{CORES['path-variable']} HTTP/1.1\r\nAuthorization: Bearer {LOUD['api-key-env']}"
    assert {CORES["path-variable"], LOUD["api-key-env"]} <= set(sent(head, b"{}"))


@pytest.mark.timeout(300)
async def test_no_output_holds_a_secret(place: Place) -> None:
    """Every command, page, API, metric, the debug log, the history, the captures and the trace of a crash."""
    outputs = place.outputs
    async with place.daemon() as (_, address, events):
        me = f"https://me:{quote(LOUD['web-password'], safe='')}@{address}"
        place.environ["CHAT_MONITOR_URL"] = me
        worst = [str(event["probe_id"]) for event in events]
        explained = [f"explain {probe_id}" for probe_id in worst[:: len(worst) // 5]]
        await place.runs(["history", "history --json -n 500", "top", *explained])
        pages = ["/", "/metrics", "/api/v1/targets", "/api/v1/probes?limit=500", "/probe?target=t1&debug=true"]
        pages += ["/failures", "/api/v1/openapi.json"]
        pages += [f"{api}/targets/{event['target']}" for event in events for api in ("", "/api/v1")]
        pages += [f"{api}/probes/{probe_id}" for probe_id in worst for api in ("", "/api/v1")]
        outputs["pages"] = await place.pages(f"https://{address}", pages)
    outputs["history's file"] = await asyncio.to_thread(rows_of, place.directory / "history.db")
    await place.runs(_COMMANDS)
    for file in (path for name in ("captures", "out") for path in sorted((place.directory / name).rglob("*"))):
        if file.is_file():
            outputs[str(file)] = file.read_bytes().decode("latin-1")
    assert "[redacted]" in outputs["log"]
    assert "[redacted]" in outputs["pages"]
    assert outputs.leaks(place.secret) == {}
