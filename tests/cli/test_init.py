"""`init`: a first config that checks, for every preset."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitor.config import load
from monitor.config.presets import STARTS
from tests.cli.commands import Cli


@pytest.mark.parametrize("preset", STARTS)
def test_a_first_config_is_right(cli: Cli, tmp_path: Path, preset: str) -> None:
    """The first config loads without a warning if its key is set, and its probes are as cheap as possible."""
    file = tmp_path / "first.toml"
    done = cli("init", "--preset", preset, file)
    assert done.status == 0
    assert f"chat-monitor probe {preset} --config {file}" in done.out
    key = STARTS[preset].key
    assert (f"export {key}=..." in done.out) == bool(key)
    config = load(file, {key: "k"})
    (target,) = config.targets
    assert (target.name, target.preset, target.interval, config.warnings) == (preset, "light", 300.0, ())
    assert (target.api_key is not None) == bool(key)


def test_an_editor_finds_the_schema(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default file is config.toml; its first line names the schema next to it."""
    monkeypatch.chdir(tmp_path)
    assert cli("init").status == 0
    first = (tmp_path / "config.toml").read_text().splitlines()[0]
    schema = json.loads((tmp_path / first.removeprefix("#:schema ")).read_text())
    assert "targets" in schema["properties"]


def test_a_first_config_on_standard_output(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` prints the config and nothing else, and writes no file."""
    monkeypatch.chdir(tmp_path)
    done = cli("init", "-")
    assert (done.status, done.err, list(tmp_path.iterdir())) == (0, "", [])
    (tmp_path / "printed.toml").write_text(done.out)
    assert len(load(tmp_path / "printed.toml", {"OPENAI_API_KEY": "k"}).targets) == 1


def test_nothing_is_overwritten(cli: Cli, tmp_path: Path) -> None:
    """An existing file is not overwritten, and an error is one line."""
    file = tmp_path / "config.toml"
    file.write_text("mine")
    done = cli("init", file)
    assert (done.status, file.read_text()) == (2, "mine")
    assert "exists already" in done.err
    assert not (tmp_path / "chat-monitor.schema.json").exists()
    done = cli("init", tmp_path / "none" / "config.toml")
    assert done.status == 2
    assert "cannot be written" in done.err
