"""The comparison page: our own column is the current verdict, and the rest is what the command measured."""

from __future__ import annotations

import re

import pytest

from monitor.lab.server import serve
from monitor.lab.tls import tls_lab
from monitor.target import Http
from tests.comparison.compare import (
    CASES,
    HTTP2_CASES,
    PAGE,
    REPORTED,
    Case,
    cell,
    http2_urls,
    misleads,
    ours,
    ours_of,
    reported,
    url_of,
)

ROW = re.compile(r"\| (?P<says>.*)<br>`(?P<path>.*)` \| (?P<cells>.*) \|")


TABLES = {"HTTP/1.1": CASES, "HTTP/2": HTTP2_CASES}


def rows(http: str = "HTTP/1.1") -> dict[str, list[str]]:
    """Return the cells of one table of the page by the path that was asked for."""
    tables = dict(zip(TABLES, PAGE.read_text().split("## Over HTTP/2"), strict=True))
    found = (ROW.fullmatch(line) for line in tables[http].splitlines())
    return {row["path"]: row["cells"].split(" | ") for row in found if row}


async def test_our_column_is_what_we_say_now() -> None:
    """Every verdict on the page is today's, and none of ours misleads."""
    async with tls_lab("127.0.0.1", 0) as tls, await serve("127.0.0.1", 0) as lab:
        verdicts = await ours([url_of(case, lab, tls) for case in CASES], tls.ca_file)
    assert {path: cells[0] for path, cells in rows().items()} == {
        case.path: cell(case, words) for case, words in zip(CASES, verdicts, strict=True)
    }
    assert not any(misleads(case, words) for case, words in zip(CASES, verdicts, strict=True))


async def test_our_column_over_http2_is_what_we_say_now() -> None:
    """The same of the table of HTTP/2."""
    async with await serve("127.0.0.1", 0) as lab:
        verdicts = await ours(http2_urls(lab.url), "", Http.TWO)
    assert {path: cells[0] for path, cells in rows("HTTP/2").items()} == {
        case.path: cell(case, words) for case, words in zip(HTTP2_CASES, verdicts, strict=True)
    }
    assert not any(misleads(case, words) for case, words in zip(HTTP2_CASES, verdicts, strict=True))


@pytest.mark.parametrize("name", REPORTED)
async def test_our_word_on_a_reported_stream_is_what_we_say_now(name: str) -> None:
    """Our verdicts on the page for streams that users reported are today's, and none misleads."""
    stream = reported()[name]
    verdicts = await ours_of(stream)
    assert f"| {name} | `{stream.protocol}` | {verdicts} |" in PAGE.read_text()
    assert not misleads(Case("", name, fine=stream.comes_to == "ok"), verdicts)


@pytest.mark.parametrize("http", TABLES)
def test_what_is_bold_misleads(http: str) -> None:
    """The marks on the page are what the words are worth, and their sum is its last line."""
    cases = {case.path: case for case in TABLES[http]}
    columns = list(zip(*rows(http).values(), strict=True))
    for path, cells in rows(http).items():
        assert [cell(cases[path], verdicts.strip("*")) for verdicts in cells] == cells
    bold = [sum(verdicts.startswith("**") for verdicts in column) for column in columns]
    assert f"| misleading, of {len(cases)} | {' | '.join(map(str, bold))} |" in PAGE.read_text()


@pytest.mark.parametrize(
    ("fine", "says", "wrong"),
    [
        (True, "ok, unclean_end", False),
        (True, "complete", False),
        (True, "ClientPayloadError", True),
        (False, "complete", True),
        (False, "complete, without output", False),
        (False, "up", True),
        (False, "still waiting after 12 s", True),
        (False, "down after 12 s", False),
    ],
)
def test_what_misleads(fine: bool, says: str, wrong: bool) -> None:
    """A word misleads when it calls whole what is not, or broken what is whole, or never comes."""
    assert misleads(Case("path", "words", fine), says) is wrong
