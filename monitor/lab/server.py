"""The lab itself: one port, a fault for each URL, and its expected verdict in the headers and the log."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from ssl import SSLContext
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from monitor.lab import index
from monitor.lab.answer import wants_stream
from monitor.lab.connection import LabConnection, PeerLeftError, next_request, play
from monitor.lab.dialects import DIALECTS
from monitor.lab.fault import Expect, LabFault
from monitor.lab.h2_script import NotInHttp2Error, in_http2
from monitor.lab.listener import Listener
from monitor.lab.params import COMMON, BadParameterError, read_query
from monitor.lab.request import HTTP_2, LabRequest, MalformedRequestError
from monitor.lab.scenarios import DRAWS, FAULTS, HTTP2_FAULTS, case_for
from monitor.lab.steps import Fin, Script, Send, Step
from monitor.lab.tls_faults import TlsLab
from monitor.lab.wire import head_of

Log = Callable[[Mapping[str, object]], None]
MAX_TURNS = 1024
"""The maximum number of URLs whose requests the lab counts."""


class NotFoundError(LookupError):
    """A path that the lab does not have."""


@dataclass(frozen=True, slots=True)
class PlannedResponse:
    """The script for one request, and its log entry."""

    script: Script
    facts: Mapping[str, object] = field(default_factory=dict)


class Lab:
    """The fault lab on one port."""

    def __init__(self, host: str, log: Log | None, tls: TlsLab | None = None, *, close_notify: bool = True) -> None:
        self._host = host
        self._log = log or (lambda _: None)
        self._tls = tls
        self._close_notify = close_notify
        self._turns: OrderedDict[str, int] = OrderedDict()
        self._listener = Listener(self._handle)
        self._scheme = "http"

    async def open(self, port: int, ssl: SSLContext | None) -> Self:
        """Listen."""
        await self._listener.open(self._host, port, ssl)
        self._scheme = "http" if ssl is None else "https"
        return self

    @property
    def port(self) -> int:
        """The port in use."""
        return self._listener.port

    @property
    def url(self) -> str:
        """Its URL, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{self._scheme}://{host}:{self.port}"

    async def close(self) -> None:
        """Close the socket and all connections; no task is left."""
        await self._listener.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _handle(self, link: LabConnection) -> None:
        last = False
        while not last:
            try:
                request = await next_request(link)
            except PeerLeftError:
                return
            except MalformedRequestError as bad:
                self._log({"event": "lab_request", "status": bad.status, "why": str(bad)})
                await play(link, (plain(bad.status, str(bad), last=True), Fin()))
                return
            last = await self._answer(link, request)

    async def _answer(self, link: LabConnection, request: LabRequest) -> bool:
        """Play the requested script and log it; return whether the connection cannot be used further."""
        started, before = asyncio.get_running_loop().time(), link.sent
        plan = self._plan(request)
        if link.http2 is not None:
            plan = _in_http2(plan, link.http2.stream)
        played = await play(link, self._ended(plan.script))
        self._log(
            {
                "event": "lab_request",
                "method": request.method,
                "target": request.target,
                **named(request),
                **plan.facts,
                "result": "played" if played.whole else "peer_left",
                "steps": played.steps,
                "steps_planned": played.of,
                "bytes": link.sent - before,
                "started": started,
                "ended": asyncio.get_running_loop().time(),
            }
        )
        if request.last and not played.last:
            await play(link, self._ended((Fin(),)))
        return played.last or request.last

    def _ended(self, script: Script) -> Script:
        """The script with this lab's kind of FIN."""
        return script if self._close_notify else [_rude(step) for step in script]

    def _plan(self, request: LabRequest) -> PlannedResponse:
        url = urlsplit(request.target)
        try:
            if request.method not in {"GET", "POST"}:
                return refusal("405 Method Not Allowed", "GET or POST")
            if (found := index.page(url.path, request, self.url, self._tls)) is not None:
                return PlannedResponse((found,))
            return self._fault(request, url.path, url.query)
        except NotFoundError as error:
            return refusal("404 Not Found", str(error))
        except BadParameterError as error:
            return refusal("400 Bad Request", str(error))

    def _fault(self, request: LabRequest, path: str, query: str) -> PlannedResponse:
        protocol, asked = known(path)
        name, query = self._drawn(request.target, asked, query)
        fault = FAULTS.get(name) or HTTP2_FAULTS.get(name)
        if fault is None:
            raise BadParameterError(f"{name}: no such fault; / lists them")
        if name in HTTP2_FAULTS and request.version != HTTP_2:
            raise BadParameterError(f'{name}: this fault exists only in HTTP/2: probe it with http = "2"')
        case = case_for(fault, DIALECTS[protocol], query, request.body, stream=wants_stream(request.body))
        expect = fault.expect(case)
        facts = {"protocol": protocol, "fault": name, "query": query, "expect": expect.verdict}
        return PlannedResponse(fault.script(replace(case, truth=truth(fault, expect, request))), facts)

    def _drawn(self, target: str, name: str, query: str) -> tuple[str, str]:
        """The fault to play; some vary, each with the common parameters."""
        draw = DRAWS.get(name)
        if draw is None:
            return name, query
        turn = self._turns.pop(target, 0)
        self._turns[target] = turn + 1
        if len(self._turns) > MAX_TURNS:
            self._turns.popitem(last=False)
        values = read_query((*draw.params, *COMMON), query)
        picked, own = draw.pick(values, turn)
        return picked, "&".join(filter(None, (own, _for_all(query, own))))


