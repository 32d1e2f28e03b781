"""`chat-monitor export`: the bundled assets, adapted to the config."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.cli.assets import ExportError, ExportRequest
from monitor.cli.assets import export as write
from monitor.cli.common import COMPLETE, refuse
from monitor.cli.config_file import config_option, config_path, is_named, read_config


@click.command()
@click.argument("what", type=click.Choice(["dashboards", "rules", "systemd", "scrape-config", "kubernetes"]))
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@config_option
@click.option(
    "--shards",
    metavar="N",
    type=click.IntRange(1, 1000),
    default=1,
    help="How many shards share the targets: on this host, for `systemd` and `scrape-config`.",
)
@click.option("--grafana", metavar="URL", help="The URL of your Grafana, for `dashboard_url` of the rules.")
@click.option(
    "--runbooks",
    metavar="URL",
    help="The URL of your runbooks, for `runbook_url` of the rules; the alert's name is appended, or replaces {alert}.",
)
def export(  # noqa: PLR0913 - one argument for each option
    what: str,
    directory: Path,
    config_file: Path | None,
    *,
    shards: int,
    grafana: str | None,
    runbooks: str | None,
) -> int:
    """Write the bundled files to DIR, adapted to the config if there is one; print the name of each."""
    request = ExportRequest(grafana=grafana, runbooks=runbooks, shards=shards)
    if is_named(config_file) or config_path(None).exists():
        config = read_config(config_file)
        path = config_path(config_file)
        request = ExportRequest(config.targets, config.settings, path, grafana, runbooks, shards)
        if config_file is None:
            click.echo(f"adapted to {path}", err=True)
    else:
        click.echo("no config found: written as shipped, for intervals from 5s to 15m", err=True)
    try:
        for file in write(what, directory, request):
            click.echo(file)
    except ExportError as error:
        raise refuse(str(error)) from None
    except OSError as error:
        raise refuse(f"{error.filename or directory}: cannot be written: {error.strerror}") from None
    return COMPLETE
