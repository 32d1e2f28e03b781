"""Whether the answer is complete: the counted list or given words with a nonce, a pattern, or a minimum length.

The counted list asks for the numbers 1 to N and then a word made of the nonce. It defeats caches, shows how far a
stream got before a cut, and finds lost, repeated and reordered pieces in a stream that looks complete. Common ways
of models to write lists are tolerated: a preamble, commas, "1." and "1)", bold, a thinking block, text after the end.
"""

from __future__ import annotations

import re
from hashlib import sha256
from itertools import pairwise
from posixpath import commonprefix
from typing import NamedTuple

from monitor.keys.expression import expression
from monitor.target import Check, CountCheck, LengthCheck, PatternCheck, WordsCheck

# Where the chat template opens the thinking, only its end is streamed.
_THINKING = re.compile(r"(?:\A|<think(?:ing)?>).*?</think(?:ing)?>|<think(?:ing)?>.*\Z", re.DOTALL | re.IGNORECASE)
_LABEL = r"(?:[.):|\]-]|[^\S\n]*[|\u2013\u2014=\u2192-])[^\d\n,;]{1,20}"
_NUMBERED_LINE = re.compile(
    # A label, and the same number after it; if one more follows in the line, it is a list in one line.
    rf"^([^\w\n]*)(\d+){_LABEL}(?=\2(?!\d)(?![^\w\n]+\d+\b))",
    re.MULTILINE,
)
_HALF_LABELLED = re.compile(rf"^([^\w\n]*(\d+)){_LABEL}(\d+)\Z", re.MULTILINE)
_GROUPED = re.compile(r"(?<!\d)(\d{1,3})[,.'\u2019 \xa0\u2009\u202f](\d{3})(?!\d)")
_GROUPS = 1000
"""From this number on, thousands may be separated."""
_HALF_GROUPED = re.compile(r"(?<=\d)[,.'\u2019 \xa0\u2009\u202f](?=\d{1,3}\Z)")
_SEPARATORS = re.compile(r"[\s,;*_\u3001\uff0c\uff1b-]*(?:END?[\W_]{0,3})?", re.IGNORECASE)
"""What may be between two items of a list; also the start of the closing word, if it was repeated."""
_HALF_SAID = re.compile(r"\d|(?<![A-Za-z])EN?(?![A-Za-z])", re.IGNORECASE)
"""What is between the last number and the closing word only if a part of either was repeated."""
_ONE_WORD = re.compile(r"[\W_]*+([\w-]*+)[\W_]*+")
_MOST_DIGITS = 6
_LONGEST = 1 << 20
"""Characters of thinking and answer that are examined."""
_ROOM = 1 << 16
_ROOM_A_NUMBER = 64
"""Characters for the text around a list and for each of its numbers: the list is not searched beyond them, so that
a stream of megabytes blocks the loop no longer than an answer does."""


class CheckResult(NamedTuple):
    """The result of a content check: `fault` is None if the answer is whole."""

    kind: str
    fault: str | None
    progress: float | None = None
    beginning: bool = False
    """The answer is a correct beginning of the counted list."""


_WORDS = (
    "anchor", "basket", "candle", "dragon", "engine", "forest", "garden", "hammer", "island", "jungle", "kettle",
    "lantern", "market", "needle", "orange", "pillow", "quarry", "ribbon", "saddle", "tunnel", "umbrella", "valley",
    "window", "yellow", "zipper", "bottle", "copper", "dolphin", "eagle", "feather", "guitar", "harbor", "igloo",
    "jacket", "kitten", "ladder", "mirror", "nickel", "ocean", "pencil", "rabbit", "silver", "tiger", "uncle",
    "velvet", "walnut", "yogurt", "zebra", "autumn", "bridge", "castle", "desert", "empire", "finger", "glacier",
    "hazel", "insect", "jewel", "kingdom", "lemon",
)  # fmt: skip
"""The words of the words check: none is a prefix of another, and none can be part of a nonce."""
_WORD = re.compile(r"[A-Za-z]+")
_BEGUN = re.compile(r"(?<![A-Za-z])[A-Za-z]{1,12}\Z")


