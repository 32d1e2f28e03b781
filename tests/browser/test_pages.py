"""The pages in Debian's Chromium, on a daemon that probes every fault of the lab, with a restart in between."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped] # it has no types
from playwright.sync_api import Page, expect

from monitor.lab.scenarios import FAULTS
from tests.browser.conftest import HOSTILE, WIDTHS, Watched

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

DOCS = Path(__file__).parents[2] / "docs" / "screenshots"
SERIOUS = {"serious", "critical"}


def visit(page: Page, daemon: Watched, path: str) -> None:
    """Open a page, and see that it fits its window, is accessible, and complains about nothing."""
    answer = page.goto(daemon.base + path)
    assert answer is not None
    assert answer.status == 200, path
    wide, window = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= window, f"{path} is {wide} px wide in a window of {window}"
    found = Axe().run(page).response["violations"]
    serious = [(it["id"], it["nodes"][0]["html"][:200]) for it in found if it["impact"] in SERIOUS]
    assert serious == [], path


def shoot(page: Page, name: str) -> None:
    """Keep a picture for the docs, if SCREENSHOTS is set: of the first screen of a wide window."""
    if os.environ.get("SCREENSHOTS") and page.viewport_size and page.viewport_size["width"] == WIDTHS[0]:
        DOCS.mkdir(exist_ok=True)
        page.screenshot(path=DOCS / f"{name}.png", scale="css")


def test_every_page(page: Page, daemon: Watched) -> None:
    """Every page of all targets and their last probes has no overflow, no finding and no console message."""
    targets = daemon.until_all_are_probed()
    assert len(targets) == len(FAULTS) + 1
    for path in ("", "?state=down&sort=since", "?group=host", "failures", "failures?cause=truncated"):
        visit(page, daemon, path)
    for it in targets[:: 1 if page.viewport_size and page.viewport_size["width"] == WIDTHS[1] else 4]:
        visit(page, daemon, f"targets/{quote(it['name'], safe='')}")
        visit(page, daemon, f"probes/{it['last']['probe_id']}")


def test_two_clicks_from_the_alert_to_the_cut(page: Page, daemon: Watched) -> None:
    """The alert links to the target's page, and that to the probe that began the incident, also after a restart."""
    for restart in (False, True):
        if restart:
            daemon.restart()
        else:
            daemon.until_all_are_probed(2)
        page.goto(daemon.base)
        shoot(page, "status")
        page.get_by_role("link", name="cut", exact=True).first.click()
        expect(page.locator("h1")).to_contain_text("cut")
        expect(page.locator(".note")).to_contain_text("Failing for")
        expect(page.locator("body")).to_contain_text("Suspect")
        shoot(page, "target")
        page.locator(".note a").first.click()
        expect(page.locator("h1")).to_contain_text("truncated")
        expect(page.locator("body")).to_contain_text("peer closed the connection", ignore_case=True)
        expect(page.locator(".waterfall .cutline").first).to_be_attached()
        shoot(page, "probe")


def test_hostile_text_is_text(page: Page, daemon: Watched) -> None:
    """A label that is markup is shown, and runs nothing."""
    daemon.until_all_are_probed()
    page.goto(f"{daemon.base}targets/hostile")
    expect(page.locator(".facts")).to_contain_text(HOSTILE)
    assert page.locator("img").count() == 0


def test_polling_keeps_the_focus_and_what_is_open(page: Page, daemon: Watched) -> None:
    """A search that is being typed, and a section that was opened, outlast an update of the page."""
    daemon.until_all_are_probed()
    page.goto(daemon.base)
    as_of = page.locator("#as-of").get_attribute("datetime") or ""
    page.locator("#search").fill("clean")
    expect(page.locator("#as-of")).not_to_have_attribute("datetime", as_of, timeout=60_000)
    expect(page.locator("#search")).to_be_focused()
    expect(page.locator("#search")).to_have_value("clean")
    page.goto(f"{daemon.base}targets/cut")
    page.locator("summary").click()
    as_of = page.locator("#as-of").get_attribute("datetime") or ""
    expect(page.locator("#as-of")).not_to_have_attribute("datetime", as_of, timeout=60_000)
    expect(page.locator("#curl pre")).to_be_visible()


def test_probe_now(page: Page, daemon: Watched) -> None:
    """The button leads to the page of the probe that it made."""
    daemon.until_all_are_probed()
    page.goto(f"{daemon.base}targets/ok")
    status = 429
    while status == 429:  # the schedule may be probing it at this moment
        with page.expect_response("**/probe", timeout=60_000) as asked:
            page.get_by_role("button", name="Probe now").click()
        status = asked.value.status
    daemon.complaints[:] = [one for one in daemon.complaints if "429" not in one]
    expect(page).to_have_url(re.compile("/probes/"), timeout=60_000)
    expect(page.locator(".lead")).to_contain_text("by api")
