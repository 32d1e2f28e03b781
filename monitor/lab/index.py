"""The lab's own page: every protocol and fault, with lines to copy and the verdict to expect."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from urllib.parse import urlsplit

from monitor.lab.dialects import DIALECTS
from monitor.lab.dialects.base import spaced
from monitor.lab.fault import Expect, Fault, RandomFault
from monitor.lab.params import COMMON, Param
from monitor.lab.request import LabRequest
from monitor.lab.scenarios import ALL, Scenario, scenarios
from monitor.lab.steps import Send
from monitor.lab.tls_faults import TlsFault, TlsLab
from monitor.lab.wire import head_of, status_line

HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?|\[[0-9A-Fa-f:]+\](:[0-9]+)?")
DRAWN = Expect("drawn")
"""Of what is another fault each time; the response's own header says which."""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Fault lab</title><style>{style}</style></head><body>
<h1>Fault lab</h1>
<p>The path is /PROTOCOL/FAULT. The verdict is that of a probe with the counted list as its check
and default timeouts.</p>
<h2>Parameters of every fault</h2><ul>{common}</ul>
<h2>Faults</h2><table><tr><th>fault<th>what it does<th>parameters</tr>
{rows}</table>
{secure}{lines}</body></html>
"""
SECURE = """<h2>TLS</h2><p>Each fault has a port of its own. The authority's certificate is
<a href="/ca.pem">/ca.pem</a>, on this machine {ca_file}. Save <a href="/tls.toml">/tls.toml</a>, and probe by name:</p>
<pre>curl -so tls.toml '{url}/tls.toml'</pre>
<table><tr><th>try<th>what is wrong<th>port<th>expect</tr>
{rows}</table><pre>{config}</pre>
"""
STYLE = "body{font-family:sans-serif;margin:2em}td,th{text-align:left;vertical-align:top;padding:.2em 1em .2em 0}"


def page(path: str, request: LabRequest, own: str, tls: TlsLab | None = None) -> Send | None:
    """The page at this path; `own` is the lab's URL where the Host header has none."""
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
    """The host in a URL, in brackets where it needs them."""
    host = urlsplit(url).hostname or ""
    return f"[{host}]" if ":" in host else host


def command(url: str, scenario: Scenario) -> str:
    """The line to copy."""
    return f"chat-monitor probe '{url}{scenario.path}' --protocol {scenario.protocol}"


def examples(protocol: str, fault: Fault | RandomFault) -> Iterator[tuple[Scenario, str]]:
    """What to try, and the verdict to expect in words."""
    if isinstance(fault, Fault):
        for scenario in scenarios(protocol, fault):
            flag = f" ({scenario.expect.flag})" if scenario.expect.flag else ""
            yield scenario, scenario.expect.verdict + flag
    else:
        for query in fault.examples:
            yield Scenario(protocol, fault.name, query, DRAWN), "as the header X-Lab-Expect says each time"


def tls_command(fault: TlsFault) -> str:
    """The line to copy, beside the config."""
    return f"chat-monitor probe {fault.target} --config tls.toml"


def as_json(url: str, tls: TlsLab | None = None) -> Mapping[str, object]:
    """The page for programs."""
    return {
        "protocols": list(DIALECTS),
        "common_parameters": [_param(param) for param in COMMON],
        "faults": [
            {"name": fault.name, "says": fault.says, "parameters": [_param(param) for param in fault.params]}
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
                "says": fault.says,
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
    return {"name": param.name, "default": param.default, "allowed": param.kind.allowed, "says": param.says}


def as_html(url: str, tls: TlsLab | None = None) -> str:
    """The page for people."""
    rows = "".join(_fault(fault) for fault in ALL)
    lines = "".join(_protocol(url, protocol) for protocol in DIALECTS)
    common = "".join(_item(param) for param in COMMON)
    secure = "" if tls is None else _secure(url, tls)
    return PAGE.format(style=STYLE, common=common, rows=rows, secure=secure, lines=lines)


def _secure(url: str, tls: TlsLab) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(tls_command(fault))}</code>"
        f"<td>{escape(fault.says)}<td>{fault.port}<td>{escape(fault.expect.verdict)}</tr>\n"
        for fault in tls.faults
    )
    return SECURE.format(ca_file=escape(tls.ca_file), url=escape(url), rows=rows, config=escape(tls.config(_host(url))))


def _fault(fault: Fault | RandomFault) -> str:
    params = "".join(_item(param) for param in fault.params)
    return f"<tr><td><b>{escape(fault.name)}</b><td>{escape(fault.says)}<td><ul>{params}</ul></tr>\n"


def _item(param: Param[object]) -> str:
    text = f"{param.says}; {param.kind.allowed}; by default {param.default or 'nothing'}"
    return f"<li><code>{escape(param.name)}</code>: {escape(text)}</li>"


def _protocol(url: str, protocol: str) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(command(url, scenario))}</code><td>{escape(words)}</tr>\n"
        for fault in ALL
        for scenario, words in examples(protocol, fault)
    )
    return f"<h2>{escape(protocol)}</h2><table><tr><th>try<th>expect</tr>\n{rows}</table>\n"
