"""The count of the main path: which files it includes, and what it counts."""

from __future__ import annotations

from pathlib import Path

from tools.main_path import ROOT, START, count, files

TREE = {
    "monitor/__init__.py": "",
    "monitor/schedule.py": (
        "from monitor.target import Target\nimport monitor.shard\nimport json\n\n\nclass Schedule: ...\n"
    ),
    "monitor/target.py": "class Target: ...\n\n\nclass Other: ...\n",
    "monitor/shard.py": "",
    "monitor/unused.py": "class Unused: ...\n",
    "monitor/protocols/__init__.py": (
        "from monitor.protocols.openai_chat import ONE\nfrom monitor.protocols.raw import RAW\n"
    ),
    "monitor/protocols/openai_chat.py": "ONE = Protocol()\n",
    "monitor/protocols/raw.py": "RAW = Protocol()\n",
}


def made(root: Path) -> Path:
    """Write the tree below `root`."""
    for name, text in TREE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_the_main_path_is_what_its_first_modules_import(tmp_path: Path) -> None:
    """A module that nothing imports is not on it; of the protocols there is one, found through its package."""
    root = made(tmp_path)
    found = files(root, ("monitor.schedule", "monitor.protocols"))
    names = {str(file.relative_to(root)) for file in found}
    assert names == {"monitor/schedule.py", "monitor/target.py", "monitor/shard.py", "monitor/protocols/openai_chat.py"}


def test_files_classes_and_lines_are_counted(tmp_path: Path) -> None:
    """Three files have three classes and ten lines."""
    assert count(files(made(tmp_path), ("monitor.schedule",))) == (3, 3, 10)


def test_the_architecture_names_the_first_modules() -> None:
    """The modules that the count starts from exist."""
    assert len(files(ROOT, START)) > len(START)
