"""HTML that cannot be broken out of: what is not markup already is escaped, and what cannot be seen is made visible."""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape

# C0 and C1 controls; soft hyphen; bidi marks, embeddings and isolates; zero-width and other invisible characters; line
# and paragraph separators; lone surrogates, which no encoder takes; tags.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_PLAIN = re.compile(r"[\w ./:,;=()%+-]*", re.ASCII)
"""Nothing in it to escape: most of what a page holds, told at one look."""
_VOID = frozenset({"br", "hr", "link", "meta"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | None
Value = str | int | float | bool | None


def visible(text: str) -> str:
    r"""Return `text` with what cannot be seen, or changes how the rest is seen, as escapes (`\x1b`, `\u202e`)."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def safe(text: str) -> str:
    """Return `text` for use between tags or inside a quoted attribute."""
    if isinstance(text, Markup) or _PLAIN.fullmatch(text):
        return text
    return escape(visible(text))


def join(*children: Child) -> Markup:
    """Return the children one after the other; None is nothing."""
    return Markup("".join(safe(child) for child in children if child is not None))


def h(name: str, /, *children: Child, **attributes: Value) -> Markup:
    """Return one element; `class_` stands for `class` and an underscore for a hyphen.

    An attribute that is None or False is left out; one that is True has no value.
    """
    opening = f"<{name}{''.join(_attribute(*pair) for pair in attributes.items())}>"
    return Markup(opening if name in _VOID else f"{opening}{join(*children)}</{name}>")


def _attribute(name: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    hyphened = _hyphened(name)
    return f" {hyphened}" if value is True else f' {hyphened}="{safe(str(value))}"'


@lru_cache(maxsize=256)
def _hyphened(name: str) -> str:
    return name.rstrip("_").replace("_", "-")
