"""The manual pages of the command and its commands, from the declarations that `--help` prints."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

import click
from click_man.core import write_man_pages

from monitor import __version__
from monitor.cli.main import COMMANDS, commands


def main(arguments: list[str]) -> int:
    """Write a page for the command, and one for each of its commands, into a directory; dated $SOURCE_DATE_EPOCH."""
    [directory] = arguments
    made = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)
    context = click.Context(commands)
    # all commands at once: the program itself imports each only when it is asked for
    whole = click.Group(
        help=commands.help,
        params=commands.params,
        commands={name: command for name in COMMANDS if (command := commands.get_command(context, name))},
    )
    write_man_pages("chat-monitor", whole, version=__version__, target_dir=directory, date=made.strftime("%Y-%m-%d"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
