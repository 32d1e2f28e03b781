"""The group of all commands: help, version, Ctrl-C, a full disk, a reader that leaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from monitor.cli.main import commands, main
from tests.cli.commands import COMMAND, Cli, ended, started


@pytest.mark.parametrize("arguments", [("schema",), ("probe", "good", "--json")])
def test_a_full_disk_behind_stdout(config: Path, arguments: tuple[str, ...]) -> None:
    """A full disk gives one line and status 1, without a traceback."""
    options = () if arguments == ("schema",) else ("--config", config)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *arguments, *options], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    message = "chat-monitor: the output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, message)


def test_another_fault_of_the_system_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected error of the system gives a traceback."""
    monkeypatch.setattr("monitor.cli.check.existing_config", lambda _: Path("/nowhere").stat())
    monkeypatch.setattr(sys, "argv", ["chat-monitor", "check"])
    with pytest.raises(FileNotFoundError):
        main()


def test_ctrl_c_is_no_traceback(cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C the status is 130, and nothing else is printed."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("monitor.cli.run.watch_config", interrupted)
    done = cli("run", "--config", config)
    assert (done.status, done.out) == (130, "")


def test_help_and_version(cli: Cli) -> None:
    """Both are to be had, and name every command."""
    done = cli("--help")
    assert done.status == 0
    assert all(f"\n  {name} " in done.out for name in ("run", "probe", "check", "demo", "lab", "schema"))
    assert cli("-h").out == done.out
    assert cli("--version").out.startswith("chat-monitor, version ")
    assert cli("nope").status == 2


def test_a_config_without_its_option(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A config as an argument is refused with the option that names it, whatever click's words, and no other one is."""
    monkeypatch.setattr("click.core.ngettext", lambda *_: "Refusé : {args}")
    hint = "Name a config by --config FILE.\n"
    for command in ("check", "run", "history a"):
        done = cli(*command.split(), "other.toml")
        assert (done.status, done.err.endswith(f"Refusé : other.toml\n{hint}")) == (2, True)
    for command in ("check other", "check --config other.toml --shards 0", "init a.toml b.toml", "nope.toml"):
        done = cli(*command.split())
        assert (done.status, hint in done.err) == (2, False)


def test_a_reader_that_leaves() -> None:
    """`chat-monitor schema | head` ends without a traceback."""
    with started("schema") as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        done = ended(process)
    assert done.status == 1
    assert done.err == ""


def test_the_list_of_commands_names_what_each_module_defines() -> None:
    """Each name of the table is a command of its module, and has a sentence of help of its own."""
    context = click.Context(commands)
    for name in commands.list_commands(context):
        command = commands.get_command(context, name)
        assert command is not None
        assert (command.name, bool(command.help)) == (name, True)


def test_help_imports_no_command() -> None:
    """The list of commands comes from the table alone, so it is quick."""
    code = "import sys; sys.argv[1:] = ['--help']; from monitor.cli.main import main\ntry: main()\nexcept SystemExit: pass\nprint('aiohttp' in sys.modules, 'monitor.cli.run' in sys.modules)"  # noqa: E501 - one program
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\nFalse False\n")
