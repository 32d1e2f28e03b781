"""What every page has in common: head, stylesheet, navigation, footer; and what the browser may do with it."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib import resources
from urllib.parse import quote

from monitor.web.markup import Child, Markup, h
from monitor.web.tones import Tone
from monitor.web.words import clock, iso, span

STYLE = resources.files("monitor.web.pages").joinpath("style.css").read_text("utf-8")
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src data:; "
    f"style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_ICON_COLOURS = {
    Tone.CUT: "d92d3a",
    Tone.DOWN: "b4318f",
    Tone.ODD: "c77700",
    Tone.UNSURE: "2f7fb8",
    Tone.GOOD: "1f9d57",
}
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='4' fill='%23{colour}'/%3E"
    "%3Cpath d='M3 8h3l1.5-4 2 8L11 8h2' fill='none' stroke='white' stroke-width='1.6'/%3E%3C/svg%3E"
)


@dataclass(frozen=True, slots=True)
class About:
    """What the pages say of the monitor itself."""

    now: datetime
    started: datetime
    version: str
    location: str = ""
    ready: bool = True
    probe_now: bool = False
    """Whether a probe may be requested."""


def target_link(name: str, base: str = "") -> str:
    """Return the path of a target's page, or with `base` of its resource."""
    return f"{base}/targets/{quote(name, safe='')}"


def probe_link(probe_id: str, base: str = "") -> str:
    """Return the path of a probe's page, or with `base` of its resource."""
    return f"{base}/probes/{quote(probe_id, safe='')}"


def page(title: str, about: About, *body: Child, news: Tone = Tone.NONE, refresh: int | None = None) -> str:
    """Return a whole document; `news` colours the icon of its tab."""
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        h("meta", http_equiv="refresh", content=refresh) if refresh else None,
        h("title", title),
        h("link", rel="icon", href=_ICON.format(colour=_ICON_COLOURS.get(news, "6b7785"))),
        h("style", Markup(STYLE)),
    )
    whole = h("html", head, h("body", _banner(about), h("main", *body), _footer(about, refresh)), lang="en")
    return f"<!doctype html>\n{whole}\n"


def ago(moment: datetime, about: About) -> Markup:
    """Return how long ago a moment is, with the moment itself on pointing."""
    passed = (about.now - moment).total_seconds()
    return h("time", f"{span(passed)} ago", datetime=iso(moment), title=clock(moment))


def _banner(about: About) -> Markup:
    return h(
        "header",
        h("a", _logo(), "chat-monitor", href="/", class_="brand"),
        h("span", about.location, class_="chip") if about.location else None,
        None if about.ready else h("span", "not ready: starting or draining", class_="chip odd"),
        h(
            "nav",
            h("a", "metrics", href="/metrics"),
            h("a", "API", href="/api/v1/targets"),
            aria_label="more",
        ),
    )  # fmt: skip


def _logo() -> Markup:
    return h("span", "\N{HEAVY CHECK MARK}", class_="logo", aria_hidden="true")


def _footer(about: About, refresh: int | None) -> Markup:
    up = span((about.now - about.started).total_seconds())
    return h(
        "footer",
        h("span", f"chat-monitor {about.version}"),
        h("span", f"up {up}"),
        h("span", "as of ", h("time", clock(about.now), datetime=iso(about.now))),
        h("span", f"refreshes every {refresh} s") if refresh else None,
    )


def section(title: str, *body: Child) -> Markup:
    """Return a part of a page under its heading."""
    return h("section", h("h2", title), *body)


def facts(*pairs: tuple[str, Child]) -> Markup:
    """Return pairs of a word and its value; those without a value are left out."""
    return h("dl", *(h("div", h("dt", key), h("dd", value)) for key, value in pairs if value), class_="facts")


def refusal(title: str, text: str, about: About) -> str:
    """Return the page of a request that is not answered."""
    body = (h("h1", title, class_="headline"), h("p", text), h("p", h("a", "All targets", href="/")))
    return page(f"{title} \N{MIDDLE DOT} chat-monitor", about, *body)