def words_for(check: WordsCheck, nonce: str) -> list[str]:
    """Return the words that this probe asks for, in an order that depends on its nonce."""
    return sorted(_WORDS, key=lambda word: sha256(f"{nonce}{word}".encode()).digest())[: check.to]


def words_prompt(check: WordsCheck, nonce: str, before: str | None = None) -> str:
    """Return the prompt for the given words, with the nonce at its front and at its end; `before` is put first."""
    words = " ".join(words_for(check, nonce))
    text = (
        f"[{nonce}] Copy these words in this order: {words}. Write one word per line and nothing else. "
        f"After the last word, write END-{nonce} on a line of its own."
    )
    return f"[{nonce}] {before}\n{text}" if before else text


def counting_prompt(to: int, nonce: str, before: str | None = None) -> str:
    """Return the prompt for the counted list, with the nonce at its front and at its end; `before` is put first."""
    list_of = f"[{nonce}] Count from 1 to {to}. Write one number per line, digits only, and nothing else."
    text = f"{list_of} After the last number, write END-{nonce} on a line of its own."
    return f"[{nonce}] {before}\n{text}" if before else text


def examine(check: Check, text: str, nonce: str) -> CheckResult:
    """Examine whether `text` is the whole answer that `check` asks for."""
    match check:
        case CountCheck():
            answer = _THINKING.sub("", text[:_LONGEST])
            return _count(check, answer[: _ROOM + _ROOM_A_NUMBER * check.to], nonce)
        case WordsCheck():
            answer = _THINKING.sub("", text[:_LONGEST])
            return _words(check, answer[: _ROOM + _ROOM_A_NUMBER * check.to], nonce)
        case PatternCheck():
            found = expression(check.pattern).search(text.encode("utf-8", "replace"))  # it may contain lone surrogates
            return CheckResult("pattern", None if found else "pattern")
        case LengthCheck():  # pragma: no branch - checks are a closed union
            enough = len(text) >= check.min
            return CheckResult("length", None if enough else "too_short", min(len(text) / check.min, 1.0))


def _words(check: WordsCheck, text: str, nonce: str) -> CheckResult:
    """Replace each word with the number of its place, and check that as a counted list."""
    places = {word: str(place) for place, word in enumerate(words_for(check, nonce), 1)}
    begun = _BEGUN.search(text)
    if begun is not None and any(
        word.startswith(begun[0].casefold()) for word in places.keys() - {begun[0].casefold()}
    ):
        text = text[: begun.start()]  # the cut is inside a word
    numbered = _WORD.sub(lambda word: places.get(word[0].casefold(), word[0]), text)
    return _count(CountCheck(check.to), numbered, nonce)._replace(kind="words")


def _count(check: CountCheck, text: str, nonce: str) -> CheckResult:
    """Check the list as the numbers 1 to N, and its closing word as number N + 1."""
    end = check.to + 1
    answer = _plain(text, end, nonce)
    found = list(_items(nonce).finditer(answer))
    items = [end if piece["end"] else _number(piece[0], check.to) for piece in found]
    first, length = _longest_run(items, end)
    progress = 1.0 if length == end else length / check.to if length < check.to else check.to / end
    run, following = found[first : first + length], items[first + length :]
    if length and _begun_before(answer, found[: first + 1], items[:first], _between(answer, run[:2])):
        return CheckResult("count", "duplicated", progress)
    if length == end:
        begun = _HALF_SAID.search(_between(answer, run[-2:])) is not None or "--" in run[-1][0]
        again = begun or _said_again(following, end)
        return CheckResult("count", "duplicated" if again else None, progress)
    if length and _may_go_on(_rest(answer, run), length + 1, check.to, nonce):
        return CheckResult("count", "missing", progress, beginning=True)
    return CheckResult("count", _broken(items, length, following), progress)


