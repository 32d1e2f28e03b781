"""A script of HTTP/1.1 sent in HTTP/2: the same head, payload, waits and endings; what HTTP/2 lacks is refused."""

from __future__ import annotations

import pytest

from monitor.lab import h2_wire as wire
from monitor.lab.h2_script import NotInHttp2Error, in_http2
from monitor.lab.steps import Fin, Hold, Repeat, Rst, Script, Send, StreamFrames, Wait

HEAD = b"HTTP/1.1 200 OK\r\nX-A: b\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
FIELDS = [(":status", "200"), ("x-a", "b")]
START = Send(wire.headers(3, FIELDS))


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        (
            [Send(CHUNKED), Wait(1), Send(b"3\r\nabc\r\n"), Send(b"0\r\n\r\n"), Hold()],
            [START, Wait(1), Send(wire.data(3, b"abc")), Send(wire.data(3, b"", end=True)), Hold()],
        ),
        ([Send(CHUNKED + b"3\r\nab"), Rst()], [Send(wire.headers(3, FIELDS) + wire.data(3, b"ab")), Rst()]),
        ([Send(CHUNKED), Send(b"3"), Send(b"\r\nabc"), Fin()], [START, Send(wire.data(3, b"abc")), Fin()]),
        (
            [Send(CHUNKED + b"0\r\nX-T: y\r\n\r\n")],
            [Send(wire.headers(3, FIELDS) + wire.headers(3, [("x-t", "y")], end=True))],
        ),
        (
            [Send(HEAD + b"Content-Length: 3\r\n\r\nab"), Send(b"c")],
            [
                Send(wire.headers(3, [*FIELDS, ("content-length", "3")]) + wire.data(3, b"ab")),
                Send(wire.data(3, b"c", end=True)),
            ],
        ),
        (
            [Send(HEAD + b"Connection: close\r\n\r\nab"), Fin()],
            [Send(wire.headers(3, FIELDS) + wire.data(3, b"ab")), Send(wire.data(3, b"", end=True))],
        ),
        ([Send(b"HTTP/1.1 204 No\r\n\r\n")], [Send(wire.headers(3, [(":status", "204")], end=True))]),
        ([Repeat(b"HTTP/1.1 102 Wait\r\n\r\n", 1.0)], [Repeat(wire.headers(3, [(":status", "102")]), 1.0)]),
        ([StreamFrames(wire.reset), Fin()], [Send(wire.reset(3)), Fin()]),
        ([Send(HEAD[:9])], []),
    ],
)  # fmt: skip
def test_what_is_reported(script: Script, wanted: Script) -> None:
    """Chunks become DATA, the body's end END_STREAM, and the FIN after a close-delimited body too."""
    assert in_http2(script, 3) == wanted


@pytest.mark.parametrize(
    "wires",
    [
        [b"SSH-2.0\r\n\r\n"],
        [HEAD + b"no colon\r\n\r\n"],
        [b"HTTP/1.1 101 Switching\r\n\r\n"],
        [CHUNKED, b"zz\r\nabc\r\n"],
        [CHUNKED, b"2\r\nabc\r\n"],
        [CHUNKED, b"0\r\n\r\n", b"more"],
    ],
)
def test_what_http_2_cannot_express(wires: list[bytes]) -> None:
    """Broken heads and chunks, and bytes after the end, are of HTTP/1.1 alone."""
    with pytest.raises(NotInHttp2Error, match="this fault exists only in"):
        in_http2([Send(one) for one in wires], 1)
