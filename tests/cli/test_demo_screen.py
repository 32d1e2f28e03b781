"""The demo on a terminal: its targets on a screen, below its addresses."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess

import pytest

from tests.cli.commands import COMMAND, closed_in_the_end, until
from tests.conftest import WITHIN

ENVIRONMENT = os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "30"}


def test_the_targets_are_shown_below_the_addresses() -> None:
    """Until Ctrl-C, which is 130; then nothing listens there any more."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([*COMMAND, "demo"], stdin=theirs, stdout=theirs, env=ENVIRONMENT) as process:
        os.close(theirs)
        with closed_in_the_end(process, ours):
            output = until(ours, b"status page http://") + until(ours, b"cut-by-reset")
            (port,) = set(re.findall(rb"127\.0\.0\.1:(\d+)/[^\r]*fault lab", output))
            process.send_signal(signal.SIGINT)
            until(ours, b"\x1b[?1049l")
            assert process.wait(WITHIN) == 130
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)))


def test_why_it_cannot_start_is_reported() -> None:
    """If the demo cannot start, its own error and its status are those of the command."""
    ours, theirs = pty.openpty()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [*COMMAND, "demo", "--listen", f"127.0.0.1:{taken.getsockname()[1]}"]
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
            os.close(theirs)
            with closed_in_the_end(process, ours):
                _, output = process.communicate(timeout=WITHIN)
                assert process.returncode == 1
                assert b"the port is taken" in output
