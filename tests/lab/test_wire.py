"""Responses on the wire: heads, framings, pace, and where a cut falls."""

from __future__ import annotations

import pytest

from monitor.lab.dialects.base import EncodedAnswer
from monitor.lab.params import FRAMING, GAP, TTFC
from monitor.lab.steps import Fin, Rst, Send, Step, Wait
from monitor.lab.wire import (
    cut,
    error_body,
    head,
    pause,
    payload_at,
    position_of,
    reply,
    segments,
    status_line,
    whole,
)
from tests.lab.wires import case, sent

ABC = EncodedAnswer((b"role", b"a\n", b"bb\n", b"end\n", b"[DONE]"), range(1, 3), 3, 4)
HEADS = {
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n",
    "length": b"Content-Length: 19\r\n\r\n",
    "close": b"Connection: close\r\n\r\n",
}
BODIES = {
    "chunked": b"4\r\nrole\r\n2\r\na\n\r\n3\r\nbb\n\r\n4\r\nend\n\r\n6\r\n[DONE]\r\n0\r\n\r\n",
    "length": b"rolea\nbb\nend\n[DONE]",
    "close": b"rolea\nbb\nend\n[DONE]",
}


@pytest.mark.parametrize("framing", BODIES)
def test_a_whole_response_in_each_framing(framing: str) -> None:
    """The head says how the body is delimited, a message is a segment, and a close-delimited body ends in a FIN."""
    steps = whole(case("raw", "ok", f"gap=0&ttfc=0&framing={framing}"), ABC)
    assert sent(steps).startswith(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-cache\r\n"
    )
    assert sent(steps).endswith(HEADS[framing] + BODIES[framing])
    assert len(steps) == 7 - (framing == "length")
    assert isinstance(steps[-1], Fin if framing == "close" else Send)


def test_the_head_is_as_requested() -> None:
    """Another status, another type, more fields, and the truth about the fault; no field twice."""
    one = case("raw", "ok", "framing=close")
    text = head(one, 0, status=299, content_type="a/b", extra=(("X-More", "1"), ("Connection", "close")))
    assert text == (
        b"HTTP/1.1 299 Lab\r\nContent-Type: a/b\r\nCache-Control: no-cache\r\nX-More: 1\r\nConnection: close\r\n\r\n"
    )


def test_output_comes_at_its_pace() -> None:
    """Silence before the first output, between outputs and before the end; none before role frame and marker."""
    one = case("raw", "ok", "ttfc=2s&gap=1s")
    waits: list[list[Step]] = [[], [Wait(2.0)], [Wait(1.0)], [Wait(1.0)], []]
    assert [pause(one, ABC, index) for index in range(5)] == waits
    assert (one[TTFC], one[GAP], one[FRAMING]) == (2.0, 1.0, "chunked")
    without_end = EncodedAnswer(ABC.messages, ABC.output)
    assert pause(one, without_end, 3) == []


@pytest.mark.parametrize("framing", BODIES)
def test_a_cut_anywhere_sends_exactly_what_lies_before_it(framing: str) -> None:
    """At every byte of the wire, by FIN and by RST."""
    for by, ending in (("fin", Fin()), ("rst", Rst())):
        one = case("raw", "cut", f"gap=0&ttfc=0&framing={framing}&by={by}")
        for position in range(len(BODIES[framing]) + 2):
            steps = cut(one, ABC, position)
            assert sent(steps).endswith(HEADS[framing] + BODIES[framing][:position])
            assert steps[-1] == ending


@pytest.mark.parametrize("framing", BODIES)
def test_positions_on_the_wire_and_in_the_payload_agree(framing: str) -> None:
    """A payload offset lies where just so much payload has been sent, at a border before the next framing."""
    parts = segments(case("raw", "ok", f"framing={framing}"), ABC)
    for payload in range(20):
        assert payload_at(parts, position_of(parts, payload)) == payload
    assert BODIES[framing][: position_of(parts, 4)].endswith(b"role\r\n" if framing == "chunked" else b"role")
    assert position_of(parts, 99) == len(BODIES[framing])


def test_a_plain_reply_is_one_segment() -> None:
    """With its length, and in the words of HTTP."""
    one = reply(case("raw"), 429, error_body(429), extra=(("Retry-After", "7"),))
    assert one.data == (
        b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nRetry-After: 7\r\n"
        b"Content-Length: 70\r\n\r\n"
        b'{"error":{"message":"the lab says 429","type":"lab_error","code":429}}'
    )
    assert status_line(529) == "HTTP/1.1 529 Lab"
