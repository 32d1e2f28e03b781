"""The config of the commands: where it is looked for, and its mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import Cli


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[web]\nlisten = "127.0.0.1:0"\nnope = 1\n', ":3: web.nope: "),
        (
            '[[targets]]\nname = "a"\nprotocol = "openai-chat"\nurl = "http://a/"\nmodel = "m"\ninterval = "soon"\n',
            ":6: ",
        ),
        (
            '[[targets]]\nname = "a"\nprotocol = "openai-chat"\nurl = "${NOT_SET_AT_ALL}"\nmodel = "m"\n',
            "NOT_SET_AT_ALL",
        ),
        ("[web\n", ":1: "),
    ],
    ids=["wrong key", "wrong value", "unset variable", "no TOML"],
)
@pytest.mark.parametrize("command", [("check",), ("run",), ("probe", "a")])
def test_a_wrong_config(cli: Cli, tmp_path: Path, command: tuple[str, ...], text: str, said: str) -> None:
    """Every command refuses it with 2 and with one clear line, its file and line in front."""
    path = tmp_path / "c.toml"
    path.write_text(text)
    done = cli(*command, "--config", path)
    assert (done.status, done.out) == (2, "")
    lines = [one for one in done.err.splitlines() if not one.startswith("warning: ")]
    assert any(one.startswith(f"{path}") and said in one for one in lines)


@pytest.mark.parametrize("command", [("check",), ("run",), ("probe", "a")])
def test_a_config_that_is_not_there(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """One line with its name; without `--config` it is looked for here first."""
    done = cli(*command, "--config", tmp_path / "none.toml")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "none.toml" in done.err
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("monitor.cli.config_file.CONFIG_PLACES", (Path("config.toml"), tmp_path / "etc.toml"))
    assert "config.toml" in cli(*command).err
    (tmp_path / "etc.toml").write_text("[web\n")
    assert "etc.toml" in cli(*command).err
