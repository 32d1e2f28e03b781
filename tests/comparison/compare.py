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
from monitor.keys.tls import Tls
from monitor.lab.peer import peer
from monitor.lab.server import Lab, serve
from monitor.lab.steps import Fin, Send
from monitor.lab.tls import tls_lab
from monitor.lab.tls_faults import TlsLab
from monitor.probe.run import Prober
from monitor.record.observation import Observation
from monitor.settings import Limits, Network
from monitor.stream.endings import EndKind
from monitor.target import CountCheck, Http, Target, Timeouts
from tests.protocols.streams import START, Reported
from tests.protocols.test_gateway_streams import STREAMS as GATEWAY_STREAMS
from tests.protocols.test_reported_streams import STREAMS as REPORTED_STREAMS
from tests.records import record

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "comparison.md"
PYTHON = ROOT / ".cache" / "compare" / "bin" / "python"
CLIENTS_PROGRAM = Path(__file__).with_name("clients.py")
PATIENCE = 12.0
TIMEOUTS = Timeouts(connect=2.0, headers=3.0, first_chunk=4.0, idle=3.0, total=10.0, drain=0.5)
PROMPT = "Count from 1 to 40, one number a line, then write END-5eed."
NAMES = {"aiohttp": "aiohttp", "httpx": "httpx", "openai": "openai", "guidellm": "GuideLLM"}
SDKS = {"openai-chat": "openai", "anthropic-messages": "anthropic"}
"""The official client of the vendor of a protocol."""
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
HTTP2_CASES = (
    Case("ok", "nothing is wrong", fine=True),
    Case("h2-frames?bytes=7", "whole, in small padded frames", fine=True),
    Case("h2-others", "whole, with PING, SETTINGS and unknown frames between", fine=True),
    Case("h2-goaway", "whole, and GOAWAY in the middle, as a server sends it before it stops", fine=True),
    Case("h2-reset?after=10000", "whole, and RST_STREAM in place of END_STREAM", fine=True),
    Case("h2-reset?after=5", "RST_STREAM INTERNAL_ERROR in mid-stream"),
    Case("h2-reset?after=5&code=NO_ERROR", "RST_STREAM NO_ERROR in mid-stream"),
    Case("h2-reset?after=5&code=CANCEL", "RST_STREAM CANCEL in mid-stream"),
    Case("h2-goaway?after=5&then=fin", "GOAWAY in mid-stream, and FIN"),
    Case("h2-cut?wire=900&by=fin", "the connection is closed in mid-stream"),
    Case("h2-cut?wire=900&by=rst", "the connection is reset in mid-stream"),
    Case("h2-refused", "the stream is refused"),
    Case("h2-refused?by=goaway", "GOAWAY in place of an answer"),
    Case("h2-frame?after=5&as=ping", "an invalid PING in mid-stream"),
    Case("h2-frame?after=5&as=headers", "an invalid block of headers in mid-stream"),
    Case("h2-flood?after=5&as=settings", "a flood of SETTINGS in mid-stream, then silence"),
    Case("h2-head?as=continuation", "a head that never ends, in CONTINUATION frames"),
    Case("h2-head?as=http1", "an answer in HTTP/1.1"),
    Case("clean-cut?after=5", "half the answer, and END_STREAM"),
    Case("clean-cut?after=5&marker=yes", "half the answer, `[DONE]`, and END_STREAM"),
    Case("mid-event", "END_STREAM inside an event"),
    Case("error", "an error object in the stream, and END_STREAM"),
)
"""Over HTTP/2; what silence does is in the table above."""
CURL = {"curl": ("--http2-prior-knowledge",), "curl, over TLS": ("--http2",)}
"""Columns of curl, with the options that make it speak HTTP/2."""
CURL_TIMED_OUT = 28
REPORTED = (
    "One-API: stop on every chunk",
    "One-API: stop on every chunk, cut",
    "SGLang: no reason ever",
    "vLLM: an error, then [DONE]",
    "DeepSeek lacks resources",
    "OpenRouter's native reason",
    "Zhipu's network_error",
    "a gateway passes Gemini's word on",
    "an empty error on every chunk",
    "fields of its own",
    "Alibaba: a code and a message",
    "a plain error event",
    "an error's JSON outside the framing",
    "a line in words",
    "MiniMax: reasoning_details",
    "an application's own events, and [DONE]",
    "a role and [DONE]",
    "vLLM: [DONE] after message_stop",
    "all text as the block starts",
    "redacted thinking is no output",
    "an error event without an error",
    "an error event in words",
    "a gateway's OpenAI error",
    "Anthropic: OpenAI's chunks",
    "Anthropic: a reason, then only pings, then a clean end",
)
"""Streams as users of real servers reported them, by their names in the tests."""
WHOLE_START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "lab",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
}
"""How Anthropic's streams begin; the tests leave out what no decoder of ours reads, and Anthropic's client needs it."""
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

## Over HTTP/2

The same request in HTTP/2, to the faults that HTTP/2 has: by prior knowledge, and with curl also over TLS. The verdicts
of the monitor are the same there. The number is curl's exit status.

