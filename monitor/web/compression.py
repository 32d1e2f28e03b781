"""Compression of responses: gzip if the client accepts it."""

from __future__ import annotations

import gzip
import re
import zlib

_ZERO_WEIGHT = re.compile(r"\s*q\s*=\s*0(\.0*)?\s*")


def gzipped(body: bytes) -> bytes:
    """Return the body compressed; zlib releases the interpreter lock."""
    return gzip.compress(body, compresslevel=5, mtime=0)


def compressor() -> zlib._Compress:
    """Return a compressor of one gzip stream: on metrics, level 1 takes half the time of 5 for 5 % more bytes."""
    return zlib.compressobj(level=1, wbits=zlib.MAX_WBITS | 16)


def accepts_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding header accepts `gzip`, or any coding, with a weight above 0 (RFC 9110, 12.5.3)."""
    codings = {name.strip(): weight for name, _, weight in (it.partition(";") for it in accepted.lower().split(","))}
    weight = codings.get("gzip", codings.get("*"))
    return weight is not None and _ZERO_WEIGHT.fullmatch(weight) is None
