"""docs/add-a-protocol.md, followed to the letter: outside the tree, and inside it by a line in the registry."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from monitor import protocols
from monitor.lab.dialects import DIALECTS, add_dialect
from monitor.lab.dialects.base import FINISHES, Dialect
from monitor.lab.scenarios import FAULTS, scenarios
from monitor.lab.server import serve
from monitor.protocols import PROTOCOLS, find, for_path
from tests.conftest import MakeProber, target
from tests.protocols.replay import check_capture, read
from tests.protocols.test_another_protocol import ANY_BYTES, ONE_LINE, verdicts
from tests.test_wire import verdict
from tools.protocols_page import row

PAGE = Path(__file__).parents[1] / "docs" / "add-a-protocol.md"
FILES = dict(
    re.findall(r"^```(?:python|text) (\S+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
)
NAME = "parrot:PARROT"


@pytest.fixture(autouse=True)
def parrot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Write the files of the page, as a package of one's own has them."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    DIALECTS.pop(NAME, None)
    DIALECTS.pop("parrot", None)
    for module in ("parrot", "parrot_dialect", "test_parrot"):
        sys.modules.pop(module, None)


def test_the_page_has_all_files() -> None:
    """A record, a dialect, a capture and a test."""
    assert list(FILES) == ["parrot.py", "parrot_dialect.py", "parrot_whole.capture", "test_parrot.py"]


def test_the_invariants_hold() -> None:
    """The test of the page passes, and its last line checks the protocol."""
    assert FILES["test_parrot.py"].endswith("\n    check_protocol(PARROT)\n")
    import_module("test_parrot").test_parrot()


def test_a_capture_has_its_verdict() -> None:
    """The capture of the page gives the verdict that it declares, and is the example of its protocol."""
    assert find(NAME).example == "made/parrot_whole"
    check_capture(read(FILES["parrot_whole.capture"].encode()), find(NAME))


def test_the_line_of_the_page_is_all_that_the_registry_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of the page, put where the page says, adds the protocol there and changes no other."""
    said = re.search(r'`("parrot",)` in `_MODULES`, before `("\w+")`', PAGE.read_text(encoding="utf-8"))
    assert said
    text = Path(protocols.__file__).read_text(encoding="utf-8")
    assert text.count(f"    {said[2]},\n") == 1
    monkeypatch.setitem(sys.modules, "monitor.protocols.parrot", import_module("parrot"))
    registry: dict[str, Any] = {"__name__": "monitor.protocols"}
    exec(text.replace(f"    {said[2]},\n", f"    {said[1]}\n    {said[2]},\n"), registry)  # noqa: S102 - our own module
    names = list(registry["PROTOCOLS"])
    assert names[names.index("parrot") + 1] == "generic"
    assert [name for name in names if name != "parrot"] == list(PROTOCOLS)


async def test_it_is_probed_from_outside(prober: MakeProber) -> None:
    """With its name alone the lab serves every fault that fits the protocol, and each has the expected verdict."""
    add_dialect(NAME)
    async with await serve("127.0.0.1", 0) as lab:
        for fault in ("ok", "cut", "token-limit", "filtered"):
            served = scenarios(NAME, FAULTS[fault])
            assert served, fault
            for one in served:
                observation = await prober()(target(f"{lab.url}{one.path}", NAME), "cli")
                assert verdict(observation) == one.expect.verdict, one.path


def test_another_protocol_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream of every other protocol is foreign to the record of the page, as for all protocols."""
    monkeypatch.setitem(PROTOCOLS, "parrot", find(NAME))
    others = sorted(PROTOCOLS.keys() - ANY_BYTES - ONE_LINE - {"parrot"})
    assert {one for other in others for one in verdicts("parrot", other)} == {"bad_response/not_protocol"}


def test_the_table_of_the_dialect_is_complete() -> None:
    """Each field that is not a function or a type of content has a row, and the rows name the lab's finish reasons."""
    text = PAGE.read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert rows == {one.name for one in fields(Dialect)} - {"encode", "whole", "content_type", "whole_type"}
    assert f"of {', '.join(f'`{word}`' for word in FINISHES)};" in text


def test_the_framings_of_the_page_exist() -> None:
    """Each name of a framing is a class."""
    names = re.findall(
        r"`(\w+)\.([A-Z]\w+)`", PAGE.read_text(encoding="utf-8").partition("The framings, in")[2].partition("With")[0]
    )
    assert len(names) == 7
    assert all(isinstance(getattr(import_module(f"monitor.stream.{module}"), name), type) for module, name in names)


async def test_it_is_probed_inside(prober: MakeProber, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its line in the registry the protocol has a name, a path and a row in the docs, and the lab serves it."""
    monkeypatch.setitem(PROTOCOLS, "parrot", find(NAME))
    add_dialect("parrot")
    assert for_path("/parrot") is find("parrot")
    assert row(replace(find("parrot"))).startswith("| `parrot` | `/parrot` | ")
    async with await serve("127.0.0.1", 0) as lab:
        observation = await prober()(target(f"{lab.url}/parrot/ok", "parrot"), "cli")
    assert verdict(observation) == "ok"
