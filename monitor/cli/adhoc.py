"""A target from the command line: for a URL, or a configured one with options instead of its keys."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from traceback import extract_tb
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
from pydantic_core import PydanticCustomError

from monitor.cli.common import is_http, refuse
from monitor.cli.completion import protocol_names
from monitor.cli.recognition import recognized
from monitor.config import ConfigError, target
from monitor.keys.units import duration
from monitor.keys.values import VARIABLE_NAME_PATTERN
from monitor.protocols import PROTOCOLS, find, for_path, whole_path
from monitor.record.observation import Observation
from monitor.settings import Limits
from monitor.target import Http, Target, Timeouts

F = TypeVar("F", bound=Callable[..., Any])
_FIRST = "openai-chat"
_DEADLINES = ("connect", "headers", "first_chunk", "idle", "total")


class Duration(click.ParamType[float]):
    """A duration as in a config, converted to seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse it; a usage error shows the format."""
        if isinstance(value, float):
            return value
        try:
            return duration("10ms", "1d").value(value)
        except PydanticCustomError as error:
            context = error.context or {}
            hint = f" ({context['hint']})" if context.get("hint") else ""
            self.fail(f"{value!r} {context['message']}{hint}", param, ctx)


@dataclass(frozen=True, slots=True)
class Options:
    """Options that replace a target's keys; None for those not given."""

    protocol: str | None = None
    model: str | None = None
    api_key_env: str | None = None
    headers: Sequence[str] = ()
    header_env: Sequence[str] = ()
    header_files: Sequence[str] = ()
    prompt: str | None = None
    max_tokens: int | None = None
    http: str | None = None
    timeout: float | None = None

    def without_key(self) -> Options:
        """Return these without a key, for a request that is only shown."""
        return replace(self, api_key_env=None)


_OPTIONS = (
    click.option(
        "--protocol",
        metavar="NAME",
        shell_complete=protocol_names,
        help=f"The protocol: {', '.join(PROTOCOLS)}, or package.module:NAME; default: by the URL's path.",
    ),
    click.option("--model", help="The model to request."),
    click.option("--http", type=click.Choice([one.value for one in Http]), help="The version of HTTP; default: 1.1."),
    click.option("--api-key-env", metavar="VAR", help="The environment variable that holds the key."),
    click.option(
        "--header",
        "headers",
        multiple=True,
        metavar="'NAME: VALUE'",
        help="A header to send; repeatable. Every user of this machine can read it in the list of processes.",
    ),
    click.option(
        "--header-env",
        "header_env",
        multiple=True,
        metavar="NAME=VAR",
        help="A header whose value is in an environment variable; repeatable.",
    ),
    click.option(
        "--header-file",
        "header_files",
        multiple=True,
        metavar="NAME=FILE",
        help="A header whose value is the only line of a file; repeatable.",
    ),
)


def target_options(command: F) -> F:
    """Add the options that replace a target's keys to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def refuse_missing_scheme(subject: str) -> None:
    """Refuse a URL without a scheme: HOST:PORT cannot be the name of a target."""
    if ":" in subject.partition("/")[0]:
        raise refuse(f"{subject}: a URL begins with http:// or https://; did you mean http://{subject}?")


def adhoc_target(url: str, options: Options) -> Target:
    """Return a target for a URL of the command line, validated like the config."""
    if not is_http(url):
        raise refuse("that is not an http or https URL (for example https://host:8443/v1/chat/completions)")
    found = _target(url, options.protocol or _assumed(url), options)
    try:
        takes_model = _takes_model(found)
    except Exception as error:  # noqa: BLE001 - a protocol from outside may raise anything: the probe reports it
        click.echo(raised(found, error), err=True)
        return found
    if takes_model and found.model is None and _path_start(url) != [found.protocol]:
        click.echo("no model is requested; most servers require one (--model NAME)", err=True)
    return found


def raised(target: Target, error: Exception) -> str:
    """Return which exception a protocol's `request` raised, and where; its text may have secrets and is left out."""
    place = extract_tb(error.__traceback__)[-1]
    return (
        f"protocol {target.protocol}: its request raised {type(error).__name__} ({place.filename}, line {place.lineno})"
    )


def corrected(url: str, options: Options, limits: Limits, observation: Observation, payload: bytes) -> Target | None:
    """Return the target with the protocol of its first response, if that differs from the assumed one.

    None means that the assumption was correct, or that no better one is known.
    """
    if observation.recording.decoded or (found := recognized(payload, limits)) is None:
        return None
    click.echo(f"protocol {found.name}, assumed from the first response (--protocol chooses another)", err=True)
    return _target(url, found.name, options)


