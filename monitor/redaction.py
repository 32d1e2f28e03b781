"""Make text of a server safe to store: secrets redacted in every form, control characters escaped, truncated."""

from __future__ import annotations

import base64
import html
import re
import string
import sys
import unicodedata
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import accumulate
from operator import itemgetter
from typing import NamedTuple

REDACTED = "[redacted]"
_MIN_SECRET = 4
_LONGEST_FORM = 16
"""The most characters that encode one character of a secret: `\\\\u00e4` escaped again, `%2525`, an entity."""
_MOST_MARGIN = 1 << 16
_LAYERS = 3
"""How many times a text may be encoded: a URL in JSON in HTML."""
_ROTATED = 50
"""The number of earlier secrets of a place that are still redacted; a token may change at each refresh."""
_SURE = 8
"""Needles of at least this many characters match in any case: a shorter one may be an ordinary word."""

_LOOKS_SECRET = re.compile(
    r"(?i)(?:\bbearer\s+([A-Za-z0-9._~+/=-]{6,})|\bbasic\s+([A-Za-z0-9+/]{8,}={0,2}(?![A-Za-z0-9+/]))"
    r"|\b((?:sk|pk|rk|gsk|xai|hf)[-_][A-Za-z0-9_-]{8,}))"
)
_ESCAPE = re.compile(
    r"(?=[%\\&=\0])(?:"  # first, for speed: a text without these characters has no escape
    r"(?P<percent>(?:%[0-9A-Fa-f]{2})+)|(?P<utf16>(?:[\\%]u[0-9A-Fa-f]{4})+)|(?P<byte>(?:\\x[0-9A-Fa-f]{2})+)"
    r"|(?P<octal>(?:\\[0-3][0-7]{2})+)|\\(?:u\{(?P<braced>[0-9A-Fa-f]{1,6})\}|U(?P<utf32>00[0-9A-Fa-f]{6}))"
    r"|(?P<nothing>\0+|[=\\]\r?\n[ \t]*)|\\(?P<plain>[^ux\0])"
    r"|(?P<entity>&(?:\#0{0,20}[0-9]{1,7};?|\#[xX]0{0,20}[0-9A-Fa-f]{1,6};?|[A-Za-z][A-Za-z0-9]{1,30};)))"
)
_QUOTED = re.compile(r"(?P<quoted>(?:=[0-9A-Fa-f]{2})+)|(?P<nothing>=[ \t]*\r?\n[ \t]*)")
"""Quoted-printable. It is decoded apart from the others: in a URL, the value after an `=` may begin with two digits."""
_NESTED = 2
"""How often encoded bytes may be inside encoded bytes."""
_HEXADECIMAL, _DECIMAL = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{2})"), re.compile(r"[0-9]+")
_BYTES = r"(?:0[xX]|[=#])?[0-9A-Fa-f]{2}(?:[\s:,;-]{0,3}(?:0[xX]|[=#])?[0-9A-Fa-f]{2}){3,}"
_DUMPED = r"[0-9A-Fa-f]{4,16}:?[ \t]{1,3}([0-9A-Fa-f]{2}(?:[ \t]{0,2}[0-9A-Fa-f]{2})*+)[^\r\n]{0,80}"
"""A line of a hexadecimal dump: an offset, bytes, and often their characters."""
_DUMPED_LINE = re.compile(_DUMPED)
_WIDTHS = (8, 16, 32)
"""Bytes in a line of a dump: after so many, what looks like bytes are characters."""
_SHORTEST_64 = 12
_BASE32 = re.compile(r"[A-Z2-7]{12,}")
_DIGITS_32 = str.maketrans(f"{string.ascii_uppercase}234567", f"{string.digits}{string.ascii_uppercase[:22]}")
_TEXT = bytes((0, *b"\t\n\r", *range(0x20, 0x7F)))
"""The bytes of which a text mostly consists, in UTF-8 and in UTF-16."""
_A_BYTE = 256
_LAST = itemgetter(1)
_BEYOND_ASCII = re.compile(r"[^ -~]")
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_ASCII_FOLDED = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_FOLDED_64 = {ord("-"): "+", ord("_"): "/"}
_IN_BASE64 = re.compile(r"[A-Za-z0-9+/_=-]*")
_BASE64 = frozenset(f"{string.ascii_letters}{string.digits}+/_=-")


class _Needle(NamedTuple):
    """One form of a secret: the text, whether it matches in any case, and whether it is base64."""

    text: str
    any_case: bool
    base64: bool


