"""The group of all commands, and the exit status after an interrupt or a full disk.

A command's module is imported when the command runs, so that `--help` and completion are fast.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise

import click

from monitor.cli.ascii import write_in_ascii
from monitor.cli.common import COMPLETE, FAILED_TO_TELL
from monitor.cli.entry import INTERRUPTED
from monitor.cli.version import described

COMMANDS = {
    "init": ("init", "Write a first config."),
    "run": ("run", "Run the daemon."),
    "probe": ("probe", "Probe a target of the config, or a URL, now."),
    "record": ("record", "Record a real stream for replay in tests."),
    "check": ("check", "Check a config: every mistake, with its line."),
    "history": ("past_probes", "List the newest probes, newest first."),
    "explain": ("past_probes", "Show a stored probe: waterfall, last bytes, diagnosis."),
    "top": ("past_probes", "Show all targets as a table, failing ones first."),
    "export": ("export", "Write dashboards, rules, units or the scrape config."),
    "completion": ("completion", "Print the completion script for a shell."),
    "schema": ("schema", "Print the JSON Schema of the config, for editors."),
    "demo": ("lab", "Run the fault lab, the daemon and the status page, without a config."),
    "lab": ("lab", "Run the fault lab alone: every protocol, every fault."),
}
"""Each command: the module of `monitor.cli` that defines it, and its short help."""


class LazyGroup(click.Group):
    """A group that imports a command's module on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        """Import and return a command; None if there is none with this name."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"monitor.cli.{COMMANDS[cmd_name][0]}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - likewise
        """Write the list of commands from the table, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


_UNWRITTEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def main() -> None:
    """Run a command; Ctrl-C is status 130 without a traceback, a full disk one line; click handles `| head`."""
    write_in_ascii(sys.stdout, sys.stderr)
    try:
        status = commands.main(prog_name="chat-monitor", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        if isinstance(error, click.UsageError) and _lacks_option(error, sys.argv):
            click.echo("Name a config by --config FILE.", err=True)
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = INTERRUPTED
    except OSError as error:
        if error.errno not in _UNWRITTEN:
            raise
        click.echo(f"chat-monitor: the output cannot be written: {error.strerror}", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the rest of the buffer is not written again at exit
        status = FAILED_TO_TELL
    sys.exit(status or COMPLETE)


def _lacks_option(error: click.UsageError, line: Sequence[str]) -> bool:
    """Whether a command that takes --config refused its arguments, and one of them is a config."""
    takes = error.ctx is not None and any(one.name == "config_file" for one in error.ctx.command.params)
    return takes and any(word.endswith(".toml") and before != "--config" for before, word in pairwise(line))


def _version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:  # noqa: FBT001 - click's signature
    if asked and not ctx.resilient_parsing:
        click.echo(f"chat-monitor, version {described()}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit."
)
def commands() -> None:
    """Probe streaming chats, detect every truncation and name its cause."""
