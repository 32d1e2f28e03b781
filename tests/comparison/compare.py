"""Write docs/comparison.md: fault by fault, what this product says beside what others say of the same streams.

    python tests/comparison/compare.py [--write]

Every client is a real one, over loopback: the libraries of requirements/compare.txt in .cache/compare, and Debian's
prometheus-blackbox-exporter. Nothing on the page is written by hand but its frame.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import aiohttp

from monitor.http import Client
from monitor.lab.server import Lab, serve
from monitor.lab.tls import tls_lab
from monitor.lab.tls_faults import TlsLab
from monitor.probe.run import Prober
from monitor.record.observation import Observation
from monitor.settings import Limits, Network
from monitor.target import CountCheck, Target, Timeouts, Tls
from tests.records import record

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "comparison.md"
PYTHON = ROOT / ".cache" / "compare" / "bin" / "python"
CLIENTS_PROGRAM = Path(__file__).with_name("clients.py")
PATIENCE = 12.0
TIMEOUTS = Timeouts(connect=2.0, headers=3.0, first_chunk=4.0, idle=3.0, total=10.0, drain=0.5)
PROMPT = "Count from 1 to 40, one number a line, then write END-5eed."
NAMES = {"aiohttp": "aiohttp", "httpx": "httpx", "openai": "openai", "guidellm": "GuideLLM"}
MODULES = {"http_2xx": "blackbox `http_2xx`", "marker": "blackbox, body must have `[DONE]`"}
FLAGS = ("unclean_end", "buffered", "content_type_mismatch")


class Case(NamedTuple):
    """One stream to ask for."""

    path: str
    """Of the lab, or `tls-NAME` of its TLS faults."""
    says: str
    fine: bool = False
    """Whether a user has the whole answer."""


CASES = (
    Case("ok", "nothing is wrong", fine=True),
    Case("no-marker", "whole, without `[DONE]`, as some servers always are", fine=True),
    Case("cut-after-end", "whole, but the chunked body has no end", fine=True),
    Case("left-open", "whole, and the connection stays open", fine=True),
    Case("buffered", "whole, and all of it at once", fine=True),
    Case("cut?after=5&by=fin", "a chunked body is cut by FIN"),
    Case("cut?after=5&by=rst", "a chunked body is cut by RST"),
    Case("cut?after=5&by=fin&framing=length", "a body with Content-Length is cut"),
    Case("cut?after=5&by=fin&framing=close", "a body without a declared length is cut by FIN"),
    Case("cut?after=5&by=rst&framing=close", "a body without a declared length is cut by RST"),
    Case("clean-cut?after=5", "half the answer, and a clean end of the body"),
    Case("clean-cut?after=5&marker=yes", "half the answer, `[DONE]`, and a clean end"),
    Case("mid-event", "a clean end inside an event"),
    Case("chunk-size?as=zz", "a chunk size that is none"),
    Case("chunk-data?as=longer", "a chunk longer than it says"),
    Case("stall?after=3", "silence in mid-stream"),
    Case("stall-pings", "pings and no output in mid-stream"),
    Case("stall-pings?after=0", "pings, and never any output"),
    Case("hang", "no response head"),
    Case("error", "an error object in the stream, and a clean end"),
    Case("server-abort", "finish reason `abort`, then `[DONE]`"),
    Case("token-limit", "the server's own token limit"),
    Case("filtered", "a content filter ends it"),
    Case("empty", "a finish reason without any output"),
    Case("missing", "a piece of the answer is missing"),
    Case("duplicated", "a piece of the answer comes twice"),
    Case("malformed-event?as=json", "an event that is no JSON"),
    Case("html", "status 200 and an HTML page"),
    Case("json?body=error", "status 200 and an error as JSON"),
    Case("encoding?as=gzip&cut=yes", "gzip that nobody asked for, cut inside, and a clean end"),
    Case("status?code=429&retry_after=7", "status 429"),
    Case("tls-expired", "an expired certificate"),
    Case("tls-no-close-notify-cut", "half the answer over TLS, ended without close_notify"),
)
BLACKBOX = """
modules:
  http_2xx: &chat
    prober: http
    timeout: {patience}s
    http: &http
      method: POST
      headers: {{Content-Type: application/json}}
      body: '{body}'
      tls_config: {{ca_file: "{ca_file}"}}
  marker:
    <<: *chat
    http:
      <<: *http
      fail_if_body_not_matches_regexp: ['data: \\[DONE\\]']
