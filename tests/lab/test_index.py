"""The page: complete, safe to show, and its lines can be copied as they are."""

from __future__ import annotations

import json
import shlex
from html.parser import HTMLParser

import pytest

from monitor.lab.dialects import DIALECTS
from monitor.lab.index import page
from monitor.lab.request import LabRequest
from monitor.lab.scenarios import ALL, DRAWS, HTTP2_FAULTS, all_scenarios, scenarios

OWN = "http://127.0.0.1:9878"


def shown(**headers: str) -> tuple[str, str]:
    """Head and body of the page."""
    found = page("/", LabRequest("GET", "/", "1.1", headers), OWN)
    assert found is not None
    head, _, body = found.data.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    return head.decode(), body.decode()


def test_programs_get_every_fault_as_json() -> None:
    """With its parameters, a command to copy and the verdict to expect."""
    head, body = shown(host="lab.test:1", accept="application/json")
    assert "Content-Type: application/json" in head
    index = json.loads(body)
    assert index["protocols"] == list(DIALECTS)
    assert [fault["name"] for fault in index["faults"]] == [fault.name for fault in ALL]
    assert {param["name"] for param in index["common_parameters"]} == {"n", "gap", "ttfc", "framing"}
    drawn = sum(len(draw.examples) for draw in DRAWS.values()) * len(DIALECTS)
    own = sum(len(scenarios(name, fault)) for name in DIALECTS for fault in HTTP2_FAULTS.values())
    assert len(index["examples"]) == len(list(all_scenarios())) + drawn + own
    reset = next(one for one in index["examples"] if one["path"] == "/openai-chat/h2-reset")
    assert reset["command"].endswith("--protocol openai-chat --http 2")
    cut = next(one for one in index["examples"] if one["path"] == "/openai-chat/cut?after=5&by=rst")
    assert cut["expect"] == "truncated/reset"
    assert shlex.split(cut["command"]) == [
        "chat-monitor",
        "probe",
        "http://lab.test:1/openai-chat/cut?after=5&by=rst",
        "--protocol",
        "openai-chat",
    ]


class Cells(HTMLParser):
    """The text in code elements."""

    def __init__(self) -> None:
        super().__init__()
        self.code: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note whether code begins."""
        del attrs
        self._inside = tag == "code"

    def handle_data(self, data: str) -> None:
        """Keep it."""
        if self._inside:
            self.code.append(data)
            self._inside = False


def test_people_get_lines_to_copy() -> None:
    """The page shows the very commands that the JSON has, and the flags to expect."""
    head, body = shown(host="lab.test")
    assert "Content-Type: text/html" in head
    cells = Cells()
    cells.feed(body)
    commands = [one["command"] for one in json.loads(shown(host="lab.test", accept="application/json")[1])["examples"]]
    assert [code for code in cells.code if code.startswith("chat-monitor")] == commands
    assert "<td>ok (unclean_end)" in body
    assert "<td>as the header X-Lab-Expect says each time" in body


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("lab.test:80", "http://lab.test:80"),
        ("[::1]:9878", "http://[::1]:9878"),
        ("", OWN),
        ("a'b", OWN),
        ("<script>", OWN),
        ("a b", OWN),
    ],
)
def test_only_a_host_that_is_one_is_shown(host: str, url: str) -> None:
    """Anything else in a Host header is replaced by the lab's own address."""
    assert f"probe &#39;{url}/raw/ok&#39; --protocol raw" in shown(host=host)[1]
