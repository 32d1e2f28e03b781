"""Answers that are complete, however odd: the text is the requested one."""

from __future__ import annotations

import json

import pytest

from monitor.lab.dialects import DIALECTS
from monitor.lab.params import BadParameterError
from monitor.lab.steps import Fin, Send, Wait
from tests.lab.wires import ANSWER, dechunked, events, expected, played

# Faults that change nothing in what the payload says, each with queries that cover its choices.
SAME_TEXT = [
    ("ok", ""),
    ("slow", ""),
    ("buffered", ""),
    ("drip", "bytes=9"),
    ("pings", ""),
    ("aside", "where=first"),
    ("aside", "where=middle"),
    ("aside", "what=empty&where=last"),
    ("no-marker", ""),
    ("unterminated", ""),
    ("chunk-style", "as=extension"),
    ("chunk-style", "as=zeros"),
    ("chunk-style", "as=upper"),
    ("content-type", "as=text/html"),
    ("interim", "at=0"),
]


def text_in(payload: bytes) -> str:
    """The visible text of an openai-chat stream."""
    choices_of_all = [json.loads(data)["choices"] for data in events(payload + b"\n\n") if data != "[DONE]"]
    return "".join(choices[0]["delta"].get("content") or "" for choices in choices_of_all if choices)


@pytest.mark.parametrize(("fault", "query"), SAME_TEXT)
def test_the_answer_is_whole(fault: str, query: str) -> None:
    """Whatever is odd about it, a strict reader finds the counted list."""
    assert text_in(dechunked(played("openai-chat", fault, query).body)) == ANSWER


def test_output_takes_its_time() -> None:
    """The time to the first output, and the same between all others and before the end."""
    assert played("openai-chat", "slow", "ttfc=3s&gap=2s").waits == [3.0, *[2.0] * 10]
    assert played("raw", "ok", "").waits == [0.02] * 10


@pytest.mark.parametrize(
    ("query", "verdict"),
    [
        ("", "ok"),
        ("ttfc=60s", "timeout/first_chunk"),
        ("gap=30s", "stalled/silent"),
        ("gap=29s&ttfc=59s", "timeout/total"),
        ("gap=20s&n=2", "ok"),
    ],
)
def test_a_slow_answer_is_judged_by_default_timeouts(query: str, verdict: str) -> None:
    """Which deadline it misses first, if any."""
    assert expected("raw", "slow", query).verdict == verdict


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_a_buffered_answer_is_one_segment(framing: str) -> None:
    """The head at once, then silence, then everything with the body's own end."""
    head, silence, body, *end = played("raw", "buffered", f"delay=3s&framing={framing}").steps
    assert isinstance(head, Send)
    assert silence == Wait(3.0)
    whole = played("raw", "ok", f"framing={framing}").body
    assert body == Send(whole)
    assert end == ([Fin()] if framing == "close" else [])


def test_a_buffered_answer_is_flagged_where_there_are_enough_chunks() -> None:
    """Four chunks at once tell nothing."""
    assert expected("chatchat", "buffered").flag == "buffered"
    assert expected("chatchat", "buffered", "n=4").flag == ""
    assert expected("raw", "buffered").flag == ""


def test_a_drip_heeds_no_border() -> None:
    """Segments of the same few bytes from the first byte of the body to the last."""
    one = played("raw", "drip", "bytes=3&every=5ms")
    sizes = [len(step.data) for step in one.steps if isinstance(step, Send)][1:]
    assert set(sizes[:-1]) == {3}
    assert sum(sizes) == len(one.body)
    assert one.waits == [0.005] * len(sizes)


@pytest.mark.parametrize(
    ("protocol", "query", "verdict"),
    [
        ("openai-chat", "", "ok"),
        ("openai-chat", "bytes=1&every=1s", "timeout/first_chunk"),
        ("openai-chat", "bytes=1&every=165ms", "stalled/no_output"),
        ("raw", "bytes=1&every=9s", "stalled/no_output"),
        ("raw", "bytes=1&every=10s&n=1", "timeout/first_chunk"),
        ("openai-chat", "bytes=7&every=1s", "timeout/total"),
    ],
)
def test_a_drip_is_judged_by_default_timeouts(protocol: str, query: str, verdict: str) -> None:
    """By what it takes to finish a message."""
    assert expected(protocol, "drip", query).verdict == verdict