"""
FRAME = """<!-- What this product says of each fault, beside other clients; written by tests/comparison/compare.py. -->
# What others say of the same streams

The fault lab sends each stream to every client. **Bold** is what misleads: `complete` or `up` of an answer that a user
does not have whole, an error for one that is whole, or no word within {patience:g} s.

{table}

{versions}

- **chat-monitor**: one probe with the counted list as its check; timeouts: {timeouts}.
- **aiohttp**, **httpx**: the loop of their documentation: status checked, every `data:` line parsed, default timeouts.
- **openai**: `chat.completions.create(stream=True)`, read to its end; no retries, which would hide faults.
- **GuideLLM**: the HTTP backend of its benchmarks; a request that raises nothing is counted as completed.
- **blackbox_exporter**: a POST of the same request; once as `http_2xx`, once with `fail_if_body_not_matches_regexp`.

Write this page anew with `make compare`.
"""


# -- what each says ----------------------------------------------------------------------------------------------------


def url_of(case: Case, lab: Lab, tls: TlsLab) -> str:
    """Return where a case is asked for."""
    if not case.path.startswith("tls-"):
        return f"{lab.url}/openai-chat/{case.path}"
    return tls.url(next(fault for fault in tls.faults if fault.target == case.path), "127.0.0.1")


async def ours(urls: Sequence[str], ca_file: str) -> list[str]:
    """Return what this product says of each."""
    prober = Prober(Client(Limits(), Network()), Limits())

    def target(url: str) -> Target:
        return Target("it", "openai-chat", url, "lab", timeouts=TIMEOUTS, check=CountCheck(), tls=Tls(ca_file))

    return [in_words(seen) for seen in await asyncio.gather(*(prober(target(url), "cli") for url in urls))]


def in_words(seen: Observation) -> str:
    """Return outcome, cause and flags of a probe."""
    event = record(seen)
    verdict = "/".join(filter(None, (seen.verdict.outcome.value, seen.verdict.cause)))
    return ", ".join([verdict, *(flag for flag in FLAGS if event.get(flag))])


async def theirs(client: str, urls: Sequence[str], ca_file: str) -> list[str]:
    """Return what a library says of each, run by the Python that has it."""
    job = {"client": client, "urls": urls, "prompt": PROMPT, "ca_file": ca_file, "patience": PATIENCE}
    process = await asyncio.create_subprocess_exec(
        PYTHON, CLIENTS_PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    out, _ = await process.communicate(json.dumps(job).encode())
    found: list[str] = json.loads(out)
    return found


async def exporter(urls: Sequence[str], ca_file: str, place: Path) -> dict[str, list[str]]:
    """Return what blackbox_exporter says of each, by module."""
    program, config, port = exporter_program(), place / "blackbox.yml", free_port()
    request = {"model": "lab", "stream": True, "messages": [{"role": "user", "content": PROMPT}]}
    config.write_text(BLACKBOX.format(patience=int(PATIENCE), body=json.dumps(request), ca_file=ca_file))
    listen = f"127.0.0.1:{port}"
    process = await asyncio.create_subprocess_exec(
        program, f"--config.file={config}", f"--web.listen-address={listen}", "--log.level=error"
    )
    try:
        async with aiohttp.ClientSession(f"http://{listen}") as session:
            await ready(session)
            return {
                module: await asyncio.gather(*(scraped(session, module, url) for url in urls)) for module in MODULES
            }
    finally:
        process.terminate()
        await process.wait()


def exporter_program() -> str:
    """Return the path of Debian's exporter."""
    program = shutil.which("prometheus-blackbox-exporter")
    if program is None:
        sys.exit("prometheus-blackbox-exporter is not installed: apt-get install prometheus-blackbox-exporter")
    return program


