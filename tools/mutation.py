"""Change one thing in a module at a time and see whether its tests notice: `python -m tools.mutation [MODULE ...]`.

Each mutant runs the module's tests in a forked process that imports the changed source, so that no file is written.
What the tests import is loaded once, but for the module and what uses it. A mutant is killed if a test fails or takes
too long.

mutmut (3.x) changes functions alone, and what decides here is tables of modules; cosmic-ray changes files on disk and
starts an interpreter for each mutant, which takes hours. See docs/decisions.md.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "docs" / "mutation.md"
EXCLUDED = ROOT / "tests" / "mutation.toml"
CACHE = ROOT / ".cache" / "mutation.json"
LEAST_KILLED, MOST_EXCLUDED = 0.9, 0.03
TESTS: Mapping[str, tuple[str, ...]] = {
    "monitor.judge.verdict": ("tests/judge/test_verdict.py",),
    "monitor.judge.arrival": ("tests/judge/test_arrival.py", "tests/judge/test_verdict.py"),
    "monitor.judge.facts": ("tests/judge/test_facts.py", "tests/judge/test_verdict.py"),
    "monitor.judge.detail": ("tests/judge/test_detail.py",),
    "monitor.judge.content_check": ("tests/judge/test_content_check.py",),
    "monitor.stream.end_state": ("tests/stream/test_end_state.py", "tests/stream/test_recorder.py"),
    "monitor.stream.recorder": ("tests/stream/test_recorder.py", "tests/stream/test_end_state.py"),
    "monitor.stream.recording": (
        "tests/stream/test_recording.py",
        "tests/stream/test_recorder.py",
        "tests/stream/test_statistics.py",
    ),
    "monitor.stream.statistics": ("tests/stream/test_statistics.py",),
    "monitor.stream.sse": ("tests/stream/test_sse.py", "tests/stream/test_framing.py"),
    "monitor.stream.lines": ("tests/stream/test_lines.py", "tests/stream/test_framing.py"),
    "monitor.stream.json_objects": ("tests/stream/test_json_objects.py", "tests/stream/test_framing.py"),
    "monitor.stream.raw": ("tests/stream/test_raw.py", "tests/stream/test_framing.py"),
    "monitor.stream.binary_frames": ("tests/stream/test_binary_frames.py", "tests/stream/test_framing.py"),
    "monitor.stream.framing": (
        "tests/stream/test_framing.py",
        "tests/stream/test_sse.py",
        "tests/stream/test_lines.py",
    ),
    "monitor.protocols.decoder": ("tests/protocols/test_decoder.py", "tests/protocols/test_template.py"),
    "monitor.protocols.template": ("tests/protocols/test_template.py",),
    "monitor.diagnosis.suspects": ("tests/diagnosis/test_suspects.py", "tests/diagnosis/test_rules.py"),
    "monitor.diagnosis.timers": ("tests/diagnosis/test_timers.py",),
    "monitor.diagnosis.upstream": ("tests/diagnosis/test_upstream.py",),
    "monitor.diagnosis.isolation": ("tests/diagnosis/test_isolation.py",),
}
"""What is changed, and the tests that have to notice."""

OPTIONS = (
    "-x", "-q", "-c", os.devnull, "--rootdir", str(ROOT), "--import-mode=importlib", "--noconftest", "--tb=no",
    "--assert=plain", "-p", "no:cacheprovider", "-W", "error",
)  # fmt: skip
"""These tests need neither plug-ins nor fixtures nor the values of an assertion, and start in a third of the time."""
_SPARE, _TIMES = 10.0, 10.0
"""Seconds, and times of what the tests take, after which a mutant is taken for one that hangs."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: where, what, and the source with it."""

    module: str
    line: int
    text: str
    """The line as it stands, without its indentation."""
    change: str
    source: str


# -- changes -------------------------------------------------------------------------------------------------------

