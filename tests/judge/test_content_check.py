"""The content checks: lists as models write them, pieces lost, repeated and reordered, and every place of a cut."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from monitor.judge.content_check import CheckResult, counting_prompt, examine, words_for, words_prompt
from monitor.target import CountCheck, LengthCheck, PatternCheck, WordsCheck

NONCE = "3fa9c1d0"
END = f"END-{NONCE}"
TEN = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n"


def count(text: str, to: int = 10, nonce: str = NONCE) -> CheckResult:
    """Examine a counted list."""
    return examine(CountCheck(to), text, nonce)


def whole(style: Callable[[int], str], to: int = 10) -> str:
    """Write the list in this style."""
    return "".join(style(number) for number in range(1, to + 1)) + END


# -- how models write lists --------------------------------------------------------------------------------------------

WHOLE = {
    "as asked": TEN + END,
    "with a line end": f"{TEN}{END}\n",
    "Windows line ends": (TEN + END).replace("\n", "\r\n"),
    "blank lines between": (TEN + END).replace("\n", "\n\n"),
    "in one line": whole(lambda n: f"{n} "),
    "with commas": whole(lambda n: f"{n}, "),
    "with commas and no space": whole(lambda n: f"{n},"),
    "with semicolons": whole(lambda n: f"{n}; "),
    "with full stops": whole(lambda n: f"{n}.\n"),
    "with brackets": whole(lambda n: f"{n})\n"),
    "numbered": whole(lambda n: f"{n}. {n}\n"),
    "numbered with brackets": whole(lambda n: f"{n}) {n}\n"),
    "numbered with colons": whole(lambda n: f"{n}: {n}\n"),
    "numbered and bold": whole(lambda n: f"{n}. **{n}**\n"),
    "bold": whole(lambda n: f"**{n}**\n"),
    "in a quotation": whole(lambda n: f"> {n}\n"),
    "bullets": whole(lambda n: f"- {n}\n"),
    "numbered bullets": whole(lambda n: f"* {n}. {n}\n"),
    "indented": whole(lambda n: f"    {n}\n"),
    "Chinese commas": whole(lambda n: f"{n}、"),
    "full-width commas": whole(lambda n: f"{n}\uff0c"),
    "Chinese full stops": whole(lambda n: f"{n}。"),
    "full-width digits": whole(lambda n: f"{n}\n".translate({48 + d: 0xFF10 + d for d in range(10)})),
    "one of each in Chinese": whole(lambda n: f"第{n}个\n"),
    "arrows": whole(lambda n: f"{n} → "),
    "in a code block": f"```\n{TEN}{END}\n```",
    "the end in bold": f"{TEN}**{END}**",
    "the end in backticks": f"{TEN}`{END}`.",
    "the end in brackets": f"{TEN}[{END}]",
    "the end in small letters": f"{TEN}{END.lower()}",
    "the end with a space": f"{TEN}END {NONCE}",
    "the end with a colon": f"{TEN}END: {NONCE}",
    "the end behind a full stop": f"{TEN}{END}.\n",
    "the end as the item after the last": whole(lambda n: f"{n}. {n}\n").replace(END, f"11. {END}"),
    "a table": "| # |\n|---|\n" + whole(lambda n: f"| {n} |\n"),
    "a table with labels": "| n | value |\n|---|---|\n" + whole(lambda n: f"| {n} | {n} |\n"),
    "numbered with dashes": whole(lambda n: f"{n} - {n}\n"),
    "numbered with words": whole(lambda n: f"{n}: number {n}\n"),
    "numbered with arrows": whole(lambda n: f"{n} → {n}\n"),
    "numbered in brackets": whole(lambda n: f"({n}) {n}\n"),
    "numbered in code": whole(lambda n: f"{n}. `{n}`\n"),
    "numbered with no-break spaces": whole(lambda n: f"{n}.\xa0{n}\n"),
    "numbered, the end in the last line": whole(lambda n: f"{n}. {n}\n").replace(f"10\n{END}", f"10 {END}"),
    "the end right behind the number": f"{TEN.strip()} {END}",
    "a preamble": f"Sure! Here is the list:\n\n{TEN}{END}",
    "a preamble with numbers": f"Here are the numbers from 1 to 10:\n{TEN}{END}",
    "a preamble with the first of them": f"I will write 1, 2, 3...\n{TEN}{END}",
    "an echo of the prompt": f"{counting_prompt(10, NONCE)}\n\n{TEN}{END}",
    "a preamble with a range": f"Sure! Here are the numbers **1 to 10**:\n\n{TEN}{END}",
    "a preamble with a range in signs": f"Counting 1..10 (1-10, 1\u201310):\n{TEN}{END}",
    "a preamble in Chinese": f"好的、以下是从1到10的数字\n{TEN}{END}",
    "from 0 on": f"0\n{TEN}{END}",
    "an echo of the nonce": f"[{NONCE}]\n{TEN}{END}",
    "words after the end": f"{TEN}{END}\n\nI have counted to 10. Anything else? There are 2 ways on.",
    "a thinking block": f"<think>\nI count 1, 2, 3 and then {END}.\n</think>\n\n{TEN}{END}",
    "a thinking block of another name": f"<thinking>1 2 3</thinking>{TEN}{END}",
    "thinking that the template opened": f"First 1, 2, 3.\n{TEN}{END}\n</think>\n\n{TEN}{END}",
    "an empty thinking block": f"<think>\n\n</think>\n\n{TEN}{END}",
    "two thinking blocks": f"<think>1</think><think>2</think>{TEN}{END}",
    "a number too long for any list": f"{TEN}{END} {'7' * 5000}",
}


@pytest.mark.parametrize("text", WHOLE.values(), ids=WHOLE.keys())
def test_a_whole_list(text: str) -> None:
    """However a model writes it, a whole list is whole."""
    assert count(text) == CheckResult("count", None, 1.0)


def test_lists_of_other_lengths() -> None:
    """The shortest list and long ones are read the same way, and so is a nonce of digits alone."""
    assert count(f"1\n{END}", 1) == CheckResult("count", None, 1.0)
    assert count(whole(lambda n: f"{n}\n", 500), 500) == CheckResult("count", None, 1.0)
    assert count(f"{TEN}END-12345678", nonce="12345678") == CheckResult("count", None, 1.0)


GROUPS = {"commas": ",", "full stops": ".", "apostrophes": "'", "spaces": " ", "narrow spaces": "\u202f"}


@pytest.mark.parametrize("mark", GROUPS.values(), ids=GROUPS.keys())
@pytest.mark.parametrize("between", ["\n", ", ", "\n- "])
def test_thousands_set_apart(mark: str, between: str) -> None:
    """Marks between thousands change nothing, whole or cut, and the commas of a list are none."""
    text = whole(lambda n: f"{n:,}".replace(",", mark) + between, 1234)
    assert count(text, 1234) == CheckResult("count", None, 1.0)
    for cut in range(len(text) - 40, len(text)):
        assert count(text[:cut], 1234).beginning, text[cut - 20 : cut]
    assert count(whole(lambda n: f"{n},", 1234), 1234) == CheckResult("count", None, 1.0)
    assert count(text.replace(f"1{mark}100{between}", ""), 1234).fault == "missing"


class TestWrong:
    """Answers that are not the list, and why."""

    ROWS = (
        ("lost in the middle", TEN.replace("5\n", "") + END, "missing", 0.4),
        ("lost at the start", TEN.removeprefix("1\n") + END, "missing", 0.0),
        ("several lost", TEN.replace("5\n6\n7\n", "") + END, "missing", 0.4),
        ("half a number lost", "1\n2\n3\n4\n5\n6\n7\n8\n9\n1\n" + END, "duplicated", 0.9),
        ("a line end lost", TEN.replace("4\n5", "45") + END, "missing", 0.3),
        ("repeated", TEN.replace("5\n", "5\n5\n") + END, "duplicated", 0.5),
        ("repeated at the start", "1\n" + TEN + END, "duplicated", 1.0),
        ("a beginning repeated", "1\n2\n3\n" + TEN + END, "duplicated", 1.0),
        ("a beginning repeated with commas", "1, 2, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, " + END, "duplicated", 1.0),
        ("a beginning repeated with Chinese commas", "1、2、1、2、3、4、5、6、7、8、9、10、" + END, "duplicated", 1.0),
        ("the end repeated", f"{TEN}{END}{END}", "duplicated", 1.0),
        ("the last part repeated", f"{TEN}{END}\n9\n10\n{END}", "duplicated", 1.0),
        ("all of it repeated", f"{TEN}{END}\n{TEN}{END}", "duplicated", 1.0),
        ("begun again behind the end", f"{TEN}{END}\n1\n2\n", "duplicated", 1.0),
        ("begun again", TEN.removesuffix("10\n") + TEN + END, "duplicated", 1.0),
        ("two swapped", TEN.replace("5\n6\n", "6\n5\n") + END, "out_of_order", 0.4),
        ("the first two swapped", TEN.replace("1\n2\n", "2\n1\n", 1) + END, "out_of_order", 0.1),
        ("the word of the end lost", TEN + NONCE, "missing", 10 / 11),
        ("the dash of the end lost", f"{TEN}END{NONCE}", "missing", 10 / 11),
        ("the dash of the end twice", f"{TEN}END--{NONCE}", "duplicated", 1.0),
        ("the first letter of the end twice", f"{TEN}E\n{END}", "duplicated", 1.0),
        ("half the nonce twice", f"{TEN}END-3fa93fa9c1d0", "missing", 10 / 11),
        ("the other half twice", f"{TEN}{END}c1d0", "missing", 10 / 11),
        ("the word of the end twice", f"{TEN}END-{END}", "duplicated", 1.0),
        ("the end twice after a nonce of letters", f"{TEN}{END}{END}", "duplicated", 1.0),
        ("the last number and half the end twice", f"{TEN}EN10\n{END}", "duplicated", 1.0),
        ("the list and half the end twice", f"{TEN}END-{TEN}{END}", "duplicated", 1.0),
        ("a beginning with full stops repeated", whole(lambda n: f"{n}.\n" * (1 + (n == 1))), "duplicated", 1.0),
        ("a beginning in one line repeated", "1. 2. 1. 2. 3. 4. 5. 6. 7. 8. 9. 10. " + END, "duplicated", 1.0),
        ("a beginning in Chinese repeated", "第1个\n" + whole(lambda n: f"第{n}个\n"), "duplicated", 1.0),
        ("counted on past the end", f"{TEN}11\n12\n{END}", "out_of_order", 10 / 11),
        ("counted on and never ended", f"{TEN}11\n12\n", "missing", 10 / 11),
        ("the number after the last for the end", f"{TEN}11", "missing", 10 / 11),
        ("the end too soon", "1\n2\n3\n" + END + "4\n5\n6\n7\n8\n9\n10\n", "missing", 0.3),
        ("the end too soon, in its own line", f"1\n2\n3\n{END}\n4\n5\n", "out_of_order", 0.3),
        ("other words", "1\n2\n3\nand so on", "missing", 0.3),
        ("no list", "I cannot count.", "missing", 0.0),
        ("nothing", "", "missing", 0.0),
        ("only thinking", f"<think>{TEN}{END}</think>", "missing", 0.0),
        ("only thinking, cut", f"<think>{TEN}", "missing", 0.0),
        ("only the end", END, "missing", 0.0),
        ("backwards", "10 9 8 7 6 5 4 3 2 1 x", "missing", 0.1),
        ("zero first is another list", "0 2 3", "missing", 0.0),
        ("a number that never ends", "1\n2\n" + "3" * 5000 + "\n", "missing", 0.2),
        ("another nonce", f"{TEN}END-00000000", "missing", 10 / 11),
        ("numbers in words", "n1 n2 n3", "missing", 0.0),
    )

    @pytest.mark.parametrize(("text", "fault", "progress"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
    def test_wrong(self, text: str, fault: str, progress: float) -> None:
        """The fault and the progress of the list are reported."""
        assert count(text) == CheckResult("count", fault, progress)


CUT = {
    "as asked": lambda n: f"{n}\n",
    "with commas": lambda n: f"{n}, ",
    "numbered": lambda n: f"{n}. {n}\n",
    "numbered and bold": lambda n: f"{n}. **{n}**\n",
    "bold": lambda n: f"**{n}**\n",
    "bullets": lambda n: f"- {n}\n",
    "Chinese commas": lambda n: f"{n}、",
    "Windows line ends": lambda n: f"{n}\r\n",
    "table": lambda n: f"| {n} |\n",
    "table with labels": lambda n: f"| {n} | {n} |\n",
    "numbered with dashes": lambda n: f"{n} - {n}\n",
    "brackets": lambda n: f"({n})\n",
}


@pytest.mark.parametrize("style", CUT.values(), ids=CUT.keys())
@pytest.mark.parametrize("to", [1, 9, 12, 120])
def test_any_cut_of_a_right_answer(style: Callable[[int], str], to: int) -> None:
    """Cut anywhere from its first number on, a right answer is a right beginning, and progress never goes back."""
    text, before = whole(style, to), 0.0
    for cut in range(text.index("1") + 1, len(text)):
        found = count(text[:cut], to)
        assert found.fault is not None, cut
        assert found.beginning, text[max(cut - 20, 0) : cut]
        assert before <= (found.progress or 0.0) < 1.0, text[max(cut - 20, 0) : cut]
        before = found.progress or 0.0
    assert count(text, to) == CheckResult("count", None, 1.0)


BEGINNINGS = {
    "a number": ("1\n2\n3", 0.3, True),
    "half a number": ("1\n2\n3\n4\n5\n6\n7\n8\n9\n1", 0.9, True),
    "the last number": (TEN, 10 / 11, True),
    "half the end": (f"{TEN}EN", 10 / 11, True),
    "the end without its nonce": (f"{TEN}END-", 10 / 11, True),
    "half the nonce": (f"{TEN}END-3fa9", 10 / 11, True),
    "half the nonce in bold": (f"{TEN}**END-3fa9", 10 / 11, True),
    "the end with a colon and half the nonce": (f"{TEN}END: 3f", 10 / 11, True),
    "the end as the item after the last": (whole(lambda n: f"{n}. {n}\n")[:-12] + "11. END-3f", 10 / 11, True),
    "the label of the end": (whole(lambda n: f"{n}. {n}\n")[:-12] + "11.", 10 / 11, True),
    "the words before the next number": ("第1个\n第2个\n第3个\n第", 0.3, True),
    "half the words behind a number": ("1<br>\n2<br>\n3<b", 0.3, True),
    "half the words before the next number": ("Step 1\nStep 2\nSte", 0.2, True),
    "another end": (f"{TEN}FIN", 10 / 11, False),
    "a preamble and a beginning": ("Here are 1 to 10:\n1\n2", 0.2, True),
    "an echo and a beginning": (f"{counting_prompt(10, NONCE)}\n1\n2\n3\n", 0.3, True),
    "a preamble alone": ("Sure, here you are:", 0.0, False),
    "thinking and a beginning": ("<think>1 2 3 4 5</think>1\n2\n", 0.2, True),
    "half a thinking block": ("<think>1 2 3 4", 0.0, False),
    "words behind it": ("1\n2\n3\nand", 0.3, False),
    "a number that is not the next": ("1\n2\n3\n5", 0.3, False),
    "two numbers of which one could be half": ("1\n2\n3\n4 4", 0.4, False),
    "nothing": ("", 0.0, False),
}


@pytest.mark.parametrize(("text", "progress", "beginning"), BEGINNINGS.values(), ids=BEGINNINGS.keys())
def test_a_right_beginning(text: str, progress: float, beginning: bool) -> None:
    """A beginning is correct if only a part of the next item follows it."""
    found = count(text)
    assert (found.progress, found.beginning) == (progress, beginning)
    assert found.fault is not None


NONCES = st.text("0123456789abcdef", min_size=8, max_size=8)
SIZES = st.integers(2, 130)
"""Lists of as few numbers as the config takes, and longer ones."""


@given(to=SIZES, nonce=NONCES, data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_prefix_is_a_beginning(to: int, nonce: str, data: st.DataObject) -> None:
    """Whatever the nonce and the length, a cut is seen as one."""
    text = "".join(f"{number}\n" for number in range(1, to + 1)) + f"END-{nonce}"
    cut = data.draw(st.integers(1, len(text) - 1))
    shorter, longer = count(text[:cut], to, nonce), count(text[: cut + 1], to, nonce)
    assert shorter.beginning
    assert shorter.fault == "missing"
    assert (shorter.progress or 0.0) <= (longer.progress or 0.0)


def pieces_of(to: int, nonce: str, cuts: Sequence[int]) -> list[str]:
    """Return the answer in pieces that each hold one part of the list or several whole ones."""
    parts = [*(f"{number}\n" for number in range(1, to + 1)), f"END-{nonce}\n"]
    places = sorted({0, len(parts), *(cut % len(parts) for cut in cuts)})
    return ["".join(parts[start:end]) for start, end in pairwise(places)]


@given(to=SIZES, nonce=NONCES, cuts=st.lists(st.integers(0, 200), max_size=30), data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_changed_stream_is_never_passed(to: int, nonce: str, cuts: list[int], data: st.DataObject) -> None:
    """An answer with a lost or repeated piece, or two swapped ones, never passes."""
    assume(not nonce.isdigit() or int(nonce) > 1000)
    pieces = pieces_of(to, nonce, cuts)
    at, other = (data.draw(st.integers(0, len(pieces) - 1)) for _ in range(2))
    lost = pieces[:at] + pieces[at + 1 :]
    twice = pieces[: at + 1] + pieces[at:]
    swapped = list(pieces)
    swapped[at], swapped[other] = pieces[other], pieces[at]
    assert count("".join(pieces), to, nonce).fault is None
    assert count("".join(lost), to, nonce).fault is not None
    assert count("".join(twice), to, nonce).fault == "duplicated"
    assert (count("".join(swapped), to, nonce).fault is None) == (at == other)


@given(
    st.text(max_size=80)
    | st.lists(st.sampled_from(["1", "2", "3", "\n", ". ", END, "<think>", "</think>", "**"])).map("".join)
)
@settings(max_examples=100, deadline=None)
def test_no_text_raises(text: str) -> None:
    """Any text is examined, and its progress is a ratio."""
    found = count(text, 3)
    assert found.progress is not None
    assert 0.0 <= found.progress <= 1.0
    assert found.beginning <= (found.fault is not None)


@pytest.mark.parametrize(
    "text", [" " * 300_000, "1" * 300_000, "1 " * 150_000, "- " * 150_000, "<think>" * 50_000, "1. " * 100_000]
)
def test_long_texts_are_examined_in_time(text: str) -> None:
    """No text makes the check take more than its length deserves."""
    assert count(f"1\n{text}x", 40).fault is not None


# -- the prompt, and the other checks ----------------------------------------------------------------------------------


def test_the_prompt() -> None:
    """The nonce is at the beginning, which defeats prefix caches, and at the end, which proves the answer complete."""
    assert counting_prompt(40, NONCE) == (
        f"[{NONCE}] Count from 1 to 40. Write one number per line, digits only, and nothing else. "
        f"After the last number, write END-{NONCE} on a line of its own."
    )
    assert counting_prompt(40, NONCE, "Be brief.").startswith(f"[{NONCE}] Be brief.\n[{NONCE}] Count from 1 to 40.")


PATTERNS = {
    "there": ("sea", "the sea is", None),
    "not there": ("sea", "the land is", "pattern"),
    "a case of its own": ("(?i)SEA", "the sea is", None),
    "over several lines": (r"a\s+b", "a\n\nb", None),
    "nothing": ("sea", "", "pattern"),
    "no character": ("^.sea$", "\ud800sea", None),
}


@pytest.mark.parametrize(("pattern", "text", "fault"), PATTERNS.values(), ids=PATTERNS.keys())
def test_a_pattern(pattern: str, text: str, fault: str | None) -> None:
    """The answer has to contain what the pattern matches, and says nothing of progress."""
    assert examine(PatternCheck(pattern), text, NONCE) == CheckResult("pattern", fault)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*)*b{9}x"])
def test_no_pattern_takes_longer_than_the_text_is_long(pattern: str) -> None:
    """Texts that take a backtracking engine centuries are examined at once."""
    assert examine(PatternCheck(pattern), "a" * 4000 + "!", NONCE).fault == "pattern"


def test_a_list_after_megabytes_of_other_words_is_not_searched() -> None:
    """A list after megabytes of other text is not searched for."""
    whole = "\n".join([*map(str, range(1, 41)), f"END-{NONCE}"])
    assert examine(CountCheck(40), "so " * 20_000 + whole, NONCE).fault is None
    assert examine(CountCheck(40), "so " * 2_000_000 + whole, NONCE).fault == "missing"


LENGTHS = {"enough": ("abcd", None, 1.0), "more": ("abcdefgh", None, 1.0), "half": ("ab", "too_short", 0.5),
           "nothing": ("", "too_short", 0.0)}  # fmt: skip


@pytest.mark.parametrize(("text", "fault", "progress"), LENGTHS.values(), ids=LENGTHS.keys())
def test_a_length(text: str, fault: str | None, progress: float) -> None:
    """The answer has to have so many characters."""
    assert examine(LengthCheck(4), text, NONCE) == CheckResult("length", fault, progress)


def written(words: list[str], *, end: str = END) -> str:
    """Return an answer of these words."""
    return "\n".join([*words, end])


ASKED = words_for(WordsCheck(6), NONCE)
ONE, TWO, THREE, FOUR, FIVE, SIX = ASKED
WORDS: dict[str, tuple[str, str | None, bool]] = {
    "whole": (written(ASKED), None, False),
    "capital letters and commas": (", ".join(map(str.title, ASKED)) + f". {END}", None, False),
    "a numbered list": ("\n".join(f"{at}. {it}" for at, it in enumerate(ASKED, 1)) + f"\n{END}", None, False),
    "a preamble": ("Sure, here are the words:\n" + written(ASKED), None, False),
    "a right beginning": ("\n".join(ASKED[:3]), "missing", True),
    "cut inside a word": ("\n".join(ASKED[:3]) + "\n" + FOUR[:2], "missing", True),
    "cut before the end": (written(ASKED, end="EN"), "missing", True),
    "a word is lost": (written([ONE, TWO, FOUR, FIVE, SIX]), "missing", False),
    "a word comes twice": (written([ONE, TWO, TWO, THREE, FOUR, FIVE, SIX]), "duplicated", False),
    "another order": (written([ONE, THREE, TWO, FOUR, FIVE, SIX]), "out_of_order", False),
    "another nonce": (written(ASKED, end="END-00000000"), "missing", False),
    "another answer": ("I cannot do that", "missing", False),
}


@pytest.mark.parametrize(("answer", "fault", "beginning"), WORDS.values(), ids=WORDS.keys())
def test_given_words(answer: str, fault: str | None, beginning: bool) -> None:
    """The words are read as the counted list is: their places in the order that was asked for are its numbers."""
    found = examine(WordsCheck(6), answer, NONCE)
    assert (found.kind, found.fault, found.beginning) == ("words", fault, beginning)


def test_the_nonce_decides_the_order() -> None:
    """Each probe asks for other words in another order, with its nonce at the front and at the end."""
    assert words_for(WordsCheck(60), NONCE) != words_for(WordsCheck(60), "00000000")
    assert len({*words_for(WordsCheck(60), NONCE)}) == 60
    prompt = words_prompt(WordsCheck(6), NONCE, "Hello.")
    assert prompt.startswith(f"[{NONCE}] Hello.")
    assert " ".join(ASKED) in prompt
    assert words_prompt(WordsCheck(2), NONCE) == (
        f"[{NONCE}] Copy these words in this order: {ONE} {TWO}. Write one word per line and nothing else. "
        f"After the last word, write {END} on a line of its own."
    )
    assert words_prompt(WordsCheck(6), NONCE, "Hello.") == f"[{NONCE}] Hello.\n" + words_prompt(WordsCheck(6), NONCE)


def test_the_words_can_be_distinguished() -> None:
    """Small letters alone, none the beginning of another, and none that can be a part of a nonce."""
    words = sorted(words_for(WordsCheck(1000), NONCE))
    assert len(words) == 60
    assert all(re.fullmatch("[a-z]{5,8}", word) for word in words)
    assert not any(after.startswith(word) for word, after in pairwise(words))
    assert all(set(word) - set("0123456789abcdef") for word in words)


@pytest.mark.parametrize("check", [CountCheck(2), WordsCheck(2)])
def test_how_far_into_an_answer_the_list_is_looked_for(check: CountCheck | WordsCheck) -> None:
    """The list is searched in 65,536 characters and 64 for each number; of thinking a megabyte is examined."""
    answer = f"1\n2\n{END}" if isinstance(check, CountCheck) else f"{ONE}\n{TWO}\n{END}"
    room = 65_536 + 64 * check.to - len(answer)
    assert examine(check, "-" * (room - 1) + "\n" + answer, NONCE).fault is None
    assert examine(check, "-" * room + "\n" + answer, NONCE).fault == "missing"
    thought = (1 << 20) - len(answer) - len("<think></think>")
    assert examine(check, f"<think>{'-' * thought}</think>{answer}", NONCE).fault is None
    assert examine(check, f"<think>{'-' * (thought + 1)}</think>{answer}", NONCE).fault == "missing"


def counted(to: int) -> str:
    """Write the list as it is asked for, without its end."""
    return "".join(f"{number}\n" for number in range(1, to + 1))


EDGES = {
    "a thousand": (f"{counted(999)}1,000\n{END}", 1000, CheckResult("count", None, 1.0)),
    "a thousand, cut": (f"{counted(999)}1,0", 1000, CheckResult("count", "missing", 0.999, beginning=True)),
    "a letter after half a number": (f"{TEN}1X", 20, CheckResult("count", "missing", 0.5)),
    "its beginning again, after its end": (f"{TEN}{END}\n1\n2\n3\n", 10, CheckResult("count", "duplicated", 1.0)),
    "its last part again, and more": (f"{TEN}{END}\n9\n10\n{END}\n3", 10, CheckResult("count", "duplicated", 1.0)),
    "its beginning before, and words": (f"1\n2\nagain, all:\n{TEN}{END}", 10, CheckResult("count", None, 1.0)),
}


@pytest.mark.parametrize(("text", "to", "result"), EDGES.values(), ids=EDGES.keys())
def test_lists_at_the_edge_of_a_rule(text: str, to: int, result: CheckResult) -> None:
    """Each of these is one step away from a list with another result."""
    assert count(text, to) == result


def test_another_number_after_the_last_label() -> None:
    """A number that the label does not begin is no cut inside that item: a piece is missing or came twice."""
    text = "".join(f"{number}. {number}\n" for number in range(1, 11))
    assert count(f"{text}11. 1", 20) == CheckResult("count", "missing", 0.55, beginning=True)
    assert count(f"{text}11. 7", 20).fault == "duplicated"
