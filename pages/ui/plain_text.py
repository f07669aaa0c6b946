"""Words of other people (titles, labels, names of columns) on a page that reads Markdown."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:@^=&])")


def plain(text: object) -> str:
    """The text as Markdown that shows it letter for letter: no emphasis, link, picture, colour or formula."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def short(text: str, most: int = 32) -> str:
    """The text, cut to `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def amount(count: int, noun: str) -> str:
    """ "1 case", "1,200 cases"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
