"""The values that the rest of the monitor gets from the validated tables."""

from __future__ import annotations

from datetime import UTC, datetime, time
from ipaddress import ip_network
from pathlib import Path

import pytest

from monitor.keys.secret import Secret
from monitor.settings import DiscoverySource, HistorySettings, Maintenance, MetricsSettings, Network, Settings, Web
from monitor.target import (
    Check,
    Connection,
    CountCheck,
    FirstChunkSlo,
    LengthCheck,
    PatternCheck,
    Record,
    Slo,
    Target,
    Terminator,
    Timeouts,
)
from tests.config.cases import ENVIRON, RAW, TARGET, Case, Read, Reported, cases

FULL = """\
model = "m"
interval = "5m"
interval_when_failing = "10s"
confirm = 3
prompt = "hi"
max_tokens = 900
temperature = "none"
terminator = "both"
connection = "reuse"
proxy = "http://me:${PW}@proxy:3128"
api_key_env = "KEY"
request_id_header = ""
record = "tail"
tokens_per_day = 1000
paused = true
locations = ["eu-1", "us-1"]
timeouts = { connect = "1s", headers = "2s", first_chunk = "3s", idle = "4s", total = "5s", drain = "0s" }
slo = { availability = 0.999, first_chunk = { threshold = "1s", objective = 0.9 } }
check = { kind = "count", to = 9, required = true }
labels = { team = "search" }
headers = { X-Tenant = "${PW}" }
body = { seed = 7, nested = { a = [1, "${PW}"] } }
"""


def test_a_target_without_a_word_has_the_defaults(read: Read) -> None:
    """A target with no optional key has the defaults of the dataclasses, and the counted list as its check."""
    (target,) = read(TARGET).targets
    assert target == Target("a", "openai-chat", "http://127.0.0.1:8000/v1/chat/completions", check=CountCheck())


def test_every_key_of_a_target_arrives(read: Read) -> None:
    """Each key reaches the target, converted to seconds, bytes and secrets."""
    (target,) = read(TARGET + FULL, {"PW": "pw", "KEY": "k"}).targets
    assert target == Target(
        "a", "openai-chat", "http://127.0.0.1:8000/v1/chat/completions", model="m", labels={"team": "search"},
        interval=300.0, confirm=3, timeouts=Timeouts(1.0, 2.0, 3.0, 4.0, 5.0, 0.0), prompt="hi",
        check=CountCheck(9, required=True), max_tokens=900,
        temperature=None, slo=Slo(0.999, FirstChunkSlo(1.0, 0.9)), terminator=Terminator.BOTH, proxy=Secret("http://me:pw@proxy:3128"),
        headers={"X-Tenant": Secret("pw")}, api_key=Secret("k"), api_key_env="KEY", request_id_header=None,
        body={"seed": 7, "nested": {"a": [1, "pw"]}}, record=Record.TAIL, tokens_per_day=1000, paused=True,
        locations=("eu-1", "us-1"), connection=Connection.REUSE, interval_when_failing=10.0,
        from_variables=(Secret("pw"),),
    )  # fmt: skip
    assert "pw" not in repr(target).replace("nested': {'a': [1, 'pw']", "")


@pytest.mark.parametrize(
    ("text", "check"),
    [
        (TARGET, CountCheck()),
        (RAW, None),
        (TARGET + 'check = "none"', None),
        (TARGET + 'prompt = "hi"', None),
        (TARGET + 'prompt = "hi"\ncheck = { kind = "count" }', CountCheck()),
        (TARGET + 'check = { kind = "pattern", pattern = "x", required = false }', PatternCheck("x", required=False)),
        (TARGET + 'check = { kind = "length", min = 5 }', LengthCheck(5)),
        (RAW + 'check = { kind = "length", min = 5 }', LengthCheck(5)),
        (RAW + 'check = { kind = "count" }\nbody.q = "{prompt}"', CountCheck()),
        (RAW + 'body.q = "{prompt}"', None),
        ('[defaults.check]\nkind = "count"\n' + RAW, None),
        ('[defaults.check]\nkind = "count"\nto = 9\n' + TARGET, CountCheck(9)),
        ('[defaults.check]\nkind = "count"\n' + TARGET + 'check = "none"', None),
    ],
)  # fmt: skip
def test_the_check_is_what_is_written_or_the_counted_list(read: Read, text: str, check: Check | None) -> None:
    """A target without its own prompt gets the counted list; any other check must be configured."""
    assert read(text).targets[0].check == check


@pytest.mark.parametrize("key", ["model", "upstream", "proxy", "api_key_env", "api_key_file", "request_id_header"])
def test_an_empty_text_means_none(read: Read, key: str) -> None:
    """An empty text in a target removes the value of the defaults."""
    config = read(
        f'[defaults]\n{key} = "x-y"\n'.replace("x-y", "http://x" if key == "proxy" else "x") + TARGET + f'{key} = ""\n'
    )
    (target,) = config.targets
    given = {"api_key_env": "api_key", "api_key_file": "api_key"}.get(key, key)
    assert getattr(target, given) is None


def test_secrets_come_from_files(read: Read, tmp_path: Path) -> None:
    """Keys and headers are read from files next to the config, and so are the TLS files."""
    for name in ("key", "token"):
        (tmp_path / name).write_text(f"{name}'s secret\n")
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    text = 'api_key_file = "key"\nheader_files = { X-Token = "token" }\ntls.ca_file = "ca.pem"\n'
    (target,) = read(TARGET + text).targets
    assert target.api_key == Secret("key's secret")
    assert target.headers == {"X-Token": Secret("token's secret")}
    assert target.tls.ca_file == str(tmp_path / "ca.pem")
    assert "'s secret" not in repr(target)


