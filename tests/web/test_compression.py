"""Tests of compression."""

from __future__ import annotations

import gzip

import pytest

from monitor.web.compression import accepts_gzip, compressor, gzipped


@pytest.mark.parametrize(
    ("accepted", "wanted"),
    [("gzip", True), ("*;q=0.5", True), ("", False), ("gzip;q=0", False), ("br, gzip;q=0.000", False), ("GZIP", True)],
)
def test_gzip_if_it_is_accepted(accepted: str, *, wanted: bool) -> None:
    """By name or as any coding, with a weight above 0."""
    assert accepts_gzip(accepted) is wanted


def test_what_is_compressed_can_be_read() -> None:
    """A body at once, and in blocks, which are one gzip file together."""
    compressing = compressor()
    parts = [*map(compressing.compress, (b"a" * 1000, b"b")), compressing.flush()]
    assert gzip.decompress(b"".join(parts)) == gzip.decompress(gzipped(b"a" * 1000 + b"b")) == b"a" * 1000 + b"b"
