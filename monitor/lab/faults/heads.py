"""Faults before the body: no head, half a head, a bad one, or an error status."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable, Mapping
from email.utils import formatdate

from monitor.http.framing import HEAD_BYTES
from monitor.lab.dialects.base import EncodedAnswer, compact
from monitor.lab.fault import OK, Expect, LabFault, ScriptContext
from monitor.lab.params import BY, COUNT, DURATION, FRAMING, YES_NO, Param, ParamType, choice, text_like
from monitor.lab.steps import Fin, Hold, Repeat, Script, Send, Step, Wait
from monitor.lab.wire import (
    closing,
    ending,
    error_body,
    head_of,
    opening,
    reply,
    segment,
    spoken,
    status_line,
    whole,
)

HEADERS = 30.0
"""The monitor's default `timeouts.headers`."""
RETRY_SOON = 60


def _status(text: str) -> int:
    code = int(text)
    if not (code == 101 or 300 <= code <= 599):  # noqa: PLR2004  # the ranges are HTTP's own
        raise ValueError(text)
    return code


CODE = Param("code", ParamType(_status, "101 or a status from 300 to 599"), "429", "the status")
RETRY = Param(
    "retry_after", text_like("none|date|[0-9]{1,6}", "seconds, date or none"), "none", "the Retry-After header"
)
REDIRECT = Param("code", choice("301", "302", "303", "307", "308"), "307", "the status")
TO = Param("to", text_like("[!-~]+", "a URL"), "/openai-chat/ok", "where the Location header points")
JSON = Param("body", choice("error", "null", "404", "list"), "error", "which JSON")
NO_BODY = Param("as", choice("204", "length"), "204", "by the status, or by Content-Length: 0")
CODING = Param("as", choice("gzip", "deflate", "br", "zstd", "bomb"), "gzip", "which encoding; a bomb is gzip")
HALVED = Param("cut", YES_NO, "no", "whether the compressed data ends in the middle")
BYTE = Param("at", COUNT, "10", "bytes of the head that are sent")
EVERY = Param("every", DURATION, "1s", "time between two bytes")
PAUSE = Param("every", DURATION, "100ms", "time between two heads")

CAUSES: Mapping[int, str] = {
    401: "auth",
    402: "quota",
    403: "auth",
    404: "not_found",
    410: "not_found",
    429: "rate_limited",
    503: "overloaded",
    529: "overloaded",
}
FAMILIES: Mapping[int, str] = {3: "redirect", 5: "server"}

BODIES: Mapping[str, object] = {
    "error": {"error": {"message": "no stream today", "type": "server_error", "code": 500}},
    "null": None,
    "404": {"code": 404, "msg": "未找到知识库 nope", "data": None},
    "list": [],
}


def status(case: ScriptContext) -> Script:
    """A final status other than success."""
    code = case[CODE]
    waits = {"none": (), "date": (("Retry-After", formatdate(time.time() + RETRY_SOON, usegmt=True)),)}
    extra = waits.get(case[RETRY], (("Retry-After", case[RETRY]),))
    if code in {101, 304}:  # these have no body
        return [Send(head_of(status_line(code), (*extra, *case.truth))), Fin()]
    return [reply(case, code, error_body(code), extra=extra)]


def judged_status(case: ScriptContext) -> Expect:
    """The cause by the code."""
    code = case[CODE]
    return Expect(f"http_error/{CAUSES.get(code, FAMILIES.get(code // 100, 'rejected'))}")


def redirect(case: ScriptContext) -> Script:
    """Somewhere else."""
    return [reply(case, int(case[REDIRECT]), b"", extra=(("Location", case[TO]),))]


def html(case: ScriptContext) -> Script:
    """A page with status 200."""
    page = b"<!doctype html>\n<html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>\n"
    return [reply(case, 200, page, "text/html; charset=utf-8")]


def json_body(case: ScriptContext) -> Script:
    """JSON with status 200, and no stream."""
    return [reply(case, 200, compact(BODIES[case[JSON]]).encode())]


