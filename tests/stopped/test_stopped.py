"""Streams that a stopped process (SIGSTOP) reads late: verdicts and times, from real connections."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.http.h2_parts import agreeing
from tests.http.parts import CertificateAuthority
from tests.stopped.checks import Run, verdict, wrong
from tests.stopped.connection import ServedStream
from tests.stopped.process import ClientProcess, client_process
from tests.stopped.streams import streams

pytestmark = pytest.mark.real
STREAMS = tuple(streams())
ROWS = max(len(stream.steps) for stream in STREAMS)


class Stop(NamedTuple):
    """The client is stopped when `first` steps are left, until `until` are, and for some seconds more."""

    first: int
    until: int
    seconds: float


STOPS = (
    *(Stop(first, until, 0.06) for until in range(3) for first in range(until + 1, ROWS + 1)),
    *(Stop(first, 0, 1.35) for first in (1, 2, 3, ROWS)),
)


class Setting:
    """A client, and the certificates of its servers."""

    def __init__(self, client: ClientProcess, ca: CertificateAuthority) -> None:
        self._client = client
        self._contexts = {False: ca.server(), True: agreeing(ca, "h2")}

    def run(self, stop: Stop | None = None) -> Run:
        """Play all streams at once, step by step, so that they end together."""
        served = [ServedStream(stream, self._contexts[stream.http2]) for stream in STREAMS]
        for one in served:
            one.accept(self._client.ask)
        began = time.monotonic()
        first, until, seconds = stop or Stop(0, 0, 0.0)
        self._play_promptly(served, ROWS, first)
        if stop:
            with self._client.stopped(seconds) as pause:
                for left in range(first, until, -1):
                    _play(served, left)
                    pause()
        resumed = time.monotonic()
        self._play_promptly(served, until, 0)
        events = self._client.events()
        ended = time.monotonic()
        for one in served:
            one.close()
        return Run(events, served, began, resumed, ended)

    def _play_promptly(self, served: list[ServedStream], first: int, until: int) -> None:
        """Play these steps so that each is read at once."""
        for left in range(first, until, -1):
            self._client.until_idle()
            _play(served, left)


def _play(served: list[ServedStream], left: int) -> None:
    """Play the next step of each stream of which so many are left."""
    for one in served:
        if left <= len(one.stream.steps):
            one.play(one.stream.steps[-left])


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    """Yield a running client and its servers."""
    ca = CertificateAuthority(tmp_path_factory.mktemp("tls"))
    with client_process(ca.file) as client:
        yield Setting(client, ca)


@pytest.fixture(scope="module")
def prompt(setting: Setting) -> Run:
    """Return the streams as they are read at once."""
    return setting.run()


def test_streams_that_are_read_at_once(prompt: Run) -> None:
    """Each kind of verdict occurs, and all times are right."""
    outcomes = {verdict(event).partition("/")[0] for event in prompt.events}
    assert outcomes >= {"ok", "truncated", "no_response", "http_error", "unreachable"}
    assert wrong(prompt, prompt) == ""


@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: f"{stop.seconds}s-{stop.first}-{stop.until}")
def test_streams_that_are_read_late(setting: Setting, prompt: Run, stop: Stop) -> None:
    """The verdict is the prompt one, or the monitor's own; after more than a second no end is the peer's fault."""
    assert wrong(setting.run(stop), prompt) == ""
