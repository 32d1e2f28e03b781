"""The config of the commands: where it is searched, and its mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import Cli


@pytest.mark.parametrize(
    ("text", "message"),
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
def test_a_wrong_config(cli: Cli, tmp_path: Path, command: tuple[str, ...], text: str, message: str) -> None:
    """Every command refuses it with 2 and with one clear line, its file and line in front."""
    path = tmp_path / "c.toml"
    path.write_text(text)
    done = cli(*command, "--config", path)
    assert (done.status, done.out) == (2, "")
    lines = [one for one in done.err.splitlines() if not one.startswith("warning: ")]
    assert any(one.startswith(f"{path}") and message in one for one in lines)


@pytest.mark.parametrize("command", [("check",), ("run",), ("probe", "a")])
def test_a_config_that_is_not_there(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """One line with its name; without `--config` it is looked for here first."""
    done = cli(*command, "--config", tmp_path / "none.toml")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "none.toml" in done.err
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("monitor.cli.config_file.SYSTEM_CONFIG", tmp_path / "etc.toml")
    done = cli(*command)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert all(word in done.err for word in ("config.toml", "etc.toml", "--config", "chat-monitor init"))
    (tmp_path / "etc.toml").write_text("[web\n")
    assert "etc.toml" in cli(*command).err


def test_where_a_config_is_looked_for(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option, $CHAT_MONITOR_CONFIG, ./config.toml, $CONFIGURATION_DIRECTORY and the system's, the first of them."""
    monkeypatch.chdir(tmp_path)
    places = {
        name: tmp_path / name for name in ("system.toml", "unit/config.toml", "config.toml", "named.toml", "given.toml")
    }
    monkeypatch.setattr("monitor.cli.config_file.SYSTEM_CONFIG", places["system.toml"])
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", f"{tmp_path / 'unit'}:/elsewhere")
    (tmp_path / "unit").mkdir()
    for name, path in places.items():
        path.write_text(f'["{name}"]\n')
        if name == "named.toml":
            monkeypatch.setenv("CHAT_MONITOR_CONFIG", str(path))
        arguments = ("--config", path) if name == "given.toml" else ()
        assert f'{name}"' in cli("check", *arguments).err
    monkeypatch.setenv("CHAT_MONITOR_CONFIG", str(tmp_path / "none.toml"))
    assert "none.toml: cannot be read" in cli("check").err
    assert cli("export", "rules", tmp_path / "out").status == 2