_Run = tuple[str, Callable[[str], Iterator[bytes]]]
"""A text that consists of encoded bytes, and what decodes it."""


class _Layer(NamedTuple):
    """A decoded text, and the position of each of its characters and of its end in the original."""

    text: str
    at: range | list[int]


class Redactor:
    """Finds a set of secrets in texts, in every usual encoding.

    Those are: unchanged, in any case; percent-encoded or escaped as in JSON, C, Python or HTML, wholly or in part,
    up to three times; in quoted-printable; in base64 or base32, alone or with the text around them; as bytes in
    hexadecimal or decimal, or in a dump of them; in a wrong character encoding, UTF-16 included; and each of these in
    base64 or as bytes, also twice.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {secret for secret in secrets if len(secret) >= _MIN_SECRET}
        self._needles = tuple({needle for secret in known for needle in _forms(secret)})
        self.margin = min(max(map(len, known), default=0) * _LONGEST_FORM, _MOST_MARGIN)
        """The most characters that a secret takes in a text: a cut closer to its end may divide a secret."""

    def __call__(self, text: str) -> str:
        """Return `text` without the secrets and without anything that looks like a key."""
        return self.between(text, 0, len(text))

    def between(self, text: str, start: int, end: int) -> str:
        """Return that part of `text`, redacted before it is cut, so that no part of a secret remains at an end."""
        (part,) = self.parts(text, [(start, end)])
        return part

    def parts(self, text: str, places: Iterable[tuple[int, int]]) -> list[str]:
        """Return the parts of `text` from a start to an end, in their order, redacted before they are cut."""
        spans = self._spans(text)
        return [_cut(text, start, end, spans) for start, end in places]

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """Return the positions of the secrets, in order and without overlaps."""
        joined: list[tuple[int, int]] = []
        for first, last in sorted(set(self._found(text, _NESTED))):
            if joined and first < joined[-1][1]:
                joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
            else:
                joined.append((first, last))
        return joined

    def _found(self, text: str, nested: int) -> Iterator[tuple[int, int]]:
        """Yield the positions of the secrets, and of encoded bytes that contain one."""
        clean: set[_Run] = set()
        for layer in _layers(text):
            spans = [*self._in(layer.text), *(self._encoded(layer.text, nested - 1, clean) if nested else ())]
            yield from ((layer.at[first], layer.at[last]) for first, last in spans)

    def _encoded(self, text: str, nested: int, clean: set[_Run]) -> Iterator[tuple[int, int]]:
        """Yield the positions of encoded bytes that contain a secret; all are decoded, joined and searched at once.

        Those that contain none are added to `clean`, so that they are not decoded in the next layer again.
        """
        places: defaultdict[_Run, list[tuple[int, int]]] = defaultdict(list)
        for pattern, decode in _RUNS:
            for match in pattern.finditer(text):
                if (run := (match[0], decode)) not in clean:
                    places[run].append(match.span())
        if not places:
            return
        decoded = [(data, run) for run in places for data in run[1](run[0]) if _is_text(data)]
        ends = list(accumulate(len(data) + 1 for data, _ in decoded))
        joined = b"\n".join(data for data, _ in decoded).decode("latin-1")
        found = (
            {decoded[bisect_right(ends, first)][1] for first, _ in self._found(joined, nested)} if decoded else set()
        )
        clean.update(places.keys() - found)
        yield from (span for run in found for span in places[run])

    def _in(self, text: str) -> Iterator[tuple[int, int]]:
        in_base64 = text.translate(_FOLDED_64)
        forms = {
            (False, False): text, (True, False): _folded(text),
            (False, True): in_base64, (True, True): _folded(in_base64),
        }  # fmt: skip
        for needle in self._needles:
            where, end = forms[needle.any_case, needle.base64], 0
            while (at := where.find(needle.text, end)) >= 0:
                end = at + len(needle.text)
                first, end = _whole_base64(text, at, end) if needle.base64 else (at, end)
                yield first, end  # continue after it: what is inside is found with it
        for match in _LOOKS_SECRET.finditer(text):
            yield match.span(match.lastindex or 0)


def _cut(text: str, start: int, end: int, spans: list[tuple[int, int]]) -> str:
    """Return a part of a text without these positions, which are in order."""
    kept, at = [], start
    for first, last in spans[bisect_right(spans, start, key=_LAST) :]:
        if first >= end:
            break
        kept += [text[at : max(first, at)], REDACTED]
        at = last
    return "".join((*kept, text[at:end]))


@lru_cache(maxsize=2048)
def redactor(secrets: frozenset[str]) -> Redactor:
    """Return the redactor of these secrets; made once for each set."""
    return Redactor(secrets)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without `secrets` in any form and without anything that looks like a key."""
    return redactor(frozenset(secrets))(text)