def judged_json(case: ScriptContext) -> Expect:
    """If a message is a bare JSON object, an error object decodes as one: judged, and flagged."""
    cause = {"error": "other", "404": "not_found"}.get(case[JSON])
    bare = case.dialect.framing in {"lines", "json"} and case.answer.messages[0].lstrip().startswith(b"{")
    return Expect(f"stream_error/{cause}", "content_type_mismatch") if bare and cause else CONTENT_TYPE


def file_body(case: ScriptContext) -> Script:
    """A download."""
    extra = (("Content-Disposition", 'attachment; filename="lab.bin"'),)
    return [reply(case, 200, bytes(range(256)) * 4, "application/octet-stream", extra)]


def no_body(case: ScriptContext) -> Script:
    """A success that declares its body empty."""
    if case[NO_BODY] == "204":
        return [Send(head_of(status_line(204), case.truth))]
    return [reply(case, 200, b"", case.content_type)]


def encoding(case: ScriptContext) -> Script:
    """A compressed body although identity was requested; br and zstd only by name, as the body is not read."""
    plain = b"".join(case.answer.messages)
    body = CODERS[case[CODING]](plain)
    body = body[: len(body) // 2] if case[HALVED] == "yes" else body
    name = "gzip" if case[CODING] == "bomb" else case[CODING]
    return whole(case, EncodedAnswer((body,), range(0)), extra=(("Content-Encoding", name),))


CODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "deflate": zlib.compress,
    "br": bytes,
    "zstd": bytes,
    "bomb": lambda _: gzip.compress(bytes(16 << 20), mtime=0),
}


def no_response(case: ScriptContext) -> Script:
    """The connection ends instead of a response."""
    return [ending(case)]


def partial_head(case: ScriptContext) -> Script:
    """The connection ends inside the head."""
    data = opening(case, case.answer).data[:-1][: case[BYTE]]
    return [Send(data), ending(case)] if data else [ending(case)]


def judged_none(case: ScriptContext) -> Expect:
    """By how it ended."""
    return Expect("no_response/reset" if case[BY] == "rst" else "no_response/closed")


def judged_partial(case: ScriptContext) -> Expect:
    """By how it ended, and whether there was anything at all."""
    return Expect("no_response/partial_head") if case[BYTE] and case[BY] == "fin" else judged_none(case)


def slow_head(case: ScriptContext) -> Script:
    """The head one byte at a time."""
    steps: list[Step] = []
    for byte in opening(case, case.answer).data:
        steps += [Wait(case[EVERY]), Send(bytes((byte,)))]
    return [*steps, *spoken(case, case.answer), *closing(case)]


def judged_slow(case: ScriptContext) -> Expect:
    """A head has more than a hundred bytes."""
    shortest = 100
    return Expect("timeout/headers") if case[EVERY] * shortest >= HEADERS else OK


def hang(_: ScriptContext) -> Script:
    """Silence instead of a response."""
    return [Hold()]


_INTERIM = head_of(status_line(102), ())


def endless_interim(case: ScriptContext) -> Script:
    """Endless informational heads."""
    return [Repeat(_INTERIM, case[PAUSE])]


def judged_interim(case: ScriptContext) -> Expect:
    """Return the limit that comes first: that on the bytes of heads, or the deadline."""
    too_many = case[PAUSE] * HEAD_BYTES / len(_INTERIM) < HEADERS
    return Expect("bad_response/malformed_head") if too_many else ENDLESS


def _doubled(case: ScriptContext, *extra: tuple[str, str]) -> bytes:
    fields = (("Content-Type", case.content_type), *extra, *case.truth)
    return head_of(status_line(200), fields) + b"".join(segment(case, m).wire for m in case.answer.messages)


