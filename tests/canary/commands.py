"""Runs commands one after another in this process, which imports the product once: JSON lists in, their outputs out.

What they print goes to a file, and what their children print too: descriptors are replaced, and not Python's streams.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

from monitor.cli.main import main


def run(arguments: list[str]) -> tuple[int, str]:
    """Run one command; return its status, and both of its outputs."""
    sys.argv = ["chat-monitor", *arguments]
    kept, status = [os.dup(number) for number in (1, 2)], 0
    with tempfile.TemporaryFile() as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        try:
            main()
        except SystemExit as left:
            status = int(left.code or 0)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, descriptor in enumerate(kept, start=1):
                os.dup2(descriptor, number)
                os.close(descriptor)
        file.seek(0)
        return status, file.read().decode()


if __name__ == "__main__":
    sys.stdout.write(json.dumps([run(arguments) for arguments in json.load(sys.stdin)]))
