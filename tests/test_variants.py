"""What else a server can do on the wire, each response cut into segments in several ways: always the same verdict.

The lab has the faults that have a name; these are their relatives. Every row is the bytes of one connection, and how it
ends; what it comes to depends on neither the segments nor on TLS around it.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import pytest
import trustme

from monitor.keys.tls import Tls
from monitor.lab.fault import Expect
from monitor.lab.peer import peer
from monitor.lab.scenarios import Scenario
from monitor.lab.steps import Fin, Hold, Rst, Script, Send, Step
from monitor.stream.endings import Deadline, Mark
from tests.conftest import MakeProber, only, target
from tests.test_wire import Probed, conclusive, ender, misplaced, verdict

pytestmark = pytest.mark.usefixtures("no_leaks")

AT_ONCE = 8
HI = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
WHOLE = HI + STOP
SIZE = b"%d" % len(WHOLE)
SSE = b"Content-Type: text/event-stream\r\n"
OK = b"HTTP/1.1 200 OK\r\n" + SSE
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CLOSED = OK + b"\r\n"
LAST = b"0\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
HEADERS, FIRST_EVENT, STREAM, END = "headers", "first_event", "stream", "end"


def chunk(data: bytes, more: bytes = b"", size: bytes = b"%x") -> bytes:
    """Return one chunk, with a text after its size."""
    return size % len(data) + more + b"\r\n" + data + b"\r\n"


def sized(length: bytes, body: bytes = WHOLE) -> bytes:
    """Return a response with this Content-Length."""
    return OK + b"Content-Length: " + length + b"\r\n\r\n" + body


def coded(codings: bytes, body: bytes) -> bytes:
    """Return a response with this Transfer-Encoding."""
    return OK + b"Transfer-Encoding: " + codings + b"\r\n\r\n" + body


BODY = chunk(HI) + chunk(STOP)


class Row(NamedTuple):
    """The response of one server, and the expected result of a probe."""

    sent: bytes
    verdict: str
    phase: str
    kept: bytes = b""
    """The payload that the decoder was given."""
    unclean: str | None = None
    by: Step = Fin()

    @property
    def chunks(self) -> int:
        """How many chunks of output are in it."""
        return self.kept.count(HI)


def whole(sent: bytes, unclean: str | None = None, by: Step = Fin(), kept: bytes = WHOLE) -> Row:  # noqa: B008 - frozen
    """Return a row for an answer that is complete."""
    return Row(sent, "ok", END, kept, unclean, by)


def malformed(sent: bytes, kept: bytes = b"") -> Row:
    """Return a row for a chunked body with broken framing, after which the socket stays open."""
    return Row(CHUNKED + sent, "truncated/malformed_body", STREAM if kept else FIRST_EVENT, kept, by=Hold())


def headless(sent: bytes, by: Step = Fin()) -> Row:  # noqa: B008 - frozen
    """Return a row for a response whose head is not valid HTTP."""
    return Row(sent, "bad_response/malformed_head", HEADERS, by=by)


def refused(sent: bytes, why: str, by: Step = Fin()) -> Row:  # noqa: B008 - frozen
    """Return a row for a head that is the whole story."""
    return Row(sent, why, HEADERS, by=by)


VERSIONS: Mapping[str, Row] = {
    "HTTP/1.0, to the close": whole(b"HTTP/1.0 200 OK\r\n" + SSE + b"\r\n" + WHOLE),
    "HTTP/1.0 with a length": whole(b"HTTP/1.0 200 OK\r\nContent-Length: " + SIZE + b"\r\n" + SSE + b"\r\n" + WHOLE),
    "HTTP/1.0, cut in its length": Row(
        b"HTTP/1.0 200 OK\r\nContent-Length: " + SIZE + b"\r\n" + SSE + b"\r\n" + HI,
        "truncated/incomplete_body",
        STREAM,
        HI,
    ),
    "HTTP/1.0 with chunks": whole(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n" + SSE + b"\r\n" + BODY + LAST),
    "HTTP/1.2": headless(b"HTTP/1.2 200 OK\r\n" + SSE + b"\r\n" + WHOLE),
    "HTTP/2.0": headless(b"HTTP/2.0 200 OK\r\n" + SSE + b"\r\n" + WHOLE),
    "RTSP": headless(b"RTSP/1.0 200 OK\r\n" + SSE + b"\r\n" + WHOLE),
    "ICY": headless(b"ICY 200 OK\r\n" + SSE + b"\r\n" + WHOLE),
    "lower case": headless(b"http/1.1 200 OK\r\n" + SSE + b"\r\n" + WHOLE),
    "an HTTP/2 server's settings": headless(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80", Hold()),
    "an HTTP/2 client's preface": headless(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "a request": headless(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a mail server": headless(b"220 mail.test ESMTP\r\n", Hold()),
    "a TLS alert": headless(b"\x15\x03\x01\x00\x02\x02\x46"),
    "HTTP/0.9, left open": headless(b"<html>hello</html>", Hold()),
}
HEADS: Mapping[str, Row] = {
    "no reason": whole(b"HTTP/1.1 200\r\n" + SSE + b"\r\n" + WHOLE),
    "an empty reason": whole(b"HTTP/1.1 200 \r\n" + SSE + b"\r\n" + WHOLE),
    "status 99": headless(b"HTTP/1.1 99 No\r\n" + SSE + b"\r\n" + WHOLE),
    "status 1000": headless(b"HTTP/1.1 1000 No\r\n" + SSE + b"\r\n" + WHOLE),
    "status 600": refused(b"HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n", "http_error/rejected"),
    "status 201": whole(b"HTTP/1.1 201 Created\r\n" + SSE + b"\r\n" + WHOLE),
    "two spaces": headless(b"HTTP/1.1  200 OK\r\n" + SSE + b"\r\n" + WHOLE),
    "empty lines before it": whole(b"\r\n\r\n" + CHUNKED + BODY + LAST),
    "empty lines before it, and a bad chunk": Row(
        b"\r\n\r\n" + CHUNKED + chunk(HI) + b"zz\r\n", "truncated/malformed_body", STREAM, HI, by=Hold()
    ),
    "a folded field": whole(OK + b"X: a\r\n b\r\n\r\n" + WHOLE),
    "a folded content type": whole(b"HTTP/1.1 200 OK\r\nContent-Type:\r\n text/event-stream\r\n\r\n" + WHOLE),
    "a space before the colon": headless(OK + b"X : a\r\n\r\n" + WHOLE),
    "a field without a name": headless(OK + b": a\r\n\r\n" + WHOLE),
    "a NUL in a field": headless(OK + b"X: a\0b\r\n\r\n" + WHOLE),
    "a CR in a field": headless(OK + b"X: a\rb\r\n\r\n" + WHOLE),
    "no UTF-8 in a field": whole(OK + b"X: a\xff\xfeb\r\n\r\n" + WHOLE),
    "line feeds alone": whole(CHUNKED.replace(b"\r\n", b"\n") + BODY + LAST),
    "line feeds in places": whole(b"HTTP/1.1 200 OK\n" + SSE + b"\n" + WHOLE),
    "too many fields": headless(OK + b"".join(b"X-%d: y\r\n" % number for number in range(1100)) + b"\r\n" + WHOLE),
    "fields without an end": headless(OK + b"X: y\r\n" * 2000, Hold()),
    "a field without an end": headless(OK + b"X: " + b"y" * 70_000, Hold()),
    "upper case in the type": whole(b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=X\r\n\r\n" + WHOLE),
    "switching, and left open": refused(
        b"HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n\0\0\0", "http_error/rejected", Hold()
    ),
    "an offer to switch": whole(
        OK + b"Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY + LAST
    ),
}
BEFORE: Mapping[str, Row] = {
    "100 first": whole(b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED + BODY + LAST),
    "103 three times": whole(INTERIM * 3 + CHUNKED + BODY + LAST),
    "102 with a length": whole(b"HTTP/1.1 102 Wait\r\nContent-Length: 5\r\n\r\n" + CLOSED + WHOLE),
    "102 with chunks": whole(b"HTTP/1.1 102 Wait\r\nTransfer-Encoding: chunked\r\n\r\n" + sized(SIZE)),
    "103, and a bad chunk": Row(
        INTERIM + CHUNKED + chunk(HI) + b"zz\r\n", "truncated/malformed_body", STREAM, HI, by=Hold()
    ),
    "103, and a cut": Row(INTERIM + CHUNKED + chunk(HI), "truncated/incomplete_body", STREAM, HI),
    "103, and garbage": headless(INTERIM + b"garbage\r\n\r\n"),
    "103, and nothing": refused(INTERIM, "no_response/partial_head"),
    "103, and a reset": refused(INTERIM, "no_response/reset", Rst()),
    "103, and half a head": refused(INTERIM + b"HTTP/1.1 20", "no_response/partial_head"),
    "103, and silence": refused(INTERIM, "timeout/headers", Hold()),
}
LENGTHS: Mapping[str, Row] = {
    "with Connection: close": whole(OK + b"Connection: close\r\nContent-Length: " + SIZE + b"\r\n\r\n" + WHOLE),
    "blanks around it": whole(sized(b"  " + SIZE + b"  ")),
    "zeros before it": whole(sized(b"000" + SIZE)),
    "zero in four digits": refused(sized(b"0000", b""), "empty/no_body"),
    "the body longer": whole(sized(SIZE, WHOLE + b"more"), "trailing", Hold()),
    "the body longer by a response": whole(sized(SIZE, WHOLE + b"HTTP/1.1 200 OK\r\n\r\n"), "trailing", Hold()),
    "left open": whole(sized(SIZE), by=Hold()),
    "then a reset": whole(sized(SIZE), by=Rst()),
    "far too long": whole(sized(b"9223372036854775808"), "incomplete_body"),
    "nothing came": Row(sized(SIZE, b""), "truncated/incomplete_body", FIRST_EVENT),
    "nothing came but a reset": Row(sized(SIZE, b""), "truncated/reset", FIRST_EVENT, by=Rst()),
    **{
        f"as {value.decode()!r}": headless(sized(value))
        for value in (b"+" + SIZE, b"-5", SIZE + b", " + SIZE, SIZE + b", 1", b"0x10", b"", b"5.0", b"9" * 30, b"1 0")
    },
    "twice the same": headless(OK + (b"Content-Length: " + SIZE + b"\r\n") * 2 + b"\r\n" + WHOLE),
    "before chunks": headless(OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY + LAST),
    "behind chunks": headless(OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + BODY + LAST),
}
CODINGS: Mapping[str, Row] = {
    "gzip, chunked": refused(coded(b"gzip, chunked", BODY + LAST), "bad_response/encoding"),
    "gzip": refused(coded(b"gzip", WHOLE), "bad_response/encoding"),
    "chunked, gzip": refused(coded(b"chunked, gzip", WHOLE), "bad_response/encoding"),
    "identity": whole(coded(b"identity", WHOLE)),
    "a word that compresses nothing": whole(coded(b"xchunked", WHOLE)),
    "CHUNKED": whole(coded(b"CHUNKED", BODY + LAST)),
    "chunked in two fields": whole(OK + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n" + BODY + LAST),
    "content: identity and gzip": refused(OK + b"Content-Encoding: identity, gzip\r\n\r\n", "bad_response/encoding"),
    "content: gzip in a second field": refused(
        OK + b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\n\r\n", "bad_response/encoding"
    ),
    "content: nothing": whole(OK + b"Content-Encoding:\r\n\r\n" + WHOLE),
    "content: Identity": whole(OK + b"Content-Encoding: Identity\r\n\r\n" + WHOLE),
}
SOUND: Mapping[str, Row] = {
    "extensions": whole(CHUNKED + chunk(HI, b";a=b") + chunk(STOP, b';a="b;c"') + b"0;a\r\n\r\n"),
    "blanks behind the size": whole(CHUNKED + chunk(HI, b"  ") + chunk(STOP, b" ;a=b") + LAST),
    "a tab behind the size": whole(CHUNKED + chunk(HI, b"\t") + chunk(STOP) + LAST),
    "sizes in capitals": whole(CHUNKED + chunk(HI, size=b"%X") + chunk(STOP, size=b"%X") + LAST),
    "zeros before the size": whole(CHUNKED + chunk(WHOLE, size=b"%040x") + b"000\r\n\r\n"),
    "a chunk a byte": whole(CHUNKED + b"".join(chunk(bytes((byte,))) for byte in WHOLE) + LAST),
    "trailers": whole(CHUNKED + BODY + b"0\r\nX: y\r\nServer-Timing: total;dur=1\r\n\r\n"),
    "an empty line behind it": whole(CHUNKED + BODY + LAST + b"\r\n", by=Hold()),
    "no chunk at all": Row(CHUNKED + LAST, "truncated/no_terminator", FIRST_EVENT),
}
BROKEN: Mapping[str, Row] = {
    **{
        f"the size {line.decode('latin-1')!r}": malformed(chunk(HI) + line + b"\r\n" + STOP + b"\r\n", HI)
        for line in (
            b"zz",
            b"+5",
            b"-5",
            b"0x5",
            b"1_0",
            b"",
            b" 5",
            b"5 5",
            b"f" * 17,
            b"5,a",
            b"\xb2",
            b";a=b",
            b"5\r5",
        )
    },
    **{f"a first size {line.decode()!r}": malformed(line + b"\r\n") for line in (b"zz", b"0x5", b"g")},
    "half a bad size": malformed(chunk(HI) + b"z", HI),
    "a size of a line feed alone": malformed(b"%x\n" % len(HI) + HI + b"\r\n"),
    "a line feed alone behind the data": malformed(b"%x\r\n" % len(HI) + HI + b"\n" + chunk(STOP), HI),
    "line feeds alone everywhere": malformed(b"%x\n" % len(HI) + HI + b"\n0\n\n"),
    "the last chunk with line feeds alone": malformed(chunk(HI) + b"0\n\n", HI),
    "a line feed alone behind an extension": malformed(b"%x;a=b\n" % len(HI) + HI + b"\r\n"),
    "something between CR and LF": malformed(b"%x\r\n" % len(HI) + HI + b"\rX\n", HI),
    "no line end behind the data": malformed(b"%x\r\n" % len(HI) + HI + chunk(STOP), HI),
    "data longer than said": malformed(b"%x\r\n" % len(HI) + HI + b"data: x\n\n\r\n", HI),
    "a quoted line end in an extension": malformed(chunk(HI, b';a="\r\nx"')),
    "an extension without an end": malformed(b"5;" + b"x" * 70_000),
    "a trailer that is no field": malformed(chunk(HI) + b"0\r\nno colon\r\n\r\n", HI),
    "a trailer with a line feed alone": malformed(chunk(HI) + b"0\r\nX: y\n\r\n", HI),
    "a trailer without an end": malformed(chunk(HI) + b"0\r\nX: " + b"y" * 70_000, HI),
    "then a FIN": malformed(chunk(HI) + b"zz\r\n", HI)._replace(by=Fin()),
    "then a reset": malformed(chunk(HI) + b"zz\r\n", HI)._replace(by=Rst()),
}
CUT: Mapping[str, Row] = {
    f"{name}, by {'FIN' if isinstance(by, Fin) else 'RST'}": Row(
        CHUNKED + chunk(HI) + more,
        "truncated/incomplete_body" if isinstance(by, Fin) else "truncated/reset",
        STREAM,
        HI + kept,
        by=by,
    )
    for name, more, kept in (
        ("between chunks", b"", b""),
        ("in a size", b"4", b""),
        ("behind a size", b"4f", b""),
        ("behind a size's CR", b"4f\r", b""),
        ("in an extension", b"4f;a=", b""),
        ("in the data", b"4f\r\ndata: ", b"data: "),
        ("behind the data", b"6\r\ndata: ", b"data: "),
        ("behind the data's CR", b"6\r\ndata: \r", b"data: "),
        ("in the last size", b"0", b""),
        ("behind the last size", b"0\r\n", b""),
        ("in the last line end", b"0\r\n\r", b""),
        ("in a trailer", b"0\r\nX: ", b""),
        ("behind a trailer", b"0\r\nX: y\r\n", b""),
        ("in a chunk of all memory", b"ffffffffffffffff\r\ndata: ", b"data: "),
    )
    for by in (Fin(), Rst())
}
ENDED: Mapping[str, Row] = {
    "in the last size": whole(CHUNKED + BODY + b"0", "incomplete_body"),
    "in the last line end": whole(CHUNKED + BODY + b"0\r\n\r", "incomplete_body"),
    "in a trailer": whole(CHUNKED + BODY + b"0\r\nX: ", "incomplete_body"),
    "in a trailer, by a reset": whole(CHUNKED + BODY + b"0\r\nX: ", "reset", Rst()),
    "a bad size": whole(CHUNKED + BODY + b"zz\r\n", "trailing", Hold()),
    "a bad size, then a reset": whole(CHUNKED + BODY + b"zz\r\n", "trailing", Rst()),
    "a bad trailer": whole(CHUNKED + BODY + b"0\r\nno colon\r\n\r\n", "trailing", Hold()),
    "a chunk of another length": whole(
        CHUNKED + chunk(HI) + b"%x\r\n" % (len(STOP) + 5) + STOP + b"\r\n" + LAST,
        "incomplete_body",
        kept=WHOLE + b"\r\n0\r\n",
    ),
    "words behind the last chunk": whole(CHUNKED + BODY + LAST + b"words", "trailing", Hold()),
    "another response behind it": whole(CHUNKED + BODY + LAST + b"HTTP/1.1 500 No\r\n\r\n", "trailing", Hold()),
    "a whole response behind it": whole(CHUNKED + BODY + LAST + CHUNKED + BODY + LAST, "trailing", Hold()),
    "another response behind half of one": Row(
        CHUNKED + chunk(HI) + LAST + CHUNKED + BODY + LAST, "truncated/no_terminator", STREAM, HI, by=Hold()
    ),
    "a reset of a body to the close": whole(CLOSED + WHOLE, "reset", Rst()),
}
REFUSED: Mapping[str, Row] = {
    "429 with a stream": refused(b"HTTP/1.1 429 No\r\n" + SSE + b"\r\n" + WHOLE, "http_error/rate_limited"),
    "500 with chunks, cut": refused(CHUNKED.replace(b"200", b"500") + chunk(HI), "http_error/server"),
    "500 with bad chunks": refused(CHUNKED.replace(b"200", b"500") + chunk(HI) + b"z", "http_error/server", Hold()),
    "500 with nothing but bad chunks": refused(
        CHUNKED.replace(b"200", b"500") + b"zz\r\n", "http_error/server", Hold()
    ),
    "503 without its body": refused(b"HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\n", "http_error/overloaded", Hold()),
    "413, then a reset": refused(b"HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\nno", "http_error/rejected", Rst()),
    "304 with a length": refused(b"HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", "http_error/redirect", Hold()),
    "204 with a body": refused(b"HTTP/1.1 204 No\r\n" + SSE + b"\r\n" + WHOLE, "empty/no_body"),
    "205 with a body": refused(b"HTTP/1.1 205 No\r\n" + SSE + b"\r\n" + WHOLE, "empty/no_body"),
}
ROWS = {
    f"{group}: {name}": row
    for group, rows in {
        "version": VERSIONS,
        "head": HEADS,
        "interim": BEFORE,
        "length": LENGTHS,
        "coding": CODINGS,
        "chunked": SOUND,
        "broken": BROKEN,
        "cut": CUT,
        "after the end": ENDED,
        "refused": REFUSED,
    }.items()
    for name, row in rows.items()
}


def at_once(sent: bytes) -> list[bytes]:
    """Return everything in one segment."""
    return [sent]


def behind_the_head(sent: bytes) -> list[bytes]:
    """Return each head in its own segment, and everything after them in one."""
    *heads, rest = sent.split(b"\r\n\r\n") if sent.count(b"\r\n\r\n") < 3 else sent.split(b"\r\n\r\n", 1)
    return [head + b"\r\n\r\n" for head in heads] + [rest]


def inside_line_ends(sent: bytes) -> list[bytes]:
    """Return segments that end between CR and LF."""
    *lines, rest = sent.split(b"\n")
    parts = re.split(rb"(?<=\r)(?=\n)", b"\n".join(lines)) if lines else []
    return [*parts[:-1], (parts[-1] + b"\n" if parts else b"") + rest]


def byte_by_byte(sent: bytes) -> list[bytes]:
    """Return a segment a byte; of what is long, the last bytes only."""
    early = len(sent) - 300 if len(sent) > 700 else 0
    return [sent[:early], *(sent[at : at + 1] for at in range(early, len(sent)))]


WAYS: tuple[Callable[[bytes], list[bytes]], ...] = (at_once, behind_the_head, inside_line_ends, byte_by_byte)


def script_of(row: Row, way: Callable[[bytes], list[bytes]]) -> Script:
    """Return what the peer does; in its turn of the loop each segment is read before the next is sent."""
    return (*(Send(part) for part in way(row.sent) if part), row.by)


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
@pytest.mark.parametrize("group", dict.fromkeys(name.partition(":")[0] for name in ROWS))
async def test_a_variant_is_named(prober: MakeProber, group: str, way: Callable[[bytes], list[bytes]]) -> None:
    """However the bytes are cut into segments, the verdict, the phase and what was kept are the same, and in time."""
    await judged(prober, of_group(group), way)


def of_group(group: str) -> Iterator[tuple[str, Row]]:
    """Return the rows of a group by name."""
    return ((name, row) for name, row in ROWS.items() if name.partition(":")[0] == group)


class CertificateAuthority:
    """A certificate authority and a server's context of it."""

    def __init__(self, file: str) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(file)
        self.trusted = Tls(ca_file=file)
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self.server)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """Return an authority of these tests."""
    return CertificateAuthority(str(tmp_path_factory.mktemp("tls") / "authority.pem"))


