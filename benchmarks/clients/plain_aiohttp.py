"""The straightforward aiohttp loop: read, then take the time."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp

from benchmarks.load import Load, Reads, Slots, allow_files, body


async def main(load: Load) -> None:
    """Run the load over one session."""
    context = ssl.create_default_context(cafile=load.ca_file) if load.ca_file else True
    connector = aiohttp.TCPConnector(limit=0, force_close=True, ssl=context)
    headers = {"Content-Type": "application/json"}
    data, url = body(), load.url
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:

        async def ask(request_id: str, reads: Reads) -> None:
            reads.start()
            async with session.post(url, data=data, headers={**headers, "X-Request-ID": request_id}) as response:
                async for piece in response.content.iter_any():
                    reads.read(len(piece))

        await Slots(load, ask).run()


if __name__ == "__main__":
    allow_files()
    asyncio.run(main(Load.from_argument()))
