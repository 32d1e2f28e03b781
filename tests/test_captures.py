"""Captures of real servers, replayed byte for byte: each has its verdict."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from monitor.protocols import PROTOCOLS
from monitor.target import Check, CountCheck, PatternCheck
from tests.protocols.replay import capture, check_capture, dechunked, names, replayed


@pytest.mark.parametrize("name", names())
def test_the_verdict(name: str) -> None:
    """A capture, read as a whole with its ending, gives the verdict that it declares, and no output is lost."""
    one = capture(name)
    check_capture(one, PROTOCOLS[one.protocol])


@pytest.mark.parametrize("name", [name for name in names() if "nokb" not in name and "bedrock" not in name])
def test_any_of_them_reads_as_raw(name: str) -> None:
    """The plainest probe sees the bytes of any of them, and says how the wire ended."""
    came = capture(name).response
    verdict, _, text = replayed(capture(name), PROTOCOLS["raw"])
    whole = {"complete": "unverified", "incomplete": "truncated", "deadline": "stalled"}
    assert verdict.outcome == (whole[came.ending.kind] if came.head.status == 200 else "http_error")
    assert text == (came.body.decode() if came.head.status == 200 else "")


class Face(NamedTuple):
    """How one release shows that its upstream died in the middle: without a content check, and with one."""

    name: str
    protocol: str
    check: Check
    without: str
    proved: str
    nonce: str = ""


WHOLE = PatternCheck(r"upstream\.$")
FACES = {
    "0.3.0 to 0.3.1.1 cut the body": Face(
        "chatchat/c031_llm_mid_fin", "chatchat", WHOLE, "truncated incomplete_body", "truncated incomplete_body"
    ),
    "0.3.1.2 and up say an error": Face(
        "chatchat/c03_llm_mid_fin", "chatchat", WHOLE, "stream_error upstream", "stream_error upstream"
    ),
    "its knowledge base says nothing": Face(
        "real/c0313_kb_model_kill",
        "chatchat-kb",
        CountCheck(400),
        "unverified -",
        "truncated incomplete_answer",
        "b2c4",
    ),
    "0.2.10 says nothing": Face(
        "chatchat/c0210_chat_mid_fin", "chatchat-0.2", WHOLE, "unverified -", "wrong_content pattern"
    ),
}


@pytest.mark.parametrize("face", FACES.values(), ids=FACES.keys())
def test_one_upstream_failure_has_four_faces(face: Face) -> None:
    """All four responses have status 200; if the stream hides the failure, only a content check detects it."""
    one, protocol = capture(face.name), PROTOCOLS[face.protocol]
    assert one.response.head.status == 200
    found = [replayed(one, protocol, check, face.nonce)[0] for check in (None, face.check)]
    assert [f"{verdict.outcome} {verdict.cause or '-'}" for verdict in found] == [face.without, face.proved]


def test_what_is_cut_is_counted_as_cut() -> None:
    """Of all captures, exactly those that were cut or failed in the stream count as truncated."""
    for name in names():
        one = capture(name)
        cut = one.verdict.split("/")[0] in {"truncated", "stalled", "stream_error"}
        assert replayed(one, PROTOCOLS[one.protocol])[0].truncated is cut, name


CHUNKS = {
    "two chunks": (b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", (b"abcde", True)),
    "hexadecimal": (b"0A\r\n0123456789\r\n0\r\n\r\n", (b"0123456789", True)),
    "nothing": (b"0\r\n\r\n", (b"", True)),
    "no terminal chunk": (b"3\r\nabc\r\n", (b"abc", False)),
    "half a chunk": (b"3\r\nab", (b"ab", False)),
    "half a terminal chunk": (b"3\r\nabc\r\n0\r\n", (b"abc", False)),
}


@pytest.mark.parametrize(("data", "payload"), CHUNKS.values(), ids=CHUNKS.keys())
def test_a_chunked_body(data: bytes, payload: tuple[bytes, bool]) -> None:
    """The payload of a recorded body is found, and whether it is whole."""
    assert dechunked(data) == payload
