"""A probe as a curl command: a shell runs it as it is written, and it holds no secret."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import replace

from monitor.keys.secret import Secret
from monitor.keys.tls import Tls
from monitor.probe.curl import curl_command, hidden_in_curl
from monitor.record.observation import public_url
from monitor.target import Http
from tests.sinks.samples import GATEWAY


def words(command: str) -> list[str]:
    """Split it as a shell does, with the variables filled in."""
    script = f"set -- {command}\nfor word; do printf '%s\\0' \"$word\"; done"
    environ = {"KEY": "the-key", "HEADER_X_TEAM": "the-team", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", script], env=environ, capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


def test_a_shell_reads_the_request_from_it() -> None:
    """A shell parses the command to the request; variables replace the key and the target's own headers."""
    headers = {"X-Team": Secret("canary"), "Accept": Secret("*/*")}
    prompt = 'it\'s `$HOME` "q"'
    found = words(curl_command(replace(GATEWAY, api_key=Secret("canary"), headers=headers, prompt=prompt, check=None)))
    assert found[:6] == ["curl", "-N", "-i", "-X", "POST", public_url(GATEWAY.url)]
    assert {"Authorization: Bearer the-key", "X-Team: the-team", "Accept: */*"} <= set(found)
    body = json.loads(found[found.index("--data-raw") + 1])
    assert body["messages"][0]["content"] == prompt


def test_the_version_of_http_is_asked_for() -> None:
    """HTTP/2 is agreed on in TLS, and known before without it; HTTP/1.1 needs no option."""
    plain = replace(GATEWAY, url="http://host/v1/chat/completions")
    for target, http, option in (
        (GATEWAY, Http.ONE, None),
        (GATEWAY, Http.TWO, "--http2"),
        (GATEWAY, Http.AUTO, "--http2"),
        (plain, Http.TWO, "--http2-prior-knowledge"),
        (plain, Http.AUTO, None),
    ):
        found = [word for word in words(curl_command(replace(target, http=http))) if word.startswith("--http")]
        assert found == ([] if option is None else [option])


def test_no_secret_is_in_it() -> None:
    """The command has no secret of the URL, the proxy or the body."""
    tls = Tls(ca_file="/ca.pem", cert_file="/my cert.pem", key_file="/key.pem", insecure_skip_verify=True)
    target = replace(
        GATEWAY,
        url="http://user:canary-1@host/v1/chat/completions?key=canary-2",
        proxy=Secret("http://user:canary-3@proxy:8080"),
        body={"api_key": "canary-4"},
        tls=tls,
    )
    command = curl_command(target, key=True)
    assert hidden_in_curl(target) == "query values are hidden, as they may be secrets: put them in for ***"
    assert hidden_in_curl(replace(GATEWAY, url="http://host/v1/chat")) == ""
    assert "canary" not in command
    found = shlex.split(command.replace("\\\n", ""))
    files = {"--cacert": "/ca.pem", "--cert": "/my cert.pem", "--key": "/key.pem", "--proxy": "http://proxy:8080"}
    assert {option: found[found.index(option) + 1] for option in files} == files
    assert "--insecure" in found
    assert "Authorization: Bearer $KEY" in found
    assert "Authorization" not in curl_command(GATEWAY)