def _items(nonce: str) -> re.Pattern[str]:
    """Return a pattern for the parts of a list: numbers, and as `end` the closing word or the start of a repeated one.

    A closing word without its nonce, or a nonce without its word, has lost a piece.
    """
    word = re.escape(nonce)
    end = rf"(?:(?<![A-Za-z])|(?<={word}))END[\W_]{{1,3}}(?:{word}(?!(?!END)[A-Za-z0-9])|(?=END[\W_]))"
    return re.compile(rf"(?P<end>{end})|(?<![A-Za-z0-9])\d+(?![A-Za-z0-9])", re.IGNORECASE)


def _plain(text: str, end: int, nonce: str) -> str:
    """Return the answer without the labels of a numbered list and without thousands separators."""
    answer = _HALF_LABELLED.sub(_label, _NUMBERED_LINE.sub(r"\1", text))
    numbered_end = rf"^([^\w\n]*){end}[.):][^\w\n]*(?=[^\W\d]|{re.escape(nonce)}|\Z)"
    answer = re.sub(numbered_end, r"\1", answer, flags=re.MULTILINE | re.IGNORECASE)
    if end > _GROUPS:
        answer = _GROUPED.sub(lambda pair: _joined(pair, end), answer)
    return answer


def _joined(pair: re.Match[str], end: int) -> str:
    """Return "1,000" as one number; two numbers of a list stay two, because joined they exceed the list."""
    together = pair[1] + pair[2]
    return together if int(together) < end else pair[0]


def _longest_run(items: list[int], end: int) -> tuple[int, int]:
    """Return start and length of the longest run 1, 2, 3, ...: of two whole ones the first, else the later.

    A preamble may contain numbers, and a whole list that comes twice is found by what follows the first one.
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
    """Return a last line "20. 2" as its label alone: the cut is inside the number after it."""
    return found[1] if found[2].startswith(found[3]) else found[0]


def _number(digits: str, to: int) -> int:
    """Return the number; 0, which is in no list, for a number past the end of this list."""
    number = int(digits) if len(digits) <= _MOST_DIGITS else 0
    return number if number <= to else 0


def _begun_before(answer: str, found: list[re.Match[str]], before: list[int], between: str) -> bool:
    """Whether 1 to k are directly before the run, so that its beginning was repeated.

    Directly: with only white space and punctuation, or what is `between` the run's own items.
    """
    size = before[-1] if before else 0
    if not 0 < size <= len(before) or before[-size:] != list(range(1, size + 1)):
        return False
    steps = (answer[one.end() : other.start()] for one, other in pairwise(found[-size - 1 :]))
    return all(step == between or _SEPARATORS.fullmatch(step) for step in steps)


def _between(answer: str, pair: list[re.Match[str]]) -> str:
    """Return the text between two items; "" if there are fewer than two."""
    return answer[pair[0].end() : pair[1].start()] if len(pair) > 1 else ""


def _said_again(following: list[int], end: int) -> bool:
    """Whether the list begins again after its end, or its last part is repeated."""
    if following[:2] == [1, 2]:
        return True
    again = following[: following.index(end) + 1] if end in following else []
    return bool(again) and again == list(range(again[0], end + 1))


def _rest(answer: str, run: list[re.Match[str]]) -> str:
    """Return the text after the run, without the separator that it shares with the run's last two items."""
    rest = answer[run[-1].end() :]
    return rest[len(commonprefix((rest, _between(answer, run[-2:])))) :]


def _may_go_on(rest: str, wanted: int, to: int, nonce: str) -> bool:
    """Whether only white space and punctuation, or the beginning of the next item, follow the run."""
    if wanted > to:
        word, end = "".join(filter(str.isalnum, rest)).casefold(), f"end{nonce}".casefold()
        return word != end and end.startswith(word)
    number = _ONE_WORD.fullmatch(_HALF_GROUPED.sub("", rest) if wanted >= _GROUPS else rest)
    return number is not None and str(wanted).startswith(number[1].strip("_-"))


def _broken(items: list[int], length: int, following: list[int]) -> str:
    """Return the fault of a list that breaks off after `length` items."""
    if following and 0 < following[0] <= length:
        return "duplicated"
    return "out_of_order" if following and length + 1 in items else "missing"
