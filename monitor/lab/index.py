"""The lab's index page: every protocol and fault, with commands to copy and the expected verdict."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

from monitor.lab.dialects import DIALECTS
from monitor.lab.dialects.base import spaced
from monitor.lab.fault import Expect, LabFault, RandomFault
from monitor.lab.params import COMMON, Param
from monitor.lab.request import LabRequest
from monitor.lab.scenarios import ALL, HTTP2_FAULTS, Scenario, scenarios
from monitor.lab.steps import Send
from monitor.lab.tls_faults import TlsFault, TlsLab
from monitor.lab.wire import head_of, status_line

HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?|\[[0-9A-Fa-f:]+\](:[0-9]+)?")
DRAWN = Expect("drawn")
"""The verdict of a fault that varies; a response header names it."""
_PAGE = Environment(
    loader=PackageLoader("monitor.lab", package_path=""),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
).get_template("index.html")


def page(path: str, request: LabRequest, own: str, tls: TlsLab | None = None) -> Send | None:
    """The page at this path; `own` is the lab's URL if the Host header has none."""
    host = request.headers.get("host", "")
    url = f"{own.partition('://')[0]}://{host}" if HOST.fullmatch(host) else own
    if path == "/" and "application/json" in request.headers.get("accept", ""):
        return _send(spaced(as_json(url, tls)), "application/json")
    if path == "/":
        return _send(as_html(url, tls), "text/html")
    if path == "/ca.pem" and tls is not None:
        return _send(tls.ca_pem.decode(), "application/x-pem-file")
    if path == "/tls.toml" and tls is not None:
        return _send(tls.config(_host(url)), "text/plain")
    return None


def _send(text: str, kind: str) -> Send:
    body = text.encode()
    fields = (("Content-Type", f"{kind}; charset=utf-8"), ("Content-Length", str(len(body))))
    return Send(head_of(status_line(200), fields) + body)


def _host(url: str) -> str:
    """The host in a URL, in brackets if needed."""
    host = urlsplit(url).hostname or ""
    return f"[{host}]" if ":" in host else host


def command(url: str, scenario: Scenario) -> str:
    """The line to copy."""
    version = " --http 2" if scenario.fault in HTTP2_FAULTS else ""
    return f"chat-monitor probe '{url}{scenario.path}' --protocol {scenario.protocol}{version}"


def examples(protocol: str, fault: LabFault | RandomFault) -> Iterator[tuple[Scenario, str]]:
    """The examples, and the expected verdict as text."""
    if isinstance(fault, LabFault):
        for scenario in scenarios(protocol, fault):
            flag = f" ({scenario.expect.flag})" if scenario.expect.flag else ""
            yield scenario, scenario.expect.verdict + flag
    else:
        for query in fault.examples:
            yield Scenario(protocol, fault.name, query, DRAWN), "as the header X-Lab-Expect says each time"


def tls_command(fault: TlsFault) -> str:
    """The command to copy, for use with the config."""
    return f"chat-monitor probe {fault.target} --config tls.toml"


def as_json(url: str, tls: TlsLab | None = None) -> Mapping[str, object]:
    """The page as JSON."""
    return {
        "protocols": list(DIALECTS),
        "common_parameters": [_param(param) for param in COMMON],
        "faults": [
            {"name": fault.name, "says": fault.summary, "parameters": [_param(param) for param in fault.params]}
            for fault in ALL
        ],
        "examples": [
            {
                "protocol": protocol,
                "fault": fault.name,
                "path": scenario.path,
                "command": command(url, scenario),
                "expect": scenario.expect.verdict,
                "flag": scenario.expect.flag,
            }
            for protocol in DIALECTS
            for fault in ALL
            for scenario, _ in examples(protocol, fault)
        ],
        **({"tls": _tls(url, tls)} if tls is not None else {}),
    }


def _tls(url: str, tls: TlsLab) -> Mapping[str, object]:
    return {
        "ca_file": tls.ca_file,
        "config": f"{url}/tls.toml",
        "faults": [
            {
                "name": fault.name,
                "says": fault.summary,
                "port": fault.port,
                "url": tls.url(fault, _host(url)),
                "command": tls_command(fault),
                "expect": fault.expect.verdict,
                "detail": fault.detail,
            }
            for fault in tls.faults
        ],
    }


def _param(param: Param[object]) -> Mapping[str, str]:
    return {"name": param.name, "default": param.default, "allowed": param.kind.allowed, "says": param.summary}


def as_html(url: str, tls: TlsLab | None = None) -> str:
    """The page as HTML."""
    return _PAGE.render(
        url=url,
        common=COMMON,
        faults=ALL,
        protocols=list(DIALECTS),
        examples=examples,
        command=command,
        tls=tls,
        tls_command=tls_command,
        tls_config=tls.config(_host(url)) if tls else "",
    )
