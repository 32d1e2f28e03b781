"""Count the files, classes and lines that a reader of the main path meets, in this checkout or in another one.

The main path is what schedules one probe, runs it, makes its event and logs it, with everything of `monitor` that these
modules import. Of the protocols and framings it has those of `openai-chat` alone: all others have the same shape.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
START = (
    "monitor.schedule",
    "monitor.probe.run",
    "monitor.protocols.openai_chat",
    "monitor.record.from_observation",
    "monitor.sinks.log",
)
_PROTOCOL = "Protocol("
_KEPT = frozenset({"openai_chat"})
_FRAMINGS = frozenset({"lines", "json_objects", "binary_frames", "raw"})


def files(root: Path, start: Iterable[str]) -> set[Path]:
    """Return the files of the modules `start` below `root`, and of all that they import; without `__init__.py`."""
    waiting, found = list(start), set()
    while waiting:
        for file in _files_of(root, waiting.pop()):
            if file not in found and not _left_out(file):
                found.add(file)
                waiting += _imports(file)
    return {file for file in found if file.name != "__init__.py"}


def count(found: Iterable[Path]) -> tuple[int, int, int]:
    """Return how many files, classes and lines these are."""
    texts = [file.read_text() for file in found]
    classes = sum(isinstance(node, ast.ClassDef) for text in texts for node in ast.walk(ast.parse(text)))
    return len(texts), classes, sum(len(text.splitlines()) for text in texts)


def _files_of(root: Path, name: str) -> Iterator[Path]:
    """Return the file of a module, and those of the packages around it: importing one runs them."""
    parts = name.split(".")
    for depth in range(2, len(parts) + 1):
        path = root.joinpath(*parts[:depth])
        yield from (file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file())


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "monitor":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("monitor."))


def _left_out(file: Path) -> bool:
    """Whether the file is another protocol or another framing."""
    if file.parent.name == "stream" and file.stem in _FRAMINGS:
        return True
    return file.parent.name == "protocols" and file.stem not in _KEPT and f"= {_PROTOCOL}" in file.read_text()


def main() -> None:
    """Write the counts; the arguments are the root of another checkout, and the modules to start from."""
    arguments = sys.argv[1:] or [str(ROOT)]
    found = files(Path(arguments[0]), arguments[1:] or START)
    sys.stdout.write("{} files, {} classes, {} lines\n".format(*count(found)))


if __name__ == "__main__":
    main()
