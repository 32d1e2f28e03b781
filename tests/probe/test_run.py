"""A probe ends in one observation, whatever raises in it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from monitor.http import Client, ExchangeInfo
from monitor.lab.peer import peer
from monitor.lab.steps import Fin, Send
from monitor.probe.run import Prober
from monitor.protocols import Protocol, Request
from monitor.settings import Limits, Network
from monitor.stream.events import Event, Message, Output
from monitor.stream.framing import Rest
from monitor.stream.raw import Raw
from tests.conftest import TIGHT, MakeProber, target
from tests.probe.parts import HEAD, HI, URL, probed
from tests.records import record
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")


def _interpret(_: Message) -> Iterator[Event]:
    raise RuntimeError("canary")


BROKEN = Protocol("broken", Raw, lambda _, __: Request("GET"), _interpret, content_types=())
"""An outside protocol that raises what no protocol may."""


async def test_a_protocol_that_raises_is_inconclusive(prober: MakeProber) -> None:
    """An exception in an external protocol is reported by its name, and the probe is inconclusive."""
    observation = await probed(prober, (Send(HEAD + b"x"), Fin()), protocol=f"{__name__}:BROKEN")
    assert verdict(observation) == "inconclusive/internal"
    assert "RuntimeError" in observation.verdict.detail
    assert "canary" not in str(record(observation))


def _raising(*_: object) -> Request:
    raise KeyError("canary")


def _out_of_memory(*_: object) -> Request:
    raise MemoryError


def _interpret_nothing(_: Message) -> Iterator[Event]:
    return iter(())


ASKS = {
    "raises": (_raising, "inconclusive/internal"),
    "runs out of memory": (_out_of_memory, "inconclusive/resources"),
    "returns nothing": (lambda *_: None, "inconclusive/internal"),
    "returns a text": (lambda *_: "GET /", "inconclusive/internal"),
    "returns headers that are none": (lambda *_: Request(headers={"X": object()}), "inconclusive/internal"),  # type: ignore[dict-item]
    "returns a body that is none": (lambda *_: Request(body=object()), "inconclusive/internal"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("request_", "detail"), ASKS.values(), ids=ASKS.keys())
async def test_a_request_that_cannot_be_made(
    prober: MakeProber,
    monkeypatch: pytest.MonkeyPatch,
    request_: Any,  # noqa: ANN401 - garbage
    detail: str,
) -> None:
    """Whatever an outside protocol's `request` raises or returns, the probe ends in one inconclusive event."""
    protocol = Protocol("asking", Raw, request_, _interpret_nothing, content_types=())
    monkeypatch.setattr(sys.modules[__name__], "ASKING", protocol, raising=False)
    async with peer((Fin(),)) as server:
        observation = await prober()(target(f"{server.url}/", protocol=f"{__name__}:ASKING"), "schedule", 0.25)
    event = record(observation)
    assert (verdict(observation), event["trigger"], event["schedule_delay"]) == (detail, "schedule", 0.25)
    assert "canary" not in str(event)


class _Left(BaseException):
    """What no `except Exception` catches."""


class _Framer(Raw):
    """A framer that raises at the end of the stream."""

    def close(self) -> Rest:
        raise _Left


def _raises(error: type[BaseException]) -> Callable[..., Any]:
    def raising(*_: object) -> Request:
        raise error

    return raising


@pytest.mark.parametrize("error", [_Left, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
@pytest.mark.parametrize("where", ["request", "framing", "interpret", "remark"])
async def test_an_outside_protocol_cannot_leave_a_probe(
    prober: MakeProber, monkeypatch: pytest.MonkeyPatch, where: str, error: type[BaseException]
) -> None:
    """An outside protocol that raises what is no Exception, wherever, neither loses the event nor stops the program."""
    fields: dict[str, Any] = {
        "request": lambda *_: Request(), "framing": Raw, "interpret": lambda _: iter((Output("x"),)),
        where: _raises(error),
    }  # fmt: skip
    monkeypatch.setattr(sys.modules[__name__], "ASKING", Protocol("a", content_types=(), **fields), raising=False)
    observation = await probed(prober, (Send(HEAD + b"x"), Fin()), protocol=f"{__name__}:ASKING")
    assert (verdict(observation), observation.recording.ending.detail) == ("inconclusive/internal", error.__name__)


async def test_a_framing_that_raises_at_the_end(prober: MakeProber, monkeypatch: pytest.MonkeyPatch) -> None:
    """So does one whose framing raises it when the stream has ended."""
    made = Protocol("a", _Framer, lambda *_: Request(), lambda _: iter((Output("x"),)), content_types=())
    monkeypatch.setattr(sys.modules[__name__], "ASKING", made, raising=False)
    observation = await probed(prober, (Send(HEAD + b"x"), Fin()), protocol=f"{__name__}:ASKING")
    assert verdict(observation) == "inconclusive/internal"


async def test_a_cancellation_outside_the_request_is_an_event() -> None:
    """A probe that is cancelled while its connection is being closed is aborted, for the reason that was given."""

    class Slow(Client):
        async def send(self, *_: object) -> ExchangeInfo:
            begun.set()
            await asyncio.Event().wait()
            raise AssertionError("it is cancelled before")

    begun = asyncio.Event()
    probe = asyncio.create_task(Prober(Slow(Limits(), Network()), TIGHT)(target(URL), "cli"))
    await begun.wait()
    probe.cancel("reload")
    assert verdict(await probe) == "aborted/reload"


async def test_a_protocol_that_runs_out_of_memory(prober: MakeProber, monkeypatch: pytest.MonkeyPatch) -> None:
    """If memory runs out while the end is judged, the probe is inconclusive and says so."""

    def judged(*_: object, **__: object) -> None:
        monkeypatch.undo()
        raise MemoryError

    monkeypatch.setattr("monitor.probe.assemble.judge", judged)
    observation = await probed(prober, (Send(HEAD + HI), Fin()))
    assert verdict(observation) == "inconclusive/resources"


async def test_a_server_that_counts_too_many_tokens(prober: MakeProber) -> None:
    """A probe is charged at most four times what it requested, in all choices of the merged body."""
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":%d}}\n\n'
    for count in (9_000_000, 10**18, 10**400):
        observation = await probed(prober, (Send(HEAD + HI + usage % count), Fin()), body={"max_tokens": 10, "n": 3})
        assert observation.charged <= 4 * (300 + 30)
        assert verdict(observation) == "truncated/no_terminator"


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b""])
async def test_a_body_that_is_no_object(prober: MakeProber, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    """A probe whose request body is not a JSON object is charged like others."""
    plain = Protocol("plain", Raw, lambda *_: Request(body=body), lambda _: iter((Output("x"),)), content_types=())
    monkeypatch.setattr(sys.modules[__name__], "ASKING", plain, raising=False)
    observation = await probed(prober, (Send(HEAD + b"x" * 9), Fin()), protocol=f"{__name__}:ASKING")
    assert observation.tokens is not None
    assert observation.charged == observation.tokens.input + observation.tokens.output > 0


async def test_a_client_that_raises_is_inconclusive() -> None:
    """So is a bug of our own, wherever it is."""

    class Broken(Client):
        async def send(self, *_: object) -> ExchangeInfo:
            raise LookupError

    observation = await Prober(Broken(Limits(), Network()), TIGHT)(target(URL), "cli")
    assert verdict(observation) == "inconclusive/internal"
    assert "LookupError" in observation.verdict.detail
