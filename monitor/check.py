"""Was the answer whole: the counted list with its nonce, a required pattern, or a least length.

The counted list asks for the numbers 1 to N and then a word made of the nonce. It defeats caches, shows how far a
stream got before it died, and finds lost, repeated and reordered pieces in a stream that looks complete. How models
really write lists is tolerated: a preamble, commas, "1." and "1)", bold, a thinking block, words after the end.
"""

from __future__ import annotations

import re
from itertools import pairwise

from monitor.target import Check, CountCheck, LengthCheck, PatternCheck
from monitor.timeline import CheckResult

# Where the chat template opens the thinking, only its end is streamed.
_THINKING = re.compile(r"(?:\A|<think(?:ing)?>).*?</think(?:ing)?>|<think(?:ing)?>.*\Z", re.DOTALL | re.IGNORECASE)
_NUMBERED_LINE = re.compile(r"^([ \t>*_-]*)(\d+)[.):][ \t*_]+(?=\2(?!\d))", re.MULTILINE)
_HALF_LABELLED = re.compile(r"^([ \t>*_-]*(\d+))[.):][ \t*_]+(\d+)\Z", re.MULTILINE)
_SEPARATORS = re.compile(r"[\s,;*_\u3001\uff0c\uff1b-]*")
_ONE_WORD = re.compile(r"[\W_]*+([\w-]*+)[\W_]*+")
_MOST_DIGITS = 6


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
        case LengthCheck():  # pragma: no branch - checks are a closed union
            enough = len(text) >= check.min
            return CheckResult("length", None if enough else "too_short", min(len(text) / check.min, 1.0))


def _count(check: CountCheck, text: str, nonce: str) -> CheckResult:
    """Read the list as the numbers 1 to N, and its closing word as number N + 1."""
    answer = _HALF_LABELLED.sub(_label, _NUMBERED_LINE.sub(r"\1", text))
    end = check.to + 1
    item = rf"(?P<end>(?:\bEND\W{{0,3}})?{re.escape(nonce)})|(?<![A-Za-z0-9])\d+(?![A-Za-z0-9])"
    found = list(re.finditer(item, answer, re.IGNORECASE))
    items = [end if piece["end"] else _number(piece[0]) for piece in found]
    first, length = _longest_run(items, end)
    progress = 1.0 if length == end else length / check.to if length < check.to else check.to / end
    if length and _begun_before(answer, found[: first + 1], items[:first]):
        return CheckResult("count", "duplicated", progress)
    following = items[first + length :]
    if length == end:
        return CheckResult("count", "duplicated" if _said_again(following, end) else None, progress)
    rest = answer[found[first + length - 1].end() :] if length else ""
    if length and _may_go_on(rest, f"END-{nonce}" if length == check.to else str(length + 1)):
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


def _label(found: re.Match[str]) -> str:
    """Return a last line "20. 2" as its label alone: the cut fell into the number after it."""
    return found[1] if found[2].startswith(found[3]) else found[0]


def _number(digits: str) -> int:
    """Return the number; 0, which no list has, for more digits than any list needs."""
    return int(digits) if len(digits) <= _MOST_DIGITS else 0


def _begun_before(answer: str, found: list[re.Match[str]], before: list[int]) -> bool:
    """Whether 1 to k stand directly before the run, so that its beginning was said twice."""
    size = before[-1] if before else 0
    if not 0 < size <= len(before) or before[-size:] != list(range(1, size + 1)):
        return False
    steps = pairwise(found[-size - 1 :])
    return all(_SEPARATORS.fullmatch(answer, one.end(), other.start()) for one, other in steps)


def _said_again(following: list[int], end: int) -> bool:
    """Whether the list begins anew behind its end, or its last part comes twice."""
    if following[:2] == [1, 2]:
        return True
    again = following[: following.index(end) + 1] if end in following else []
    return bool(again) and again == list(range(again[0], end + 1))


def _may_go_on(rest: str, wanted: str) -> bool:
    """Whether nothing follows the run but white space and punctuation, or a beginning of what comes next."""
    word = _ONE_WORD.fullmatch(rest)
    return word is not None and wanted.casefold().startswith(word[1].strip("_-").casefold())


def _broken(items: list[int], length: int, following: list[int]) -> str:
    """Say what is wrong with a list that breaks off after `length`."""
    if following and 0 < following[0] <= length:
        return "duplicated"
    return "out_of_order" if following and length + 1 in items else "missing"
