"""The example and the page, made from the model."""

from __future__ import annotations

import re
from pathlib import Path
from runpy import run_path

import pytest

from monitor.config import load
from monitor.config.explain import tables
from monitor.config.model import FileTable
from monitor.settings import Settings
from monitor.target import CountCheck, Target
from tools.config_reference import FILES, ROOT, editor_schema, example, facts, main, reference, toml

KEYS = sorted({key for _, table in tables(FileTable) for key in table.model_fields})
EXAMPLE, PAGE = example(), reference()


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_files_are_what_the_model_says(name: str) -> None:
    """The generated files are up to date: run `make docs`."""
    assert (ROOT / name).read_text(encoding="utf-8") == FILES[name]()


def test_the_example_loads_as_it_is() -> None:
    """The example is a right config without any variable or file, with a target on loopback and no warning."""
    config = load(ROOT / "config.example.toml", {})
    (target,) = config.targets
    assert (config.settings, config.warnings) == (Settings(), ())
    assert target == Target("local", "openai-chat", target.url, model="my-model", check=CountCheck())
    assert target.url.startswith("http://127.0.0.1:")


def test_the_example_loads_with_every_key_set(tmp_path: Path) -> None:
    """The example is valid with every # removed: each default can be written."""
    for name in ("gateway.token", "gateway.key", "inventory.token"):
        (tmp_path / name).write_text("secret")
    for name in ("ca.pem", "client.pem", "client.key"):
        (tmp_path / name).write_text("-----BEGIN X-----")
    file = tmp_path / "c.toml"
    file.write_text(re.sub(r"^#(?! |$|:)", "", example(), flags=re.MULTILINE))
    config = load(file, {"GATEWAY_KEY": "k"})
    assert [one.name for one in config.targets] == ["local", "gateway"]
    assert config.settings.limits.stream_bytes == Settings().limits.stream_bytes
    assert config.settings.metrics == Settings().metrics
    assert config.targets[0].timeouts == Target("", "", "").timeouts


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_in_both(key: str) -> None:
    """No key is left out of the example or of the page."""
    assert re.search(rf"^#.*\b{key} = |^{key} = |^#?\[+(?:\w+\.)*{key}\]|\b{key} = .* }}$", EXAMPLE, re.MULTILINE)
    assert f"`{key}`" in PAGE or f".{key}`" in PAGE or f"[{key}]" in PAGE


def test_is_a_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Run as a program, it prints both and says that all went well."""
    monkeypatch.setattr("sys.argv", ["reference"])
    with pytest.raises(SystemExit) as caught:
        run_path(str(ROOT / "tools/config_reference.py"), run_name="__main__")
    assert caught.value.code == 0
    assert capsys.readouterr().out == EXAMPLE + PAGE + editor_schema()


def test_writes_or_prints_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --write the files are written, without it they are printed."""
    (tmp_path / "docs").mkdir()
    assert main(["--write"], tmp_path) == 0
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")} == set(FILES)
    assert main([]) == 0
    assert capsys.readouterr().out == EXAMPLE + PAGE + editor_schema()


@pytest.mark.parametrize(
    ("value", "text"),
    [("a\n", '"a\\n"'), (0.5, "0.5"), (3.0, "3"), (True, "true"), ([1, "x"], '[1, "x"]'), ({"a": 1}, "{ a = 1 }")],
)
def test_values_are_written_as_toml(value: object, text: str) -> None:
    """Texts, numbers, arrays and tables are written as the file has them."""
    assert toml(value) == text


@pytest.mark.parametrize(
    ("node", "text"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 5, "x-unit": "probes"}, "integer (probes), 1 to 5"),
        ({"type": "string", "x-unit": "duration", "x-least": "1s", "x-most": "5m"}, "duration, 1s to 5m"),
        ({"type": "array", "items": {"type": "string"}}, "array of text"),
        ({"enum": [0, 4]}, "0, 4"),
        ({"const": "none"}, '"none"'),
    ],
)
def test_says_what_a_key_takes(node: dict[str, object], text: str) -> None:
    """A key's type, unit and bounds are a few words."""
    assert facts(node) == text
