"""The lab's own page: every protocol and fault, with lines to copy and the verdict to expect."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape

from monitor.lab.case import Draw, Expect, Fault
from monitor.lab.faults import ALL, Scenario, scenarios
from monitor.lab.params import COMMON, Param
from monitor.lab.request import Request
from monitor.lab.speech import SPEAKERS
from monitor.lab.speech.base import spaced
from monitor.lab.steps import Send
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
{lines}</body></html>
"""
STYLE = "body{font-family:sans-serif;margin:2em}td,th{text-align:left;vertical-align:top;padding:.2em 1em .2em 0}"


def page(request: Request, own: str) -> Send:
    """The page, as JSON where that is asked for; `own` is the lab's URL where the Host header has none."""
    host = request.headers.get("host", "")
    url = f"{own.partition('://')[0]}://{host}" if HOST.fullmatch(host) else own
    wants_json = "application/json" in request.headers.get("accept", "")
    text, kind = (spaced(as_json(url)), "application/json") if wants_json else (as_html(url), "text/html")
    body = text.encode()
    fields = (("Content-Type", f"{kind}; charset=utf-8"), ("Content-Length", str(len(body))))
    return Send(head_of(status_line(200), fields) + body)


def command(url: str, scenario: Scenario) -> str:
    """The line to copy."""
    return f"chat-monitor probe '{url}{scenario.path}' --protocol {scenario.protocol}"


def examples(protocol: str, fault: Fault | Draw) -> Iterator[tuple[Scenario, str]]:
    """What to try, and the verdict to expect in words."""
    if isinstance(fault, Fault):
        for scenario in scenarios(protocol, fault):
            flag = f" ({scenario.expect.flag})" if scenario.expect.flag else ""
            yield scenario, scenario.expect.verdict + flag
    else:
        for query in fault.examples:
            yield Scenario(protocol, fault.name, query, DRAWN), "as the header X-Lab-Expect says each time"


def as_json(url: str) -> Mapping[str, object]:
    """The page for programs."""
    return {
        "protocols": list(SPEAKERS),
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
            for protocol in SPEAKERS
            for fault in ALL
            for scenario, _ in examples(protocol, fault)
        ],
    }


def _param(param: Param[object]) -> Mapping[str, str]:
    return {"name": param.name, "default": param.default, "allowed": param.kind.allowed, "says": param.says}


def as_html(url: str) -> str:
    """The page for people."""
    rows = "".join(_fault(fault) for fault in ALL)
    lines = "".join(_protocol(url, protocol) for protocol in SPEAKERS)
    common = "".join(_item(param) for param in COMMON)
    return PAGE.format(style=STYLE, common=common, rows=rows, lines=lines)


def _fault(fault: Fault | Draw) -> str:
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
