"""`chat-monitor init`: a first config."""

from __future__ import annotations

import json
from pathlib import Path

import click

from monitor.cli.common import COMPLETE, refuse
from monitor.config.presets import STARTS, Start
from monitor.config.schema import schema

SCHEMA = "chat-monitor.schema.json"
_STANDARD_OUTPUT = "-"


@click.command()
@click.argument(
    "file", metavar="[FILE]", required=False, default="config.toml", type=click.Path(path_type=Path, dir_okay=False)
)
@click.option(
    "--preset", type=click.Choice(list(STARTS)), default="openai", show_default=True, help="The server to probe."
)
def init(file: Path, preset: str) -> int:
    """Write a first config to FILE (default config.toml), and its JSON Schema for editors next to it.

    A FILE that exists is not overwritten. `-` prints the config to standard output, without a schema.
    """
    start = STARTS[preset]
    if str(file) == _STANDARD_OUTPUT:
        click.echo(first_config(preset, start), nl=False)
        return COMPLETE
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(f"#:schema ./{SCHEMA}\n{first_config(preset, start)}")
        (file.parent / SCHEMA).write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")
    except FileExistsError:
        raise refuse(f"{file} exists already, and is not overwritten; name another file") from None
    except OSError as error:
        raise refuse(f"{error.filename or file}: cannot be written: {error.strerror}") from None
    click.echo(f"{file} is written: edit url and model, then")
    if start.key:
        click.echo(f"  export {start.key}=...")
    for command in ("check", f"probe {preset}", "run"):
        click.echo(f"  chat-monitor {command} --config {file}")
    return COMPLETE


def first_config(name: str, start: Start) -> str:
    """Return the text of a config with one target."""
    lines = [
        "# A first config of chat-monitor. Every key: config.example.toml and docs/configuration.md.",
        "",
        "[defaults]",
        "# light: every 5 minutes a count to 10. Remove it for every minute a count to 40.",
        'preset = "light"',
        "",
        "[[targets]]",
        f'name = "{name}"',
        f'protocol = "{start.protocol}"',
        f'url = "{start.url}"',
        *([f'model = "{start.model}"'] if start.model else []),
        *(
            ["# The environment variable that holds the key; or api_key_file.", f'api_key_env = "{start.key}"']
            if start.key
            else []
        ),
        *([start.more] if start.more else []),
    ]
    return "\n".join(lines) + "\n"