def newest(known: tuple[str, ...], secret: str) -> tuple[str, ...]:
    """Return the earlier secrets of a place and its current one, as many as are still redacted."""
    return (*(one for one in known if one != secret), secret)[-_ROTATED:]


def visible(text: str) -> str:
    """Return `text` with every control, format, bidi and surrogate character as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _harmless(character) else _escape(character) for character in text)


def ascii_only(json: bytes) -> bytes:
    r"""Return JSON with every character beyond printable ASCII as its `\u` escape, so that it is safe to print."""
    if json.isascii() and b"\x7f" not in json:
        return json
    # Characters beyond ASCII are only inside strings, in which JSON allows the escape.
    return _BEYOND_ASCII.sub(_json_escape, json.decode()).encode()


def words(text: str, safe: Redactor, limit: int = 300) -> str:
    """Return the first `limit` characters of `text`, redacted before it is cut, and visible."""
    most = limit * 20
    found = visible(safe.between(text[: most + safe.margin], 0, min(most, len(text))))
    return found if len(found) <= limit else found[: limit - 1] + "…"


def last_words(text: str, safe: Redactor, most: int) -> str:
    """Return the last `most` characters of `text`, redacted before it is cut, and visible.

    If `text` is not complete, it has to begin `safe.margin` characters earlier.
    """
    return visible(safe.between(text, max(len(text) - most, 0), len(text)))


# -- the forms of a secret ---------------------------------------------------------------------------------------------


def _forms(secret: str) -> Iterator[_Needle]:
    """Return the needles for a secret."""
    data = secret.encode("utf-8", "surrogatepass")
    written = {secret, secret.replace(" ", "+"), data.decode("latin-1")}
    if not secret.isascii():
        written |= {data.decode(wrong, "replace") for wrong in ("ascii", "cp1252")}
        written |= {secret.encode("latin-1", "replace").decode("utf-8", "replace")}
    for form in (*written, data.hex(), secret.encode("latin-1", "replace").hex()):
        yield _Needle(_folded(form), any_case=True, base64=False)
    for core in _cores(data):
        yield _Needle(_folded(core) if len(core) >= _SURE else core, len(core) >= _SURE, base64=True)


def _cores(data: bytes) -> Iterator[str]:
    """Return the part of the base64 of `data` in any text that depends only on it, for each of the three alignments."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data).decode()
        end = (before + len(data)) * 8 // 6
        yield encoded[-(-before * 8 // 6) : end]


def _folded(text: str) -> str:
    """Return `text` in lower case with the same length: a few letters beyond ASCII become longer in lower case."""
    lower = text.lower()
    return lower if len(lower) == len(text) else text.translate(_ASCII_FOLDED)


def _whole_base64(text: str, first: int, last: int) -> tuple[int, int]:
    """Return the start and end of the base64 text around a part of it."""
    while first and text[first - 1] in _BASE64:
        first -= 1
    around = _IN_BASE64.match(text, last)
    return first, around.end() if around else last


# -- the layers of a text ----------------------------------------------------------------------------------------------


def _layers(text: str) -> Iterator[_Layer]:
    """Return the text itself, decoded, decoded again, and so on while there is something to decode."""
    layer = _Layer(text, range(len(text) + 1))
    for _ in range(_LAYERS):
        yield from _quoted(layer)
        if not _ESCAPE.search(layer.text):
            return
        layer = _decoded(layer, _ESCAPE)
    yield from _quoted(layer)


def _quoted(layer: _Layer) -> Iterator[_Layer]:
    """Yield a layer, and what it is in quoted-printable."""
    yield layer
    if "=" in layer.text and _QUOTED.search(layer.text):
        yield _decoded(layer, _QUOTED)


def _decoded(layer: _Layer, escape: re.Pattern[str]) -> _Layer:
    """Return a text with its escapes replaced."""
    pieces: list[str] = []
    at: list[int] = []
    done = 0
    for match in escape.finditer(layer.text):
        first, last = match.span()
        decoded = _DECODERS[match.lastgroup or ""](match[match.lastgroup or 0])
        pieces += [layer.text[done:first], "".join(piece for piece, _ in decoded)]
        at += layer.at[done:first]
        begins = first
        for _, size in decoded:
            at.append(layer.at[begins])
            begins = min(begins + size, last)
        done = last
    return _Layer("".join((*pieces, layer.text[done:])), [*at, *layer.at[done:]])


Decoded = list[tuple[str, int]]
"""Characters, each with the number of characters that encoded it."""


def _from_bytes(data: bytes, width: int) -> Decoded:
    """Decode bytes, each of which was written with `width` characters."""
    try:
        return [(one, width * len(one.encode())) for one in data.decode()]
    except UnicodeDecodeError:
        return [(one, width) for one in data.decode("latin-1")]


def _after(sign: str) -> Callable[[str], Decoded]:
    """Return what decodes bytes, each of which is two hexadecimal digits after this sign."""
    return lambda text: _from_bytes(bytes.fromhex(text.replace(sign, "")), len(sign) + 2)


def _from_utf16(text: str) -> Decoded:
    units = bytes.fromhex(text.replace("\\u", "").replace("%u", ""))
    decoded = units.decode("utf-16-be", "surrogatepass")
    return [(one, 12 if ord(one) > 0xFFFF else 6) for one in decoded]  # noqa: PLR2004 - beyond it, a pair of units


def _from_octal(text: str) -> Decoded:
    return _from_bytes(bytes(int(byte, 8) for byte in text[1:].split("\\")), 4)


def _from_code_point(digits: str) -> Decoded:
    code = int(digits, 16)
    return [(chr(code), len(digits))] if code <= sys.maxunicode else [(one, 1) for one in digits]


def _from_nothing(_: str) -> Decoded:
    return []


def _from_plain(text: str) -> Decoded:
    return [(_CONTROLS.get(text, text), 2)]


def _from_entity(text: str) -> Decoded:
    found = html.unescape(text)
    return [(one, len(text)) for one in found] if found != text else [(one, 1) for one in text]


_DECODERS: dict[str, Callable[[str], Decoded]] = {
    "percent": _after("%"),
    "quoted": _after("="),
    "utf16": _from_utf16,
    "byte": _after("\\x"),
    "octal": _from_octal,
    "braced": _from_code_point,
    "utf32": _from_code_point,
    "nothing": _from_nothing,
    "plain": _from_plain,
    "entity": _from_entity,
}


# -- encoded bytes -----------------------------------------------------------------------------------------------------


def _from_base(text: str) -> Iterator[bytes]:
    """Yield what base64 or base32 encodes in all lines and in each long one, from each character that may be first."""
    lines = text.translate(_FOLDED_64).rstrip("=").split()
    for characters in ("".join(lines), *(lines[:-1] and (line for line in lines if len(line) >= _SHORTEST_64))):
        for first in range(4):
            yield base64.b64decode(characters[first:] + "A" * ((first - len(characters)) % 4))
        for run in _BASE32.findall(characters):
            bits = int(run.translate(_DIGITS_32), 32)
            yield min(((bits >> after).to_bytes(len(run) * 5 // 8 + 1) for after in range(8)), key=_other_bytes)


def _is_text(data: bytes) -> bool:
    """Whether bytes are mostly text, in UTF-8 or in UTF-16: else they were not encoded, or begin elsewhere."""
    return _other_bytes(data) * 2 <= len(data)


def _other_bytes(data: bytes) -> int:
    return len(data.translate(None, _TEXT))


def _from_hexadecimal(text: str) -> Iterator[bytes]:
    """Yield the bytes of a text, and if that has lines, the bytes of a dump."""
    yield bytes(int(byte, 16) for byte in _HEXADECIMAL.findall(text))
    if "\n" in text:
        lines = [bytes.fromhex(line) for line in _DUMPED_LINE.findall(text)]
        for width in _WIDTHS:
            yield b"".join(line[:width] for line in lines)


def _from_decimals(text: str) -> Iterator[bytes]:
    yield bytes(int(number) % _A_BYTE for number in _DECIMAL.findall(text))


_RUNS = (
    (re.compile(r"(?:(?:[A-Za-z0-9+/_-]{32,}\r?\n[ \t]*)+[A-Za-z0-9+/_-]+|[A-Za-z0-9+/_-]{12,})={0,6}"), _from_base),
    (re.compile(rf"{_BYTES}(?:[^\r\n]{{0,80}}(?:\r?\n[ \t]*(?:0x)?{_DUMPED})+)?"), _from_hexadecimal),
    (re.compile(r"(?<![0-9])[0-9]{1,3}(?:[\s,;]{1,20}[0-9]{1,3}){3,}"), _from_decimals),
)
"""Texts that consist of encoded bytes, and what decodes them: base64 or 32, in lines or not, and bytes as numbers."""


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
