"""The lab over real sockets: every example byte for byte, every ending, truth in headers and log."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import replace

import pytest

from monitor.lab.dialects import DIALECTS
from monitor.lab.fault import LabFault
from monitor.lab.params import NONE
from monitor.lab.scenarios import FAULTS, case_for, scenarios
from monitor.lab.server import MAX_TURNS, Lab, serve
from monitor.lab.steps import Hold, Repeat, Rst, Send
from tests.conftest import WITHIN
from tests.lab.wires import ANSWER, BODY, dechunked, events, fetch, wire_to

Logs = list[Mapping[str, object]]
# Nothing in these tests waits for a clock: what takes time is asked for in no time.
QUICK = ("gap", "ttfc", "delay", "every", "pings")


def quickened(fault: LabFault, query: str) -> str:
    """The query with all waiting taken out of it."""
    names = {param.name for param in fault.all_params if param.default != NONE}
    kept = [part for part in query.split("&") if part and part.partition("=")[0] not in QUICK]
    return "&".join((*kept, *(f"{name}=0" for name in QUICK if name in names)))


@pytest.mark.parametrize("protocol", DIALECTS)
async def test_every_example_is_played_to_the_byte(lab: Lab, protocol: str) -> None:
    """What arrives is what the script sends, and the connection ends as the script says."""
    for fault in FAULTS.values():
        for scenario in scenarios(protocol, fault):
            query = quickened(fault, scenario.query)
            await _same_as_script(lab, protocol, fault, query)


async def _same_as_script(lab: Lab, protocol: str, fault: LabFault, query: str) -> None:
    case = case_for(fault, DIALECTS[protocol], query, BODY)
    expect = fault.expect(case)
    flag = (("X-Lab-Flag", expect.flag),) if expect.flag else ()
    truth = (("X-Lab-LabFault", fault.name), ("X-Lab-Expect", expect.verdict), *flag, ("Connection", "close"))
    script = fault.script(replace(case, truth=truth))
    if query.startswith("code=503&retry_after=date"):
        return  # the clock is in it; the heads' own test looks at it
    wanted = b"".join(step.data for step in script if isinstance(step, Send))
    async with wire_to(lab.port) as wire:
        await wire.ask(f"/{protocol}/{fault.name}?{query}", "Connection: close")
        match script[-1]:
            case Hold():
                assert await wire.exactly(len(wanted)) == wanted
            case Repeat(data):
                assert await wire.exactly(len(wanted + data * 2)) == wanted + data * 2
            case last:
                assert await wire.rest() == (wanted, "rst" if isinstance(last, Rst) else "fin")


@pytest.mark.parametrize("protocol", ["openai-chat", "chatchat"])
async def test_a_standard_client_reads_the_answer(lab: Lab, protocol: str) -> None:
    """The standard library's client accepts the framing and finds the counted list in it."""

    def get() -> bytes:
        client = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=WITHIN)
        client.request("POST", f"/{protocol}/ok?gap=0&ttfc=0", BODY)
        with client.getresponse() as response:
            payload = response.read()
        client.close()
        return payload

    payload = await asyncio.to_thread(get)
    deltas = [json.loads(data)["choices"] for data in events(payload) if data != "[DONE]"]
    assert "".join(choice[0]["delta"].get("content") or "" for choice in deltas if choice) == ANSWER


