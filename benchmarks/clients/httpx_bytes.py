"""httpx, reading the bytes as they come."""

from __future__ import annotations

import asyncio
import functools
import ssl

import httpx

from benchmarks.load import Load, Reads, Slots, allow_files, body


async def main(load: Load) -> None:
    """Run the load over one client; over HTTP/2 each request has a client, or they would share one connection."""
    context = ssl.create_default_context(cafile=load.ca_file) if load.ca_file else False
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    data, url = body(), load.url
    http2 = load.http == "2"

    def made() -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=None, limits=limits, verify=context, http1=not http2, http2=http2)  # noqa: S113 - loopback

    async def ask_over(client: httpx.AsyncClient, request_id: str, reads: Reads) -> None:
        headers = {"Content-Type": "application/json", "X-Request-ID": request_id}
        reads.start()
        async with client.stream("POST", url, content=data, headers=headers) as response:
            async for piece in response.aiter_bytes():
                reads.read(len(piece))

    async def ask_alone(request_id: str, reads: Reads) -> None:
        async with made() as client:
            await ask_over(client, request_id, reads)

    async with made() as shared:
        await Slots(load, ask_alone if http2 else functools.partial(ask_over, shared)).run()


if __name__ == "__main__":
    allow_files()
    asyncio.run(main(Load.from_argument()))
