"""Words of other people (titles, labels, names of columns) on a page that reads Markdown."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:@^=&])")


def plain(text: object) -> str:
    """The text as Markdown that shows it letter for letter: no emphasis, link, picture, colour or formula."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))
