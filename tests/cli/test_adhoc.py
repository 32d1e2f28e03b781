"""Targets of the command line: a URL and options, and which keys of a config they replace."""

from __future__ import annotations

import json
import socket
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.cli.adhoc import Duration, Options, adhoc_target, overridden
from monitor.protocols import PROTOCOLS
from monitor.record.observation import Observation
from monitor.target import CountCheck, Target, Timeouts
from tests.cli.commands import Cli, Done
from tests.conftest import WITHIN
from tests.protocols.replay import capture
from tests.sinks.samples import GATEWAY, whole
from tests.test_replay import body_of


def test_headers_and_keys_are_sent(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Headers of the command line, of files and of the environment go with the request, and nowhere else."""
    monkeypatch.setenv("CANARY_KEY", "canary-key")
    monkeypatch.setenv("CANARY_TENANT", "canary-tenant")
    (tmp_path / "token").write_text("canary-token\n")
    request = bytearray()

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while b"\r\n\r\n" not in request or not request.endswith(b"}"):
                request.extend(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 401 canary-key\r\nContent-Length: 10\r\n\r\ncanary-key")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/chat/completions"
        options = ("--api-key-env", "CANARY_KEY", "--header", "X-Team: canary-team", "--model", "m")
        private = ("--header-env", "X-Tenant=CANARY_TENANT", "--header-file", f"X-Token={tmp_path / 'token'}")
        done = cli("probe", url, *options, *private)
        thread.join(WITHIN)
    assert b"\r\nAuthorization: Bearer canary-key\r\n" in request
    for header in (b"X-Team: canary-team", b"X-Tenant: canary-tenant", b"X-Token: canary-token"):
        assert b"\r\n" + header + b"\r\n" in request
    assert b'"model":"m"' in request
    assert done.status == 4
    assert "canary" not in done.out + done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("http://127.0.0.1:9",), "/ is the path of a base URL; append the rest, for example /v1/chat/completions"),
        (("ftp://127.0.0.1:9",), "that is not an http or https URL (for example https://host"),
        (("http://[/",), "that is not an http or https URL"),
        (("http://127.0.0.1:9/v1/",), "for example /v1/chat/completions (openai-chat)"),
        (("http://127.0.0.1:9/chat/completions", "--header", "no colon"), "a header is 'NAME: VALUE'"),
        (("http://127.0.0.1:9/chat/completions", "--header", ": value"), "a header is 'NAME: VALUE'"),
        (("http://127.0.0.1:9/chat/completions", "--header-env", "X-A"), "write NAME=VAR"),
        (("http://127.0.0.1:9/chat/completions", "--header-env", "X-A=NOT_SET"), "the variable NOT_SET is not set"),
        (
            ("http://127.0.0.1:9/chat/completions", "--header-env", "X-A=sk-1"),
            "the name of a variable and not its value",
        ),
        (("http://127.0.0.1:9/chat/completions", "--header-file", "=x"), "write NAME=FILE"),
        (("http://127.0.0.1:9/chat/completions", "--header-file", "X-A="), "write NAME=FILE"),
        (
            ("http://127.0.0.1:9/chat/completions", "--header-file", "X-A=/nowhere/token"),
            "header_files.X-A: cannot be read: no such file or directory",
        ),
        (
            ("http://127.0.0.1:9/chat/completions", "--header-file", "X-A=/dev/null", "--header", "x-a: 1"),
            "the header is given twice",
        ),
        (
            ("http://127.0.0.1:9/chat/completions", "--api-key-env", "NOT_SET_AT_ALL"),
            "the variable NOT_SET_AT_ALL is not set",
        ),
        (
            ("http://127.0.0.1:9/chat/completions", "--api-key-env", "sk-12345678"),
            "the name of the variable, not the key",
        ),
        (("http://127.0.0.1:9/chat/completions", "--timeout", "20"), "'20' is not a duration (write "),
        (("http://127.0.0.1:9/chat/completions", "--timeout", "1ms"), "is below the minimum, 10ms"),
        (("http://127.0.0.1:9/chat/completions", "--protocol", "nope"), "unknown protocol"),
        (("ftp://127.0.0.1/chat/completions",), "not an http or https URL"),
        (("http://127.0.0.1:9/chat/completions", "-n", "0"), "Invalid value for '-n'"),
        (("http://127.0.0.1:9/chat/completions", "--nope"), "No such option '--nope'"),
    ],
)
def test_what_a_probe_cannot_be_asked(cli: Cli, arguments: tuple[str, ...], message: str) -> None:
    """A usage error is 2, says what is wrong, and sends nothing."""
    done = cli("probe", *arguments)
    assert (done.status, done.out) == (2, "")
    assert message in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("path", "protocol"),
    [
        ("/v1/chat/completions", "openai-chat"),
        ("/chat/chat/completions", "chatchat"),
        ("/knowledge_base/local_kb/samples/chat/completions", "chatchat-kb"),
        ("/chat/kb_chat", "chatchat-kb"),
        ("/api/chat", "ollama-chat"),
        ("/v1beta/models/m:streamGenerateContent?alt=sse", "gemini"),
        ("/completion", "llamacpp-completion"),
        ("/v2/chat", "cohere-v2"),
        ("/v3/chat", "coze-v3"),
        ("/generate_stream", "tgi"),
        ("/v1/chat-messages", "dify"),
        ("/v1/workflows/run", "dify"),
        ("/v1/responses", "openai-responses"),
        ("/v1/messages", "anthropic-messages"),
        ("/chat/chat", "chatchat-0.2"),
        ("/chat/knowledge_base_chat", "chatchat-0.2"),
        ("/raw/ok", "raw"),
    ],
)
def test_a_path_tells_the_protocol(cli: Cli, path: str, protocol: str) -> None:
    """The path of a URL decides the protocol if it is unambiguous."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        done = cli("probe", f"http://127.0.0.1:{holder.getsockname()[1]}{path}", "--json")
    assert json.loads(done.out)["protocol"] == protocol
    assert done.status == 4


@pytest.mark.parametrize("model", [(), ("--model", "m")])
def test_a_protocol_whose_request_raises(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: tuple[str, ...]
) -> None:
    """A bug of an external protocol is an inconclusive probe, and a line with its place and without its text."""
    (tmp_path / "buggy.py").write_text(
        "from dataclasses import replace\n"
        "from monitor.protocols.raw import RAW\n"
        "BUGGY = replace(RAW, request=lambda target, prompt: {}['canary'])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "buggy", raising=False)
    url = "http://127.0.0.1:1/parrot"
    done = cli("probe", url, "--protocol", "buggy:BUGGY", "--json", *model)
    event = json.loads(done.out)
    assert (done.status, event["outcome"], event["cause"]) == (1, "inconclusive", "internal")
    line = f"protocol buggy:BUGGY: its request raised KeyError ({tmp_path / 'buggy.py'}, line 3)"
    assert done.err == f"{line}\n"
    shown = cli("probe", url, "--protocol", "buggy:BUGGY", "--curl", *model)
    assert (shown.status, shown.out) == (1, "")
    assert f"chat-monitor: {line}\n" in shown.err
    assert "canary" not in done.out + shown.err


def test_a_target_asked_otherwise(cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options replace the protocol, model, key and headers of the config."""
    config.write_text(config.read_text().replace("[[targets]]", 'headers = {X-A = "1", X-B = "2"}\n[[targets]]', 1))
    monkeypatch.setenv("OTHER_KEY", "k-1")
    asked: list[Target] = []

    def remembered(target: Target, *_: object, **__: object) -> tuple[list[Observation], bool]:
        asked.append(target)
        return [whole(target)], False

    monkeypatch.setattr("monitor.cli.probe._probe", remembered)
    cli("probe", "good", "--config", config)
    options = ("--model", "m2", "--api-key-env", "OTHER_KEY", "--header", "x-a: 3", "--protocol", "chatchat")
    cli("probe", "good", "--config", config, *options)
    plain, other = asked
    assert (plain.protocol, plain.model, plain.api_key) == ("openai-chat", "lab", None)
    assert {name: value.reveal() for name, value in plain.headers.items()} == {"X-A": "1", "X-B": "2"}
    assert (other.protocol, other.model, other.url) == ("chatchat", "m2", plain.url)
    assert other.api_key is not None
    assert other.api_key.reveal() == "k-1"
    assert {name: value.reveal() for name, value in other.headers.items()} == {"X-B": "2", "x-a": "3"}


def test_options_take_the_place_of_the_targets_keys() -> None:
    """Prompt, limit and deadlines; a check that was made for another prompt is left out."""
    own = replace(GATEWAY, check=CountCheck(), timeouts=Timeouts(total=100.0, idle=50.0))
    assert overridden(own, Options()) == own
    given = overridden(own, Options(prompt="Hi {nonce}", max_tokens=7, timeout=20.0, model="other"))
    assert (given.prompt, given.max_tokens, given.model, given.check) == ("Hi {nonce}", 7, "other", None)
    assert given.timeouts == Timeouts(connect=5.0, headers=20.0, first_chunk=20.0, idle=20.0, total=20.0)
    longer = overridden(own, Options(timeout=600.0)).timeouts
    assert (longer.total, longer.idle) == (600.0, 50.0)


def test_a_missing_model_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """If the protocol's request has a place for it."""
    url = "http://127.0.0.1:9/chat/completions"
    assert adhoc_target(url, Options(timeout=2.5)).timeouts.total == 2.5
    assert "no model is requested" in capsys.readouterr().err
    adhoc_target(url, Options(model="m"))
    adhoc_target(url, Options(protocol="raw"))
    adhoc_target("http://127.0.0.1:9/openai-chat/cut?after=5", Options())  # the lab
    assert "no model is requested" not in capsys.readouterr().err


def test_a_duration_that_is_read_already_is_kept() -> None:
    """A command may be called with its options' values."""
    assert Duration().convert(2.0, None, None) == 2.0


def test_protocols_are_listed_in_the_help(cli: Cli) -> None:
    """All of them, and how one from outside is named."""
    out = "".join(cli("probe", "--help").out.split())
    assert all(name in out for name in PROTOCOLS)
    assert "package.module:NAME" in out


def answered(cli: Cli, path: str, *bodies: bytes, options: tuple[str, ...] = ("--json",)) -> tuple[Done, list[bytes]]:
    """Probe a URL that answers each request with the next body; return what came of it and the requests."""
    requests: list[bytes] = []

    def answer(listener: socket.socket) -> None:
        for body in bodies:
            connection, _ = listener.accept()
            with connection:
                request = b""
                while b"\r\n\r\n" not in request or not request.endswith(b"}"):
                    request += connection.recv(65536)
                requests.append(request)
                head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n"
                connection.sendall(head % len(body) + body)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        done = cli("probe", f"http://127.0.0.1:{listener.getsockname()[1]}{path}", *options)
        thread.join(WITHIN)
    return done, requests


OPENAI = body_of(capture(PROTOCOLS["openai-chat"].example).raw)
ANTHROPIC = body_of(capture(PROTOCOLS["anthropic-messages"].example).raw)


def test_the_first_answer_tells_the_protocol(cli: Cli, tmp_path: Path) -> None:
    """A path that says nothing is asked as most servers want it, and asked again in the protocol of the answer."""
    saved = tmp_path / "body"
    done, requests = answered(cli, "/what", ANTHROPIC, ANTHROPIC, options=("--json", "--save", str(saved)))
    event = json.loads(done.out)
    assert event["protocol"] == "anthropic-messages"
    assert event["chunks"] > 0
    assert "protocol anthropic-messages, assumed from the first response (--protocol chooses another)" in done.err
    assert [b"anthropic-version" in request for request in requests] == [False, True]
    assert saved.read_bytes() == ANTHROPIC


def test_the_first_answer_confirms_the_protocol(cli: Cli, tmp_path: Path) -> None:
    """One that reads as it was asked is the first probe: nothing is asked twice, and its body is saved."""
    saved = tmp_path / "body"
    done, requests = answered(cli, "/what", OPENAI, options=("--json", "--save", str(saved)))
    assert (json.loads(done.out)["protocol"], len(requests)) == ("openai-chat", 1)
    assert "protocol openai-chat, tried because the path identifies none (--protocol chooses another)" in done.err
    assert saved.read_bytes() == OPENAI


def test_an_answer_that_no_protocol_reads(cli: Cli) -> None:
    """The protocol of the path is kept, and the event says that nothing decodes."""
    done, requests = answered(cli, "/v1/chat/completions", b"data: {}\n\n")
    assert (json.loads(done.out)["cause"], len(requests)) == ("not_protocol", 1)
    assert "first response" not in done.err