@pytest.mark.parametrize("group", dict.fromkeys(name.partition(":")[0] for name in ROWS))
async def test_a_variant_is_named_over_tls(prober: MakeProber, ca: CertificateAuthority, group: str) -> None:
    """The verdict over TLS is the same."""
    await judged(prober, of_group(group), at_once, ca)


async def judged(
    prober: MakeProber,
    rows: Iterator[tuple[str, Row]],
    way: Callable[[bytes], list[bytes]],
    ca: CertificateAuthority | None = None,
) -> None:
    """Probe a peer for each row, several at once, and fail for all rows that are not as they have to be."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, row: Row) -> list[str]:
        async with places:
            found, kept = await probed(prober, row, script_of(row, way), ca)
        return [f"{name}: {problem}" for problem in problems_of(found, row, kept, pieces=len(found.script) > 2)]

    found = await asyncio.gather(*(one(name, row) for name, row in rows))
    assert not any(found), "\n".join(problem for problems in found for problem in problems)


async def probed(prober: MakeProber, row: Row, script: Script, ca: CertificateAuthority | None) -> tuple[Probed, bytes]:
    """Probe one peer; return what was seen, and the payload that was kept."""
    scenario = Scenario("openai-chat", "variant", "", Expect(row.verdict))
    drained = Deadline.DRAIN if isinstance(row.by, Hold) else None  # an error's own words are waited for
    async with peer(script, ssl=ca.server if ca else None) as server:
        asked = target(
            f"{server.url}/",
            check=None,
            timeouts=only(ender(scenario), drained),
            tls=ca.trusted if ca else Tls(),
        )
        observation, kept = await conclusive(prober, asked)
    return Probed(scenario, observation, kept, script), kept


def problems_of(one: Probed, row: Row, kept: bytes, *, pieces: bool) -> list[str]:
    """Return the differences from the row; what comes in a later segment after the end may be unread."""
    observation = one.observation
    uncleans = {row.unclean, None} if row.unclean == "trailing" and pieces else {row.unclean}
    return [
        f"{what}: {got!r}, not {wanted!r}"
        for what, got, wanted in (
            ("verdict", verdict(observation), row.verdict),
            ("phase", observation.verdict.phase.value, row.phase),
            ("kept", kept, row.kept),
            ("chunks", observation.recording.chunks, row.chunks),
            ("first chunk", Mark.FIRST_CHUNK in observation.recording.marks, bool(row.chunks)),
            ("unclean end", observation.verdict.unclean in uncleans or observation.verdict.unclean, True),
            ("ended by", observation.recording.ending.deadline, ender(one.scenario)),
            ("its end", misplaced(observation), ""),
        )
        if got != wanted
    ]
