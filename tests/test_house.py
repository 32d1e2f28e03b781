"""Checks of the repository itself: tests and captions of modules, words, links, and the layers in the docs."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from monitor.protocols import PROTOCOLS

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for path in (ROOT / "monitor").rglob("*.py") if path.name not in {"__init__.py", "__main__.py"})
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
FILES = sorted(path for folder in ("monitor", "tests", "benchmarks", "tools", "fuzz") for path in (ROOT / folder).rglob("*.py"))  # fmt: skip  # noqa: E501 - one list
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
LAYERS = {contract["containers"][0]: contract["layers"] for contract in CONTRACTS if contract["type"] == "layers"}


def name(path: Path) -> str:
    """The path relative to the repository."""
    return str(path.relative_to(ROOT))


@cache
def parsed(file: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(file.read_text())


def records_and_dialects() -> set[Path]:
    """The modules of protocols and of their dialects that are data and functions: they define no class."""
    named = {protocol.dialect.partition(":")[0] for protocol in PROTOCOLS.values()}
    named |= {f"monitor.protocols.{re.sub('[-.]', '_', name)}" for name in PROTOCOLS}
    files = {(ROOT / name.replace(".", "/")).with_suffix(".py") for name in named}
    return {file for file in files if not any(isinstance(node, ast.ClassDef) for node in ast.walk(parsed(file)))}


def test_every_module_has_a_test_file_of_its_own() -> None:
    """Every module has a test file of the same name, or is tested by the registry of protocols."""
    data = records_and_dialects()
    assert ROOT / "monitor" / "protocols" / "tgi.py" in data
    assert ROOT / "monitor" / "lab" / "dialects" / "tgi.py" in data
    places = [module.relative_to(ROOT / "monitor") for module in MODULES if module not in data]
    assert [place for place in places if not (ROOT / "tests" / place.parent / f"test_{place.name}").is_file()] == []


def test_every_file_opens_with_what_it_is() -> None:
    """The first paragraph of its docstring is a sentence, or the beginning of a list."""
    captions = {name(file): ast.get_docstring(parsed(file)) or "" for file in FILES}
    ends = (".", ":", "?")
    assert [file for file, text in captions.items() if not text.split("\n\n")[0].rstrip().endswith(ends)] == []


def behaviours(file: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The test functions of a file."""
    functions = (node for node in ast.walk(parsed(file)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [function for function in functions if function.name.startswith("test_")]


def sleeps(test: ast.AST) -> Iterator[str]:
    """Say which calls of a test wait for time to pass, and not for the turn of a loop."""
    for node in ast.walk(test):
        match node:
            case ast.Call(ast.Name("sleep") | ast.Attribute(ast.Name("asyncio" | "time"), "sleep"), [ast.Constant(0)]):
                continue
            case ast.Call(ast.Name("sleep") | ast.Attribute(ast.Name("asyncio" | "time"), "sleep")):
                yield ast.unparse(node)
            case _:
                continue


def test_every_test_says_what_it_shows() -> None:
    """A docstring a test."""
    tests = [(file, test) for file in TESTS for test in behaviours(file)]
    assert [f"{name(file)}::{test.name}" for file, test in tests if not ast.get_docstring(test)] == []


def test_no_test_sleeps() -> None:
    """A test waits for a state: nothing waits for time to pass, in a test or in what it calls in its file."""
    assert list(sleeps(ast.parse("await asyncio.sleep(0), time.sleep(0.1), sleep(x)"))) == [
        "time.sleep(0.1)",
        "sleep(x)",
    ]
    found = {name(file): list(sleeps(parsed(file))) for file in TESTS}
    assert {file: calls for file, calls in found.items() if calls} == {}


def checks(function: ast.AST, helpers: set[str]) -> bool:
    """Whether a function asserts something, or calls one of these functions, which do."""
    for node in ast.walk(function):
        match node:
            case ast.Assert():
                return True
            case ast.Call(ast.Name(name)) if name in helpers:
                return True
            case ast.Call(ast.Attribute(_, "raises" | "warns") | ast.Attribute(ast.Name("service"), "until" | "probe")):
                return True
            case _:
                continue
    return False


def test_every_test_checks_something() -> None:
    """A test asserts, expects an exception or a warning, or calls a function of the tests that does."""
    files = [file for file in FILES if (ROOT / "tests") in file.parents]
    functions = [node for file in files for node in ast.walk(parsed(file)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]  # fmt: skip  # noqa: E501 - one list
    helpers = {"check_protocol", "check_dialect", "expect"}
    while found := {it.name for it in functions if not it.name.startswith("test_") and checks(it, helpers)} - helpers:
        helpers |= found
    assert [it.name for it in functions if it.name.startswith("test_") and not checks(it, helpers)] == []


MOST_PRIVATE_NAMES = 73
"""The most uses of private names of the product in tests: each ties a test to an implementation."""


def private_names_of_the_product() -> set[str]:
    """The names with one leading underscore that modules of the product define."""
    names = set()
    for module in FILES:
        if (ROOT / "monitor") in module.parents:
            for node in ast.walk(parsed(module)):
                match node:
                    case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                        names.add(name)
                    case ast.Name(name, ast.Store()) | ast.Attribute(_, name, ast.Store()):
                        names.add(name)
                    case _:
                        continue
    return {name for name in names if name.startswith("_") and not name.startswith("__") and name != "_"}


def private_uses(file: Path, private: set[str]) -> list[str]:
    """The private names of the product that a test reads, imports or replaces, except on its own `self`."""
    uses = []
    for node in ast.walk(parsed(file)):
        match node:
            case ast.Attribute(ast.Name("self" | "cls"), _):
                continue
            case ast.Attribute(_, name) | ast.alias(name):
                uses.append(name)
            case ast.Constant(str(text)) if text.startswith(("monitor.", "_")):
                uses.append(text.rpartition(".")[2])
            case _:
                continue
    return [name for name in uses if name in private]


def test_few_tests_use_private_names_of_the_product() -> None:
    """A test uses the public interface of a module; exceptions are counted here."""
    private = private_names_of_the_product()
    uses = {name(file): private_uses(file, private) for file in FILES if (ROOT / "tests") in file.parents}
    assert "_factory" in uses["tests/test_aiohttp_pins.py"], "the uses are found"
    assert sum(map(len, uses.values())) <= MOST_PRIVATE_NAMES, {file: found for file, found in uses.items() if found}


GONE = re.compile(r"\b(?:whoever|anew|lest|mends?|for ever|let go|lets go|goes away|in the stead)\b", re.IGNORECASE)
"""Words that plain technical English does without: docs/architecture.md has the glossary."""


def test_the_product_is_written_in_plain_words() -> None:
    """No docstring, comment or message of the product uses a word that was replaced everywhere."""
    texts = {name(file): GONE.findall(file.read_text()) for file in FILES if (ROOT / "monitor") in file.parents}
    assert {file: found for file, found in texts.items() if found} == {}


PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests" / "captures").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    """Links within the repository resolve; external ones are not checked."""
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if ":" not in link and not (page.parent / link).exists()] == []


WALKS = ("One chunk, from the socket to the sinks", "One config key, from the file to its use")
NAMED = r"`([A-Za-z_][\w.]*)(?:\([^`]*\))?`"
"""A name in code, with or without arguments."""


def defined(file: Path) -> Iterator[str]:
    """The names of a module's classes and functions, and of the methods and fields of its classes."""
    for node in parsed(file).body:
        match node:
            case ast.ClassDef(name, body=body):
                yield name
                for inner in body:
                    match inner:
                        case ast.FunctionDef(method) | ast.AsyncFunctionDef(method) | ast.AnnAssign(ast.Name(method)):
                            yield f"{name}.{method}"
                        case _:
                            continue
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
                yield name
            case _:
                continue


@pytest.mark.parametrize("walk", WALKS)
def test_every_name_of_a_walk_exists(walk: str) -> None:
    """A walk of docs/architecture.md names files that exist, and classes, methods and functions that are in them."""
    text = ARCHITECTURE.partition(f"## {walk}\n")[2].partition("\n## ")[0]
    files = {path: ROOT / path if path.startswith(("monitor/", "tools/")) else ROOT / "monitor" / path
             for path in re.findall(r"`([\w/]+\.py)`", text)}  # fmt: skip
    assert len(files) >= 10
    placed = [(path, name) for name, path in re.findall(rf"{NAMED}(?:,[^`(]*)? \(`([\w/]+\.py)`\)", text)]
    placed += [(path, name) for path, name in re.findall(rf"`([\w/]+\.py)` {NAMED}", text)]
    assert [(path, name) for path, name in placed if name not in set(defined(files[path]))] == []
    everywhere = {name for module in FILES if (ROOT / "monitor") in module.parents for name in defined(module)}
    classes = [name for name in re.findall(NAMED, text) if name[0].isupper()]
    assert [name for name in classes if name not in everywhere] == []
    assert len(placed) >= 7


@pytest.mark.parametrize("package", LAYERS)
def test_the_docs_show_the_layers_of_the_import_contracts(package: str) -> None:
    """The layers drawn in docs/architecture.md are those of pyproject.toml, line by line."""
    assert "\n".join(["```", *LAYERS[package], "```"]) in ARCHITECTURE


def test_every_top_level_module_is_in_the_contract() -> None:
    """Every module and package of `monitor` is in the layers, except for the two that only start it."""
    modules = {path.stem for path in (ROOT / "monitor").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}  # fmt: skip  # noqa: E501 - one set
    named = {module.strip() for layer in LAYERS["monitor"] for module in layer.split("|")}
    assert modules - {"__init__", "__main__"} == named


def test_no_two_classes_have_the_same_name() -> None:
    """Each class name is defined once in the product."""
    places: dict[str, list[str]] = {}
    for module in FILES:
        if (ROOT / "monitor") in module.parents:
            for node in ast.walk(parsed(module)):
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name, []).append(f"{name(module)}:{node.lineno}")
    assert {one: found for one, found in places.items() if len(found) > 1} == {}
