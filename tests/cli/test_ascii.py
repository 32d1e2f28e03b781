"""Output in encodings that lack our characters."""

from __future__ import annotations

import io

import pytest

from monitor.cli.ascii import as_ascii, write_in_ascii


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("ascii", "#|x ... +-5 \\u4f60"), ("gbk", "\u2588\u2502x \u2026 \xb15 \u4f60"), ("utf-8", None)],
)
def test_what_cannot_be_encoded_has_a_look_alike(encoding: str, written: str | None) -> None:
    """A character that cannot be encoded becomes a similar one, else an escape."""
    raw, text = io.BytesIO(), "\u2588\u2502\u2717 \u2026 \xb15 \u4f60"
    stream = io.TextIOWrapper(raw, encoding)
    write_in_ascii(stream, None)
    stream.write(text)
    stream.flush()
    assert raw.getvalue().decode(encoding) == (written or text)


def test_what_cannot_be_decoded_stays_an_error() -> None:
    """The handler is for output alone."""
    with pytest.raises(UnicodeDecodeError):
        as_ascii(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"))
