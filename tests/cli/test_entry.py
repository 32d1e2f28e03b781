"""The entry point: Ctrl-C at any moment is 130 without a traceback, and SIGHUP never kills a daemon that starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from monitor.cli.entry import leave, main
from tests.conftest import WITHIN

AT_IMPORT = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.{number})
sys.meta_path.insert(0, Interrupting())
sys.argv[1:] = {arguments!r}
from monitor.cli.entry import main
main()
"""
"""A command that gets a signal while it imports a module."""

AT_EXIT = """
import atexit, os, signal, sys
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
sys.argv[1:] = ["schema"]
from monitor.cli.entry import main
main()
"""


@pytest.fixture
def handlers() -> Iterator[None]:
    """Begin with the system's handler of SIGHUP, and restore what this process had."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a test of `run` in this process leaves one of its own
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def ran(program: str) -> tuple[int, str, str]:
    """Run a program to its end."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=WITHIN)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("module", ["monitor.cli.main", "click", "monitor.cli.probe", "aiohttp", "rich.table"])
def test_ctrl_c_while_modules_are_imported(module: str) -> None:
    """Ctrl-C during an import prints nothing."""
    arguments = ["probe", "http://127.0.0.1:1/v1/chat/completions"]
    assert ran(AT_IMPORT.format(module=module, number="SIGINT", arguments=arguments)) == (130, "", "")


def test_ctrl_c_while_the_interpreter_ends() -> None:
    """After the last line of output, too."""
    status, out, err = ran(AT_EXIT)
    assert (status, err) == (130, "")
    assert out.startswith("{")


@pytest.mark.parametrize("module", ["click", "monitor.cli.run", "monitor.daemon.app"])
def test_a_hangup_while_the_daemon_starts(module: str) -> None:
    """SIGHUP is ignored until the daemon can reload, and an error of the command line is printed."""
    arguments = ["run", "--shard", "one"]
    status, _, err = ran(AT_IMPORT.format(module=module, number="SIGHUP", arguments=arguments))
    assert status == 2
    assert "is not I/N" in err


def test_other_commands_end_with_their_terminal() -> None:
    """A hangup ends them, as by default."""
    arguments = ["schema"]
    status, out, _ = ran(AT_IMPORT.format(module="monitor.cli.schema", number="SIGHUP", arguments=arguments))
    assert (status, out) == (-signal.SIGHUP, "")


def test_the_process_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler raises nothing."""
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    leave(signal.SIGINT, None)
    assert left == [130]


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(("before", "after"), [(signal.SIG_IGN, signal.SIG_IGN), (signal.default_int_handler, leave)])
def test_what_is_handled_from_the_start(
    monkeypatch: pytest.MonkeyPatch, before: signal._HANDLER, after: signal._HANDLER
) -> None:
    """Ctrl-C, unless the shell has it ignored; a hangup for the daemon alone."""
    signal.signal(signal.SIGINT, before)
    for command, hangup in (("schema", signal.SIG_DFL), ("run", signal.SIG_IGN)):
        monkeypatch.setattr(sys, "argv", ["chat-monitor", command, "--help"])
        with pytest.raises(SystemExit):
            main()
        assert signal.getsignal(signal.SIGINT) == after
        assert signal.getsignal(signal.SIGHUP) == hangup