def free_port() -> int:
    """Return a port on which nobody listens now."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


async def ready(session: aiohttp.ClientSession) -> None:
    """Return when the exporter answers."""
    async with asyncio.timeout(10):
        while True:
            try:
                async with session.get("/-/healthy"):
                    return
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)


async def scraped(session: aiohttp.ClientSession, module: str, url: str) -> str:
    """Return what one of its probes says."""
    async with session.get("/probe", params={"module": module, "target": url}) as response:
        lines = (await response.text()).splitlines()
    found = dict(line.rsplit(" ", 1) for line in lines if line and not line.startswith("#") and "{" not in line)
    if found["probe_success"] == "1":
        return "up"
    if float(found["probe_duration_seconds"]) >= PATIENCE - 1:
        return f"down after {PATIENCE:g} s"
    if found.get("probe_failed_due_to_regex") == "1":
        return "down (body)"
    status = found.get("probe_http_status_code", "0")
    return "down" if status in {"0", "200"} else f"down ({status})"


# -- the page ----------------------------------------------------------------------------------------------------------


def misleads(case: Case, says: str) -> bool:
    """Whether a word about a stream is wrong."""
    if says.startswith("still waiting"):
        return True
    word, _, more = says.partition(",")
    return (word in {"ok", "complete", "up"} and "without output" not in more) is not case.fine


def cell(case: Case, says: str) -> str:
    """Return a word, in bold where it misleads."""
    return f"**{says}**" if misleads(case, says) else says


def table(columns: Mapping[str, Sequence[str]]) -> Iterable[str]:
    """Return the lines of the table: a row for each case, and how often each client misleads."""
    yield f"| stream | {' | '.join(columns)} |"
    yield f"|---|{'---|' * len(columns)}"
    for number, case in enumerate(CASES):
        cells = (cell(case, said[number]) for said in columns.values())
        yield f"| {case.says}<br>`{case.path}` | {' | '.join(cells)} |"
    wrong = (
        f"{sum(misleads(case, word) for case, word in zip(CASES, said, strict=True))}" for said in columns.values()
    )
    yield f"| misleading, of {len(CASES)} | {' | '.join(wrong)} |"


def versions() -> Mapping[str, str]:
    """Return what is installed, by name."""
    code = "import importlib.metadata as m, sys; print(*(m.version(name) for name in sys.argv[1:]))"
    found = subprocess.check_output([PYTHON, "-c", code, *NAMES], text=True).split()
    return dict(zip(NAMES, found, strict=True))


def exporter_version() -> str:
    """Return the exporter's version."""
    said = subprocess.check_output([exporter_program(), "--version"], text=True, stderr=subprocess.STDOUT)
    return said.split("version ")[1].split()[0]


async def asked(place: Path) -> dict[str, Sequence[str]]:
    """Ask everybody, one after the other, so that nobody slows down another; return the columns."""
    async with AsyncExitStack() as stack:
        tls = await stack.enter_async_context(tls_lab("127.0.0.1", 0))
        lab = await stack.enter_async_context(await serve("127.0.0.1", 0))
        urls = [url_of(case, lab, tls) for case in CASES]
        columns: dict[str, Sequence[str]] = {"chat-monitor": await ours(urls, tls.ca_file)}
        for client, name in NAMES.items():
            columns[name] = await theirs(client, urls, tls.ca_file)
        for module, said in (await exporter(urls, tls.ca_file, place)).items():
            columns[MODULES[module]] = said
        return columns


def page() -> str:
    """Return the page."""
    with TemporaryDirectory() as place:
        columns = asyncio.run(asked(Path(place)))
    names = [f"{NAMES[client]} {version}" for client, version in versions().items()]
    said = f"Asked: {', '.join(names)}, blackbox_exporter {exporter_version()} of Debian."
    limits = ", ".join(f"{name} {value:g} s" for name, value in vars_of(TIMEOUTS))
    return FRAME.format(patience=PATIENCE, table="\n".join(table(columns)), versions=said, timeouts=limits)


def vars_of(timeouts: Timeouts) -> list[tuple[str, float]]:
    """Return the timeouts by name."""
    return [(name, getattr(timeouts, name)) for name in ("connect", "headers", "first_chunk", "idle", "total", "drain")]


def main() -> None:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)} instead of printing it")
    if not PYTHON.exists():
        sys.exit(f"{PYTHON.relative_to(ROOT)} is missing: make compare installs requirements/compare.txt there")
    if parser.parse_args().write:
        PAGE.write_text(page())
    else:
        sys.stdout.write(page())


if __name__ == "__main__":
    main()
