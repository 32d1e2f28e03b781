"""Validators of single values: names, labels, headers, URLs, addresses, patterns.

Each returns the given value, or raises with a message that never quotes it: the value may be a secret.
`why` and `better` are derived from the value, and only shown if the file contains it in plain text.
"""

from __future__ import annotations

import re
from datetime import UTC, time
from ipaddress import ip_address, ip_network
from itertools import pairwise
from math import isfinite
from typing import Any, Literal, TypeVar, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic_core import PydanticCustomError

from monitor.keys import json_path
from monitor.keys.expression import expression

_T = TypeVar("_T")

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
LABEL_PATTERN = r"[a-zA-Z_][a-zA-Z0-9_]*"
VARIABLE_NAME_PATTERN = r"[A-Za-z_][A-Za-z0-9_]*"
RESERVED_LABELS = frozenset({
    # set by Prometheus, or by its text format
    "le", "quantile", "job", "instance",
    # on some chat_stream_ metric
    "target", "outcome", "cause", "kind", "step", "slo", "suspect", "reason", "protocol", "host", "model", "upstream",
    "alerts", "currency",
})  # fmt: skip
LONGEST_LABEL = 256
LONGEST_MODEL = 190
# RFC 9110, section 5.6.2.
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# They decide how the message is framed, which is what is measured.
OWN_HEADERS = frozenset({
    "accept-encoding", "connection", "content-encoding", "content-length", "expect", "keep-alive", "proxy-connection",
    "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_PORTS = range(1, 65536)
_DNS_PORT = 53
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)


Wrong = PydanticCustomError
"""The type of the error; its context has the texts."""


def wrong(message: str, hint: str = "", *, why: str = "", better: str = "") -> PydanticCustomError:
    """Return the error with this message; `better` is a hint that replaces `hint`."""
    # Pydantic would replace {braces} in the message from its context: these texts are passed unchanged.
    return PydanticCustomError("value", "{message}", {"message": message, "hint": hint, "why": why, "better": better})


def name(text: str) -> str:
    """Accept a name that can be a label value, a path segment and a word in a sentence."""
    if not re.fullmatch(NAME_PATTERN, text):
        raise wrong("is not a valid name", "letters, digits, '.', '_' and '-', at most 63, a letter or digit first")
    return text


def target_name(text: str) -> str:
    """Accept the name of a target: a name, or NAME/MODEL of a target with several models."""
    first, slash, model = text.partition("/")
    name(first)
    if slash:
        model_name(model)
    return text


def target_pattern(text: str) -> str:
    """Accept the name of a target, or a pattern of names with `*`, `?` or `[...]`."""
    if not any(mark in text for mark in "*?["):
        return target_name(text)
    return one_line(text)


def optional_target_name(text: str) -> str:
    """Accept the name of a target, or nothing for none."""
    return target_name(text) if text else text


def model_name(text: str) -> str:
    """Accept a model name that can be a suffix of a target's name."""
    if not text.isprintable() or not text.strip() or len(text) > LONGEST_MODEL:
        raise wrong("is not a valid model name", f"1 to {LONGEST_MODEL} printable characters")
    return text


def currency(text: str) -> str:
    """Accept the code of a currency (ISO 4217)."""
    if not re.fullmatch("[A-Z]{3}", text):
        raise wrong("is not the code of a currency", 'for example "USD" or "CNY"')
    return text


def all_different(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Accept texts without duplicates."""
    if len(set(texts)) < len(texts):
        raise wrong("contains the same text twice")
    return texts


def one_line(text: str) -> str:
    """Accept text without control characters."""
    if not text.isprintable():
        raise wrong("contains characters that cannot be printed")
    return text


def label_name(text: str) -> str:
    """Accept a Prometheus label name that is not reserved."""
    if not re.fullmatch(LABEL_PATTERN, text):
        raise wrong("is not a valid label name", "letters, digits and '_', no digit first")
    if text.startswith("__"):
        raise wrong("is reserved: names that begin with '__' are Prometheus' own")
    if text in RESERVED_LABELS:
        raise wrong("is a reserved label name", f'for example "config_{text}" is free')
    return text


def label_value(text: str) -> str:
    """Accept short printable text."""
    if len(text) > LONGEST_LABEL:
        raise wrong(f"is longer than {LONGEST_LABEL} characters")
    return one_line(text)


def header_name(text: str) -> str:
    """Accept an HTTP field name that the monitor does not set itself."""
    if not _TOKEN.fullmatch(text):
        raise wrong("is not a valid header name")
    if text.lower() in OWN_HEADERS:
        raise wrong("is a header that the monitor sets")
    return text


def optional_header_name(text: str) -> str:
    """Accept a header's name, or nothing for none."""
    return header_name(text) if text else text


def header_value(text: str) -> str:
    """Accept printable ASCII: servers interpret other characters differently."""
    if not text.isascii() or not text.replace("\t", " ").isprintable():
        raise wrong("is not a valid header value", "printable ASCII characters only")
    return text


def variable_name(text: str) -> str:
    """Accept the name of an environment variable, or nothing for none."""
    if text and not re.fullmatch(VARIABLE_NAME_PATTERN, text):
        raise wrong(
            "is not a valid name of an environment variable", "write the name of the variable, not the key itself"
        )
    return text


def url(text: str) -> str:
    """Accept an absolute http or https URL."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise wrong("is not a valid URL", _URL_HINT) from None
    if parts.scheme not in {"http", "https"}:
        raise wrong("is not an http or https URL", _URL_HINT)
    if not parts.hostname:
        raise wrong("is a URL without a host", _URL_HINT)
    if port is not None and port not in _PORTS:
        raise wrong("is a URL whose port is not in 1..65535", _URL_HINT)
    if " " in text or not text.isprintable():  # of what is printable, only the space is white space
        raise wrong("is a URL with a space or a control character in it", "write %20 for a space")
    if not _is_host(parts.hostname):
        raise wrong("is a URL with an invalid host name", "labels of 1 to 63 characters, with dots between")
    if parts.fragment:
        raise wrong("is a URL with a #fragment, which is never sent")
    return text


def page_url(text: str) -> str:
    """Accept nothing, or the URL of the pages: it is exported, so it must not contain a password."""
    if not text:
        return text
    parts = urlsplit(url(text))
    if parts.username or parts.password:
        raise wrong("contains a user, which would be exported with the URL")
    if parts.query:
        raise wrong("is a URL with a query; the pages are below its path")
    return text.rstrip("/")


def _is_host(name: str) -> bool:
    """Whether a name can be resolved: each of its labels is valid, in ASCII or by IDNA."""
    try:
        name.removesuffix(".").encode("idna")
    except UnicodeError:
        return False
    return True


_URL_HINT = 'for example "https://host:8443/v1/chat/completions"'


def proxy_url(text: str) -> str:
    """Accept the URL of an HTTP proxy, which has no path."""
    parts = urlsplit(url(text))
    if parts.path not in {"", "/"} or parts.query:
        raise wrong(
            "is the URL of a proxy with a path", "in its user or password, write %2F for /, %40 for @, %23 for #"
        )
    return text


def optional_proxy_url(text: str) -> str:
    """Accept the URL of a proxy, or nothing for none."""
    return proxy_url(text) if text else text


def proxy_exception(text: str) -> str:
    """Accept one of the hosts that are asked without a proxy."""
    if not text.isprintable() or not text.strip() or any(mark in text for mark in " ,"):
        raise wrong("is not a host", 'for example "10.0.0.0/8", "gateway.internal" or ".example.net", one in each text')
    return text


def listen(text: str) -> str:
    """Accept HOST:PORT or :PORT, with an IPv6 address in brackets."""
    split_listen(text)
    return text


def split_listen(text: str) -> tuple[str, int]:
    """Return host, "" for every address of both families, and port; port 0 lets the system choose."""
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    bracketed = host == f"[{bare}]" and ":" in bare and _is_address(bare)
    plain = host == bare and host.isprintable() and not {":", " "} & set(host)
    fine = colon and re.fullmatch(r"[0-9]{1,5}", port) and int(port) < _PORTS.stop
    if not fine or not (bracketed or plain):
        raise wrong("is not HOST:PORT", 'for example "127.0.0.1:9877" or "[::1]:9877"')
    return bare, int(port)


def host_port(host: str, port: int) -> str:
    """Return HOST:PORT, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_name(text: str) -> str:
    """Accept a host's name or address, without a port."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+", text) and not _is_address(text):
        raise wrong("is not a valid host name", "without scheme, port and path")
    return text


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def cidr(text: str) -> str:
    """Accept an address or a network in CIDR notation."""
    try:
        ip_network(text)
    except ValueError:
        hint = 'for example "10.0.0.0/8" or "fd00::/8"'
        raise wrong("is not an address or network", hint, better=_network_around(text)) from None
    return text


def _network_around(text: str) -> str:
    try:
        return f'the network it lies in is "{ip_network(text, strict=False)}"'
    except ValueError:
        return ""


def resolver(text: str) -> str:
    """Accept "system", or a name server's address and return it with its port."""
    if text == "system":
        return text
    host, port = name_server(text)
    return host_port(host, port or _DNS_PORT)


def name_server(text: str) -> tuple[str, int]:
    """Return address and port of a name server; port 0 if none is given."""
    try:
        return str(ip_address(text)), 0
    except ValueError:
        host, port = split_listen(text) if text.rpartition(":")[0] else ("", 0)
    try:
        return str(ip_address(host)), port
    except ValueError:
        raise wrong('is neither "system" nor the address of a name server', 'for example "10.0.0.2:53"') from None


def pattern(text: str) -> str:
    """Accept a regular expression."""
    try:
        expression(text)
    except ValueError as error:
        hint = "RE2's syntax, as in Prometheus; in single quotes, so that \\ is not an escape"
        raise wrong("is not a valid regular expression", hint, why=str(error)) from None
    return text


def time_zone(text: str) -> str:
    """Accept a name of the IANA time zone database."""
    try:
        _ = UTC if text == "UTC" else ZoneInfo(text)
    except (OSError, ValueError, KeyError, ImportError):
        raise wrong("is not a known time zone", 'for example "UTC" or "Europe/Berlin"') from None
    return text


def time_of_day(text: str) -> str:
    """Accept HH:MM."""
    if not re.fullmatch(r"[0-9]{2}:[0-9]{2}", text) or text[:2] > "23" or text[3:] > "59":
        raise wrong("is not a time of day", 'write for example "02:30"')
    return text


def read_time(text: str) -> time:
    """Return HH:MM as a time."""
    return time(int(text[:2]), int(text[3:]))


def bounds(values: tuple[float, ...]) -> tuple[float, ...]:
    """Accept a histogram's upper bounds: positive and ascending."""
    if not_empty(values)[0] <= 0 or any(low >= high for low, high in pairwise(values)):
        raise wrong("is not a valid list of buckets", "seconds above 0, each more than the one before")
    return values


def not_empty(values: tuple[_T, ...]) -> tuple[_T, ...]:
    """Accept an array of at least one element."""
    if not values:
        raise wrong("is empty")
    return values


def not_blank(text: str) -> str:
    """Accept text that is not blank."""
    if not text.strip():
        raise wrong("is empty")
    return text


def encodable(values: dict[str, Any]) -> dict[str, Any]:
    """Accept values that JSON can represent: no dates, no nan, no infinity."""
    for key, value in values.items():
        if not _is_json(value):
            raise wrong(f"is not JSON at {key!r}: a date, a time, nan or inf", "quote it")
    return values


def _is_json(value: object) -> bool:
    match value:
        case dict():
            return all(map(_is_json, value.values()))
        case list():
            return all(map(_is_json, value))
        case float():
            return isfinite(value)
        case _:
            return isinstance(value, str | bool | int)


def optional_path(text: str) -> str:
    """Return a dotted path into JSON, or an empty text; ValueError if it is neither."""
    try:
        return text and json_path.parse(text).text
    except ValueError:
        raise wrong("is not a valid path", f"write keys and indexes such as {json_path.EXAMPLES}") from None
