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
        self._links: dict[asyncio.Task[None], LabConnection] = {}
        self._server: asyncio.Server | None = None
        self._closed = False
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
        self._links[task] = link
        task.add_done_callback(lambda done: self._links.pop(done, None))

    async def _run(self, link: LabConnection) -> None:
        try:
            if not self._closed:
                await self._handle(link)
        finally:
            await link.close()

    async def idle(self) -> None:
        """Wait until all connections are closed."""
        while self._links:
            await asyncio.wait(self._links)

    async def close(self) -> None:
        """Close the socket and all connections; no task is left."""
        if self._server is None:
            return
        self._closed = True
        self._server.close()
        while links := dict(self._links):
            for task, link in links.items():
                task.cancel()
                await asyncio.wait({task})
                await link.close()  # a task that was cancelled before it began has closed nothing
                self._links.pop(task, None)  # from Python 3.12 on, nothing else runs if all were done already
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
