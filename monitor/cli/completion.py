"""`chat-monitor completion`: a shell's completion script for commands, options, protocols and target names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import get_completion_class

from monitor.cli.common import COMPLETE
from monitor.cli.config_file import config_path
from monitor.config import ConfigError
from monitor.config.include import read_all
from monitor.protocols import PROTOCOLS

VARIABLE = "_CHAT_MONITOR_COMPLETE"
"""The environment variable with which a shell's script requests completions."""
_HOW = {
    "bash": 'eval "$(chat-monitor completion bash)"  # in ~/.bashrc',
    "zsh": 'eval "$(chat-monitor completion zsh)"  # in ~/.zshrc, after compinit',
    "fish": "chat-monitor completion fish | source  # in ~/.config/fish/config.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(list(_HOW)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the completion script for a shell; run or source it at the start of the shell."""
    made = get_completion_class(shell)
    assert made is not None, "click supports all three"
    script = made(ctx.find_root().command, {}, "chat-monitor", VARIABLE)
    click.echo(f"# {_HOW[shell]}\n{script.source_template % script.source_vars()}")
    return COMPLETE


def protocol_names(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the protocols with this prefix."""
    return [name for name in PROTOCOLS if name.startswith(incomplete)]


def target_names(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of the config's targets with this prefix; none without a readable config."""
    named: Path | None = ctx.params.get("config_file")
    try:
        values = read_all(config_path(named), os.environ).values
    except ConfigError:
        return []
    return sorted(name for name in _names(values) if name.startswith(incomplete))


def _names(values: dict[str, Any]) -> Iterator[str]:
    """Yield the names in a config without validating it, because its variables may not be set here."""
    targets = values.get("targets")
    for table in targets if isinstance(targets, list) else []:
        if isinstance(table, dict) and isinstance(name := table.get("name"), str):
            models = table.get("models")
            yield from (f"{name}/{model}" for model in models) if isinstance(models, list) else (name,)
