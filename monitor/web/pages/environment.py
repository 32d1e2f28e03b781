"""The templates' environment: everything is escaped, control characters are visible, undefined values are errors."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib import resources
from urllib.parse import quote

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup, escape

from monitor.keys.durations import elapsed
from monitor.redaction import visible
from monitor.web import formatting
from monitor.web.tones import Tone, flags, letter, meaning, tone


def _file(name: str) -> str:
    return resources.files("monitor.web.pages").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


STYLE, SCRIPT = _file("style.css"), _file("script.js")
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; img-src data:; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_ICON_COLOURS = {
    Tone.CUT: "d92d3a",
    Tone.DOWN: "b4318f",
    Tone.WARNING: "c77700",
    Tone.UNSURE: "2f7fb8",
    Tone.GOOD: "1f9d57",
}
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='4' fill='%23{colour}'/%3E"
    "%3Cpath d='M3 8h3l1.5-4 2 8L11 8h2' fill='none' stroke='white' stroke-width='1.6'/%3E%3C/svg%3E"
)
_TEMPLATES = ("base.html", "macros.html", "status.html", "target.html", "probe.html", "failures.html", "refusal.html")
POLL_SECONDS = 5
"""Seconds between the script's polls; without the script a page reloads less often."""


@dataclass(frozen=True, slots=True)
class About:
    """Information about the monitor on every page."""

    now: datetime
    started: datetime
    version: str
    location: str = ""
    ready: bool = True
    probe_now: bool = False
    """Whether a probe can be requested."""
    history: bool = False
    """Whether a history keeps more probes than memory."""
    root: str = "./"
    """The relative URL of the status page: all links begin with it, so that pages work under any prefix."""


def shown(value: object) -> object:
    """Return a value for a template: text with control, format and bidi characters as escapes."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def segment(text: str) -> str:
    """Return text as one segment of a URL's path."""
    return quote(text, safe="")


def coded(text: str) -> Markup:
    """Return a text with its backticks rendered as code."""
    parts = text.split("`")
    return Markup().join(
        Markup("<code>{}</code>").format(shown(part)) if place % 2 else escape(shown(part))
        for place, part in enumerate(parts)
    )


def sentence(text: str) -> Markup:
    """Return a detail as a sentence."""
    return coded(f"{text[:1].upper()}{text[1:]}." if text else "")


def block(text: str) -> Markup:
    """Return text of several lines with its line feeds; all else as it is `shown`."""
    return Markup("\n").join(escape(shown(line)) for line in text.split("\n"))


_ENVIRONMENT = Environment(
    loader=DictLoader(
        {name: _file(name) for name in _TEMPLATES}
    ),  # read now: the event loop must not wait for the disk
    autoescape=True,
    undefined=StrictUndefined,
    finalize=shown,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {
    "block": block,
    "clock": formatting.clock,
    "coded": coded,
    "count": formatting.count,
    "flags": flags,
    "iso": formatting.iso,
    "letter": letter,
    "limit": formatting.limit,
    "meaning": meaning,
    "ratio": formatting.ratio,
    "seconds": formatting.seconds,
    "segment": segment,
    "sentence": sentence,
    "span": elapsed,
    "tone": tone,
}
_ENVIRONMENT.globals |= {
    "moment": formatting.parsed,
    "poll_seconds": POLL_SECONDS,
    "script": Markup(SCRIPT),  # noqa: S704 -- ours, and it has no markup
    "style": Markup(STYLE),  # noqa: S704 -- likewise
}


def render(name: str, about: About, values: Mapping[str, object], *, news: Tone = Tone.NONE) -> str:
    """Return a whole document; `news` sets the colour of its icon."""
    icon = _ICON.format(colour=_ICON_COLOURS.get(news, "6b7785"))
    return _ENVIRONMENT.get_template(name).render({"about": about, "icon": icon, "live": False} | dict(values))


def refusal(title: str, text: str, about: About) -> str:
    """Return the page of an error response."""
    return render("refusal.html", about, {"title": title, "text": text})
