"""Faults before a body."""

from __future__ import annotations

import gzip
import zlib
from email.utils import parsedate_to_datetime

import pytest

from monitor.lab.params import BadParameterError
from monitor.lab.steps import Fin, Hold, Repeat, Rst, Send
from tests.lab.wires import case, dechunked, expected, played


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (101, "rejected"),
        (301, "redirect"),
        (304, "redirect"),
        (400, "rejected"),
        (401, "auth"),
        (402, "quota"),
        (403, "auth"),
        (404, "not_found"),
        (408, "rejected"),
        (410, "not_found"),
        (413, "rejected"),
        (422, "rejected"),
        (429, "rate_limited"),
        (500, "server"),
        (502, "server"),
        (503, "overloaded"),
        (529, "overloaded"),
    ],
)
def test_a_status_has_its_cause(code: int, verdict: str) -> None:
    """By the contract's table; where HTTP allows no body there is none."""
    one = played("raw", "status", f"code={code}")
    assert one.head.startswith(f"HTTP/1.1 {code} ".encode())
    assert bool(one.body) == (code not in {101, 304})
    assert expected("raw", "status", f"code={code}").verdict == f"http_error/{verdict}"


@pytest.mark.parametrize("code", ["100", "200", "204", "600", "x"])
def test_no_other_status(code: str) -> None:
    """A success is no fault, and what is no status is refused."""
    with pytest.raises(BadParameterError, match="101 or a status from 300 to 599"):
        played("raw", "status", f"code={code}")


def test_retry_after_in_both_forms() -> None:
    """Seconds, a date, or none."""
    assert b"Retry-After: 7\r\n" in played("raw", "status", "retry_after=7").head
    date = played("raw", "status", "retry_after=date").head.partition(b"Retry-After: ")[2].split(b"\r\n")[0]
    assert date.endswith(b" GMT")
    assert parsedate_to_datetime(date.decode()).year > 2000
    assert b"Retry-After" not in played("raw", "status").head


def test_a_redirect_points_somewhere() -> None:
    """To the given location, and a header cannot be injected."""
    assert b"Location: http://elsewhere.test/\r\n" in played("raw", "redirect", "to=http://elsewhere.test/").head
    assert played("raw", "redirect", "code=301").head.startswith(b"HTTP/1.1 301 Moved Permanently\r\n")
    with pytest.raises(BadParameterError):
        played("raw", "redirect", "to=/%0d%0aSet-Cookie:a")


@pytest.mark.parametrize(
    ("fault", "query", "kind", "body"),
    [
        ("html", "", b"text/html; charset=utf-8", b"<!doctype html>"),
        ("json", "body=error", b"application/json", b'{"error":{'),
        ("json", "body=null", b"application/json", b"null"),
        ("json", "body=404", b"application/json", b'{"code":404,'),
        ("json", "body=list", b"application/json", b"[]"),
        ("file", "", b"application/octet-stream", b"\x00\x01\x02"),
    ],
)
def test_another_body_with_success(fault: str, query: str, kind: bytes, body: bytes) -> None:
    """With its type and its length."""
    one = played("openai-chat", fault, query)
    assert one.head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\n")
    assert one.body.startswith(body)
    assert f"Content-Length: {len(one.body)}\r\n".encode() in one.head


def test_no_body_at_all() -> None:
    """By the status or by the length; the type is right."""
    assert played("raw", "no-body", "as=204").head == b"HTTP/1.1 204 No Content\r\n\r\n"
    assert played("raw", "no-body", "as=length").head.endswith(
        b"text/plain; charset=utf-8\r\nContent-Length: 0\r\n\r\n"
    )


def test_compressed_bodies() -> None:
    """Real gzip and deflate, a bomb, names without content for the rest, and data that ends in the middle."""
    plain = b"".join(case("raw").answer.messages)

    def body(query: str) -> bytes:
        one = played("raw", "encoding", query)
        assert f"Content-Encoding: {'gzip' if 'bomb' in query else query[3:7]}".encode() in one.head or "cut" in query
        return dechunked(one.body)

    assert gzip.decompress(body("as=gzip")) == plain
    assert zlib.decompress(body("as=deflate")) == plain
    assert body("as=br") == body("as=zstd") == plain
    assert len(gzip.decompress(body("as=bomb"))) == 16 << 20
    assert body("as=gzip").startswith(body("cut=yes"))


@pytest.mark.parametrize(
    ("fault", "query", "data", "last", "verdict"),
    [
        ("no-response", "by=fin", b"", Fin(), "closed"),
        ("no-response", "by=rst", b"", Rst(), "reset"),
        ("partial-head", "at=0", b"", Fin(), "closed"),
        ("partial-head", "at=8", b"HTTP/1.1", Fin(), "partial_head"),
        ("partial-head", "at=8&by=rst", b"HTTP/1.1", Rst(), "reset"),
    ],
)
def test_no_whole_head(fault: str, query: str, data: bytes, last: Fin | Rst, verdict: str) -> None:
    """Nothing or a part of it, by FIN and by RST."""
    one = played("raw", fault, query)
    assert (one.head + one.body).removesuffix(b"\r\n\r\n") == data
    assert one.last == last
    assert expected("raw", fault, query).verdict == f"no_response/{verdict}"


def test_a_partial_head_is_never_whole() -> None:
    """Even where more bytes are asked for than it has."""
    assert played("raw", "partial-head", "at=9999").steps[0] == Send(played("raw", "ok").head[:-1])


def test_a_slow_head() -> None:
    """One byte at a time, and the rest as usual."""
    one = played("raw", "slow-head", "every=1s&gap=0&ttfc=0")
    assert one.steps[1] == Send(b"H")
    assert one.waits == [1.0] * len(one.head)
    assert one.head + one.body == played("raw", "ok").head + played("raw", "ok").body
    verdicts = [expected("raw", "slow-head", query).verdict for query in ("", "every=10ms")]
    assert verdicts == ["timeout/headers", "ok"]


def test_no_head_ever() -> None:
    """Silence, and endless informational heads."""
    assert played("raw", "hang").steps == [Hold()]
    assert played("raw", "endless-interim").steps == [Repeat(b"HTTP/1.1 102 Processing\r\n\r\n", 0.1)]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("garbage", b"\x00\x01\x02\xff\xfe"),
        ("ssh", b"SSH-2.0-"),
        ("http09", b"1\n2\n3\n"),
        ("h2", b"\x00\x00\x12\x04"),
        ("status", b"HTTP/1.1 two hundred OK\r\n"),
        ("colon", b"\r\nno colon here\r\n"),
        ("both", b"Content-Length: 100\r\nTransfer-Encoding: chunked\r\n"),
        ("lengths", b"Content-Length: 100\r\nContent-Length: 101\r\n"),
        ("many", b"X-Lab-9999: x\r\n"),
        ("large", b"X-Lab-Large: " + b"x" * (1 << 18)),
    ],
)
def test_bad_heads(name: str, part: bytes) -> None:
    """Each with its fault in it, then a FIN."""
    one = played("raw", "garbage-head", f"as={name}")
    assert part in one.head + one.body
    assert one.last == Fin()
