"""The mutation run: what it changes, what it does not, and whether a test fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.mutation import ROOT, TESTS, Mutant, Result, changed_lines, digest, mutants, reasons, report, survives

SOURCE = '''"""What it is."""

LIMIT: int = 3


def small(size: int, names: tuple[str, ...]) -> bool:
    """Whether it is."""
    assert names, "never asked"
    if size < LIMIT and "x" in names:
        return not names
    return True
'''
CHANGES = {
    (3, "3 to 4"),
    (9, "if negated"),
    (9, "And to Or"),
    (9, "Lt to LtE"),
    (9, "In to NotIn"),
    (9, "'x' changed"),
    (10, "None returned"),
    (10, "not left out"),
    (11, "None returned"),
    (11, "True to False"),
}


def test_each_change_is_a_mutant() -> None:
    """Operators, conditions, constants and results are changed one at a time; annotations and docstrings are not."""
    found = list(mutants("m", SOURCE))
    assert {(one.line, one.change) for one in found} == CHANGES
    assert len(found) == len(CHANGES)
    assert len({one.source for one in found}) == len(CHANGES)
    assert changed_lines(SOURCE) == {(one.text, one.change) for one in found}


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("a = (1, f(2))", ["(f(2),)", "(1,)"]),
        ("a = {1, f(2)}", ["{f(2)}", "{1}"]),
        ("a = [f(1), 2]", ["[2]", "[f(1)]"]),
        ("a = {1: 2, 3: f(4)}", ["{3: f(4)}", "{1: 2}"]),
    ],
)
def test_what_lists_several_loses_one(line: str, changed: list[str]) -> None:
    """Each row of a table is left out once: tests have to notice every one."""
    assert [one.source for one in mutants("m", line) if "left out" in one.change] == [f"a = {it}" for it in changed]


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("f(x)", "pass"),
        ("x.y = z", "pass"),
        ("x += y", "x -= y"),
        ("while x:\n    break", "while False:\n    break"),
        ("x = y if z else w", "x = y if not z else w"),
        ("x = y // z", "x = y * z"),
        ("x = b'a'", "x = b'aXX'"),
        ("for x in y:\n    continue", "for x in y:\n    break"),
    ],
)
def test_statements(line: str, changed: str) -> None:
    """Statements are left out or turned round."""
    assert changed in [one.source for one in mutants("m", line)]


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("x = zip(y, z, strict=True)", []),
        ("def f():\n    return False", ["False to True"]),
        ("def f():\n    return ''", ["'' changed"]),
        ("def f():\n    return x", ["None returned"]),
        ("def f():\n    return None", []),
    ],
)
def test_what_cannot_be_noticed_is_no_mutant(source: str, made: list[str]) -> None:
    """Equivalent changes, such as False to None and those of `strict`, are not made."""
    assert [one.change for one in mutants("m", source)] == made


@pytest.mark.parametrize(
    ("lived", "excluded", "enough"), [(10, 0, True), (11, 0, False), (7, 3, True), (0, 3, True), (0, 4, False)]
)
def test_how_many_are_enough(lived: int, excluded: int, enough: bool) -> None:
    """In each module at least 90 % are killed, and at most 3 % are excluded."""
    mutant = Mutant("m", 7, "x = 1", "1 to 2", "x = 2")
    assert Result("m", 100, (mutant,) * lived, ((mutant, "It is never read."),) * excluded).enough is enough


def test_every_module_and_test_that_is_named_exists() -> None:
    """A module that moved would leave the run without a word."""
    for module, tests in TESTS.items():
        assert (ROOT / (module.replace(".", "/") + ".py")).exists()
        assert all((ROOT / test).exists() for test in tests)


def test_every_exclusion_is_of_a_mutant_that_exists() -> None:
    """A line that was changed takes its exclusion with it."""
    excluded = reasons()
    modules = {module for module, _, _ in excluded}
    sources = {it: (ROOT / (it.replace(".", "/") + ".py")).read_text(encoding="utf-8") for it in modules}
    made = {(module, *one) for module, source in sources.items() for one in changed_lines(source)}
    assert excluded.keys() - made == set()


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ("def f(y):\n    z = y.size\n    return min(z, 1)", True),
        ("def f(x):\n    'What.'\n    a = x.size  # why\n    return min(a, 1)", True),
        ("def f(x):\n    a = x.size\n    return max(a, 1)", False),
        ("def f(x):\n    a = x.length\n    return min(a, 1)", False),
        ("def f(x):\n    a = x.size\n    return min(x, 1)", False),
        ("def f(x):\n    a = x.size\n    return min(a, 2)", False),
    ],
)
def test_when_a_module_is_examined_again(*, changed: str, same: bool) -> None:
    """A result holds as long as nothing changes but comments, docstrings and the names that the module itself gives."""
    assert (digest(changed) == digest("def f(x):\n    a = x.size\n    return min(a, 1)")) is same


def test_the_report() -> None:
    """The report counts mutants, and lists the survivors."""
    lived = Mutant("m", 7, "x = 1", "1 to 2", "x = 2")
    page = report([Result("m", 10, (lived,), ((lived, "It is never read."),))])
    assert "Of 10 mutants 8 are killed (80.0%), 1 excluded (10.0%)." in page
    assert "| `m` | 10 | 8 | 1 | 1 |" in page
    assert "- `m`: `x = 1`: 1 to 2. It is never read." in page
    assert "- `m`, line 7: `x = 1`: 1 to 2" in page


def test_what_a_mutant_does_to_its_tests(tmp_path: Path) -> None:
    """A failing test kills a mutant, a passing one does not, and the file is restored."""
    path = ROOT / "monitor" / "redaction.py"
    source = path.read_text(encoding="utf-8")
    test = tmp_path / "test_it.py"
    test.write_text(
        "import monitor.redaction\n\n\ndef test_it():\n    assert not hasattr(monitor.redaction, 'NOTICED')\n"
    )
    assert survives(Mutant("monitor.redaction", 1, "", "", source), (str(test),), 60.0)
    assert not survives(Mutant("monitor.redaction", 1, "", "", source + "\nNOTICED = 1\n"), (str(test),), 60.0)
    assert path.read_text(encoding="utf-8") == source


def test_a_mutant_that_hangs_is_noticed(tmp_path: Path) -> None:
    """Tests that hang are stopped."""
    test = tmp_path / "test_it.py"
    test.write_text("def test_it():\n    while True:\n        pass\n")
    assert not survives(Mutant("monitor.redaction", 1, "", "", ""), (str(test),), 1.0)
