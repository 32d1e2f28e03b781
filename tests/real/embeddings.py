"""Answer /v1/embeddings with the words of a text counted into 64 numbers: enough for a knowledge base to find its page.

Run with any Python: `python embeddings.py PORT`. Retrieval quality is not what the chain is measured for; that
the knowledge-base route asks for an embedding before it streams is.
"""

import json
import math
import sys
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WIDTH = 64


def vector(text: str) -> list[float]:
    """Count every word into one of the numbers, by its checksum, and scale the whole to length one."""
    counts = [0.0] * WIDTH
    for word in text.lower().split() or [""]:
        counts[zlib.crc32(word.encode()) % WIDTH] += 1.0
    length = math.sqrt(sum(count * count for count in counts))
    return [count / length for count in counts]


class Embeddings(BaseHTTPRequestHandler):
    """The one route, as OpenAI shapes it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Say that the server is up."""
        self.reply({"object": "list", "data": []})

    def do_POST(self) -> None:
        """Embed one text or a list of them."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        data = [
            {"object": "embedding", "index": index, "embedding": vector(str(text))} for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        self.reply({"object": "list", "model": asked["model"], "data": data, "usage": usage})

    def reply(self, answer: object) -> None:
        """Send one JSON body with its length."""
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Embeddings).serve_forever()
