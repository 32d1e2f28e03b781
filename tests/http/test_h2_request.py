"""aiohttp's request, written in the version of its connection; the private names that it uses are pinned."""

from __future__ import annotations

import inspect

import aiohttp
import pytest
from aiohttp.client_reqrep import ClientRequest, ClientResponse

from monitor.http.h2_request import VersionedRequest
from monitor.keys.secret import Secret
from monitor.lab.peer import peer
from tests.conftest import Ask
from tests.http.h2_parts import WHOLE, answer, in_http2
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_headers_are_the_targets_own(ask: Ask) -> None:
    """A Host of its own is the authority, the key is sent, and a query is part of the path."""
    async with peer(answer(WHOLE)) as server:
        more = {"headers": {"Host": Secret("chat.test"), "X-Own": Secret("1")}, "api_key": Secret("canary")}
        observation = await ask(**(in_http2(server.url, **more) | {"url": f"{server.url}/v1?a=b%20c"}))
        request = server.requests[0]
    assert verdict(observation) == "ok"
    assert request.target == "/v1?a=b%20c"
    assert (request.headers["host"], request.headers["x-own"]) == ("chat.test", "1")
    assert request.headers["authorization"] == "Bearer canary"
    assert not {"connection", "transfer-encoding"} & request.headers.keys()


async def test_a_request_without_a_body(ask: Ask) -> None:
    """The headers of a request without a body end the stream."""
    async with peer(answer(WHOLE)) as server:
        observation = await ask(**in_http2(server.url, protocol="raw", body={}))
        assert server.requests[0].method in {"GET", "POST"}
    assert observation.recording.head is not None


async def test_aiohttp_makes_and_sends_our_requests() -> None:
    """`request_class` and `send` are public; what `send` gives a response is the same as in aiohttp's own."""
    assert issubclass(VersionedRequest, ClientRequest)
    own = inspect.getsource(ClientRequest.send)
    given = inspect.signature(ClientResponse.__init__).parameters
    for name in ("writer", "continue100", "timer", "request_info", "traces", "loop", "session", "stream_writer"):
        assert f"{name}=" in own
        assert name in given
    async with aiohttp.ClientSession(request_class=VersionedRequest) as session:
        assert session._request_class is VersionedRequest