def test_pings_stand_before_every_output() -> None:
    """One for each chunk."""
    assert played("chatchat", "pings").body.count(b": ping - ") == 10


@pytest.mark.parametrize("protocol", [name for name in DIALECTS if DIALECTS[name].asides])
def test_any_aside_can_be_put_in(protocol: str) -> None:
    """By its name, or any; a name that the protocol does not have is refused."""
    asides = DIALECTS[protocol].asides
    for name, message in asides.items():
        assert message in dechunked(played(protocol, "aside", f"what={name}").body)
    assert next(iter(asides.values())) in dechunked(played(protocol, "aside").body)
    with pytest.raises(BadParameterError, match="what=nope: allowed here is one of"):
        played(protocol, "aside", "what=nope")


def test_what_may_be_missing_is_missing() -> None:
    """The marker, or the last line end; nothing else."""
    whole = dechunked(played("openai-chat", "ok").body)
    assert dechunked(played("openai-chat", "no-marker").body) + b"data: [DONE]\n\n" == whole
    assert dechunked(played("openai-chat", "unterminated").body).endswith(b'"finish_reason":"stop"}]}')
    kb = dechunked(played("chatchat-kb", "ok").body)
    assert dechunked(played("chatchat-kb", "unterminated").body) + b"\r\n\r\n" == kb


@pytest.mark.parametrize(
    ("query", "ends"),
    [("as=lf", b"\n"), ("as=crlf", b"\r\n"), ("as=cr", b"\r"), ("as=cr&bom=yes", b"\r")],
)
def test_line_ends_are_replaced(query: str, ends: bytes) -> None:
    """In every event, and a byte order mark comes before all."""
    payload = dechunked(played("openai-chat", "line-ends", query).body)
    assert payload.startswith(b"\xef\xbb\xbfdata: " if "bom" in query else b"data: ")
    lines = payload.removeprefix(b"\xef\xbb\xbf").replace(ends, b"\n")
    assert text_in(lines) == ANSWER
    assert b"\r" not in lines


def test_line_ends_may_be_mixed() -> None:
    """One after the other of all three."""
    payload = dechunked(played("openai-chat", "line-ends", "as=mixed").body)
    lines = payload.splitlines(keepends=True)
    assert {line[len(line.rstrip(b"\r\n")) :] for line in lines} == {b"\n", b"\r\n", b"\r"}
    assert text_in(payload.replace(b"\r\n", b"\n").replace(b"\r", b"\n")) == ANSWER


def test_rare_chunk_framing() -> None:
    """Extensions, leading zeros, upper case and a trailer, whatever framing was asked for."""
    assert played("raw", "chunk-style", "as=extension&framing=close").body.startswith(b"2;lab=1\r\n1\n\r\n")
    assert played("raw", "chunk-style", "as=zeros").body.startswith(b"00000002\r\n1\n\r\n")
    assert b"\r\nA8\r\n" in played("openai-chat", "chunk-style", "as=upper").body
    assert played("raw", "chunk-style", "as=trailer").body.endswith(b"\r\n0\r\nX-Lab-Trailer: yes\r\n\r\n")


def test_a_wrong_type_is_reported() -> None:
    """And only the type is wrong."""
    wrong, right = (played("chatchat", fault, "") for fault in ("content-type", "ok"))
    assert b"Content-Type: application/octet-stream\r\n" in wrong.head
    assert wrong.body == right.body
    assert expected("chatchat", "content-type").flag == "content_type_mismatch"


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_bytes_may_trail(framing: str) -> None:
    """Behind a body that says where it ends; close-delimited it could not, so it gets a length then."""
    one = played("raw", "trailing", f"framing={framing}")
    end = b"0\r\n\r\n" if framing == "chunked" else b"END-ab12"
    assert one.body.endswith(end + b"and one more thing\r\n")
    assert b"Connection: close" not in one.head


def test_hints_come_first() -> None:
    """As many informational heads as asked for."""
    one = played("raw", "interim", "at=2")
    assert (one.head + one.body).count(b"HTTP/1.1 103 Early Hints\r\n") == 2
