"""A small model server over HTTP/1.1 that streams OpenAI chats: `python model_server.py PORT MODE-FILE`.

The file says what it does: `ok`, `raise` (an exception in the generator), `think` (a long pause in the answer), or
`long` (a long answer). It is a program of its own, so that it can be killed and frozen.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path

from aiohttp import web

MODE = web.AppKey("mode", Path)
PAUSE = 4.0


async def chat(request: web.Request) -> web.StreamResponse:
    """Stream one answer."""
    mode = request.app[MODE].read_text().strip()
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    dice = random.Random()  # noqa: S311 - the pace of an answer
    pace = dice.uniform(0.02, 0.05)
    stops_at = dice.randint(3, 12)
    for number in range(100 if mode == "long" else 16):
        if mode == "raise" and number == stops_at:
            raise RuntimeError("the generator failed")
        delta = {"index": 0, "delta": {"content": f"{number} "}, "finish_reason": None}
        await answer.write(_event(delta))
        await asyncio.sleep(PAUSE if mode == "think" and number == stops_at else pace)
    await answer.write(_event({"index": 0, "delta": {}, "finish_reason": "stop"}))
    await answer.write(b"data: [DONE]\n\n")
    return answer


def _event(choice: dict[str, object]) -> bytes:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def main() -> None:
    """Serve until it is ended."""
    app = web.Application()
    app[MODE] = Path(sys.argv[2])
    app.router.add_post("/v1/chat/completions", chat)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)


if __name__ == "__main__":
    main()
