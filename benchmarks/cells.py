"""The cells of the benchmark: each is one load, and the clients that run under it."""

from __future__ import annotations

from dataclasses import dataclass, field

DAEMON, DAEMON_JSON = "chat-monitor", "chat-monitor, by its JSON"
AIOHTTP, HTTPX, OPENAI, BARE, FLOOR = "aiohttp loop", "httpx", "openai", "asyncio protocol", "C, epoll"
EVERYONE = (DAEMON, AIOHTTP, HTTPX, OPENAI, BARE, FLOOR)


@dataclass(frozen=True, slots=True)
class Cell:
    """One load: `streams` slots ask `rounds` times, `interval` seconds apart, for `chunks` chunks `gap` ms apart.

    The first chunk comes `first` ms after the request. The slots start within `spread` seconds. The loop is held up for
    `block` seconds five times a second. `scraped` seconds lie between two scrapes of the daemon.
    `busy` loops share its core. `http` is the version that is spoken.
    """

    name: str
    streams: int
    chunks: int
    interval: float
    rounds: int
    clients: tuple[str, ...] = EVERYONE
    first: int = 200
    gap: float = 40.0
    spread: float = 5.0
    tls: bool = False
    block: float = 0.0
    scraped: float = 0.0
    busy: int = 0
    """Endless loops that share the client's core."""
    http: str = "1.1"

    @property
    def query(self) -> dict[str, int]:
        """The schedule, in the form that the server reads."""
        return {"first": self.first * 1000, "gap": round(self.gap * 1000), "n": self.chunks}

    @property
    def lasts(self) -> float:
        """Seconds from the first request to the last one's end."""
        return self.spread + (self.rounds - 1) * self.interval + self.first / 1000 + self.chunks * self.gap / 1000


@dataclass(frozen=True, slots=True)
class Growth:
    """The daemon as installed, with this many targets: its memory, and the time to its first request."""

    targets: int
    seconds: float = 12.0
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"targets-{self.targets}")


QUICK = (
    Cell("quick", 50, 30, 1.5, 2, spread=1.0),
    Cell("quick-blocked", 50, 30, 1.5, 2, (DAEMON, AIOHTTP), spread=1.0, block=0.05),
)
CELLS: tuple[Cell, ...] = (
    Cell("streams-1", 1, 15, 1.1, 12, (DAEMON, AIOHTTP, FLOOR), spread=0.0),
    Cell("streams-50", 50, 70, 3.3, 3, (DAEMON, AIOHTTP, HTTPX, OPENAI, FLOOR)),
    Cell("streams-200", 200, 145, 6.3, 2),
    Cell("streams-500", 500, 145, 6.3, 2, (DAEMON, AIOHTTP, BARE, FLOOR)),
    Cell("streams-1000", 1000, 145, 6.3, 2, (DAEMON, AIOHTTP, FLOOR)),
    *(
        Cell(f"h2-{streams}", streams, chunks, interval, rounds, clients, spread=spread, http="2")
        for streams, chunks, interval, rounds, spread, clients in (
            (1, 15, 1.1, 8, 0.0, (DAEMON, FLOOR)),
            (200, 70, 3.3, 2, 3.0, (DAEMON, HTTPX, FLOOR)),
            (500, 70, 3.3, 2, 3.0, (DAEMON, FLOOR)),
        )
    ),
    # its first chunks do not come in step with what holds the loop up: a request is only issued between two of those
    Cell("blocked-100", 100, 145, 6.3, 2, (DAEMON, AIOHTTP), first=230, block=0.05),
    Cell("at-once-1000", 1000, 145, 6.3, 1, (DAEMON, AIOHTTP, FLOOR), spread=0.0),
    Cell("tls-200", 200, 145, 6.3, 2, (DAEMON, AIOHTTP), tls=True),
    Cell("tls-1000", 1000, 145, 6.6, 2, (DAEMON, AIOHTTP), tls=True),
    Cell("scraped-1000", 1000, 145, 6.3, 2, (DAEMON,), scraped=1.0),
    Cell("json-200", 200, 145, 6.3, 1, (DAEMON_JSON,)),
    Cell("chunks-10", 100, 10, 2.2, 5, (DAEMON, AIOHTTP), gap=20.0),
    Cell("chunks-100", 100, 100, 2.5, 4, (DAEMON, AIOHTTP), gap=20.0),
    Cell("chunks-500", 100, 500, 10.5, 1, (DAEMON, AIOHTTP), gap=20.0),
    # what the monitor takes out of its times as its own delay, and what is left, from the request on; with 1000 streams
    # on a core of its own it is in `streams-1000` and `tls-1000`
    Cell("own-300", 300, 145, 6.3, 1, (DAEMON,)),
    Cell("own-700", 700, 145, 6.3, 1, (DAEMON,)),
    Cell("own-tls-300", 300, 145, 6.3, 1, (DAEMON,), tls=True),
    Cell("own-tls-700", 700, 145, 6.3, 1, (DAEMON,), tls=True),
    *(
        Cell(f"own-shared-{'tls-' * tls}{streams}", streams, 145, 6.3, 1, (DAEMON,), tls=tls, busy=2)
        for tls in (False, True)
        for streams in (300, 700, 1000)
    ),
)
GROWTHS = (Growth(10), Growth(1000))
ALL: tuple[Cell | Growth, ...] = (*QUICK, *CELLS, *GROWTHS)
