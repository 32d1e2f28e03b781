"""Broken chunk framing, in every place."""

from __future__ import annotations

import pytest

from monitor.lab.dialects import DIALECTS
from monitor.lab.steps import Hold, Send
from tests.lab.wires import case, dechunked, expected, played


@pytest.mark.parametrize("protocol", DIALECTS)
@pytest.mark.parametrize("after", [0, 3, 99])
def test_the_body_is_sound_up_to_the_bad_chunk(protocol: str, after: int) -> None:
    """And never whole before it, whatever framing was asked for; a good chunk follows, and the socket stays open."""
    one = played(protocol, "chunk-size", f"after={after}&framing=length&gap=0&ttfc=0")
    sound, _, rest = one.body.partition(b"zz\r\n")
    answer = case(protocol).answer
    payload = dechunked(sound + b"0\r\n\r\n")
    assert b"".join(answer.messages).startswith(payload)
    assert len(payload) < answer.complete
    assert rest
    assert one.last == Hold()


@pytest.mark.parametrize("line", ["zz", "-5", "0x5", "", "f" * 19])
def test_any_size_line(line: str) -> None:
    """As it is given, in the place of a size."""
    body = played("raw", "chunk-size", f"as={line}&after=1").body
    assert body == b"2\r\n1\n\r\n" + line.encode() + b"\r\n2\n\r\n2\r\n2\n\r\n"
    assert expected("raw", "chunk-size", f"as={line}").verdict == "truncated/malformed_body"


@pytest.mark.parametrize(
    ("name", "chunk"),
    [
        ("longer", b"1\r\n2\n\r\n"),
        ("shorter", b"4\r\n2\n\r\n"),
        ("lf", b"2\n2\n\n"),
        ("bare", b"2\r\n2\n"),
    ],
)
def test_data_against_its_size(name: str, chunk: bytes) -> None:
    """More or fewer bytes than declared, or without the line end after them."""
    assert played("raw", "chunk-data", f"as={name}&after=1").body == b"2\r\n1\n\r\n" + chunk + b"2\r\n2\n\r\n"


def test_all_of_it_with_the_head() -> None:
    """One segment, of which a client may read nothing."""
    apart, together = (played("raw", "chunk-size", f"with={place}&gap=0&ttfc=0") for place in ("own", "head"))
    assert (apart.head, apart.body) == (together.head, together.body)
    assert together.steps == [Send(apart.head + apart.body), Hold()]
    assert expected("raw", "chunk-size", "with=head").verdict == "truncated/malformed_body"
