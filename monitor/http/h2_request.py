"""A request of aiohttp that is sent in HTTP/2 if the connection uses it."""

from __future__ import annotations

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.http import StreamWriter

from monitor.http.h2_protocol import Http2Protocol


class VersionedRequest(ClientRequest):
    """A request that is written in the version of HTTP that its connection uses.

    aiohttp makes one for each request of a session (`request_class`), and sends it when the connection is established.
    """

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Write the request, and return the response that waits for its head."""
        protocol = conn.protocol
        if not isinstance(protocol, Http2Protocol) or not protocol.speaks_http2:
            return await super().send(conn)
        body = await self.body.as_bytes() if not isinstance(self.body, bytes) else self.body
        pseudo = {
            ":method": self.method,
            ":scheme": self.url.scheme,
            ":authority": self.headers["Host"],
            ":path": self.url.raw_path_qs,
        }
        protocol.send_request(pseudo, self.headers.items(), body)
        assert self.response_class is not None, "aiohttp's session sets it"
        # the arguments that aiohttp's own `send` gives it; the private ones are pinned by a test
        return self.response_class(
            self.method,
            self.original_url,
            writer=None,
            continue100=None,
            timer=self._timer,
            request_info=self.request_info,
            traces=self._traces,
            loop=self.loop,
            session=self._session,
            stream_writer=StreamWriter(protocol, self.loop),
        )