@pytest.mark.parametrize("case", cases("build"))
def test_a_secret_that_cannot_be_read_is_a_mistake(reported: Reported, case: Case) -> None:
    """A missing file or variable is a mistake at the key that names it."""
    assert reported(case.text, ENVIRON) == (case.mistakes, case.warnings)


def test_labels_are_the_same_for_all(read: Read) -> None:
    """Every target has every label name, in one order; a missing label is empty."""
    two = TARGET + 'labels = { z = "1", a = "2" }\n' + TARGET.replace('"a"', '"b"') + 'labels = { m = "3" }\n'
    assert [list(one.labels.items()) for one in read(two).targets] == [
        [("a", "2"), ("m", ""), ("z", "1")],
        [("a", ""), ("m", "3"), ("z", "")],
    ]


def test_settings_without_a_word_are_the_defaults(read: Read) -> None:
    """Without any section, the settings are the dataclasses' own."""
    assert read(TARGET).settings == Settings()


SECTIONS = """\
[monitor]
location = "eu-1"
[web]
listen = "[::1]:80"
probe = true
allowed_hosts = ["m.example"]
[history]
path = "h.db"
max_age = "1h"
record = "none"
[metrics]
detail = "lean"
buckets.gap = [1, 2.5]
[network]
deny = ["10.0.0.0/8"]
allow = ["10.1.1.1"]
ip_family = 6
resolver = "::1"
[[discovery]]
name = "d"
file_sd = ["t/*.json"]
[[maintenance]]
name = "once"
start = 2030-01-01T00:00:00Z
end = 2030-01-02T00:00:00Z
[[maintenance]]
name = "weekly"
at = "02:30"
duration = "90m"
weekdays = ["sun", "wed"]
timezone = "Europe/Berlin"
targets = ["a"]
"""


def test_every_section_arrives(read: Read, tmp_path: Path) -> None:
    """The settings have the values of every section, with addresses, times and paths converted."""
    settings = read(TARGET + SECTIONS).settings
    assert settings.monitor.location == "eu-1"
    assert settings.web == Web(("[::1]:80",), probe=True, allowed_hosts=("m.example",))
    assert settings.history == HistorySettings(str(tmp_path / "h.db"), max_age=3600.0, record="none")
    assert settings.metrics.detail == "lean"
    assert settings.metrics.buckets.gap == (1.0, 2.5)
    assert settings.metrics.buckets.latency == MetricsSettings().buckets.latency
    assert settings.network == Network((ip_network("10.0.0.0/8"),), (ip_network("10.1.1.1/32"),), 6, "[::1]:53")
    assert settings.discovery == (DiscoverySource("d", (str(tmp_path / "t/*.json"),)),)
    assert settings.maintenance == (
        Maintenance("once", start=datetime(2030, 1, 1, tzinfo=UTC), end=datetime(2030, 1, 2, tzinfo=UTC)),
        Maintenance(
            "weekly", ("a",), at=time(2, 30), duration=5400.0, weekdays=("sun", "wed"), timezone="Europe/Berlin"
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "resolver"), [("10.0.0.2", "10.0.0.2:53"), ("10.0.0.2:5353", "10.0.0.2:5353"), ("[::1]:5", "[::1]:5")]
)
def test_a_name_server_has_a_port(read: Read, text: str, resolver: str) -> None:
    """A name server without a port gets the port of DNS."""
    assert read(TARGET + f'[network]\nresolver = "{text}"').settings.network.resolver == resolver


def test_the_values_of_variables_are_known(read: Read) -> None:
    """Values of variables in body, headers and the path of a URL are recorded, and the server's own name is not."""
    text = """
    [defaults]
    body = { session = ["${SESSION}"] }
    [[targets]]
    name = "one"
    protocol = "openai-chat"
    url = "http://${HOST}/${HOOK}/v1/chat/completions"
    headers = { X-Tenant = "of ${TENANT} and $${HOST}" }
    """
    environ = {"SESSION": "s-1", "HOST": "chat.test", "HOOK": "h-2", "TENANT": "t-3", "OTHER": "o"}
    found = read(text, environ).targets[0].from_variables
    assert {secret.reveal() for secret in found} == {"s-1", "h-2", "t-3"}


_KEY = "-----BEGIN PRIVATE KEY-----\n" + "A" * 64 + "\n-----END PRIVATE KEY-----\n"


def test_a_secret_that_others_can_read_is_a_warning(reported: Reported, tmp_path: Path) -> None:
    """Each readable file of a secret gives a warning, a certificate only if it contains its private key."""
    text = TARGET.replace("http:", "https:") + (
        'api_key_file = "key"\nheader_files.X-A = "header"\n'
        'tls = { ca_file = "ca", cert_file = "cert", key_file = "pem" }\n'
    )
    for name, content in (
        ("key", "k"),
        ("header", "h"),
        ("ca", "-----BEGIN X"),
        ("cert", "-----BEGIN X"),
        ("pem", _KEY),
    ):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o644)
    warning = "names a file with a secret, and other users can read it (mode 0644) (chmod 600)"
    keys = ("5: targets[0].api_key_file", "6: targets[0].header_files.X-A", "7: targets[0].tls.key_file")
    assert reported(text) == ([], [f"{key}: {warning}" for key in keys])
    for name in ("key", "header", "pem"):
        (tmp_path / name).chmod(0o600)
    assert reported(text) == ([], [])
    (tmp_path / "cert").write_text("-----BEGIN CERTIFICATE-----\n" + _KEY)
    assert reported(text) == ([], [f"7: targets[0].tls.cert_file: {warning}"])