async def test_a_connection_can_be_used_again(lab: Lab) -> None:
    """After a whole answer the same connection takes the next request, until the client wants it closed."""
    async with wire_to(lab.port) as wire:
        for framing, end in (("chunked", b"0\r\n\r\n"), ("length", b"END-ab12")):
            await wire.ask(f"/raw/ok?gap=0&ttfc=0&framing={framing}")
            assert (await wire.upto(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
            assert (await wire.upto(end)).endswith(end)
        await wire.ask("/raw/ok?gap=0&ttfc=0", "Connection: close")
        data, ending = await wire.rest()
        assert dechunked(data.partition(b"\r\n\r\n")[2]).decode() == ANSWER
        assert ending == "fin"


async def test_the_truth_is_in_headers_and_log(lab: Lab, logs: Logs) -> None:
    """What was done, what it is to come to, and whether it was played to its end."""
    data, _ = await fetch(lab.port, "/raw/cut-after-end?by=rst&gap=0&ttfc=0", "X-Request-ID: 01J")
    assert b"X-Lab-LabFault: cut-after-end\r\nX-Lab-Expect: ok\r\nX-Lab-Flag: unclean_end\r\n" in data
    (entry,) = logs
    started, ended = entry["started"], entry["ended"]
    assert isinstance(started, float)
    assert isinstance(ended, float)
    assert started <= ended
    assert entry == {
        "event": "lab_request",
        "method": "POST",
        "target": "/raw/cut-after-end?by=rst&gap=0&ttfc=0",
        "request_id": "01J",
        "protocol": "raw",
        "fault": "cut-after-end",
        "query": "by=rst&gap=0&ttfc=0",
        "expect": "ok",
        "result": "played",
        "steps": 12,
        "steps_planned": 12,
        "bytes": len(data),
        "started": started,
        "ended": ended,
    }


async def test_a_client_that_leaves_early_is_logged_so() -> None:
    """With the steps that were played until then."""
    loop = asyncio.get_running_loop()
    entry: asyncio.Future[Mapping[str, object]] = loop.create_future()
    async with await serve("127.0.0.1", 0, log=entry.set_result) as lab:
        async with wire_to(lab.port) as wire:
            await wire.ask("/raw/ok?ttfc=1m")
            await wire.upto(b"\r\n\r\n")
        logged = await entry
    assert (logged["result"], logged["steps"]) == ("peer_left", 1)


@pytest.mark.parametrize(
    ("target", "status", "why"),
    [
        ("/nope/cut", "404 Not Found", "with a protocol of openai-chat, "),
        ("/raw/nope", "404 Not Found", "with a fault of ok, slow,"),
        ("/raw", "404 Not Found", "the path is /PROTOCOL/FAULT"),
        ("/raw/cut?after=x", "400 Bad Request", "after=x: allowed is a whole number from 0 to 1000000"),
        ("/raw/cut?aftr=1", "400 Bad Request", "allowed are n, gap, ttfc, framing, after, at, wire, by"),
        ("/raw/stall?half=yes", "400 Bad Request", "half=yes: this protocol has no events"),
        ("/raw/mix?of=nope", "400 Bad Request", "nope: no such fault"),
        ("/raw/mix?of=ok:x=1", "400 Bad Request", "x: no such parameter here"),
    ],
)
async def test_what_the_lab_does_not_have_is_refused(lab: Lab, logs: Logs, target: str, status: str, why: str) -> None:
    """With a status, what is allowed in plain words, and a line in the log."""
    data, ending = await fetch(lab.port, target)
    assert data.startswith(f"HTTP/1.1 {status}\r\n".encode())
    assert why in data.decode()
    assert ending == "fin"
    assert logs[0]["status"] == status


async def test_other_methods_are_refused(lab: Lab) -> None:
    """GET and POST are all there is."""
    assert (await fetch(lab.port, "/raw/ok", method="PUT"))[0].startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert (await fetch(lab.port, "/raw/empty", method="GET"))[0].startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_client_may_leave_before_it_asks(lab: Lab, logs: Logs) -> None:
    """Or between two requests; there is nothing to say of it."""
    async with wire_to(lab.port) as wire:
        await wire.ask("/raw/no-body?as=length")
        await wire.upto(b"\r\n\r\n")
        wire.writer.write_eof()
        assert await wire.rest() == (b"", "fin")
    assert [entry["fault"] for entry in logs] == ["no-body"]


async def test_what_is_no_request_is_refused(lab: Lab, logs: Logs) -> None:
    """With a status that says why, and the end of the connection."""
    async with wire_to(lab.port) as wire:
        await wire.say(b"hello there\r\n\r\n")
        data, ending = await wire.rest()
    await lab._listener.idle()
    assert data.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert ending == "fin"
    assert logs == [
        {
            "event": "lab_request",
            "status": "400 Bad Request",
            "why": "the request line is not METHOD TARGET HTTP/1.1",
        }
    ]


async def test_the_index_is_at_the_root(lab: Lab) -> None:
    """As a page for people, and as JSON for programs."""
    page, _ = await fetch(lab.port, "/", method="GET")
    assert b"<h1>Fault lab</h1>" in page
    data, _ = await fetch(lab.port, "/", "Accept: application/json", method="GET")
    assert json.loads(data.partition(b"\r\n\r\n")[2])["protocols"] == list(DIALECTS)


async def test_no_stream_is_honoured(lab: Lab) -> None:
    """A request that wants no stream gets the answer as one object."""
    body = json.dumps({**json.loads(BODY), "stream": False}).encode()
    data, _ = await fetch(lab.port, "/openai-chat/ok?framing=length&gap=0&ttfc=0", body=body)
    head, _, payload = data.partition(b"\r\n\r\n")
    assert b"Content-Type: application/json\r\n" in head
    assert json.loads(payload)["choices"][0]["message"]["content"] == ANSWER


async def test_faults_by_turns(lab: Lab) -> None:
    """A mix goes through its list by the number of the request, for each URL by itself, and the headers say so."""
    target = "/raw/mix?of=empty,no-response:by=rst,status:code=503"
    got = [await fetch(lab.port, target) for _ in range(4)]
    assert [ending for _, ending in got] == ["fin", "rst", "fin", "fin"]
    assert b"X-Lab-LabFault: empty\r\n" in got[0][0]
    assert got[2][0].startswith(b"HTTP/1.1 503 ")
    assert got[3] == got[0]
    assert (await fetch(lab.port, f"{target},empty"))[0] == got[0][0]


async def test_what_all_faults_know_goes_for_those_by_turns_too(lab: Lab) -> None:
    """A common parameter of a mix is that of each fault in it that does not say otherwise; what it means is checked."""
    target = "/raw/mix?of=ok,ok:framing=length,no-response&framing=close&gap=0&ttfc=0"
    (close, _), (length, _), (nothing, _) = [await fetch(lab.port, target) for _ in range(3)]
    assert (b"Content-Length" in close, b"Transfer-Encoding" in close) == (False, False)
    assert b"Content-Length" in length
    assert nothing == b""
    assert (await fetch(lab.port, "/raw/flaky?p=0&framing=length&gap=0&ttfc=0"))[0].count(b"Content-Length") == 1
    assert b"framing=odd: allowed is" in (await fetch(lab.port, "/raw/mix?framing=odd"))[0]


async def test_turns_of_old_urls_are_forgotten(lab: Lab) -> None:
    """However many URLs are asked for, the lab remembers the latest only."""
    for number in range(MAX_TURNS + 5):
        lab._drawn(f"/raw/mix?{number}", "mix", "")
    assert len(lab._turns) == MAX_TURNS
    assert "/raw/mix?0" not in lab._turns


async def test_the_lab_speaks_tls(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """With a context of the caller's."""
    server, client = tls
    async with await serve("127.0.0.1", 0, ssl=server) as lab, wire_to(lab.port, client) as wire:
        assert lab.url == f"https://127.0.0.1:{lab.port}"
        await wire.ask("/raw/ok?gap=0&ttfc=0", "Connection: close")
        data, _ = await wire.rest()
        assert dechunked(data.partition(b"\r\n\r\n")[2]).decode() == ANSWER


async def test_an_address_of_six_stands_in_brackets() -> None:
    """So that its URL can be used as it is."""
    async with await serve("::1", 0) as lab:
        assert lab.url == f"http://[::1]:{lab.port}"
