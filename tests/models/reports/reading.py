"""Reading a report back as a browser would: its tags, its words, and whatever could do something."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "hr", "link", "input"}
ACTIVE = {"script", "iframe", "object", "embed", "form", "input", "button", "link", "base", "audio", "video"}
# What markup of somebody else would try: each must come back as the words it is.
INJECTIONS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title><svg onload=alert(1)>",
    "javascript:alert(1)",
    "$\\frac{1}{0}$ & <b>",
    "]]><!-- {{7*7}} \x00\x07",
)


class Page(HTMLParser):
    """tags: every (tag, {attribute: value}); words: all text; problems: tags that do not close in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.problems: list[str] = []
        self._open: list[str] = []
        self._words: list[str] = []
        self.feed(text)
        self.close()
        self.problems += self._open

    @property
    def words(self) -> str:
        return " ".join(" ".join(self._words).split())

    @property
    def names(self) -> set[str]:
        return {tag for tag, _ in self.tags}

    def attributes(self, *names: str) -> list[str]:
        return [value or "" for _, own in self.tags for name, value in own.items() if name in names]

    def dangers(self) -> list[str]:
        """Everything that runs, or asks somebody for something."""
        found = [tag for tag in self.names if tag in ACTIVE]
        for tag, attributes in self.tags:
            found += [f"{tag} {name}" for name in attributes if name.startswith("on")]
            found += [f"{tag} style" for name, v in attributes.items() if name == "style" and _loads(v or "")]
        addresses = self.attributes("src", "href", "xlink:href", "action", "srcset", "data", "poster")
        inside = ("#", "data:image/png;base64,", "data:image/jpeg;base64,")
        found += [value for value in addresses if not value.startswith(inside)]
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()
        else:
            self.problems.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] != "style":
            self._words.append(data)


def _loads(style: str) -> bool:
    return bool(re.search(r"@import|url\((?!['\"]?#)", style))


def shown(text: str) -> str:
    """A text as a page shows it: controls replaced, white space joined."""
    return " ".join(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", "\ufffd", text).split())