GARBAGE: Mapping[str, Callable[[ScriptContext], bytes]] = {
    "garbage": lambda _: b"\x00\x01\x02\xff\xfe and then some words\r\n\r\n",
    "ssh": lambda _: b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n",
    "http09": lambda case: b"".join(case.answer.messages),
    "h2": lambda _: (
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80\x00\x04\x00\x01\x00\x00\x00\x05\x00\xff\xff\xff"
    ),
    "version": lambda _: b"HTTP/2.0 200 OK\r\n\r\n",
    "rtsp": lambda _: b"RTSP/1.0 200 OK\r\n\r\n",
    "status": lambda _: b"HTTP/1.1 two hundred OK\r\n\r\n",
    "colon": lambda case: head_of(f"{status_line(200)}\r\nno colon here", case.truth),
    "both": lambda case: _doubled(case, ("Content-Length", "100"), ("Transfer-Encoding", "chunked")),
    "lengths": lambda case: _doubled(case, ("Content-Length", "100"), ("Content-Length", "101")),
    "many": lambda case: _doubled(case, *((f"X-Lab-{n}", "x") for n in range(10_000))),
    "large": lambda case: _doubled(case, ("X-Lab-Large", "x" * (1 << 18))),
}
GARBLED = Param("as", choice(*GARBAGE), "garbage", "which bad head")


def garbage_head(case: ScriptContext) -> Script:
    """Bytes that are not an HTTP head, or a head that contradicts itself."""
    return [Send(GARBAGE[case[GARBLED]](case.but(FRAMING, "chunked"))), Fin()]


CONTENT_TYPE = Expect("bad_response/content_type")
ENDLESS = Expect("timeout/headers")

FAULTS = (
    LabFault(
        name="status",
        summary="a final status that is not a success",
        params=(CODE, RETRY),
        script=status,
        ended=judged_status,
        examples=(
            "code=429&retry_after=7",
            "code=503&retry_after=date",
            *(f"code={code}" for code in (101, 304, 400, 401, 402, 403, 404, 408, 410, 413, 422, 500, 502, 529)),
        ),
    ),
    LabFault(
        name="redirect",
        summary="a redirect, which a monitor must not follow",
        params=(REDIRECT, TO),
        script=redirect,
        ended=Expect("http_error/redirect"),
    ),
    LabFault(
        name="html",
        summary="status 200 and a page to sign in",
        needs=("messages",),
        script=html,
        ended=CONTENT_TYPE,
    ),
    LabFault(
        name="json",
        summary="status 200 and JSON in place of a stream",
        needs=("messages",),
        params=(JSON,),
        script=json_body,
        ended=judged_json,
        examples=tuple(f"body={name}" for name in BODIES),
    ),
    LabFault(
        name="file",
        summary="status 200 and a download",
        needs=("messages",),
        script=file_body,
        ended=CONTENT_TYPE,
    ),
    LabFault(
        name="no-body",
        summary="a success that declares its body empty",
        params=(NO_BODY,),
        script=no_body,
        ended=Expect("empty/no_body"),
        examples=("as=204", "as=length"),
    ),
    LabFault(
        name="encoding",
        summary="a compressed body although identity was asked for",
        params=(CODING, HALVED),
        script=encoding,
        ended=Expect("bad_response/encoding"),
        examples=(*(f"as={coding}" for coding in CODERS), "cut=yes"),
    ),
    LabFault(
        name="no-response",
        summary="the connection ends instead of a response",
        params=(BY,),
        script=no_response,
        ended=judged_none,
        examples=("by=fin", "by=rst"),
    ),
    LabFault(
        name="partial-head",
        summary="the connection ends inside the head",
        params=(BYTE, BY),
        script=partial_head,
        ended=judged_partial,
        examples=("at=10", "at=40", "at=40&by=rst"),
    ),
    LabFault(
        name="slow-head",
        summary="the head one byte at a time",
        params=(EVERY,),
        script=slow_head,
        ended=judged_slow,
        examples=("", "every=0"),
    ),
    LabFault(name="hang", summary="silence instead of a response", script=hang, ended=ENDLESS),
    LabFault(
        name="endless-interim",
        summary="informational heads without end",
        params=(PAUSE,),
        script=endless_interim,
        ended=judged_interim,
        examples=("", "every=0"),
    ),
    LabFault(
        name="garbage-head",
        summary="bytes that are not a valid HTTP head, or a head that contradicts itself",
        params=(GARBLED,),
        script=garbage_head,
        ended=Expect("bad_response/malformed_head"),
        examples=tuple(f"as={name}" for name in GARBAGE),
    ),
)
