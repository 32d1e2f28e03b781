"""A strict reader of our pages: every element closed in order, every id once, no active content, and its links."""

from __future__ import annotations

from html.parser import HTMLParser

from monitor.web.pages.environment import SCRIPT

VOID = frozenset({"br", "hr", "input", "link", "meta"})
ACTIVE = frozenset({"iframe", "object", "embed", "base", "img"})


class Document(HTMLParser):
    """One page, read; raises AssertionError at what is not well-formed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.links: list[str] = []
        self.titles: list[str] = []
        self.words: list[str] = []
        self.classes: list[str] = []
        self.names: list[str] = []
        self.scripts: list[str] = []
        assert text.startswith("<!doctype html>\n")
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"
        assert self.scripts == [SCRIPT], "another script than ours"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an opening tag."""
        assert tag not in ACTIVE, tag
        values = dict(attrs)
        assert len(values) == len(attrs), f"an attribute twice in <{tag}>"
        assert not any(name.startswith("on") or name == "style" for name in values), f"active attribute in <{tag}>"
        self.names.append(tag)
        self.classes += (values.get("class") or "").split()
        self.titles += [values["title"] or ""] if "title" in values else []
        assert tag != "script" or not attrs, "a script from elsewhere"
        if tag == "a":
            self.links.append(values["href"] or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Hold a closing tag against the last that was opened."""
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> out of order"

    def handle_data(self, data: str) -> None:
        """Note text that is seen."""
        if "script" in self.open:
            self.scripts.append(data)
        elif "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All text, without markup."""
        return "".join(self.words)
