"""Completion: a script for each shell, and what it asks the command for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.commands import COMMAND, Cli


@pytest.mark.parametrize(
    ("shell", "variable"), [("bash", "bash_complete"), ("zsh", "zsh_complete"), ("fish", "fish_complete")]
)
def test_each_shell_has_its_script(cli: Cli, shell: str, variable: str) -> None:
    """The script of each shell begins with its usage, and calls the command."""
    done = cli("completion", shell)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("# ")
    assert f"_CHAT_MONITOR_COMPLETE={variable} " in done.out


def test_bash_takes_the_script() -> None:
    """The script is valid for bash, and registers a completion for the command."""
    script = subprocess.run([*COMMAND, "completion", "bash"], capture_output=True, text=True, check=True).stdout
    done = subprocess.run(
        ["bash", "-c", f"{script}\ncomplete -p chat-monitor"], capture_output=True, text=True, check=True
    )
    assert done.stdout.rstrip().endswith(" chat-monitor")


def completed(*words: str) -> list[str]:
    """Return the completions of the last word, as bash requests them."""
    environ = os.environ | {
        "_CHAT_MONITOR_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("chat-monitor", *words)),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(COMMAND, env=environ, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_protocols_commands_and_shells_are_completed() -> None:
    """Protocols, commands and shells with the typed prefix are completed."""
    assert completed("pro") == ["probe"]
    assert completed("completion", "") == ["bash", "zsh", "fish"]
    assert completed("probe", "--protocol", "ollama") == ["ollama-chat", "ollama-generate"]


def test_names_of_targets_are_completed(tmp_path: Path) -> None:
    """Names are read from a config, even an invalid one; without one there are none."""
    path = tmp_path / "c.toml"
    path.write_text(
        '[[targets]]\nname = "b"\napi_key_env = "NOT_SET_AT_ALL"\n[[targets]]\nname = "a"\nmodels = ["x", "y"]\n'
        "[[targets]]\nname = 5\n"
    )
    assert completed("probe", "--config", str(path), "") == ["a/x", "a/y", "b"]
    assert completed("history", "--db", "x", "b") == []
    path.write_text("targets = 1\n")
    assert completed("probe", "--config", str(path), "") == []
    path.write_text("targets = [\n")
    assert completed("probe", "--config", str(path), "") == []
    path.write_text("targets = [1]\n")
    assert completed("record", "--config", str(path), "") == []
