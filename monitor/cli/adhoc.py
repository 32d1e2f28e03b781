"""A target as the command line gives it: of a URL, or one of the config with options in place of its own keys."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import click

from monitor.cli.common import refuse
from monitor.config import ConfigError, target
from monitor.protocols import PROTOCOLS, for_path, whole_path
from monitor.target import Target


def adhoc_target(
    url: str, *, protocol: str | None, model: str | None, api_key_env: str | None, headers: Sequence[str]
) -> Target:
    """Return a target for a URL of the command line, held to the rules of the config."""
    path = urlsplit(url).path
    guess = path.split("/")[1] if path.split("/")[1:] and path.split("/")[1] in PROTOCOLS else None
    if guess is None and (fitting := for_path(path)) is not None:
        guess = fitting.name
        if protocol is None:
            click.echo(f"protocol {guess}, assumed from the path (--protocol chooses another)", err=True)
    if protocol is None and guess is None:
        if (whole := whole_path(url, PROTOCOLS["openai-chat"])) is not None:
            raise refuse(f"{path or '/'} is the path of a base URL: add to it, for example {whole} (openai-chat)")
        raise refuse(f"what does {path or '/'} speak? pass --protocol with one of {', '.join(PROTOCOLS)}")
    values = {
        "name": "url",
        "url": url,
        "protocol": protocol or guess,
        "model": model,
        "api_key_env": api_key_env,
        "headers": dict(map(_header, headers)) or None,
    }
    try:
        return target({key: value for key, value in values.items() if value is not None}, os.environ)
    except ConfigError as error:
        raise refuse(str(error)) from None


def overridden(
    target: Target, *, protocol: str | None, model: str | None, api_key_env: str | None, headers: Sequence[str]
) -> Target:
    """Return a target of the config with what the command line says in place of its own."""
    spoken = protocol or target.protocol
    said = adhoc_target(target.url, protocol=spoken, model=model, api_key_env=api_key_env, headers=headers)
    names = {name.lower() for name in said.headers}
    kept = {name: value for name, value in target.headers.items() if name.lower() not in names}
    other: dict[str, Any] = {"headers": kept | dict(said.headers)}
    if spoken != target.protocol:  # what was meant for the other one does not fit
        other |= {"protocol": spoken, "terminator": said.terminator, "check": said.check, "prompt": None, "body": {}}
    if model is not None:
        other["model"] = model
    if api_key_env is not None:
        other["api_key"] = said.api_key
    return replace(target, **other)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter("a header is 'NAME: VALUE'", param_hint="--header")  # which may hold a key
    return name.strip(), value.strip()
