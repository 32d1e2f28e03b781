"""httpx, reading the bytes as they come."""

from __future__ import annotations

import asyncio
import ssl

import httpx

from benchmarks.load import Load, Seen, Slots, allow_files, body


async def main(load: Load) -> None:
    """Run the load over one client."""
    context = ssl.create_default_context(cafile=load.ca_file) if load.ca_file else False
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    data, url = body(), load.url
    async with httpx.AsyncClient(timeout=None, limits=limits, verify=context) as client:  # noqa: S113 - loopback

        async def ask(request_id: str, seen: Seen) -> None:
            headers = {"Content-Type": "application/json", "X-Request-ID": request_id}
            seen.start()
            async with client.stream("POST", url, content=data, headers=headers) as response:
                async for piece in response.aiter_bytes():
                    seen.read(len(piece))

        await Slots(load, ask).run()


if __name__ == "__main__":
    allow_files()
    asyncio.run(main(Load.from_argument()))
