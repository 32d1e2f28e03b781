"""The server's own words, made safe to keep: secrets out, control characters visible, cut to length."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

REDACTED = "[redacted]"
_MIN_SECRET = 4
_BEYOND_ASCII = re.compile(r"[^ -~]")
_LOOKS_SECRET = re.compile(r"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]{6,}|\b(?:sk|pk|rk|gsk|xai|hf)[-_][A-Za-z0-9_-]{8,}")


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without any of `secrets`, the longest first, nor anything that looks like a key."""
    for secret in sorted({it for it in secrets if len(it) >= _MIN_SECRET}, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return _LOOKS_SECRET.sub(lambda found: (found[1] or "") + REDACTED, text)


def visible(text: str) -> str:
    """Return `text` with every control, format, bidi and surrogate character as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _harmless(character) else _escape(character) for character in text)


def ascii_only(json: bytes) -> bytes:
    r"""Return JSON with every character beyond printable ASCII as its `\u` escape, so that it is safe to print."""
    if json.isascii() and b"\x7f" not in json:
        return json
    # Beyond ASCII stands only inside strings, where JSON has the escape.
    return _BEYOND_ASCII.sub(_json_escape, json.decode()).encode()


def words(text: str, secrets: Iterable[str], limit: int = 300) -> str:
    """Return the first `limit` characters of `text`, redacted before it is cut, and visible."""
    known = tuple(secrets)
    safe = redacted(text[: limit * 20], known)
    safe = visible(safe if len(text) <= limit * 20 else _without_half(safe, known))
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def _without_half(text: str, secrets: Iterable[str]) -> str:
    """Return `text`, which was cut, without the beginning of a secret at its end."""
    half = max((size for it in secrets for size in range(len(it)) if text.endswith(it[:size])), default=0)
    return text[: len(text) - half]


def _json_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _harmless(character: str) -> bool:
    return character == " " or unicodedata.category(character)[0] not in "CZ"


def _escape(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:  # noqa: PLR2004 - one byte
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - the basic plane
