"""One probe: what it asks, what it keeps of the answer's words and what it must not, and how its own bugs show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from monitor import __version__
from monitor.stream.events import Event, Message, Output
from monitor.stream.framing import Raw
from monitor.lab.peer import peer
from monitor.lab.steps import Fin, Script, Send
from monitor.record.observation import Observation, ServerError, Tokens, record
from monitor.probe.run import Prober, ask, end_rule, new_id, observe, token_limit
from monitor.protocols import PROTOCOLS, Protocol, Request
from monitor.settings import Limits, Network
from monitor.target import PatternCheck, Record, Secret, Target, Terminator
from monitor.stream.recording import Ending, EndKind, Mark, Recording
from monitor.http import ExchangeInfo, Client
from tests.conftest import TIGHT, MakeProber, target
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")

URL = "http://chat.test/v1/chat/completions"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
HI = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
BASE32 = set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


async def probed(prober: MakeProber, script: Script, **more: Any) -> Observation:  # noqa: ANN401 - fields of Target
    """Return what a probe of a peer that plays this sees."""
    async with peer(script) as server:
        return await prober()(target(f"{server.url}/?token=canary-query", **more), "cli")


# -- asking ------------------------------------------------------------------------------------------------------------


def test_a_question_says_who_asks() -> None:
    """Every request names the monitor, its own id, and that nothing is to be compressed."""
    asked = ask(target(URL))
    assert asked.call.headers["User-Agent"] == f"chat-monitor/{__version__}"
    assert asked.call.headers["X-Request-ID"] == asked.probe_id
    assert asked.call.headers["Accept-Encoding"] == "identity"
    assert "Authorization" not in asked.call.headers
    assert (asked.call.method, asked.call.url, asked.call.proxy) == ("POST", URL, None)


def test_a_question_is_new_each_time() -> None:
    """Its nonce stands at both ends of its prompt, and no two are the same."""
    first, second = ask(target(URL)), ask(target(URL))
    assert first.nonce != second.nonce
    assert first.prompt.startswith(f"[{first.nonce}]")
    assert f"END-{first.nonce}" in first.prompt
    assert first.prompt in json.loads(first.call.body)["messages"][-1]["content"]


def test_a_targets_own_headers_win() -> None:
    """Whatever their case, and its id can have another name or none."""
    own = {"user-agent": Secret("me"), "AUTHORIZATION": Secret("Basic x")}
    headers = ask(target(URL, headers=own, api_key=Secret("k"), request_id_header="X-Probe")).call.headers
    assert {name: value for name, value in headers.items() if name.lower() in {"user-agent", "authorization"}} == {
        "user-agent": "me",
        "AUTHORIZATION": "Basic x",
    }
    assert "X-Probe" in headers
    assert not {"X-Request-ID", "X-Probe"} & ask(target(URL, request_id_header=None)).call.headers.keys()


def test_a_key_and_a_proxy_are_told_to_nobody_else() -> None:
    """They are in the call, and in no repr of it."""
    asked = ask(target(URL, api_key=Secret("canary-key"), proxy=Secret("http://u:canary-proxy@p.test")))
    assert asked.call.headers["Authorization"] == "Bearer canary-key"
    assert asked.call.proxy == "http://u:canary-proxy@p.test"
    assert "canary" not in repr(asked)


def test_a_prompt_of_ones_own() -> None:
    """It stands in front of the list, and without the list its nonce is filled in."""
    own = target(URL, prompt="Be brief [{nonce}].", check=PatternCheck("x"))
    asked = ask(own)
    assert asked.prompt == f"Be brief [{asked.nonce}]."
    asked = ask(replace(own, prompt=None))
    assert asked.prompt.startswith(f"[{asked.nonce}] ")
    assert "\nBe brief" not in ask(target(URL, prompt="Be brief.")).prompt.partition("Be brief.")[0]


def test_ids_sort_by_time() -> None:
    """26 characters of Crockford's base 32, the time first."""
    ids = [new_id() for _ in range(100)]
    assert all(len(one) == 26 and set(one) <= BASE32 for one in ids)
    assert len(set(ids)) == 100
    assert [one[:10] for one in ids] == sorted(one[:10] for one in ids)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("terminator", Terminator)
