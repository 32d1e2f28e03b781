"""A throw-away container in which a real systemd is PID 1, over an overlay of this machine's own files.

Nothing in it reaches the machine: what is written goes into memory, and there is no network but its own loopback.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

CHECKOUT = Path(__file__).parents[2]
UNITS = CHECKOUT / "systemd"
HOME = "/opt/chat-monitor"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BOOT_WITHIN = 60.0
_PATIENCE = 25.0
_NEEDS = ("systemd-nspawn", "unshare", "nsenter")

_TREES = tuple(map(Path, ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd")))

# $1: an empty directory; $2: Python's installation; $3: the packages that the product needs; $4: for the control group.
_BOOT = f"""
set -eu
space=$1 python=$2 packages=$3 name=$4
for tree in {" ".join(map(str, _TREES))}; do
  [ ! -e "$tree/cgroup.procs" ] || {{ mkdir "$tree/$name"; echo $$ >"$tree/$name/cgroup.procs"; }}
done
mount -t tmpfs tmpfs "$space"; cd "$space"; mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
rm -rf root/etc/systemd/system/* root/run/*
mount -t tmpfs tmpfs /run
echo {uuid.uuid4().hex} >root/etc/machine-id
mkdir -p root/opt/python root/opt/packages root{HOME}/bin
mount --bind "$python" root/opt/python
mount --bind "$packages" root/opt/packages
# a service may not look into /root or /home, where the libraries of this Python may be
echo /opt/python/lib >root/etc/ld.so.conf.d/python.conf
ldconfig -r root
exec systemd-nspawn --quiet --boot --register=no --keep-unit --private-network --notify-ready=yes --console=pipe \\
  --machine chat-monitor-test --directory "$space/root" -- systemd.unit=basic.target
"""


def missing() -> str:
    """Return what this machine lacks, and how to install it; "" if nothing is missing."""
    if os.geteuid() != 0:
        return "booting a systemd needs root: sudo make test-real"
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        return "this root may not mount: run it where CAP_SYS_ADMIN is given"
    lacking = [name for name in _NEEDS if not shutil.which(name)]
    return f"{', '.join(lacking)} not found: apt-get install -y systemd-container util-linux" if lacking else ""


@dataclass(frozen=True, slots=True)
class Box:
    """A running container, by the process that is PID 1 in it."""

    leader: int

    def path(self, name: str) -> Path:
        """Return the path of a container's file on this machine."""
        return Path(f"/proc/{self.leader}/root") / name.lstrip("/")

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Write a file."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in the container and return its output."""
        done = subprocess.run(
            self._inside(command), check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert not check or done.returncode == 0, f"{command}: {done.returncode}: {done.stdout}{self.tail()}"
        return done.stdout

    def status(self, *command: str) -> int:
        """Run a command in the container and return its exit status."""
        return subprocess.run(self._inside(command), check=False, capture_output=True).returncode

    def show(self, unit: str) -> dict[str, str]:
        """Return all properties of a unit."""
        lines = self.run("systemctl", "show", unit).splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def start_beside(self, unit: str, *command: str) -> None:
        """Run a command as a unit of its own."""
        self.run("systemd-run", "--quiet", "--collect", f"--unit={unit}", "--property=Type=exec", *command)

    # -- the journal ---------------------------------------------------------------------------------------------------

    def now(self) -> str:
        """Return the place in the journal up to which it is written."""
        return self.run("journalctl", "-n", "0", "--show-cursor", "-q").strip().removeprefix("-- cursor: ")

    def journal(self, unit: str, since: str) -> list[str]:
        """Return what a unit, and systemd about it, wrote since then."""
        return self.run(*_journal(unit, since)).splitlines()

    def until(self, unit: str, enough: Callable[[str], bool], since: str) -> str:
        """Wait for a line of a unit, or of systemd about it."""
        with subprocess.Popen(
            self._inside([*_journal(unit, since), "--follow", "--no-tail"]), stdout=subprocess.PIPE, text=True
        ) as journal:
            alarm = Timer(_PATIENCE, journal.kill)
            alarm.start()
            try:
                assert journal.stdout is not None
                for line in map(str.rstrip, journal.stdout):
                    if enough(line):
                        return line
            finally:
                alarm.cancel()
                journal.kill()
        raise AssertionError(f"{unit}: waited {_PATIENCE:g} s in vain; the journal: {self.tail()}")

    def tail(self) -> str:
        """Return the journal's last lines, for the message of a failed test."""
        command = self._inside(["journalctl", "-n", "60", "--no-pager", "-o", "short-monotonic"])
        return "\n" + subprocess.run(command, check=False, capture_output=True, text=True).stdout[-8000:]

    def until_file(self, name: str, text: str) -> None:
        """Look until a file holds a text."""
        until = time.monotonic() + _PATIENCE
        while text not in self.run("cat", name, check=False):
            assert time.monotonic() < until, f"{name}: {self.run('cat', name, check=False)}"

    # -- HTTP ----------------------------------------------------------------------------------------------------------

    def get(self, path: str, port: int = 9877) -> tuple[int, str]:
        """Request a page in the container's network; (0, "") if nothing answers."""
        asked = [*_in_network(self.leader), sys.executable, "-ISc", _GET, str(port), path]
        output = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
        head, _, body = output.partition("\n\n")
        return int(head.split()[1]) if head else 0, body

    def series(self, name: str, port: int = 9877) -> list[tuple[dict[str, str], float]]:
        """Return every series of this name, by its labels."""
        _, body = self.get("/metrics", port)
        samples = (one for family in text_string_to_metric_families(body) for one in family.samples)
        return [(one.labels, one.value) for one in samples if one.name == name]

    def metric(self, name: str, **labels: str) -> float | None:
        """Return the value of the series with these labels; None if there is none."""
        return next((value for has, value in self.series(name) if labels.items() <= has.items()), None)

    def until_metric(self, name: str, enough: Callable[[float], bool], **labels: str) -> float:
        """Ask until a series is there and good; another program is waited for, and it has no bell to ring."""
        until = time.monotonic() + _PATIENCE
        while (value := self.metric(name, **labels)) is None or not enough(value):
            assert time.monotonic() < until, f"{name} {labels} is {value}; the journal: {self.tail()}"
        return value

    def _inside(self, command: list[str] | tuple[str, ...]) -> list[str]:
        everything = [
            "nsenter",
            "--target",
            str(self.leader),
            "--mount",
            "--uts",
            "--ipc",
            "--net",
            "--pid",
            "--cgroup",
        ]
        return [*everything, "--root", "--wd", "env", "-i", f"PATH={_PATH}", "SYSTEMD_PAGER=", *command]


# The least that can ask: it is started many times.
_GET = r"""
import socket, sys
_, port, path = sys.argv
try:
    with socket.create_connection(("127.0.0.1", int(port)), 10) as door:
        door.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: door.recv(65536), b""))
    print(answer.decode().replace("\r\n", "\n"), end="")
except ConnectionError:
    pass
"""


def event(line: str) -> dict[str, Any]:
    """Return the event of a probe, or an empty one if the line is not one."""
    found: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
    return found if found.get("event") == "probe" else {}


def _journal(unit: str, since: str) -> list[str]:
    return ["journalctl", "-q", "--no-pager", "--all", "-o", "cat", f"--unit={unit}", f"--after-cursor={since}"]


def _in_network(leader: int) -> list[str]:
    return ["nsenter", "--target", str(leader), "--net"]


# -- from the boot to the end ------------------------------------------------------------------------------------------


@contextmanager
def booted(scratch: Path, packages: Path) -> Iterator[Box]:
    """Boot a container with the product in it, and power it off at the end."""
    with ExitStack() as stack:
        bell = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        bell.bind(str(scratch / "notify"))
        bell.settimeout(_BOOT_WITHIN)
        (scratch / "space").mkdir()
        log = stack.enter_context((scratch / "boot.log").open("wb"))
        wheel = subprocess.Popen([*_PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(scratch), str(CHECKOUT)])
        name = f"chat-monitor-test-{uuid.uuid4().hex}"
        stack.callback(_without_group, name)
        arguments = [str(scratch / "space"), sys.base_prefix, str(packages), name]
        nspawn = subprocess.Popen(
            ["unshare", "--mount", "bash", "-c", _BOOT, "boot", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"PATH": _PATH, "NOTIFY_SOCKET": str(scratch / "notify")},
        )
        stack.callback(_ended, nspawn)
        with bell:  # and shut then: what nobody takes from it would keep nspawn waiting
            box = Box(_leader(bell, scratch / "boot.log"))
        # at once: nothing in it is worth a shutdown in order
        stack.callback(os.kill, box.leader, signal.SIGKILL)
        assert wheel.wait() == 0, "the wheel cannot be built"
        _install(box, next(scratch.glob("*.whl")))
        yield box


_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def _leader(bell: socket.socket, log: Path) -> int:
    """Wait until PID 1 says that it is up, and return its number out here."""
    state: dict[str, str] = {}
    try:
        while "READY" not in state:
            state |= dict(line.split("=", 1) for line in bell.recv(4096).decode().splitlines())
    except TimeoutError:
        raise AssertionError(f"the container did not boot: {state} {log.read_text()[-2000:]}") from None
    return int(state["X_NSPAWN_LEADER_PID"])


def _ended(nspawn: subprocess.Popen[bytes]) -> None:
    """Wait for its end, which follows that of PID 1; without a PID 1, terminate it."""
    with suppress(subprocess.TimeoutExpired):
        nspawn.wait(10)
        return
    nspawn.terminate()
    with suppress(subprocess.TimeoutExpired):
        nspawn.wait(30)
        return
    nspawn.kill()
    nspawn.wait()


def _without_group(name: str) -> None:
    """Take away the container's control groups, which are empty by now."""
    for tree in _TREES:
        for path, _, _ in os.walk(tree / name, topdown=False):
            with suppress(OSError):
                Path(path).rmdir()


def _install(box: Box, wheel: Path) -> None:
    """Install the wheel into an environment of its own, and the units; what it depends on is there already."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = f"{HOME}/lib/{version}/site-packages"
    box.write(f"{HOME}/pyvenv.cfg", "home = /opt/python/bin\ninclude-system-site-packages = false\n")
    box.path(f"{HOME}/bin/python").symlink_to(f"/opt/python/bin/{version}")
    box.write(f"{site}/packages.pth", "/opt/packages\n")
    shutil.copy(wheel, box.path(f"/opt/{wheel.name}"))
    pip = (f"{HOME}/bin/python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps")
    box.run(*pip, "--no-index", "--ignore-installed", "--root-user-action=ignore", f"/opt/{wheel.name}")
    for unit in UNITS.iterdir():
        box.write(f"/etc/systemd/system/{unit.name}", unit.read_text())
    box.run("systemctl", "daemon-reload")
