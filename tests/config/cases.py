"""Texts that the tests of the config use, and the types of their fixtures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from _pytest.mark import ParameterSet

from monitor.config import Config
from monitor.protocols import PROTOCOLS

Read = Callable[..., Config]
Mistakes = Callable[..., list[str]]
Outside = Callable[..., None]
Reported = Callable[..., tuple[list[str], list[str]]]

TARGET = """\
[[targets]]
name = "a"
protocol = "openai-chat"
url = "http://127.0.0.1:8000/v1/chat/completions"
"""
"""A whole target in four lines: the next key is in line 5."""

RAW = TARGET.replace("openai-chat", "raw")

ENVIRON = {"V": "s3cret", "A": "k"}
"""The variables of the messages/*.txt."""


class Case(NamedTuple):
    """A config, its mistakes, and its warnings."""

    text: str
    mistakes: list[str]
    warnings: list[str]


def cases(name: str) -> list[ParameterSet]:
    """Return the cases of `messages/NAME.txt`; the head of each file explains its format."""
    text = (Path(__file__).parent / "messages" / f"{name}.txt").read_text(encoding="utf-8")
    text = text.replace("@protocols", ", ".join(sorted(PROTOCOLS)))
    _, *blocks = text.split("\n---\n")
    return [_case(block) for block in blocks]


def _case(block: str) -> ParameterSet:
    lines = block.strip("\n").split("\n")
    config = [_ABBREVIATED.get(line, line) for line in lines if not line.startswith(("!! ", "?? "))]
    mistakes, warnings = ([line[3:] for line in lines if line.startswith(mark)] for mark in ("!! ", "?? "))
    first = [line[3:] for line in lines if line not in config] or lines
    return pytest.param(Case("\n".join(config), mistakes, warnings), id=first[0])


_ABBREVIATED = {"@target": TARGET.rstrip("\n"), "@raw": RAW.rstrip("\n")}