def test_what_counts_as_the_end(protocol: str, terminator: Terminator) -> None:
    """The target's `terminator`, but none where the protocol declares no end."""
    declares = PROTOCOLS[protocol]
    rule = end_rule(target(URL, protocol, terminator=terminator), declares)
    assert rule.terminator is (terminator if declares.end or declares.marker else Terminator.NONE)
    assert (rule.declares_end, rule.declares_marker) == (declares.end, declares.marker)


@pytest.mark.parametrize(("body", "choices"), [({}, 1), ({"n": 3}, 3), ({"n": None}, 1), ({"n": "3"}, 1)])
def test_every_answer_that_was_asked_for_has_an_end(body: dict[str, object], choices: int) -> None:
    """As many ends are waited for as the request's body asks for answers, where the protocol can ask for several."""
    assert end_rule(target(URL, "openai-chat", body=body), PROTOCOLS["openai-chat"]).choices == choices
    assert end_rule(target(URL, "ollama-chat", body=body), PROTOCOLS["ollama-chat"]).choices == 1
    assert all(protocol.marker for protocol in PROTOCOLS.values() if protocol.choices)


@pytest.mark.parametrize(
    ("body", "limit"),
    [
        ({}, 400),
        ({"max_tokens": 50}, 50),
        ({"max_completion_tokens": 9000, "n": 2}, 9000),
        ({"max_tokens": None}, 400),
        ({"options": {"num_predict": 30}}, 30),
        ({"options": "none"}, 400),
    ],
)
def test_the_limit_that_is_ours(body: dict[str, object], limit: int) -> None:
    """A limit that the target's own body sets is ours, too: reaching it is not held against the server."""
    assert token_limit(target(URL, body=body)) == limit


# -- the server's words ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kept", "cut", "words"),
    [
        (Record.NONE, True, None),
        (Record.ERROR, True, None),
        (Record.TAIL, True, HI.decode()),
        (Record.TAIL, False, None),
        (Record.FULL, True, HI.decode()),
        (Record.FULL, False, HI.decode()),
    ],
)
async def test_what_is_kept_of_a_stream(prober: MakeProber, kept: Record, cut: bool, words: str | None) -> None:
    """Its last bytes before a cut, or all of it, only where `record` says so."""
    stop = b"" if cut else b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    seen = await probed(prober, (Send(HEAD + HI + stop), Fin()), record=kept, check=None)
    assert seen.verdict.truncated is cut
    said = None if seen.last_words is None else seen.last_words.replace("\\x0a", "\n")
    assert said == (None if words is None else words + stop.decode())


