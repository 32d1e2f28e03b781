"""`make deb`: a Debian package with an environment of its own under /opt, units, man pages, completions and a config.

The environment is made of wheels (`pip install --target`), so that nothing in it names the machine that built it. Two
builds of one commit are equal byte by byte: times are those of the commit ($SOURCE_DATE_EPOCH).
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.build_hook import commit_of

ROOT = Path(__file__).parents[1]
PYTHON = "3.11"
"""The Python of Debian 12, which runs the environment."""
HOME = Path("opt/chat-monitor")
LIBRARY = HOME / "lib" / f"python{PYTHON}" / "site-packages"
PLATFORM = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")

CONTROL = """\
Package: chat-monitor
Version: {version}
Architecture: amd64
Maintainer: The chat-monitor authors <chat-monitor@localhost>
Installed-Size: {size}
Depends: python3 (>= {python}), python3 (<< {next})
Section: net
Priority: optional
Description: synthetic monitoring of streaming chats
 A daemon that holds synthetic streaming chats with LLM servers, detects every
 truncated stream, names its cause, and exports Prometheus metrics.
"""
LAUNCHER = f"""\
#!/{HOME}/bin/python
import sys

from monitor.cli.entry import main

sys.exit(main())
"""
CONFIG = "etc/chat-monitor/config.toml"
POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  # an upgrade: the daemon goes on with the new version, if it ran and its config is still right
  if [ -n "$2" ] && chat-monitor check --config /etc/chat-monitor/config.toml >/dev/null 2>&1; then
    systemctl try-restart 'chat-monitor.service' 'chat-monitor@*.service'
  fi
fi
"""
PRERM = """\
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl disable --now chat-monitor.service || true
  systemctl stop 'chat-monitor@*.service' || true
fi
find /opt/chat-monitor -name __pycache__ -prune -exec rm -rf {} +
"""
POSTRM = """\
#!/bin/sh
set -e
[ ! -d /run/systemd/system ] || systemctl daemon-reload
if [ "$1" = purge ]; then
  rm -rf /var/lib/chat-monitor /var/lib/private/chat-monitor /var/lib/chat-monitor-* /var/lib/private/chat-monitor-*
fi
"""


def main(arguments: list[str]) -> int:
    """Build the package into a directory, and print its name."""
    parser = argparse.ArgumentParser(prog="make deb", description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "dist", metavar="DIR", help="default: %(default)s")
    asked = parser.parse_args(arguments)
    asked.into.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("SOURCE_DATE_EPOCH", _committed())
    tree = ROOT / ".cache" / "deb"
    shutil.rmtree(tree, ignore_errors=True)
    wheel = _wheel(asked.into)
    version = wheel.name.split("-")[1]
    _environment(tree, wheel)
    _system(tree)
    _manual(tree)
    _control(tree, version)
    file = asked.into / f"chat-monitor_{version}_amd64.deb"
    _at(tree, int(os.environ["SOURCE_DATE_EPOCH"]))
    _run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", tree, file)
    sys.stdout.write(f"{file}\n")
    return 0


def _run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout  # noqa: S603 - fixed


def _committed() -> str:
    """Return the time of the commit; of the changelog if there is no repository."""
    if commit_of(ROOT):
        return _run("git", "log", "-1", "--format=%ct").strip()
    return str(int((ROOT / "CHANGELOG.md").stat().st_mtime))


def _wheel(into: Path) -> Path:
    """Build the wheel and return it."""
    _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", into, ".")
    return max(into.glob("chat_monitor-*.whl"), key=lambda file: file.stat().st_mtime)


def _environment(tree: Path, wheel: Path) -> None:
    """Write the environment: the wheels of the pinned versions, a link to Debian's Python, and the command."""
    platforms = [word for name in PLATFORM for word in ("--platform", name)]
    pip = (sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile")
    only = ("--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}", *platforms)
    _run(*pip, *only, "--target", tree / LIBRARY, "-c", "requirements/run.txt", wheel)
    for leftover in ("bin", "share"):
        shutil.rmtree(tree / LIBRARY / leftover, ignore_errors=True)
    for file in (tree / LIBRARY).glob("*.dist-info/*"):
        if file.name in {"RECORD", "direct_url.json", "REQUESTED", "INSTALLER"}:
            file.unlink()  # they list what is not here, or name the machine that built it
    binaries = tree / HOME / "bin"
    binaries.mkdir()
    (binaries / "python").symlink_to(f"/usr/bin/python{PYTHON}")
    _write(binaries / "chat-monitor", LAUNCHER, 0o755)
    _write(tree / HOME / "pyvenv.cfg", f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n")
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/chat-monitor").symlink_to(f"/{HOME}/bin/chat-monitor")


def _system(tree: Path) -> None:
    """Write the units, the first config, the completions and the documents."""
    for unit in sorted((ROOT / "systemd").iterdir()):
        _write(tree / "usr/lib/systemd/system" / unit.name, unit.read_text(encoding="utf-8"))
    command = Path(sys.executable).with_name("chat-monitor")
    config = tree / CONFIG
    config.parent.mkdir(parents=True)
    _run(command, "init", "--preset", "vllm", config)
    for shell, place in (
        ("bash", "usr/share/bash-completion/completions/chat-monitor"),
        ("zsh", "usr/share/zsh/vendor-completions/_chat-monitor"),
        ("fish", "usr/share/fish/vendor_completions.d/chat-monitor.fish"),
    ):
        _write(tree / place, _run(command, "completion", shell))
    documents = tree / "usr/share/doc/chat-monitor"
    _write(documents / "copyright", (ROOT / "LICENSE").read_text(encoding="utf-8"))
    _compressed(documents / "changelog.gz", (ROOT / "CHANGELOG.md").read_bytes())


def _manual(tree: Path) -> None:
    """Write a manual page for the command and each of its commands, from what `--help` says."""
    pages = tree / "usr/share/man/man1"
    pages.mkdir(parents=True)
    _run(sys.executable, "-m", "tools.manual", pages)
    for page in pages.glob("*.1"):
        _compressed(page.with_name(f"{page.name}.gz"), page.read_bytes())
        page.unlink()


def _control(tree: Path, version: str) -> None:
    control = tree / "DEBIAN"
    size = sum(file.stat().st_size for file in tree.rglob("*") if file.is_file() and not file.is_symlink()) // 1024
    major, minor = PYTHON.split(".")
    after = f"{major}.{int(minor) + 1}"
    _write(control / "control", CONTROL.format(version=version, size=size, python=PYTHON, next=after))
    _write(control / "conffiles", f"/{CONFIG}\n")
    for name, script in (("postinst", POSTINST), ("prerm", PRERM), ("postrm", POSTRM)):
        _write(control / name, script, 0o755)


def _write(file: Path, text: str, mode: int = 0o644) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)


def _compressed(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(content, mtime=0))


def _at(tree: Path, seconds: int) -> None:
    """Give every file the time of the commit, and modes that no umask changed."""
    for file in [tree, *tree.rglob("*")]:
        os.utime(file, (seconds, seconds), follow_symlinks=False)
        if not file.is_symlink():
            executable = file.is_dir() or file.stat().st_mode & 0o100
            file.chmod(0o755 if executable else 0o644)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
