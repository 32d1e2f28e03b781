"""The init of a disposable machine: it runs the lab and the daemon, sets the clock and suspends the machine.

It is told what to do on its console, a line each, and the daemon's log goes there, too.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

SPACE = Path("/mnt")
"""Memory of the machine's own: the host's files can be read alone."""
INTERVAL = 2
_MOUNTS = (("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", str(SPACE)))
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1  # linux/sockios.h, net/if.h
_POWER_OFF = 0x4321FEDC  # linux/reboot.h
_MONITOR = (sys.executable, "-m", "monitor")


def say(event: str, **more: float) -> None:
    """Write a line as the daemon does."""
    sys.stdout.write(json.dumps({"event": event, **more}) + "\n")
    sys.stdout.flush()


def set_clock(seconds: float) -> None:
    """Set the wall clock of this machine so many seconds forth or back."""
    time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)


def suspend(lost: float) -> None:
    """Suspend this machine until it is woken; that took `lost` seconds more than it seems, says the wall clock then.

    The monotonic clock of user-mode Linux goes on while all processes are frozen. Elsewhere it stands still, and the
    wall clock is put forward: so it is here, too.
    """
    began = time.time()
    say("suspending")
    Path("/sys/power/state").write_text("freeze")
    set_clock(lost)
    say("resumed", seconds=time.time() - began)


DOES: Mapping[str, Callable[[float], None]] = {"set": set_clock, "suspend": suspend}


def _prepare() -> None:
    for kind, place in _MOUNTS:
        subprocess.run(["/bin/mount", "-t", kind, kind, place], check=True)
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
    os.environ["TMPDIR"] = str(SPACE)


def _watch() -> None:
    lab = subprocess.Popen([*_MONITOR, "lab", "--listen", "127.0.0.1:0"], stdout=subprocess.DEVNULL, stderr=-1)
    assert lab.stderr is not None
    url = lab.stderr.readline().split()[3].decode().rstrip("/")
    config = SPACE / "config.toml"
    config.write_text(
        '[web]\nlisten = "127.0.0.1:0"\n[log]\nformat = "json"\n'
        f'[[targets]]\nname = "one"\nprotocol = "openai-chat"\nmodel = "lab"\ninterval = "{INTERVAL}s"\n'
        f'url = "{url}/openai-chat/ok?gap=40ms&ttfc=40ms"\n'
    )
    subprocess.Popen([*_MONITOR, "run", "--config", str(config)])


def main() -> None:
    """Handle the requests of the test, and switch off when there are no more."""
    say("up")
    _prepare()
    _watch()
    for line in sys.stdin:
        what, seconds = line.split()
        DOES[what](float(seconds))
    ctypes.CDLL(None).reboot(_POWER_OFF)


if __name__ == "__main__":
    main()
