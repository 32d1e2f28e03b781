"""A protocol that the config describes: framings, paths, the end, the marker, and paths that never matched."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.keys.json_path import parse
from monitor.lab.peer import peer
from monitor.lab.steps import Fin, Send
from monitor.protocols.generic import GENERIC
from monitor.stream.endings import BodyFraming, Ending, EndKind, Head
from monitor.stream.events import Event, Failure, Fault, Finish, Message, Meta, Output, Part, Stop, Usage
from monitor.target import Generic, GenericUsage, Target
from tests.conftest import MakeProber
from tests.conftest import target as target_of
from tests.protocols.replay import decoded, judged
from tests.test_wire import verdict

OPENAI = Generic(
    output=parse("choices[*].delta.content"),
    reasoning=parse("choices[*].delta.reasoning"),
    end=parse("choices[*].finish_reason"),
    marker="[DONE]",
    error=parse("error"),
    usage=GenericUsage(parse("usage.in"), parse("usage.out")),
)


def target(generic: Generic, **more: Any) -> Target:  # noqa: ANN401 - fields of Target
    """Return a target with these keys."""
    return Target("one", "generic", "http://127.0.0.1/", generic=generic, **more)


MESSAGES: dict[str, tuple[str, list[Event]]] = {
    "output": ('{"choices":[{"delta":{"content":"a"}}]}', [Output("a")]),
    "output of all": ('{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}', [Output("ab")]),
    "reasoning": ('{"choices":[{"delta":{"reasoning":"hm"}}]}', [Output("hm", Part.REASONING)]),
    "the end": ('{"choices":[{"finish_reason":"length"}]}', [Finish("length", Stop.LENGTH)]),
    "no reason": ('{"choices":[{"finish_reason":null}]}', [Meta(foreign=True)]),
    "no reason said": ('{"choices":[{"finish_reason":""}]}', [Meta()]),
    "usage": ('{"usage":{"in":3,"out":4}}', [Meta(usage=Usage(3, 4))]),
    "an error": ('{"error":{"message":"overloaded"}}', [Failure(Fault.OVERLOADED, "overloaded")]),
    "no error": ('{"error":null,"choices":[{"delta":{"content":"a"}}]}', [Output("a")]),
    "another shape": ("7", [Meta(foreign=True)]),
}


@pytest.mark.parametrize(("data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(data: str, events: list[Event]) -> None:
    """The values at the paths are output, reasoning, the end, the tokens or an error."""
    assert list(GENERIC.of(target(OPENAI)).interpret(Message(data, 0))) == events


def body(framing: str, *values: object) -> bytes:
    """Return values in a framing."""
    form = {"sse": "data: {}\n\n", "lines": "{}\n", "json": "{}"}[framing]
    texts = (value if isinstance(value, str) else json.dumps(value) for value in values)
    return "".join(form.replace("{}", text) for text in texts).encode()


FLAT = Generic(output=parse("t"), end=parse("done"))
SAID = Generic(output=parse("t"), end=parse("type=end"))
MARKED = Generic(output=parse("t"), marker="[DONE]")
DEEP = "[" * 10_000
STREAMS: dict[str, tuple[Generic, bytes, str]] = {
    "events": (FLAT, body("sse", {"t": "a"}, {"done": True}), "ok"),
    "events without their end": (FLAT, body("sse", {"t": "a"}), "truncated/no_terminator"),
    "an end that is false": (FLAT, body("sse", {"t": "a"}, {"done": False}), "truncated/no_terminator"),
    "a value that is the end": (SAID, body("sse", {"t": "a"}, {"type": "end"}), "ok"),
    "another value": (SAID, body("sse", {"t": "a"}, {"type": "text"}), "truncated/no_terminator"),
    "a marker that is the end": (MARKED, body("sse", {"t": "a"}, "[DONE]"), "ok"),
    "a marker after the end": (
        Generic(output=parse("t"), end=parse("e"), marker="[DONE]"),
        body("sse", {"t": "a", "e": "stop"}, "[DONE]"),
        "ok",
    ),
    "a marker that never came": (MARKED, body("sse", {"t": "a"}), "truncated/no_terminator"),
    "an abort": (FLAT, body("sse", {"t": "a"}, {"done": "abort"}), "truncated/server_abort"),
    "no end at all": (Generic(output=parse("t")), body("sse", {"t": "a"}), "unverified"),
    "text in events": (Generic(framing="sse"), body("sse", "a"), "unverified"),
    "bytes": (Generic(), b"abc", "unverified"),
    "nested deeply": (FLAT, body("sse", {"t": "a"}, DEEP, {"done": True}), "bad_response/malformed_event"),
    "nothing of it": (FLAT, body("sse", {"x": 1}), "bad_response/not_protocol"),
    **{
        f"in {framing}": (
            Generic(framing=framing, output=parse("t"), end=parse("done")),
            body(framing, {"t": "a"}, {"done": True}),
            "ok",
        )
        for framing in ("sse", "lines", "json")
    },
}


@pytest.mark.parametrize(("generic", "data", "comes_to"), STREAMS.values(), ids=STREAMS.keys())
def test_the_verdict_of_a_stream(generic: Generic, data: bytes, comes_to: str) -> None:
    """The end is what the config says, in every framing."""
    protocol = GENERIC.of(target(generic))
    recorder = decoded(protocol, data, Head(200, "text/plain", framing=BodyFraming.CHUNKED))
    found = judged(protocol, recorder, Ending(EndKind.COMPLETE, 1.0))
    assert "/".join(filter(None, (found.outcome, found.cause))) == comes_to


def test_what_never_matched_is_known() -> None:
    """Paths of the output, the end, the marker and the tokens are to match in every stream."""
    protocol = GENERIC.of(target(OPENAI))
    assert protocol.remark is not None
    list(protocol.interpret(Message('{"choices":[{"delta":{"content":"a"}}],"usage":{"in":1}}', 0)))
    assert protocol.remark() == (
        "never matched: generic.end = 'choices[*].finish_reason', generic.marker = '[DONE]', "
        "generic.usage.output = 'usage.out'"
    )
    whole = GENERIC.of(target(FLAT))
    list(whole.interpret(Message('{"t":"a","done":true}', 0)))
    assert whole.remark is not None
    assert whole.remark() == ""


async def test_a_path_that_never_matched_is_reported_in_the_detail(prober: MakeProber) -> None:
    """The detail names a path that never matched, and no path that did."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    details = []
    for end in ("done", "dnoe"):
        generic = Generic(output=parse("t"), end=parse(end))
        async with peer((Send(head + body("sse", {"t": "a"}, {"done": True})), Fin())) as server:
            asked = target_of(server.url, "generic", generic=generic, check=None)
            found = await prober()(asked, "cli")
        details.append((verdict(found), found.verdict.detail))
    assert details[0][0] == "ok"
    assert "never matched" not in details[0][1]
    assert details[1][0] == "truncated/no_terminator"
    assert details[1][1].endswith("never matched: generic.end = 'dnoe'")


def test_the_request() -> None:
    """The target's own body is sent with the prompt filled in; without one it is a GET."""
    asked = GENERIC.request(target(OPENAI, body={"q": "say {prompt}"}), "hi")
    assert (asked.method, json.loads(asked.body)) == ("POST", {"q": "say hi"})
    assert GENERIC.request(target(OPENAI), "hi").method == "GET"
