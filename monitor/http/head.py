"""The parts of a response head that are used here."""

from __future__ import annotations

import math
import re
import time
from email.utils import parsedate_to_datetime

from aiohttp.http import RawResponseMessage
from aiohttp.http_exceptions import HttpProcessingError
from multidict import MultiMapping

from monitor.stream.endings import BodyFraming, Head

_DECLARING = frozenset({BodyFraming.LENGTH, BodyFraming.H2})
"""Framings in which Content-Length may declare an empty body."""
_REQUEST_IDS = (
    "x-request-id", "request-id", "x-amzn-requestid", "x-ms-request-id", "apim-request-id", "cf-ray", "x-trace-id",
    "x-correlation-id", "x-litellm-call-id", "openai-request-id",
)  # fmt: skip
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}")
_LONGEST_RETRY = 366 * 86400.0
_CODINGS = frozenset({"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"})
"""Codings that compress a body; any other value (`none`, `utf-8`, `identity`) is ignored."""


class HeadTooLargeError(HttpProcessingError):
    """A head has more than `HEAD_BYTES`, which aiohttp itself does not limit."""


def head(message: RawResponseMessage, framing: BodyFraming) -> Head:
    """Return the status and headers that are used, and the body's framing."""
    headers = message.headers
    media = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Head(
        status=message.code,
        content_type=media if _MEDIA_TYPE.fullmatch(media) else "invalid" if media else "",
        encoding=_encoding(headers),
        framing=framing,
        empty=message.code in {204, 205} or (framing in _DECLARING and not int(headers.get("Content-Length", "1"))),
        retry_after=_retry_after(headers.get("Retry-After")),
        http_version="2" if framing is BodyFraming.H2 else ".".join(map(str, message.version)),
        request_ids=tuple((name, headers[name]) for name in _REQUEST_IDS if name in headers),
    )


def _encoding(headers: MultiMapping[str]) -> str:
    """Return the codings of either header that make the body unreadable, joined by commas."""
    lines = [*headers.getall("Content-Encoding", ()), *headers.getall("Transfer-Encoding", ())]
    codings = [coding.strip().lower() for line in lines for coding in line.split(",")]
    return ", ".join(coding for coding in codings if coding in _CODINGS)[:40]


def _retry_after(value: str | None) -> int | None:
    """Return whole seconds from either form of Retry-After (RFC 9110, section 10.2.3); None for any other."""
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return int(min(float(value), _LONGEST_RETRY))
    try:
        seconds = math.ceil(parsedate_to_datetime(value).timestamp() - time.time())
        return int(min(max(seconds, 0), _LONGEST_RETRY))
    except (ValueError, TypeError, OverflowError):
        return None
