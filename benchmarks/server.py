"""Build the C programs, run the server that logs every write, and read the records of it and the clients."""

from __future__ import annotations

import shutil
import signal
import subprocess
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

HERE = Path(__file__).parent
_WIDTH = 5
_ACCEPTED, _REQUESTED, _GONE = -2, -1, -3


class Record(NamedTuple):
    """One record of a log; what a, b and c are depends on the number (truth.c, floor.c, load.py, clients/daemon.py)."""

    stream: int
    number: int
    a: int
    b: int
    c: int


class Write(NamedTuple):
    """One write of the server: when it was due, and the monotonic clock in ns just before and just after it."""

    due: int
    before: int
    after: int


@dataclass(slots=True)
class Truth:
    """What the server did on one connection; `writes` by number: 0 the head, 1 to n the chunks, n + 1 the end."""

    accepted: int = 0
    arrived: int = 0
    """When the kernel received the request's last byte; 0 if it reported none."""
    requested: int = 0
    writes: dict[int, Write] = field(default_factory=dict)
    chunks: int = 0
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Tools:
    """The built programs."""

    truth: Path
    floor: Path
    tls: bool


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files of a self-signed certificate for 127.0.0.1."""

    chain: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its address, the size of an event in the payload and on the wire, and its log file."""

    process: subprocess.Popen[str]
    origin: str
    port: int
    event: int
    event_on_wire: int
    log: Path


def build(into: Path) -> Tools:
    """Compile both programs; the server without TLS if OpenSSL's headers are missing."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SystemExit("benchmark: a C compiler is needed (Debian: apt install gcc libc6-dev libssl-dev)")
    (into / "huffman.h").write_text(_huffman())
    flags: list[str | Path] = [compiler, "-O2", "-Wall", "-Wextra", "-I", into]
    tls = _compiled([*flags, "-DWITH_TLS", "-o", into / "truth", HERE / "truth.c", "-lssl", "-lcrypto"])
    if not tls:
        subprocess.run([*flags, "-o", into / "truth", HERE / "truth.c"], check=True)
    subprocess.run([*flags, "-o", into / "floor", HERE / "floor.c"], check=True)
    return Tools(into / "truth", into / "floor", tls)


def _huffman() -> str:
    """Return the code of HTTP/2's headers as an array in C (RFC 7541, appendix B), by the numbers of the library."""
    codes = zip(REQUEST_CODES[:256], REQUEST_CODES_LENGTH[:256], strict=True)
    rows = "".join(f"    {{{code:#x}, {length}}},\n" for code, length in codes)
    return f"static const struct {{ unsigned code; int length; }} HUFFMAN[256] = {{\n{rows}}};\n"


def _compiled(command: list[str | Path]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def certificate(into: Path) -> Certificate | None:
    """Make a certificate for 127.0.0.1; None without the openssl command."""
    made = Certificate(into / "certificate.pem", into / "key.pem")
    if shutil.which("openssl") is None:
        return None
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    about = ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files: list[str | Path] = ["-keyout", made.key, "-out", made.chain]
    return made if _compiled([*command, *about, *files]) else None


@contextmanager
def serving(tools: Tools, log: Path, tls: Certificate | None) -> Iterator[Server]:
    """Run the server; its log is stored on exit."""
    extra = [tls.chain, tls.key] if tls else []
    process = subprocess.Popen([tools.truth, log, *extra], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port, event, on_wire = map(int, process.stdout.readline().split())
    try:
        yield Server(process, f"{'https' if tls else 'http'}://127.0.0.1:{port}", port, event, on_wire, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stdout.close()


def records(path: Path) -> Iterator[Record]:
    """Return the records of a log."""
    values = array("q")
    values.frombytes(path.read_bytes())
    numbers = iter(values)
    return map(Record._make, zip(*[numbers] * _WIDTH, strict=True))


def truths(log: Path) -> dict[str, Truth]:
    """Return what the server did, by X-Request-ID."""
    ids = Path(f"{log}.ids").read_text().splitlines()
    found = [Truth() for _ in ids]
    for stream, number, a, b, c in records(log):
        truth = found[stream]
        if number == _ACCEPTED:
            truth.accepted = a
        elif number == _REQUESTED:
            truth.arrived, truth.requested = a, b
        elif number == _GONE:
            truth.gone = True
        else:
            truth.writes[number] = Write(a, b, c)
    for truth in found:
        truth.chunks = max(max(truth.writes, default=0) - (not truth.gone), 0)
    return {one: truth for one, truth in zip(ids, found, strict=True) if one}