def _path_start(url: str) -> list[str]:
    """Return the first part of a URL's path, if any: in the lab it is the name of the protocol."""
    return urlsplit(url).path.split("/")[1:2]


def _assumed(url: str) -> str:
    """Return the protocol for the path of a URL, else the most common one, and print which it is.

    The lab's paths begin with the name. A base URL is refused.
    """
    path, first = urlsplit(url).path, _path_start(url)
    if first and first[0] in PROTOCOLS:
        return first[0]
    if (fitting := for_path(path)) is not None:
        click.echo(f"protocol {fitting.name}, assumed from the path (--protocol chooses another)", err=True)
        return fitting.name
    if (whole := whole_path(url, PROTOCOLS[_FIRST])) is not None:
        raise refuse(f"{path or '/'} is the path of a base URL; append the rest, for example {whole} ({_FIRST})")
    click.echo(f"protocol {_FIRST}, tried because the path identifies none (--protocol chooses another)", err=True)
    return _FIRST


def overridden(target: Target, options: Options) -> Target:
    """Return a target of the config with the options of the command line applied."""
    spoken = options.protocol or target.protocol
    given = _target(target.url, spoken, options)
    names = {name.lower() for name in given.headers}
    kept = {name: value for name, value in target.headers.items() if name.lower() not in names}
    other: dict[str, Any] = {"headers": kept | dict(given.headers)}
    if spoken != target.protocol:  # settings for the other protocol do not apply
        other |= {"protocol": spoken, "terminator": given.terminator, "check": given.check, "prompt": None, "body": {}}
    if options.prompt is not None:  # the check is for the configured prompt
        other |= {"check": given.check}
    if options.api_key_env is not None:
        other["api_key"] = given.api_key
    if options.timeout is not None:
        other["timeouts"] = _within(target.timeouts, options.timeout)
    plain = {
        key: value for key in ("model", "http", "prompt", "max_tokens") if (value := getattr(options, key)) is not None
    }
    return replace(target, **other | plain)


def _target(url: str, protocol: str, options: Options) -> Target:
    """Return the target that the options describe."""
    _refuse_unset("--api-key-env", options.api_key_env, os.environ)
    variables = dict(_assigned("--header-env", text, "VAR") for text in options.header_env)
    for variable in variables.values():
        if not re.fullmatch(VARIABLE_NAME_PATTERN, variable):
            raise click.BadParameter(
                "write NAME=VAR, the name of a variable and not its value", param_hint="--header-env"
            )
        _refuse_unset("--header-env", variable, os.environ)
    given = [map(_header, options.headers), ((name, f"${{{variable}}}") for name, variable in variables.items())]
    files = dict(_assigned("--header-file", text, "FILE") for text in options.header_files)
    values = asdict(options) | {
        "name": "url",
        "url": url,
        "protocol": protocol,
        "headers": dict(chain.from_iterable(given)) or None,
        "header_env": None,
        "header_files": files or None,
        "timeout": None,
    }
    try:
        found = target({key: value for key, value in values.items() if value is not None}, os.environ)
    except ConfigError as error:
        raise refuse(str(error)) from None
    return found if options.timeout is None else replace(found, timeouts=_within(found.timeouts, options.timeout))


def _within(timeouts: Timeouts, seconds: float) -> Timeouts:
    """Return the deadlines with a new total, and none longer than that."""
    return replace(
        timeouts, **{name: min(getattr(timeouts, name), seconds) for name in _DEADLINES} | {"total": seconds}
    )


def _refuse_unset(option: str, variable: str | None, environ: Mapping[str, str]) -> None:
    if variable and re.fullmatch(VARIABLE_NAME_PATTERN, variable) and variable not in environ:
        raise refuse(f"{option}: the variable {variable} is not set: export {variable}=... (it holds the value)")


def _takes_model(target: Target) -> bool:
    """Whether a model would change the request."""
    protocol = find(target.protocol).of(target)
    return protocol.request(target, "") != protocol.request(replace(target, model="m"), "")


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter("a header is 'NAME: VALUE'", param_hint="--header")  # it may contain a key
    return name.strip(), value.strip()


def _assigned(option: str, text: str, what: str) -> tuple[str, str]:
    """Return a header's name and the source of its value; an invalid text may be a secret, and is not shown."""
    name, equals, place = text.partition("=")
    if not equals or not name.strip() or not place:
        raise click.BadParameter(f"write NAME={what}", param_hint=option)
    return name.strip(), place
