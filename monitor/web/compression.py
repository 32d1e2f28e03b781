"""Compression of responses: gzip if the client accepts it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

_ZERO_WEIGHT = re.compile(r"\s*q\s*=\s*0(\.0*)?\s*")


def gzipped(blocks: Iterable[bytes]) -> list[bytes]:
    """Return the blocks as one gzip stream; zlib releases the interpreter lock."""
    compressing = zlib.compressobj(level=5, wbits=zlib.MAX_WBITS | 16)
    return [*map(compressing.compress, blocks), compressing.flush()]


def accepts_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding header accepts `gzip`, or any coding, with a weight above 0 (RFC 9110, 12.5.3)."""
    codings = {name.strip(): weight for name, _, weight in (it.partition(";") for it in accepted.lower().split(","))}
    weight = codings.get("gzip", codings.get("*"))
    return weight is not None and _ZERO_WEIGHT.fullmatch(weight) is None
