"""nginx in front of the lab: its defaults, the cuts of its timeout and of its reload, and its buffering."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace

import pytest

from monitor.diagnosis.diagnosis import Diagnosis
from monitor.keys.secret import Secret
from monitor.record.parts import Suspect
from monitor.stream.statistics import buffered, output_arrivals
from tests.conftest import PATIENT
from tests.proxies.conftest import During, Nginx
from tests.proxies.programs import upstream
from tests.test_wire import verdict

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("no_leaks")]

STREAMING = "proxy_buffering off;"
GZIP = "gzip on; gzip_types text/event-stream; gzip_min_length 1; gzip_proxied any;"


async def test_an_upstream_that_dies_is_hidden_by_the_defaults(nginx: Nginx, during: During) -> None:
    """With HTTP/1.0 upstream, a killed upstream gives a body without a declared length, and so a clean end."""
    async with upstream() as server, nginx(server.port, STREAMING) as proxy:
        observation = await during(f"{proxy.url}/openai-chat/ok?framing=close&gap=50ms", server.process.kill)
    assert verdict(observation) == "truncated/no_terminator"
    assert observation.recording.head is not None
    assert observation.recording.head.framing == "chunked"
    assert 1 <= observation.recording.chunks < 41
    assert observation.check is not None
    assert observation.check.beginning


async def test_an_upstream_that_dies_is_passed_on_over_http_1_1(nginx: Nginx, during: During) -> None:
    """Asked in HTTP/1.1 the upstream sends chunks, and nginx passes on that the last one is missing."""
    modern = f"{STREAMING} proxy_http_version 1.1; proxy_set_header Connection '';"
    async with upstream() as server, nginx(server.port, modern) as proxy:
        observation = await during(f"{proxy.url}/openai-chat/ok?gap=50ms", server.process.kill)
    assert verdict(observation) == "truncated/incomplete_body"


@pytest.mark.parametrize(
    ("location", "by", "wanted"),
    [
        ("", "fin", "truncated/no_terminator"),
        ("", "rst", "truncated/incomplete_body"),
        (STREAMING, "fin", "truncated/no_terminator"),
        (STREAMING, "rst", "truncated/incomplete_body"),
    ],
)
async def test_how_an_upstream_ends(  # noqa: PLR0917 - three fixtures and three columns
    nginx: Nginx, during: During, lab_port: int, location: str, by: str, wanted: str
) -> None:
    """A FIN is the end of a body without length; a reset is not, and may cost what nginx had in its buffer."""
    async with nginx(lab_port, location) as proxy:
        observation = await during(f"{proxy.url}/openai-chat/cut?after=5&by={by}&framing=close")
    assert verdict(observation) == wanted
    assert observation.recording.chunks == 5 or (location, by, observation.recording.chunks) == ("", "rst", 0)


async def test_its_read_timeout_cuts_a_model_that_thinks(nginx: Nginx, during: During, lab_port: int) -> None:
    """`proxy_read_timeout` ends the connection without the terminal chunk, its own age after the last byte."""
    async with nginx(lab_port, f"{STREAMING} proxy_read_timeout 1s;") as proxy:
        observation = await during(f"{proxy.url}/openai-chat/stall?after=3&framing=close")
    assert verdict(observation) == "truncated/incomplete_body"
    assert observation.recording.chunks == 3
    # a busy nginx passes the last chunk on late, and has begun to wait before that
    assert observation.tail is None or observation.tail >= 0.5


async def test_its_read_timeout_is_suspected(nginx: Nginx, during: During, lab_port: int) -> None:
    """Streams of all ages, each cut five seconds after its last byte: the diagnosis names a proxy, and no generator."""
    async with nginx(lab_port, f"{STREAMING} proxy_read_timeout 5s;") as proxy:
        ends = ("stall?after=3", "stall?after=9", "stall?after=20")
        asked = (during(f"{proxy.url}/openai-chat/{end}&framing=close&gap=50ms", timeouts=PATIENT) for end in ends)
        first, second, third = sorted(await asyncio.gather(*asked), key=lambda one: one.timestamp)
    diagnosis = Diagnosis()
    taken = [diagnosis.take(replace(one, target=third.target)).suspicions for one in (first, second, third)]
    ((suspicion,),) = taken[2:]
    assert suspicion.suspect == Suspect.PROXY_TIMEOUT
    assert suspicion.because.startswith("3 of the last 3 cuts came ")
    assert "after the last byte" in suspicion.because


async def test_its_buffering_is_flagged(nginx: Nginx, during: During, lab_port: int) -> None:
    """With the defaults a short answer comes in one read and is flagged, unless the upstream forbids buffering."""
    async with nginx(lab_port) as proxy:
        observation = await during(f"{proxy.url}/openai-chat/ok?framing=close&n=9&gap=30ms")
        direct = await during(f"http://127.0.0.1:{lab_port}/openai-chat/ok?framing=close&n=9&gap=30ms")
    assert (
        verdict(observation),
        buffered(observation.recording),
        len(list(output_arrivals(observation.recording))),
    ) == ("ok", True, 1)
    assert (verdict(direct), buffered(direct.recording)) == ("ok", False)


async def test_gzip_is_not_asked_for(nginx: Nginx, during: During, lab_port: int) -> None:
    """A probe asks for identity, and gets the events without the delay of nginx's gzip."""
    async with nginx(lab_port, f"{STREAMING} {GZIP}") as proxy:
        url = f"{proxy.url}/openai-chat/ok?framing=close&gap=30ms"
        observation = await during(url)
        asked = await during(url, headers={"Accept-Encoding": Secret("gzip")})
    assert (verdict(observation), buffered(observation.recording)) == ("ok", False)
    assert len(list(output_arrivals(observation.recording))) > 30
    assert verdict(asked) == "bad_response/encoding"


async def test_a_reload_leaves_streams_alone(nginx: Nginx, during: During, lab_port: int) -> None:
    """The old worker stays for as long as it has a stream."""
    async with nginx(lab_port, STREAMING) as proxy:
        observation = await during(
            f"{proxy.url}/openai-chat/ok?framing=close&gap=40ms", lambda: proxy.signal(signal.SIGHUP)
        )
    assert verdict(observation) == "ok"


async def test_a_reload_with_a_shutdown_timeout_cuts(nginx: Nginx, during: During, lab_port: int) -> None:
    """`worker_shutdown_timeout` closes what still streams, so long after each reload."""
    async with nginx(lab_port, STREAMING, "worker_shutdown_timeout 500ms;") as proxy:
        observation = await during(
            f"{proxy.url}/openai-chat/ok?framing=close&gap=60ms", lambda: proxy.signal(signal.SIGHUP)
        )
    assert verdict(observation) == "truncated/incomplete_body"
    assert 3 <= observation.recording.chunks < 41
