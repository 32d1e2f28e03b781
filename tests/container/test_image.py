"""The image, built by buildah on a base that debootstrap made, and run by podman: no root, read-only, signals, health.

Tested are Debian 12's buildah, podman and runc, with Debian 12 as the base. The default base of the Containerfile is
pulled from a registry and is not tested.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from monitor.cli.kubernetes import USER
from tests.alerts.stack import answers, program, until
from tests.dashboards.live import free_port

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".cache" / "container"
"""Base and image are kept here: the base takes minutes to make."""
STORE = ("--root", str(KEPT / "store"), "--runroot", str(KEPT / "run"), "--storage-driver", "vfs")
BASE, IMAGE = "localhost/debootstrap:bookworm", "localhost/chat-monitor:test"
LEFT_OUT = (".git", ".venv", ".real", ".cache", "__pycache__", ".*_cache")

pytestmark = [pytest.mark.real, pytest.mark.timeout(1200)]


def done(*command: str, **more: Path) -> str:
    """Run a command and return what it printed; its words are the message if it fails."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=more.get("cwd"))
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    return ran.stdout


def podman(*command: str) -> str:
    """Run podman on a store of our own, without systemd."""
    binary = program("podman", package="podman")
    runtime = program("runc", package="runc")
    return done(binary, *STORE, "--cgroup-manager=cgroupfs", "--events-backend=file", "--runtime", runtime, *command)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the name of the image, built from this checkout and from wheels that are fetched before."""
    context = tmp_path_factory.mktemp("context") / "src"
    shutil.copytree(ROOT, context, ignore=shutil.ignore_patterns(*LEFT_OUT))
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(context / "wheels"))
    done(
        *pip,
        "--constraint",
        "requirements/run.txt",
        "--requirement",
        "requirements/run.txt",
        "hatchling",
        "cryptography",
        cwd=ROOT,
    )
    if BASE not in podman("images", "--format", "{{.Repository}}:{{.Tag}}"):
        _make_base(tmp_path_factory.mktemp("base"))
    buildah = program("buildah", package="buildah")
    options = ("--isolation=chroot", "--network=host", "--format", "docker", "--build-arg", f"BASE={BASE}")
    done(buildah, *STORE, "build", *options, "--tag", IMAGE, "--file", "Containerfile", ".", cwd=context)
    return IMAGE


def _make_base(directory: Path) -> None:
    """Make Debian with Python in a directory, and an image of it."""
    debootstrap = program("debootstrap", package="debootstrap")
    packages = "--include=python3,python3-venv,ca-certificates"
    done(debootstrap, "--variant=minbase", packages, "bookworm", str(directory / "root"))
    archive = directory / "base.tar"
    done("tar", "--create", "--directory", str(directory / "root"), "--file", str(archive), ".")
    podman("import", str(archive), BASE)


HARDENED = (
    "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--network=host",
    "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--no-healthcheck",
    "--mount", "type=tmpfs,destination=/var/lib/chat-monitor,U=true",
)  # fmt: skip
"""A container without root that writes nowhere else. Health checks of podman need systemd, so one is run manually."""


@pytest.fixture
def box(image: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the name of a container that is removed at the end; the test starts it."""
    assert image
    name = f"chat-monitor-{request.node.name[:20]}"
    yield name
    podman("rm", "--force", "--ignore", name)


def start(name: str, *command: str, mounts: Mapping[Path, str] | None = None) -> None:
    """Start the image with files mounted that it can only read."""
    volumes = [word for place, inside in (mounts or {}).items() for word in ("--volume", f"{place}:{inside}:ro")]
    podman("run", "--detach", "--name", name, *HARDENED, *volumes, IMAGE, *command)


def test_the_daemon_is_process_1_without_root_and_drains_when_it_is_stopped(box: str, tmp_path: Path) -> None:
    """It reads its mounted config and secret, writes only to its state, is healthy, and ends with 0 on SIGTERM."""
    port = free_port()
    config, key = tmp_path / "config.toml", tmp_path / "key"
    config.write_text(
        '[history]\npath = "history.db"\n[[targets]]\nname = "t"\nprotocol = "openai-chat"\nmodel = "m"\n'
        'url = "http://127.0.0.1:9/v1/chat/completions"\napi_key_file = "/run/secrets/key"\n'
    )
    key.write_text("sk-canary")
    for file in (config, key):
        file.chmod(0o644)
    mounts = {config: "/etc/chat-monitor/config.toml", key: "/run/secrets/key"}
    start(box, "run", "--web.listen-address", f"127.0.0.1:{port}", mounts=mounts)
    until(lambda: answers(f"http://127.0.0.1:{port}/-/ready"), 120, "the daemon")
    assert "chat-monitor" in podman("exec", box, "cat", "/proc/1/cmdline").split("\0")[1]
    assert podman("exec", box, "id", "--user").strip() == str(USER)
    with pytest.raises(AssertionError, match="Read-only file system"):
        podman("exec", box, "touch", "/x")
    until(lambda: "history.db" in podman("exec", box, "ls", "/var/lib/chat-monitor"), 60, "history")
    podman("stop", "--time", "40", box)
    assert json.loads(podman("inspect", box))[0]["State"]["ExitCode"] == 0
    events = [json.loads(line) for line in podman("logs", box).splitlines() if line.startswith("{")]
    assert [event["event"] for event in events][-1] == "stopping"
    assert {event.get("outcome") for event in events if event["event"] == "probe"} == {"unreachable"}
    assert "sk-canary" not in str(events)


def test_the_health_check_of_the_image_is_what_it_says(box: str) -> None:
    """Its command succeeds while the daemon runs, and fails while nothing answers; the demo needs no config."""
    found = json.loads(podman("image", "inspect", IMAGE))[0]
    check = found["Healthcheck"]["Test"]
    assert (found["User"], found["Config"]["StopSignal"], check[0]) == (f"{USER}:{USER}", "SIGTERM", "CMD")
    own = [word.replace("9877", "19877") for word in check[1:]]
    start(box, "demo", "--listen", "127.0.0.1:19877")
    until(lambda: answers("http://127.0.0.1:19877/-/healthy"), 120, "the demo")
    podman("exec", box, *own)
    with pytest.raises(AssertionError, match="Connection refused"):
        podman("exec", box, *[word.replace("19877", "19") for word in own])
    podman("stop", "--time", "60", box)
    assert json.loads(podman("inspect", box))[0]["State"]["ExitCode"] != 137
