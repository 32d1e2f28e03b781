"""A peer for tests: a server that plays one given script on every connection and keeps what it received."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from ssl import SSLContext

from monitor.lab.connection import LabConnection, Played, play
from monitor.lab.listener import Listener
from monitor.lab.request import LabRequest
from monitor.lab.steps import Fin, ReadRequest, Script

HOST = "127.0.0.1"


class Peer:
    """Plays the first script on the first connection, the second on the second, and the last on all others."""

    def __init__(self, scripts: tuple[Script, ...], *, tls: bool) -> None:
        self._scripts = [script if _reads(script) else (ReadRequest(), *script) for script in scripts]
        self._scheme = "https" if tls else "http"
        self._listener = Listener(self._handle)
        self.links: list[LabConnection] = []
        self.played: list[Played] = []
        """The results of finished scripts."""

    @asynccontextmanager
    async def listening(self, ssl: SSLContext | None) -> AsyncIterator[Peer]:
        """Listen for as long as the context lasts."""
        async with await self._listener.open(HOST, 0, ssl):
            yield self

    async def over(self) -> None:
        """Wait until all connections are closed, so that everything is recorded."""
        await self._listener.idle()

    async def _handle(self, link: LabConnection) -> None:
        """Play one connection; a script without an ending is followed by a FIN."""
        script = self._scripts[min(len(self.links), len(self._scripts) - 1)]
        self.links.append(link)
        played = await play(link, script)
        if not played.last:
            await play(link, (Fin(),))
        self.played.append(played)

    @property
    def port(self) -> int:
        """Its port."""
        return self._listener.port

    @property
    def url(self) -> str:
        """The URL at which it listens."""
        return f"{self._scheme}://{HOST}:{self.port}"

    @property
    def requests(self) -> list[LabRequest]:
        """All requests read so far, by connection."""
        return [request for link in self.links for request in link.requests]


def _reads(script: Script) -> bool:
    return any(isinstance(step, ReadRequest) for step in script)


def peer(*scripts: Script, ssl: SSLContext | None = None) -> AbstractAsyncContextManager[Peer]:
    """A peer on a free port of loopback; a script without ReadRequest reads one request first."""
    return Peer(scripts, tls=ssl is not None).listening(ssl)