COMPARISONS: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS: Mapping[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
Change = tuple[str, ast.AST]
"""What the change is, and what takes the node's place."""


def changes(node: ast.AST) -> Iterator[Change]:
    """Return the changes of one node."""
    for kind in (_of_operators, _of_constants, _of_statements, _of_displays):
        yield from kind(node)


def _of_operators(node: ast.AST) -> Iterator[Change]:
    """Turn each comparison and operator into its neighbour."""
    match node:
        case ast.Compare(left, ops, comparators):
            for at, op in enumerate(ops):
                other = COMPARISONS[type(op)]()
                yield (
                    f"{_name(op)} to {_name(other)}",
                    ast.Compare(left, [*ops[:at], other, *ops[at + 1 :]], comparators),
                )
        case ast.BoolOp(op, values):
            other_bool = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield f"{_name(op)} to {_name(other_bool)}", ast.BoolOp(other_bool, values)
        case ast.UnaryOp(ast.Not(), operand):
            yield "not left out", operand
        case ast.BinOp(left, op, right) if type(op) in OPERATORS and not _is_text(left) and not _is_text(right):
            other_op = OPERATORS[type(op)]()
            yield f"{_name(op)} to {_name(other_op)}", ast.BinOp(left, other_op, right)
        case ast.IfExp(test, body, orelse):
            yield "the other one", ast.IfExp(_negated(test), body, orelse)
        case _:
            return


def _of_constants(node: ast.AST) -> Iterator[Change]:
    """Change each constant."""
    match node:
        case ast.Constant(bool() as value):
            yield f"{value} to {not value}", ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield f"{value} to {value + 1}", ast.Constant(value + 1)
        case ast.Constant(str() | bytes() as value):
            extra = b"XX" if isinstance(value, bytes) else "XX"
            yield f"{value!r} changed", ast.Constant(value + extra)  # type: ignore[operator]  # both are of one kind
        case _:
            return


def _of_statements(node: ast.AST) -> Iterator[Change]:
    """Leave statements out, and turn conditions round."""
    match node:
        case ast.AugAssign(target, op, value) if type(op) in OPERATORS:
            other_op = OPERATORS[type(op)]()
            yield f"{_name(op)}= to {_name(other_op)}=", ast.AugAssign(target, other_op, value)
        case ast.If(test, body, orelse):
            yield "if negated", ast.If(_negated(test), body, orelse)
        case ast.While(test, body, orelse):
            yield "while never", ast.While(ast.Constant(False), body, orelse)  # noqa: FBT003 - a literal
        case ast.Return(value) if value is not None and not (isinstance(value, ast.Constant) and not value.value):
            yield "None returned", ast.Return(ast.Constant(None))
        case ast.Expr(ast.Call() | ast.Yield() | ast.YieldFrom()):
            yield "left out", ast.Pass()
        case ast.Assign([ast.Attribute()], _):
            yield "left out", ast.Pass()
        case ast.Break():
            yield "break to continue", ast.Continue()
        case ast.Continue():
            yield "continue to break", ast.Break()
        case _:
            return


def _of_displays(node: ast.AST) -> Iterator[Change]:
    """Leave out one element of what lists several."""
    match node:
        case ast.Tuple(elts, ast.Load()) | ast.Set(elts) | ast.List(elts, ast.Load()) if len(elts) > 1:
            for at in range(len(elts)):
                yield f"element {at + 1} left out", _display(node, [*elts[:at], *elts[at + 1 :]])
        case ast.Dict(keys, values) if len(keys) > 1:
            for at in range(len(keys)):
                yield (
                    f"entry {at + 1} left out",
                    ast.Dict([*keys[:at], *keys[at + 1 :]], [*values[:at], *values[at + 1 :]]),
                )
        case _:
            return


def _display(node: ast.AST, elements: list[ast.expr]) -> ast.AST:
    match node:
        case ast.Tuple():
            return ast.Tuple(elements, ast.Load())
        case ast.List():
            return ast.List(elements, ast.Load())
        case _:
            return ast.Set(elements)


def _name(op: ast.AST) -> str:
    return type(op).__name__


def _negated(test: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), test)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant | ast.JoinedStr) and not isinstance(getattr(node, "value", None), int | float)


def _left_alone(tree: ast.Module) -> set[int]:
    """Return the nodes that say nothing at run time, or nothing that a test may ask: annotations, docstrings, slots."""
    left = (
        node for parent in ast.walk(tree) for node in (*_annotations(parent), *_unasked(parent)) if node is not None
    )
    return {id(below) for node in left for below in ast.walk(node)}