async def test_only_the_end_of_a_long_stream_is_kept(prober: MakeProber) -> None:
    """`tail` is 512 bytes of it."""
    seen = await probed(prober, (Send(HEAD + HI * 99 + b": the end"), Fin()), record=Record.TAIL)
    assert seen.last_words is not None
    assert seen.last_words.endswith(": the end")
    assert len(seen.last_words.replace("\\x0a", "\n")) <= 512


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"error": {"message": "no", "type": "t", "code": 7}}', ServerError("t", "7", "no")),
        (b'{"detail": "no such route"}', ServerError(None, None, "no such route")),
        (b'{"message": "m"}', ServerError(None, None, "m")),
        (b"plain words", ServerError(None, None, "plain words")),
        (b"[1]", ServerError(None, None, "[1]")),
        (b"  ", None),
    ],
)
async def test_a_refusal_in_its_own_words(prober: MakeProber, body: bytes, wanted: ServerError | None) -> None:
    """Whatever shape a server gives to its error, its words are found; `record = "none"` keeps none of them."""
    answer = (Send(b"HTTP/1.1 500 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body),)
    assert (await probed(prober, answer)).server_error == wanted
    assert (await probed(prober, answer, record=Record.NONE)).server_error is None


async def test_no_secret_comes_back(prober: MakeProber) -> None:
    """A server that says what it was told in confidence is not quoted: key, header, query, proxy."""
    secrets = ("canary-key", "canary-word", "canary-query", "canary-user", "canary-pass")
    error = json.dumps({"error": {"message": " ".join(secrets), "type": "canary-key", "code": "canary-word"}}).encode()
    head = (
        b"HTTP/1.1 401 No\r\nX-Request-Id: canary-key\r\nContent-Type: text/canary-word\r\nContent-Length: %d\r\n\r\n"
    )
    async with peer((Send(head % len(error) + error),)) as server:
        asked = target(
            f"http://chat.test:{server.port}/?token=canary-query",
            api_key=Secret("canary-key"),
            headers={"X-Auth": Secret("Token canary-word")},
            proxy=Secret(f"http://canary-user:canary-pass@127.0.0.1:{server.port}"),
        )
        seen = await prober()(asked, "cli")
    assert verdict(seen) == "http_error/auth"
    assert seen.server_error is not None
    assert not any(secret in json.dumps(record(seen)) for secret in secrets)


# -- observing ---------------------------------------------------------------------------------------------------------


def ended(kind: EndKind = EndKind.COMPLETE, at: float = 1.0) -> Recording:
    """Return a timeline of one chunk at half a second, ended so."""
    told = Recording()
    told.arrived(0.5, 0.0, 10)
    told.record(Output("hi"), 10)
    told.ending = Ending(kind, at)
    return told


def observed(told: Recording, asked: Target | None = None) -> Observation:
    """Return the observation of a timeline."""
    question = ask(asked or target(URL))
    return observe(question, told, ExchangeInfo(), timestamp=datetime(2026, 11, 22, tzinfo=UTC), trigger="cli")


def test_tokens_are_estimated_where_none_are_counted() -> None:
    """A chunk for a token, and the prompt's length; nothing at all where nothing came."""
    seen = observed(ended())
    assert seen.tokens is not None
    assert (seen.tokens.output, seen.tokens.estimated) == (1, True)
    empty = Recording()
    empty.ending = Ending(EndKind.REFUSED, 0.1)
    assert observed(empty).tokens is None


def test_counted_tokens_are_the_servers() -> None:
    """Where it counts some of them, the others are estimated or none."""
    told = ended()
    told.usage = told.usage._replace(output=7)
    seen = observed(told)
    assert seen.tokens is not None
    assert replace(seen.tokens, input=0) == Tokens(0, 7)


def test_the_end_is_not_before_the_last_chunk() -> None:
    """However the clocks of the socket and of the ending differ."""
    assert observed(ended(at=0.4)).timeline.marks[Mark.END] == 0.5


# -- bugs --------------------------------------------------------------------------------------------------------------


def _interpret(_: Message) -> Iterator[Event]:
    raise RuntimeError("canary")


BROKEN = Protocol("broken", Raw, lambda _, __: Request("GET"), _interpret, content_types=())
"""An outside protocol that raises what no protocol may."""


async def test_a_protocol_that_raises_is_inconclusive(prober: MakeProber) -> None:
    """A bug of an outside protocol is said by the name of its exception, and no probe is lost."""
    seen = await probed(prober, (Send(HEAD + b"x"), Fin()), protocol=f"{__name__}:BROKEN")
    assert verdict(seen) == "inconclusive/internal"
    assert "RuntimeError" in seen.verdict.detail
    assert "canary" not in str(record(seen))


async def test_a_carrier_that_raises_is_inconclusive() -> None:
    """So is a bug of our own, wherever it is."""

    class Broken(Client):
        async def carry(self, *_: object) -> ExchangeInfo:
            raise LookupError

    seen = await Prober(Broken(Limits(), Network()), TIGHT)(target(URL), "cli")
    assert verdict(seen) == "inconclusive/internal"
    assert "LookupError" in seen.verdict.detail
