"""A listening socket whose connections are tracked tasks that close with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from ssl import SSLContext
from types import TracebackType
from typing import Self

from monitor.lab.connection import LINGER, LabConnection


class Listener:
    """A server on one port."""

    def __init__(self, handle: Callable[[LabConnection], Coroutine[None, None, None]]) -> None:
        self._handle = handle
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self, host: str, port: int, ssl: SSLContext | None = None) -> Self:
        """Listen; port 0 takes a free one."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: LabConnection(self._start),
            host,
            port,
            ssl=ssl,
            ssl_shutdown_timeout=None if ssl is None else LINGER,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def _start(self, link: LabConnection) -> None:
        task = asyncio.get_running_loop().create_task(self._run(link))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, link: LabConnection) -> None:
        try:
            await self._handle(link)
        finally:
            await link.close()

    async def idle(self) -> None:
        """Wait until all connections are closed."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Close the socket and all connections; no task is left."""
        if self._server is None:
            return
        self._server.close()
        while tasks := tuple(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._tasks.difference_update(tasks)  # from Python 3.12 on, nothing else runs if all were done already
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