def _annotations(node: ast.AST) -> Iterator[ast.AST | None]:
    match node:
        case ast.AnnAssign() | ast.arg():
            yield node.annotation
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from (node.returns, *node.decorator_list)
        case ast.ClassDef():
            yield from (*node.decorator_list, *node.bases, *node.keywords)
        case ast.Call(ast.Name("cast"), [kind, *_]):
            yield kind
        case ast.Subscript(ast.Name("Callable" | "tuple" | "dict")):
            yield node
        case _:
            return


def _unasked(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Expr(ast.Constant()) | ast.Assert() | ast.Raise() | ast.Import() | ast.ImportFrom():
            yield node
        case ast.keyword("strict") | ast.JoinedStr() | ast.MatchClass() | ast.Assign([ast.Name("__slots__")], _):
            yield node
        case _:
            return


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """Return every mutant of a module's source, in the order of its lines."""
    lines, tree = source.splitlines(), ast.parse(source)
    parents = {id(child): parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    for node, change, new in list(_places(tree)):
        line = getattr(node, "lineno", 0)
        with _replaced(parents[id(node)], node, new):
            yield Mutant(module, line, lines[line - 1].strip(), change, ast.unparse(ast.fix_missing_locations(tree)))


def changed_lines(source: str) -> set[tuple[str, str]]:
    """Return the line and the change of every mutant of a source, without making the mutants."""
    lines = source.splitlines()
    return {(lines[getattr(node, "lineno", 0) - 1].strip(), change) for node, change, _ in _places(ast.parse(source))}


@contextlib.contextmanager
def _replaced(parent: ast.AST, old: ast.AST, new: ast.AST) -> Iterator[None]:
    """Put one node in the place of another for a while."""
    for field, value in ast.iter_fields(parent):
        if value is old:
            setattr(parent, field, new)
            yield
            setattr(parent, field, old)
            return
        if isinstance(value, list) and any(one is old for one in value):
            setattr(parent, field, [new if one is old else one for one in value])
            yield
            setattr(parent, field, value)
            return


def _places(tree: ast.Module) -> Iterator[tuple[ast.AST, str, ast.AST]]:
    alone = _left_alone(tree)
    nodes = [node for node in ast.walk(tree) if id(node) not in alone and hasattr(node, "lineno")]
    for node in sorted(nodes, key=lambda one: (getattr(one, "lineno", 0), getattr(one, "col_offset", 0))):
        for change, new in changes(node):
            yield node, change, new


# -- running -------------------------------------------------------------------------------------------------------


class _Loader(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports one module from a source that is given."""

    def __init__(self, module: str, source: str) -> None:
        self._module, self._source = module, source

    def find_spec(
        self, name: str, path: object = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the module's spec; None for any other."""
        del path, target
        return importlib.util.spec_from_loader(name, self) if name == self._module else None

    def get_source(self, fullname: str) -> str:
        """Return the source."""
        del fullname
        return self._source


def survives(mutant: Mutant, tests: Sequence[str], limit: float) -> bool:
    """Whether no test fails with this mutant within so many seconds."""
    return survivors([mutant], tests, limit) == [mutant]


def survivors(mutants: Sequence[Mutant], tests: Sequence[str], limit: float) -> list[Mutant]:
    """Return those of one module's mutants with which no test fails within so many seconds.

    A server process loads once what the tests import, and forks for each mutant.
    """
    if not mutants:
        return []
    reading, writing = os.pipe()
    server = os.fork()
    if server == 0:  # pragma: no cover - another process
        os.close(reading)
        _serve(mutants, tests, limit, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as results:
        lived = results.read()
    os.waitpid(server, 0)
    if len(lived) != len(mutants):
        raise SystemExit(f"{mutants[0].module}: the tests could not be started: {' '.join(tests)}")
    return [one for one, alive in zip(mutants, lived, strict=True) if alive]


def _serve(
    mutants: Sequence[Mutant], tests: Sequence[str], limit: float, writing: int
) -> None:  # pragma: no cover - another process
    """Start pytest, and write one byte for each mutant: 1 if it lives."""
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    try:
        _preload(mutants[0].module, tests)
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        status = int(pytest.main([*OPTIONS, *tests], plugins=[_Forks(mutants, limit, writing)]))
    except BaseException:  # noqa: BLE001 - a mutant may raise anything
        status = 1
    os._exit(status)


def _preload(module: str, tests: Sequence[str]) -> None:  # pragma: no cover - another process
    """Import what the tests import; the module itself and all that uses it are left to each child."""
    for test in tests:
        for name in _imports(test):
            with contextlib.suppress(ModuleNotFoundError):  # the name of a function, and not of a module
                importlib.import_module(name)
    ours = [name for name in sys.modules if name.partition(".")[0] in {"monitor", "tests"}]
    imports = {name: _imports(file) for name in ours if (file := sys.modules[name].__file__)}
    stale: set[str] = set()
    while found := {name for name in imports if name == module or imports[name] & stale} - stale:
        stale |= found
    for name in stale:
        del sys.modules[name]


def _imports(file: str) -> set[str]:
    """Return the names that a file imports, each with the module that it is imported from."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))):
        match node:
            case ast.Import(aliases):
                names.update(alias.name for alias in aliases)
            case ast.ImportFrom(str(source), aliases):
                names.update((source, *(f"{source}.{alias.name}" for alias in aliases)))
            case _:
                continue
    return names


class _Forks:  # pragma: no cover - another process
    """A plug-in that runs the session once for each mutant, each in a process of its own.

    A test that killed a mutant is likely to kill the next one: it runs first.
    """

    def __init__(self, mutants: Sequence[Mutant], limit: float, writing: int) -> None:
        self._mutants, self._limit, self._writing = mutants, limit, writing
        self._killers: list[str] = []
        self._failed = -1

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Fork for each mutant; only the children return, and collect and run the tests."""
        for mutant in self._mutants:
            reading, self._failed = os.pipe()
            child = os.fork()
            if child == 0:
                os.setsid()
                sys.meta_path.insert(0, _Loader(mutant.module, mutant.source))
                return
            os.close(self._failed)
            os.write(self._writing, bytes((_passes(child, self._limit),)))
            with os.fdopen(reading) as failed:
                killer = failed.read()
            self._killers = [killer, *(one for one in self._killers if one != killer)]
        os._exit(0)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Run the tests first that killed the latest mutants."""
        places = {one: place for place, one in enumerate(self._killers)}
        items.sort(key=lambda one: places.get(one.nodeid, len(places)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Report the test that failed."""
        if report.failed:
            os.write(self._failed, report.nodeid.encode())


def _passes(child: int, limit: float) -> bool:  # pragma: no cover - another process
    """Whether a process ends well within so many seconds; it is killed otherwise."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


# -- the report ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the mutants of one module."""

    module: str
    mutants: int
    survivors: tuple[Mutant, ...]
    excluded: tuple[tuple[Mutant, str], ...]

    @property
    def killed(self) -> int:
        """How many a test noticed."""
        return self.mutants - len(self.survivors) - len(self.excluded)

    @property
    def enough(self) -> bool:
        """Whether so many are killed, and so few excluded, as each module has to have."""
        return self.killed >= LEAST_KILLED * self.mutants and len(self.excluded) <= MOST_EXCLUDED * self.mutants


def reasons() -> dict[tuple[str, str, str], str]:
    """Return why survivors cannot be killed: by module, line and change."""
    rows = tomllib.loads(EXCLUDED.read_text(encoding="utf-8"))["excluded"]
    return {(row["module"], row["line"], row["change"]): row["reason"] for row in rows}


def examine(module: str, jobs: int, *, fresh: bool) -> Result:
    """Run every mutant of a module, or only those that lived when the same source was examined before."""
    path = ROOT / (module.replace(".", "/") + ".py")
    source, tests = path.read_text(encoding="utf-8"), TESTS[module]
    began = time.monotonic()
    if not survives(Mutant(module, 0, "", "nothing", source), tests, 600.0):
        raise SystemExit(f"{module}: its tests fail without any change: {' '.join(tests)}")
    limit = (time.monotonic() - began) * _TIMES + _SPARE
    every = list(mutants(module, source))
    before = None if fresh else lived_before(module, source)
    again = [one for number, one in enumerate(every) if before is None or number in before]
    with ThreadPoolExecutor(jobs) as pool:
        lived = list(pool.map(lambda part: survivors(part, tests, limit), [again[at::jobs] for at in range(jobs)]))
    left = [one for one in again if any(one in part for part in lived)]
    remember(module, source, [number for number, one in enumerate(every) if one in left])
    return _result(module, every, left)


def _result(module: str, every: Sequence[Mutant], left: Sequence[Mutant]) -> Result:
    known = reasons()
    excluded = tuple((one, known[key]) for one in left if (key := (one.module, one.text, one.change)) in known)
    survivors = tuple(one for one in left if (one.module, one.text, one.change) not in known)
    return Result(module, len(every), survivors, excluded)


def known_results() -> list[Result]:
    """Return what became of the mutants of each module whose source is as it was when it was examined."""
    found = []
    for module in TESTS:
        source = (ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")
        lived = lived_before(module, source)
        if lived is not None:
            every = list(mutants(module, source))
            found.append(_result(module, every, [one for number, one in enumerate(every) if number in lived]))
    return found


def lived_before(module: str, source: str) -> set[int] | None:
    """Return the numbers of the mutants that lived when this source was examined; None if it was not."""
    found = _remembered().get(module)
    return set(found["lived"]) if found and found["source"] == digest(source) else None


def remember(module: str, source: str, lived: list[int]) -> None:
    """Keep which mutants lived: while the source stays as it is, only they are run again."""
    kept = _remembered() | {module: {"source": digest(source), "lived": lived}}
    CACHE.parent.mkdir(exist_ok=True)
    CACHE.write_text(json.dumps(kept), encoding="utf-8")


def _remembered() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(CACHE.read_text(encoding="utf-8")) if CACHE.exists() else {}
    return found


def digest(source: str) -> str:
    """Return a digest of what mutants change: without comments, docstrings, and the names that the module gives."""
    tree = ast.parse(source)
    for parent in ast.walk(tree):
        if isinstance(body := getattr(parent, "body", None), list):
            body[:] = [one for one in body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))]
    own = set(_own_names(tree))
    numbers: dict[str, str] = {}
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name"):
            if (name := getattr(node, field, None)) in own:
                setattr(node, field, numbers.setdefault(name, str(len(numbers))))
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _own_names(tree: ast.AST) -> Iterator[str]:
    """Yield the names of variables, parameters and attributes that a module assigns to."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(name, ast.Store()) | ast.Attribute(_, name, ast.Store()) | ast.arg(name):
                yield name
            case _:
                continue


def report(results: Sequence[Result]) -> str:
    """Return the page."""
    total, killed = sum(it.mutants for it in results), sum(it.killed for it in results)
    excluded = sum(len(it.excluded) for it in results)
    named = {it.module for it in results}
    unknown = [f"- `{module}`" for module in TESTS if module not in named]
    rows = [
        f"| `{it.module}` | {it.mutants} | {it.killed} | {len(it.excluded)} | {len(it.survivors)} |" for it in results
    ]
    why = [f"- `{one.module}`: `{one.text}`: {one.change}. {reason}" for it in results for one, reason in it.excluded]
    left = [f"- `{one.module}`, line {one.line}: `{one.text}`: {one.change}" for it in results for one in it.survivors]
    return "\n".join([
        "<!-- What tests would notice: made by `make mutation`. -->",
        "# Mutation report",
        "",
        "Each mutant is one change in what judges a stream. It is killed if a test of that module fails.",
        f"Of {total} mutants {killed} are killed ({killed / total:.1%}), {excluded} excluded ({excluded / total:.1%}).",
        "",
        "| module | mutants | killed | excluded | survived |",
        "|---|---|---|---|---|",
        *rows,
        "",
        "## Not examined as they are now",
        "",
        *unknown,
        "",
        "## Excluded",
        "",
        *why,
        "",
        "## Survived",
        "",
        *left,
        "",
    ])  # fmt: skip


def main() -> None:
    """Run the mutants of the named modules, or of all, and write the page of all that are known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("modules", nargs="*", help=f"only these, of {', '.join(TESTS)}")
    parser.add_argument("--fresh", action="store_true", help="run all, also what was killed before")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    os.chdir(ROOT)
    results = []
    for module in asked.modules or TESTS:
        results.append(found := examine(module, asked.jobs, fresh=asked.fresh))
        print(f"{module}: {found.killed} of {found.mutants} killed, {len(found.excluded)} excluded", flush=True)
        for one in found.survivors:
            print(f"  {one.line}: {one.text}: {one.change}", flush=True)
    REPORT.write_text(report(known_results()), encoding="utf-8")
    if poor := [it.module for it in results if not it.enough]:
        raise SystemExit(f"too few killed, or too many excluded: {', '.join(poor)}")


if __name__ == "__main__":
    main()
