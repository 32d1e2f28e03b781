"""`demo` and `lab`: until a signal."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.cli.commands import Cli, ended, fetched, started


def test_the_demo_runs_until_ctrl_c() -> None:
    """Without a config the demo prints the address of its page, which answers; after Ctrl-C the status is 130."""
    with started("demo") as process:
        assert process.stderr is not None
        assert process.stdout is not None
        page = process.stderr.readline().split()[-1]
        assert page.startswith("http://127.0.0.1:")
        assert fetched(page).startswith("HTTP/1.1 200 OK")
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        assert ended(process).status == 130


@pytest.mark.parametrize("command", [("demo",), ("lab", "--listen", "127.0.0.1:0")])
def test_it_ends_with_its_terminal(command: tuple[str, ...]) -> None:
    """SIGHUP ends it: it has no config to read again."""
    with started(*command) as process:
        assert process.stderr is not None
        assert "http://127.0.0.1:" in process.stderr.readline()
        process.send_signal(signal.SIGHUP)
        assert ended(process).status == 0


@pytest.mark.parametrize(
    ("number", "status", "host"), [(signal.SIGTERM, 0, "127.0.0.1"), (signal.SIGINT, 130, "[::1]")]
)
def test_the_lab_runs_alone(number: signal.Signals, status: int, host: str) -> None:
    """The lab prints its address, IPv6 in brackets, serves its index, and logs every request."""
    with started("lab", "--listen", f"{host}:0") as process:
        assert process.stderr is not None
        where = process.stderr.readline()
        assert where.startswith(f"fault lab on http://{host}:")
        url = where.split()[3]
        assert "Fault lab" in fetched(url)
        assert fetched(f"{url}openai-chat/empty").startswith("HTTP/1.1 200 OK")
        process.send_signal(number)
        done = ended(process)
    assert done.status == status
    assert json.loads(done.out.splitlines()[-1])["fault"] == "empty"


def test_the_lab_without_its_extra_has_no_tls_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library for certificates the lab names the extra, and serves all other faults."""
    (tmp_path / "cryptography.py").write_text("raise ModuleNotFoundError(\"No module named 'cryptography'\")\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with started("lab", "--listen", "127.0.0.1:0") as process:
        assert process.stderr is not None
        assert "pip install '.[lab]'" in process.stderr.readline()
        index = fetched(process.stderr.readline().split()[3])
        process.send_signal(signal.SIGTERM)
        assert ended(process).status == 0
    assert "Fault lab" in index
    assert "tls.toml" not in index


def test_a_protocol_that_cannot_be_loaded_is_a_usage_error(cli: Cli) -> None:
    """`lab --protocol` says what is wrong with the name, and serves nothing."""
    done = cli("lab", "--listen", "127.0.0.1:0", "--protocol", "no_such_package:NAME")
    assert (done.status, done.out) == (2, "")
    assert "--protocol: 'no_such_package:NAME' cannot be loaded" in done.err
