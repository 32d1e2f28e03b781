"""Regular expressions in RE2's syntax, compiled once."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol, cast

import re2


class Expression(Protocol):
    """A compiled regular expression of RE2's."""

    def search(self, text: bytes) -> object | None:
        """Return where `text` matches it, None where it does not."""
        ...


@lru_cache(maxsize=1024)
def expression(pattern: str) -> Expression:
    """Return what finds `pattern`, in RE2's syntax; ValueError says why it is invalid.

    RE2 takes time in proportion to the text: no answer of a server can hold the loop, whatever the pattern.
    """
    options = re2.Options()
    options.log_errors = False
    try:
        return cast("Expression", re2.compile(pattern, options))
    except re2.error as error:
        why = error.args[0]
        raise ValueError(why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)) from None
