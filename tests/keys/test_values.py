"""Single values of the config: which are accepted, and the error of the others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.keys import values
from monitor.keys.values import Wrong

URL = "https://host:8443/v1?x=1"


@pytest.mark.parametrize(
    ("check", "good"),
    [
        (values.name, "gateway-1.eu_west"), (values.name, "a" * 63), (values.optional_target_name, ""),
        (values.optional_target_name, "a"),
        (values.one_line, "größe"), (values.label_name, "team_2"), (values.label_value, "Suche & Co"),
        (values.label_value, ""),
        (values.header_name, "X-Tenant"), (values.optional_header_name, ""), (values.optional_header_name, "X"),
        (values.header_value, "a\tb"), (values.variable_name, "KEY_1"), (values.variable_name, ""),
        (values.url, URL), (values.url, "http://[::1]:80/"), (values.optional_proxy_url, ""),
        (values.optional_proxy_url, "http://p%40ss:w%23@proxy.test:3128/"),
        (values.page_url, ""), (values.page_url, "https://monitor.example/chat"),
        (values.listen, "127.0.0.1:9877"), (values.listen, "[::1]:0"), (values.listen, ":9877"),
        (values.host_name, "a.example"), (values.host_name, "::1"),
        (values.cidr, "10.0.0.0/8"), (values.cidr, "10.0.0.1"), (values.cidr, "fd00::/8"),
        (values.resolver, "system"), (values.resolver, "[::1]:53"),
        (values.pattern, r"^\d+$"), (values.time_zone, "UTC"), (values.time_zone, "Europe/Berlin"),
        (values.time_of_day, "23:59"), (values.not_blank, "x"), (values.bounds, (0.1, 1.0)),
        (values.encodable, {"a": [1, 0.5, "x", True, {"b": []}]}),
    ],
)  # fmt: skip
def test_good_values_pass_unchanged(check: Callable[[Any], Any], good: object) -> None:
    """A valid value is returned unchanged."""
    assert check(good) == good


@pytest.mark.parametrize(
    ("check", "bad", "message"),
    [
        (values.name, "a b", "is not a valid name"),
        (values.name, "-a", "is not a valid name"),
        (values.name, "a" * 64, "is not a valid name"),
        (values.name, "", "is not a valid name"),
        (values.name, "a\n", "is not a valid name"),
        (values.optional_target_name, "/", "is not a valid name"),
        (values.one_line, "a\nb", "contains characters that cannot be printed"),
        (values.label_name, "a-b", "is not a valid label name"), (values.label_name, "1a", "is not a valid label name"),
        (values.label_name, "__a", "is reserved: names that begin with '__' are Prometheus' own"),
        (values.label_name, "job", "is a reserved label name"),
        (values.label_name, "cause", "is a reserved label name"),
        (values.label_value, "a" * 257, "is longer than 256 characters"),
        (values.label_value, "\ud800", "contains characters that cannot be printed"),
        (values.header_name, "a b", "is not a valid header name"),
        (values.header_name, "", "is not a valid header name"),
        (values.header_name, "Content-Length", "is a header that the monitor sets"),
        (values.optional_header_name, "é", "is not a valid header name"),
        (values.header_value, "é", "is not a valid header value"),
        (values.header_value, "a\r\nb", "is not a valid header value"),
        (values.variable_name, "sk-123", "is not a valid name of an environment variable"),
        (values.url, "ftp://host/", "is not an http or https URL"),
        (values.url, "host:80", "is not an http or https URL"),
        (values.url, "http://", "is a URL without a host"), (values.url, "http://:80/", "is a URL without a host"),
        (values.url, "http://[::1/", "is not a valid URL"),
        (values.url, "http://h:x/", "is not a valid URL"),
        (values.url, "http://h:99999/", "is not a valid URL"),
        (values.url, "http://h:0/", "is a URL whose port is not in 1..65535"),
        (values.url, "http://h/a b", "is a URL with a space or a control character in it"),
        (values.page_url, "https://me:pw@h/", "contains a user, which would be exported with the URL"),
        (values.page_url, "https://h/?a=1", "is a URL with a query; the pages are below its path"),
        (values.currency, "usd", "is not the code of a currency"),
        (values.url, "http://h/#top", "is a URL with a #fragment, which is never sent"),
        (values.optional_proxy_url, "x", "is not an http or https URL"),
        (values.optional_proxy_url, "http://u:12/w@proxy.test:3128", "is the URL of a proxy with a path"),
        (values.optional_proxy_url, "http://u:1?w@proxy.test:3128", "is the URL of a proxy with a path"),
        (values.listen, "localhost", "is not HOST:PORT"), (values.listen, "::1:80", "is not HOST:PORT"),
        (values.listen, "h:65536", "is not HOST:PORT"), (values.listen, "a b:80", "is not HOST:PORT"),
        (values.host_name, "a:80", "is not a valid host name"),
        (values.host_name, "http://a", "is not a valid host name"),
        (values.cidr, "10.0.0.1/8", "is not an address or network"), (values.cidr, "x", "is not an address or network"),
        (values.resolver, "dns.example", 'is neither "system" nor the address of a name server'),
        (values.resolver, "dns.example:53", 'is neither "system" nor the address of a name server'),
        (values.pattern, "(", "is not a valid regular expression"),
        (values.pattern, "a{1001}", "is not a valid regular expression"),
        (values.time_zone, "Mars/Base", "is not a known time zone"),
        (values.time_zone, "America", "is not a known time zone"),
        (values.time_zone, "/etc/passwd", "is not a known time zone"),
        (values.time_of_day, "24:00", "is not a time of day"), (values.time_of_day, "23:60", "is not a time of day"),
        (values.time_of_day, "2:30", "is not a time of day"),
        (values.not_blank, " \n", "is empty"),
        (values.bounds, (0.0, 1.0), "is not a valid list of buckets"),
        (values.bounds, (1.0, 1.0), "is not a valid list of buckets"),
        (values.encodable, {"a": [datetime(2030, 1, 1)]}, "is not JSON at 'a': a date, a time, nan or inf"),  # noqa: DTZ001 - TOML has them
        (values.encodable, {"a": {"b": float("nan")}}, "is not JSON at 'a': a date, a time, nan or inf"),
    ],
)  # fmt: skip
def test_bad_values_are_refused_in_our_words(check: Callable[[Any], Any], bad: object, message: str) -> None:
    """An invalid value is refused with a text that does not contain it."""
    with pytest.raises(Wrong) as caught:
        check(bad)
    assert (caught.value.context or {})["message"] == message


def test_hints_drawn_from_the_value_are_kept_apart() -> None:
    """A hint that contains part of the value is separate from the one that may be shown."""
    with pytest.raises(Wrong) as caught:
        values.cidr("10.0.0.1/8")
    context = caught.value.context or {}
    assert context["better"] == 'the network it lies in is "10.0.0.0/8"'
    assert "10.0.0.1" not in context["hint"]


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:9877", "127.0.0.1", 9877), ("[::1]:80", "::1", 80), (":9877", "", 9877)],
)
def test_splits_what_to_listen_on(text: str, host: str, port: int) -> None:
    """Host and port are split, also for IPv6; no host means all addresses."""
    assert values.split_listen(text) == (host, port)


@pytest.mark.parametrize(
    "text",
    ["[::1", "[::1]", "::1:80", "[]:80", "[:]:80", "[a]:80", "[127.0.0.1]:80", "[::1]x:80", "a b:80", "a:", "a:65536"],
)
def test_what_cannot_be_listened_on(text: str) -> None:
    """Brackets belong to an IPv6 address, and it needs them; a port is a number."""
    with pytest.raises(Wrong):
        values.split_listen(text)


def test_reads_a_time_of_day() -> None:
    """HH:MM becomes a time."""
    assert values.read_time("02:30") == time(2, 30)


@given(st.text())
def test_any_text_passes_or_is_refused(text: str) -> None:
    """No text makes a check fail in another way than by its own refusal."""
    checks: tuple[Callable[[str], str], ...] = (
        values.name, values.label_name, values.label_value, values.header_name, values.header_value, values.url,
        values.listen, values.host_name, values.cidr, values.resolver, values.time_of_day, values.variable_name,
        values.time_zone, values.pattern,
    )  # fmt: skip
    for check in checks:
        with suppress(Wrong):
            assert check(text) == text


def test_time_zones_are_known_on_a_system_that_has_none() -> None:
    """Slim images have no time zone files: the package tzdata has them."""
    script = "from monitor.keys.values import time_zone; print(time_zone('Europe/Berlin'))"
    environ = os.environ | {"PYTHONTZPATH": ""}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "Europe/Berlin\n"