{http2_table}

## Streams of real servers and gateways

Streams as users reported them, asked for without a content check, by this product and by the official client of the
protocol's vendor. The marks mean the same.

{reported}

- **chat-monitor**: one probe, in the first table with the counted list as its check; timeouts: {timeouts}.
- **aiohttp**, **httpx**: the loop of their documentation: status checked, every `data:` line parsed, default timeouts.
- **httpx, HTTP/2**: the same loop with `http2=True, http1=False`.
- **curl**: the same request with `--fail --no-buffer`; `complete` if it exits with 0.
- **openai**: `chat.completions.create(stream=True)`, read to its end; no retries, which would hide faults.
- **GuideLLM**: the HTTP backend of its benchmarks; a request that raises nothing is counted as completed.
- **blackbox_exporter**: a POST of the same request; once as `http_2xx`, once with `fail_if_body_not_matches_regexp`.
- **anthropic**: `messages.stream`, read to its final message; no retries.

Update this page with `make compare`.
"""


# -- what each says ----------------------------------------------------------------------------------------------------


def url_of(case: Case, lab: Lab, tls: TlsLab) -> str:
    """Return the URL of a case."""
    if not case.path.startswith("tls-"):
        return f"{lab.url}/openai-chat/{case.path}"
    return tls.url(next(fault for fault in tls.faults if fault.target == case.path), "127.0.0.1")


async def ours(urls: Sequence[str], ca_file: str, http: Http = Http.ONE) -> list[str]:
    """Return what this product says of each."""
    prober = Prober(Client(Limits(), Network()), Limits())

    def target(url: str) -> Target:
        tls = Tls(ca_file)
        return Target("it", "openai-chat", url, "lab", timeouts=TIMEOUTS, check=CountCheck(), tls=tls, http=http)

    return [
        in_words(observation) for observation in await asyncio.gather(*(prober(target(url), "cli") for url in urls))
    ]


def in_words(observation: Observation) -> str:
    """Return outcome, cause and flags of a probe."""
    event = record(observation)
    verdict = "/".join(filter(None, (observation.verdict.outcome.value, observation.verdict.cause)))
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


async def curls(options: Sequence[str], urls: Sequence[str], ca_file: str) -> list[str]:
    """Return what curl says of each."""
    return list(await asyncio.gather(*(curl(options, url, ca_file) for url in urls)))


async def curl(options: Sequence[str], url: str, ca_file: str) -> str:
    """Return what curl says of one: whether it exits with 0, and with output."""
    request = json.dumps({"model": "lab", "stream": True, "messages": [{"role": "user", "content": PROMPT}]})
    common = f"--silent --fail --no-buffer --max-time {PATIENCE:g} --cacert {ca_file}".split()
    command = ["curl", *common, *options, "--header", "Content-Type: application/json", "--data", request, url]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    match process.returncode:
        case 0:
            return "complete" if b'"content":' in out else "complete, without output"
        case code if code == CURL_TIMED_OUT:
            return f"still waiting after {PATIENCE:g} s"
        case code:
            return f"curl: {code}"


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
    """Return a port on which nothing listens now."""
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


# -- streams that users reported -------------------------------------------------------------------------------------


def reported() -> dict[str, Reported]:
    """Return the streams by name."""
    known = REPORTED_STREAMS | GATEWAY_STREAMS
    return {name: known[name] for name in REPORTED}


def script(stream: Reported) -> tuple[Send, Fin]:
    """Return how a stream comes over the wire: as one chunk, with the terminal chunk unless it was cut."""
    body = stream.body.replace(json.dumps(START), json.dumps(WHOLE_START)).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    end = b"0\r\n\r\n" if stream.ending.kind is EndKind.COMPLETE else b""
    return Send(head + b"%x\r\n%b\r\n" % (len(body), body) + end), Fin()


async def ours_of(stream: Reported) -> str:
    """Return what this product says of a stream."""
    prober = Prober(Client(Limits(), Network()), Limits())
    async with peer(script(stream)) as server:
        return in_words(
            await prober(Target("it", stream.protocol, server.url, "lab", check=None, timeouts=TIMEOUTS), "cli")
        )


async def asked_for_reported() -> list[tuple[str, Reported, str, str]]:
    """Return each stream with what this product and the vendor's own client say of it."""
    streams = reported()
    mine = [await ours_of(stream) for stream in streams.values()]
    other: dict[str, str] = {}
    for protocol, sdk in SDKS.items():
        names = [name for name, stream in streams.items() if stream.protocol == protocol]
        async with AsyncExitStack() as stack:
            peers = [await stack.enter_async_context(peer(script(streams[name]))) for name in names]
            other |= zip(names, await theirs(sdk, [each.url for each in peers], ""), strict=True)
    return [(name, stream, column, other[name]) for (name, stream), column in zip(streams.items(), mine, strict=True)]


