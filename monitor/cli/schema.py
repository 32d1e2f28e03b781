"""`chat-monitor schema`: the JSON Schema of the config."""

from __future__ import annotations

import json

import click

from monitor.cli.common import COMPLETE
from monitor.config.schema import schema as made


@click.command()
def schema() -> int:
    """Print the JSON Schema of the config, for editors."""
    click.echo(json.dumps(made(), indent=2))
    return COMPLETE