def _for_all(query: str, own: str) -> str:
    """Return the common parameters of a query that a fault does not have as its own."""
    there = dict(parse_qsl(own, keep_blank_values=True))
    asked = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, value) for name, value in asked if name in _COMMON and name not in there])


_COMMON = frozenset(param.name for param in COMMON)


def _in_http2(plan: PlannedResponse, stream: int) -> PlannedResponse:
    """The plan on an HTTP/2 stream; a refusal if that is not possible."""
    try:
        return replace(plan, script=in_http2(plan.script, stream))
    except NotInHttp2Error as error:
        refused = refusal("400 Bad Request", str(error))
        return replace(refused, script=in_http2(refused.script, stream))


def _rude(step: Step) -> Step:
    return Fin(notify=False) if isinstance(step, Fin) else step


def named(request: LabRequest) -> Mapping[str, str]:
    """The request's id, by which the probe's event is found."""
    name = request.headers.get("x-request-id")
    return {"request_id": name} if name else {}


def known(path: str) -> tuple[str, str]:
    """Protocol and fault of a path."""
    protocol, _, fault = path.removeprefix("/").partition("/")
    if protocol not in DIALECTS:
        raise NotFoundError(f"{path}: the path is /PROTOCOL/FAULT, with a protocol of {', '.join(DIALECTS)}")
    if fault not in (every := {**FAULTS, **DRAWS, **HTTP2_FAULTS}):
        raise NotFoundError(f"{path}: the path is /PROTOCOL/FAULT, with a fault of {', '.join(every)}")
    return protocol, fault


def truth(fault: LabFault, expect: Expect, request: LabRequest) -> tuple[tuple[str, str], ...]:
    """Headers with the fault and the expected verdict."""
    flag = (("X-Lab-Flag", expect.flag),) if expect.flag else ()
    last = (("Connection", "close"),) if request.last else ()
    return (("X-Lab-LabFault", fault.name), ("X-Lab-Expect", expect.verdict), *flag, *last)


def plain(status: str, text: str, *, last: bool = False) -> Send:
    """A line of text under a status."""
    body = f"{text}\n".encode()
    fields = (
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        *((("Connection", "close"),) if last else ()),
    )
    return Send(head_of(f"HTTP/1.1 {status}", fields) + body)


def refusal(status: str, text: str) -> PlannedResponse:
    """The response to an invalid request."""
    return PlannedResponse((plain(status, text),), {"status": status, "why": text})


async def serve(
    host: str, port: int, *, log: Log | None = None, ssl: SSLContext | None = None, tls: TlsLab | None = None
) -> Lab:
    """Start the lab; port 0 takes a free one. Its page lists the ports of `tls`, which the caller has opened."""
    return await Lab(host, log, tls).open(port, ssl)