def reported_table(rows: Sequence[tuple[str, Reported, str, str]]) -> Iterable[str]:
    """Return the lines of the table: a row for each stream, and how often each client misleads."""
    yield "| stream | protocol | chat-monitor | vendor's client |"
    yield "|---|---|---|---|"
    wrong = [0, 0]
    for name, stream, *words in rows:
        case = Case("", name, fine=stream.comes_to == "ok")
        wrong = [count + misleads(case, word) for count, word in zip(wrong, words, strict=True)]
        cells = " | ".join(cell(case, word) for word in words)
        yield f"| {name} | `{stream.protocol}` | {cells} |"
    yield f"| misleading, of {len(rows)} | | {wrong[0]} | {wrong[1]} |"


# -- the page ----------------------------------------------------------------------------------------------------------


def misleads(case: Case, says: str) -> bool:
    """Whether a word about a stream is wrong."""
    if says.startswith("still waiting"):
        return True
    word, _, more = says.partition(",")
    return (word in {"ok", "complete", "up"} and "without output" not in more) is not case.fine


def cell(case: Case, says: str) -> str:
    """Return a verdict, in bold if it misleads."""
    return f"**{says}**" if misleads(case, says) else says


def table(columns: Mapping[str, Sequence[str]], cases: Sequence[Case] = CASES) -> Iterable[str]:
    """Return the lines of a table: a row for each case, and how often each client misleads."""
    yield f"| stream | {' | '.join(columns)} |"
    yield f"|---|{'---|' * len(columns)}"
    for number, case in enumerate(cases):
        cells = (cell(case, column[number]) for column in columns.values())
        yield f"| {case.says}<br>`{case.path}` | {' | '.join(cells)} |"
    wrong = (
        f"{sum(misleads(case, word) for case, word in zip(cases, column, strict=True))}" for column in columns.values()
    )
    yield f"| misleading, of {len(cases)} | {' | '.join(wrong)} |"


def versions() -> Mapping[str, str]:
    """Return what is installed, by name."""
    code = "import importlib.metadata as m, sys; print(*(m.version(name) for name in sys.argv[1:]))"
    names = [*NAMES, "anthropic"]
    found = subprocess.check_output([PYTHON, "-c", code, *names], text=True).split()
    return dict(zip(names, found, strict=True))


def exporter_version() -> str:
    """Return the exporter's version."""
    output = subprocess.check_output([exporter_program(), "--version"], text=True, stderr=subprocess.STDOUT)
    return output.split("version ")[1].split()[0]


async def asked(place: Path) -> dict[str, Sequence[str]]:
    """Run all clients one after another, so that none delays another; return the columns."""
    async with AsyncExitStack() as stack:
        tls = await stack.enter_async_context(tls_lab("127.0.0.1", 0))
        lab = await stack.enter_async_context(await serve("127.0.0.1", 0))
        urls = [url_of(case, lab, tls) for case in CASES]
        columns: dict[str, Sequence[str]] = {"chat-monitor": await ours(urls, tls.ca_file)}
        for client, name in NAMES.items():
            columns[name] = await theirs(client, urls, tls.ca_file)
        for module, words in (await exporter(urls, tls.ca_file, place)).items():
            columns[MODULES[module]] = words
        return columns


async def asked_in_http2() -> dict[str, Sequence[str]]:
    """Ask everybody who speaks HTTP/2, one after the other; return the columns."""
    async with tls_lab("127.0.0.1", 0) as tls, await serve("127.0.0.1", 0) as lab:
        urls = http2_urls(lab.url)
        good = next(fault for fault in tls.faults if fault.name == "good")
        encrypted = http2_urls(f"https://127.0.0.1:{good.port}")
        columns: dict[str, Sequence[str]] = {"chat-monitor": await ours(urls, tls.ca_file, Http.TWO)}
        if await ours(encrypted, tls.ca_file, Http.TWO) != columns["chat-monitor"]:
            sys.exit("the verdicts over TLS are others: the page says that they are the same")
        columns["httpx, HTTP/2"] = await theirs("httpx-http2", urls, tls.ca_file)
        for name, options in CURL.items():
            columns[name] = await curls(options, encrypted if "TLS" in name else urls, tls.ca_file)
        return columns


def http2_urls(lab: str) -> list[str]:
    """Return the URLs of the cases of HTTP/2."""
    return [f"{lab}/openai-chat/{case.path}" for case in HTTP2_CASES]


def curl_version() -> str:
    """Return curl's version."""
    return subprocess.check_output(["curl", "--version"], text=True).split()[1]


def page() -> str:
    """Return the page."""
    with TemporaryDirectory() as place:
        columns = asyncio.run(asked(Path(place)))
    over_http2 = asyncio.run(asked_in_http2())
    rows = asyncio.run(asked_for_reported())
    names = [f"{NAMES.get(client, client)} {version}" for client, version in versions().items()]
    column = f"Asked: {', '.join(names)}, blackbox_exporter {exporter_version()} and curl {curl_version()} of Debian."
    limits = ", ".join(f"{name} {value:g} s" for name, value in vars_of(TIMEOUTS))
    return FRAME.format(
        patience=PATIENCE,
        table="\n".join(table(columns)),
        http2_table="\n".join(table(over_http2, HTTP2_CASES)),
        reported="\n".join(reported_table(rows)),
        versions=column,
        timeouts=limits,
    )


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
