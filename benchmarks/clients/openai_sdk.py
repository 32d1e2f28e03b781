"""The official openai client, streaming as in its documentation: an event is timed when the iteration yields it."""

from __future__ import annotations

import asyncio
from typing import cast

import openai

from benchmarks.load import BODY, Load, Reads, Slots, allow_files


async def main(load: Load) -> None:
    """Run the load over one client."""
    query = cast("dict[str, object]", load.query)
    async with openai.AsyncOpenAI(
        base_url=f"{load.origin}/v1", api_key="none", max_retries=0, timeout=None, default_query=query
    ) as client:

        async def ask(request_id: str, reads: Reads) -> None:
            reads.start()
            stream = await client.chat.completions.create(**BODY, extra_headers={"X-Request-ID": request_id})
            async for event in stream:
                if event.choices[0].delta.content:
                    reads.read(load.event)

        await Slots(load, ask).run()


if __name__ == "__main__":
    allow_files()
    asyncio.run(main(Load.from_argument()))
