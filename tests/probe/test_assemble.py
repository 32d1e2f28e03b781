"""The text of an answer that is kept, the secrets that are not, and the parts of an observation."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime

import msgspec
import pytest

from monitor.http import ExchangeInfo
from monitor.keys.secret import Secret
from monitor.lab.peer import peer
from monitor.lab.steps import Fin, Send
from monitor.probe.assemble import observe, token_limit
from monitor.probe.request import ask
from monitor.record.observation import Observation
from monitor.record.parts import ServerError, Tokens
from monitor.stream.endings import Ending, EndKind, Mark
from monitor.stream.events import Meta, Output, Usage
from monitor.stream.recorder import Recorder
from monitor.target import Record, Target
from tests.conftest import MakeProber, target
from tests.probe.parts import HEAD, HI, URL, probed
from tests.records import record
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")


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
    """A limit in the target's own body is ours as well: the server is not blamed for reaching it."""
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
    """The last bytes before a cut, or of any stream, are kept only if `record` says so."""
    stop = b"" if cut else b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    observation = await probed(prober, (Send(HEAD + HI + stop), Fin()), record=kept, check=None)
    assert observation.verdict.truncated is cut
    words_kept = None if observation.last_words is None else observation.last_words.replace("\\x0a", "\n")
    assert words_kept == (None if words is None else words + stop.decode())


async def test_only_the_end_of_a_long_stream_is_kept(prober: MakeProber) -> None:
    """`tail` is 512 bytes of it."""
    observation = await probed(prober, (Send(HEAD + HI * 99 + b": the end"), Fin()), record=Record.TAIL)
    assert observation.last_words is not None
    assert observation.last_words.endswith(": the end")
    assert len(observation.last_words.replace("\\x0a", "\n")) <= 512


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"error": {"message": "no", "type": "t", "code": 7}}', ServerError("t", "7", "no")),
        (b'{"detail": "no such route"}', ServerError(message="no such route")),
        (b'{"message": "m"}', ServerError(message="m")),
        (b"plain words", ServerError(message="plain words")),
        (b"[1]", ServerError(message="[1]")),
        (b"  ", None),
    ],
)
async def test_a_refusal_in_its_own_words(prober: MakeProber, body: bytes, wanted: ServerError | None) -> None:
    """Whatever shape a server gives to its error, its words are found; `record = "none"` keeps none of them."""
    answer = (Send(b"HTTP/1.1 500 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body),)
    assert (await probed(prober, answer)).server_error == wanted
    assert (await probed(prober, answer, record=Record.NONE)).server_error is None


async def test_no_secret_comes_back(prober: MakeProber) -> None:
    """A server's text that repeats key, header, query or proxy is redacted."""
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
        observation = await prober()(asked, "cli")
    assert verdict(observation) == "http_error/auth"
    assert observation.server_error is not None
    assert not any(secret in json.dumps(record(observation)) for secret in secrets)


# -- observing ---------------------------------------------------------------------------------------------------------


def ended(kind: EndKind = EndKind.COMPLETE, at: float = 1.0) -> Recorder:
    """Return a timeline of one chunk at half a second, ended so."""
    recorder = Recorder()
    recorder.arrived(0.5, 0.0, 10)
    recorder.record(Output("hi"), 10)
    recorder.ending = Ending(kind, at)
    return recorder


def observed(recorder: Recorder, asked: Target | None = None) -> Observation:
    """Return the observation of a timeline."""
    question = ask(asked or target(URL))
    return observe(
        question, recorder.finish(), ExchangeInfo(), timestamp=datetime(2026, 11, 22, tzinfo=UTC), trigger="cli"
    )


def test_tokens_are_estimated_where_none_are_counted() -> None:
    """Without counts, tokens are estimated: one for each chunk, and the prompt's length; none without output."""
    observation = observed(ended())
    assert observation.tokens is not None
    assert observation.tokens == Tokens(len(ask(target(URL)).prompt) // 4, 1, estimated=True)
    empty = Recorder()
    empty.ending = Ending(EndKind.REFUSED, 0.1)
    assert observed(empty).tokens is None


def test_counted_tokens_are_the_servers() -> None:
    """If the server counts some tokens, the others are estimated or absent."""
    recorder = ended()
    recorder.record(Meta(usage=Usage(output=7)), 10)
    observation = observed(recorder)
    assert observation.tokens is not None
    assert msgspec.structs.replace(observation.tokens, input=0) == Tokens(0, 7)


def test_the_end_is_not_before_the_last_chunk() -> None:
    """However the clocks of the socket and of the ending differ."""
    assert observed(ended(at=0.4)).recording.marks[Mark.END] == 0.5


@pytest.mark.parametrize(
    ("lines", "note"),
    [
        (b"Internal Server Error\n", "; 1 line outside the protocol's framing"),
        (b"<html>\n<title>504 Gateway Time-out</title>\n", "; 2 lines outside the protocol's framing"),
        (b"", "1 chunk received"),
    ],
)
async def test_lines_outside_the_framing_are_counted(prober: MakeProber, lines: bytes, note: str) -> None:
    """Without an end, the detail has the number of lines outside of messages, and their text is kept."""
    observation = await probed(prober, (Send(HEAD + HI + lines), Fin()), check=None)
    assert verdict(observation) == "truncated/no_terminator"
    assert observation.verdict.detail.endswith(note)
    assert (observation.server_error is not None) == bool(lines)


@pytest.mark.parametrize("space", range(5, 45, 8))
async def test_a_secret_that_is_cut_outside_the_framing(prober: MakeProber, space: int) -> None:
    """Text outside the framing is cut: what the cut leaves of a secret is not shown, in whatever encoding it is."""
    secret = b"canary-9f3b-4c1d"
    line = b64encode(secret * 89) + b"." * 50 + b" " * space + secret.hex(" ").encode() + b"\n"
    observation = await probed(prober, (Send(HEAD + HI + line), Fin()), check=None, api_key=Secret(secret.decode()))
    assert observation.server_error == ServerError(message="[redacted]")
