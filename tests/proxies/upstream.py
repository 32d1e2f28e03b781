"""The fault lab in a process of its own, so that it can be killed: prints its port and serves until then."""

import asyncio

from monitor.lab.server import serve


async def main() -> None:
    """Serve until the process is killed."""
    async with await serve("127.0.0.1", 0) as lab:
        print(lab.port, flush=True)  # noqa: T201 - whoever started this reads it
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
