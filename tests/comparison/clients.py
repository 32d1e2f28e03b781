"""What others say of a stream: each client as its documentation shows it, run in an environment of its own.

Reads {"client", "urls", "prompt", "ca_file", "patience"} from stdin and writes what the client said of each URL to
stdout. A client is a program that reads the whole answer; what it says is `complete`, or the exception that it raised.
"""

# mypy and ruff see this file without the libraries, so they are imported by name.
from __future__ import annotations

import asyncio
import json
import logging
import ssl
import sys
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import Any

Ask = Callable[[str, str], Awaitable[int]]
"""Asks a URL with a prompt and returns how many pieces of output came."""
DONE = "[DONE]"


def body(prompt: str) -> dict[str, object]:
    """Return the request that every client sends."""
    return {"model": "lab", "stream": True, "max_tokens": 400, "messages": [{"role": "user", "content": prompt}]}


def output(line: str) -> int:
    """Count the output in a line of the stream."""
    if not line.startswith("data:") or line[5:].strip() == DONE:
        return 0
    choices = json.loads(line[5:])["choices"]
    return sum(bool(choice["delta"].get("content")) for choice in choices)


async def plain_aiohttp(context: ssl.SSLContext) -> Ask:
    """aiohttp: a session, `raise_for_status`, and the lines of the body."""
    aiohttp: Any = import_module("aiohttp")

    async def ask(url: str, prompt: str) -> int:
        pieces = 0
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
            session.post(url, json=body(prompt)) as response,
        ):
            response.raise_for_status()
            async for line in response.content:
                pieces += output(line.decode())
        return pieces

    return ask


async def plain_httpx(context: ssl.SSLContext, *, http2: bool = False) -> Ask:
    """httpx: a client, `raise_for_status`, and `aiter_lines`; with `http2`, in HTTP/2 alone."""
    httpx: Any = import_module("httpx")

    async def ask(url: str, prompt: str) -> int:
        pieces = 0
        async with (
            httpx.AsyncClient(verify=context, http1=not http2, http2=http2) as client,
            client.stream("POST", url, json=body(prompt)) as response,
        ):
            response.raise_for_status()
            async for line in response.aiter_lines():
                pieces += output(line)
        return pieces

    return ask


async def httpx_in_http2(context: ssl.SSLContext) -> Ask:
    """httpx, in HTTP/2."""
    return await plain_httpx(context, http2=True)


async def official(context: ssl.SSLContext) -> Ask:
    """The official client of OpenAI: a chat with `stream=True`, without retries, which would hide faults."""
    openai: Any = import_module("openai")

    async def ask(url: str, prompt: str) -> int:
        pieces = 0
        http = openai.DefaultAsyncHttpxClient(verify=context)
        async with openai.AsyncOpenAI(api_key="lab", base_url=url, max_retries=0, http_client=http) as client:
            client._prepare_url = lambda _: http.build_request("POST", url).url
            stream = await client.chat.completions.create(**body(prompt))
            async for chunk in stream:
                pieces += sum(bool(choice.delta.content) for choice in chunk.choices)
        return pieces

    return ask


async def official_anthropic(_context: ssl.SSLContext) -> Ask:
    """The official client of Anthropic: `messages.stream`, its texts and its final message, without retries."""
    anthropic: Any = import_module("anthropic")

    async def ask(url: str, prompt: str) -> int:
        pieces = 0
        asked = {name: value for name, value in body(prompt).items() if name != "stream"}
        async with anthropic.AsyncAnthropic(api_key="lab", base_url=url, max_retries=0) as client:
            client._prepare_url = lambda _: client._client.build_request("POST", url).url
            async with client.messages.stream(**asked) as stream:
                async for text in stream.text_stream:
                    pieces += bool(text)
                message = await stream.get_final_message()
                pieces += sum(bool(getattr(block, "text", "")) for block in message.content)
        return pieces

    return ask


async def guidellm(context: ssl.SSLContext) -> Ask:
    """GuideLLM: the HTTP backend that its benchmarks run on; a request without an exception counts as completed."""
    backends: Any = import_module("guidellm.backends")
    schemas: Any = import_module("guidellm.schemas")
    args: Any = import_module("guidellm.schemas.backends").OpenAIHTTPBackendArgs
    httpx: Any = import_module("httpx")

    async def ask(url: str, prompt: str) -> int:
        root, _, path = url.partition("/openai-chat/")
        routes = {"/v1/chat/completions": f"openai-chat/{path}"}
        backend = backends.OpenAIHTTPBackend(args(target=root, model="lab", api_routes=routes))
        await backend.process_startup()
        backend._async_client = httpx.AsyncClient(
            timeout=backend._async_client.timeout,
            verify=context,
        )
        request = schemas.GenerationRequest(columns={"text_column": [prompt]})
        pieces = 0
        try:
            async for answer, info in backend.resolve(request, schemas.RequestInfo()):
                if answer is not None:
                    pieces = info.timings.token_iterations
        finally:
            await backend.process_shutdown()
        return pieces

    return ask


CLIENTS: Mapping[str, Callable[[ssl.SSLContext], Awaitable[Ask]]] = {
    "aiohttp": plain_aiohttp,
    "httpx": plain_httpx,
    "httpx-http2": httpx_in_http2,
    "openai": official,
    "anthropic": official_anthropic,
    "guidellm": guidellm,
}


async def outcome(ask: Ask, url: str, prompt: str, patience: float) -> str:
    """Return in a few words what came of one URL."""
    try:
        async with asyncio.timeout(patience):
            pieces = await ask(url, prompt)
    except TimeoutError as error:
        return f"still waiting after {patience:g} s" if type(error) is TimeoutError else type(error).__name__
    except Exception as error:  # noqa: BLE001 - whatever it raises is what it says
        return type(error).__name__
    return "complete" if pieces else "complete, without output"


async def main() -> None:
    """Ask all URLs at once."""
    logging.disable()
    job = json.load(sys.stdin)
    ask = await CLIENTS[job["client"]](ssl.create_default_context(cafile=job["ca_file"] or None))
    found = await asyncio.gather(*(outcome(ask, url, job["prompt"], job["patience"]) for url in job["urls"]))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
