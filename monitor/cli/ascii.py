"""Output in ASCII for characters that the encoding of a terminal or pipe lacks."""

from __future__ import annotations

import codecs
import io
from typing import TextIO

HANDLER = "chat_monitor_ascii"
"""The name of the error handler for encodings."""
_ASCII = {
    "━": "=", "│": "|", "✗": "x", "█": "#", "▇": "#", "▆": "#", "▅": "+", "▄": "+", "▃": "-", "▂": "-", "▁": ".",
    "■": "#", "·": ".", "…": "...", "±": "+-", "→": "->",
}  # fmt: skip


def as_ascii(error: UnicodeError) -> tuple[str, int]:
    r"""Return the replacement of characters that cannot be encoded: a similar one, else an escape such as `\u4f60`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_ASCII.get(one) or one.encode("ascii", "backslashreplace").decode() for one in lacking), error.end


def write_in_ascii(*streams: TextIO | None) -> None:
    """Set the error handler of these streams, so that they never fail to encode."""
    codecs.register_error(HANDLER, as_ascii)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)
