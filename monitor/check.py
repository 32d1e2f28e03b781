"""Was the answer whole: the counted list with its nonce, a required pattern, or a least length.

The counted list asks for the numbers 1 to N and then a word made of the nonce. It defeats caches, shows how far a
stream got before it died, and finds lost, repeated and reordered pieces in a stream that looks complete. How models
really write lists is tolerated: a preamble, commas, "1." and "1)", bold, a thinking block, words after the end.
"""

from __future__ import annotations

import re

from monitor.target import Check, CountCheck, LengthCheck, PatternCheck
from monitor.timeline import CheckResult

_THINKING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_NUMBERED_LINE = re.compile(r"^([ \t>*_-]*)(\d+)[.):][ \t*_]+(?=\2(?!\d))", re.MULTILINE)
_SEPARATORS = re.compile(r"[\s,;*_-]*")


def counting_prompt(to: int, nonce: str, before: str | None = None) -> str:
    """Return the prompt for the counted list, the nonce at its front and at its end; `before` is put first."""
    list_of = f"[{nonce}] Count from 1 to {to}. Write one number per line, digits only, and nothing else."
    text = f"{list_of} After the last number, write END-{nonce} on a line of its own."
    return f"[{nonce}] {before}\n{text}" if before else text


def examine(check: Check, text: str, nonce: str) -> CheckResult:
    """Say whether `text` is the whole answer that `check` asks for."""
    match check:
        case CountCheck():
            return _count(check, _THINKING.sub("", text), nonce)
        case PatternCheck():
            return CheckResult("pattern", None if re.search(check.pattern, text) else "pattern")
        case LengthCheck():
            enough = len(text) >= check.min
            return CheckResult("length", None if enough else "too_short", min(len(text) / check.min, 1.0))


def _count(check: CountCheck, text: str, nonce: str) -> CheckResult:
    """Read the list as the numbers 1 to N, and its closing word as number N + 1."""
    answer = _NUMBERED_LINE.sub(r"\1", text)
    end = check.to + 1
    item = rf"(?P<end>(?:\bEND\W{{0,3}})?{re.escape(nonce)})|(?<![A-Za-z0-9])\d+(?![A-Za-z0-9])"
    found = list(re.finditer(item, answer, re.IGNORECASE))
    items = [end if piece["end"] else int(piece[0]) for piece in found]
    first, length = _longest_run(items, end)
    progress = 1.0 if length == end else length / check.to if length < check.to else check.to / end
    before = found[first - 1] if length and first else None
    if before and before[0] == "1" and _SEPARATORS.fullmatch(answer, before.end(), found[first].start()):
        return CheckResult("count", "duplicated", progress)
    if length == end:
        again = items[first + length : first + length + 2]
        return CheckResult("count", "duplicated" if again == [1, 2] or again[:1] == [end] else None, progress)
    rest = answer[found[first + length - 1].end() :] if length else ""
    following = items[first + length :]
    if length and _may_go_on(rest, length + 1, f"END-{nonce}" if length == check.to else None):
        return CheckResult("count", "missing", progress, beginning=True)
    return CheckResult("count", _broken(items, length, following), progress)


def _longest_run(items: list[int], end: int) -> tuple[int, int]:
    """Return start and length of the longest 1, 2, 3, ...: of two whole ones the first, else the later.

    A preamble may name numbers of its own, and a whole list that comes twice is seen by what follows it.
    """
    best = (0, 0)
    for first, item in enumerate(items):
        length = 0
        while length < end and first + length < len(items) and items[first + length] == length + 1:
            length += 1
        if item == 1 and (length > best[1] or (length == best[1] and length < end)):
            best = (first, length)
    return best


def _may_go_on(rest: str, wanted: int, tag: str | None) -> bool:
    """Whether nothing follows the run but white space, or a beginning of what comes next."""
    left = rest.strip(" \t\r\n,;.*_")
    return (tag or str(wanted)).upper().startswith(left.upper())


def _broken(items: list[int], length: int, following: list[int]) -> str:
    """Say what is wrong with a list that breaks off after `length`."""
    if following and following[0] <= length:
        return "duplicated"
    return "out_of_order" if following and length + 1 in items else "missing"
