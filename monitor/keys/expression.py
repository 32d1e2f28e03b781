"""Regular expressions in RE2's syntax, compiled once."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol, cast

import re2


class Expression(Protocol):
    """A compiled RE2 regular expression."""

    def search(self, text: bytes) -> object | None:
        """Return the match in `text`, or None."""
        ...


@lru_cache(maxsize=1024)
def expression(pattern: str) -> Expression:
    """Compile `pattern`, in RE2's syntax; a ValueError says why it is invalid.

    RE2 takes time linear in the text, so that no answer can block the loop, whatever the pattern.
    """
    options = re2.Options()
    options.log_errors = False
    try:
        return cast("Expression", re2.compile(pattern, options))
    except re2.error as error:
        why = error.args[0]
        raise ValueError(why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)) from None
