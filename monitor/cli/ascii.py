"""Output on a terminal or a pipe whose encoding lacks some of our characters: those are written in ASCII."""

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
    r"""Return what stands for the characters that cannot be encoded: a look-alike, else an escape such as `\u4f60`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_ASCII.get(one) or one.encode("ascii", "backslashreplace").decode() for one in lacking), error.end


def write_in_ascii(*streams: TextIO | None) -> None:
    """Have these streams never fail for their encoding."""
    codecs.register_error(HANDLER, as_ascii)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)
