"""A report as one HTML file that stands alone: no script, no address of anything outside, ready to print."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import groupby
from pathlib import Path

from models import __version__
from models.reports.document import Cell, Figure, Part, Picture, Report, Section, Table, Text, cell_text
from models.reports.svg import CONTROLS, inline

STYLE = Path(__file__).with_name("report.css")
# Whatever should slip in after all: the browser runs no script and asks nobody for anything.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"
# A table of no more rows is not cut by the end of a page.
KEPT_WHOLE = 14
_NUMBER_LIKE = re.compile(r"[+\u2212-]?[\d.,]+ ?(%|ms|s|MB)?( \([^()]*\d[^()]*\))?|-|")


def to_html(report: Report, made: str | None = None) -> str:
    """The report as an HTML document: readable on light and dark screens, in print and without colour.

    `made` says when, the present time in UTC unless given; everything else depends on the report alone.
    """
    made = made or f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    number = iter(range(1, 1_000_000))
    chapters = [
        _chapter(name, list(sections), number) for name, sections in groupby(report.sections, _chapter_of)
    ]
    name = ": ".join(filter(None, (report.title, report.subtitle)))
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_plain(name)}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n"
    )
    subtitle = f'<p class="subtitle">{_plain(report.subtitle)}</p>\n' if report.subtitle else ""
    top = (
        f'<p class="maker">LesionLens {_plain(__version__)} <span>{_plain(made)}</span></p>\n'
        f"<h1>{_plain(report.title)}</h1>\n{subtitle}"
        f'<p class="notice">{_plain(report.notice)}</p>\n{_contents(report.sections)}'
    )
    body = f"<body>\n<header>\n{top}</header>\n<main>\n{''.join(chapters)}</main>\n</body>\n</html>\n"
    return head + body


def _chapter_of(section: Section) -> str:
    return section.chapter


def _chapter(name: str, sections: Sequence[Section], number: Iterator[int]) -> str:
    level = "h3" if name else "h2"
    inside = "".join(_section(section, level, number) for section in sections)
    return (
        f'<div class="chapter">\n<h2 class="chapter-title">{_plain(name)}</h2>\n{inside}</div>\n'
        if name
        else inside
    )


def _section(section: Section, level: str, number: Iterator[int]) -> str:
    at = next(number)
    return (
        f'<section id="s{at}">\n<{level}>{_plain(section.title)}</{level}>\n'
        f"{_parts(section.parts, f's{at}')}</section>\n"
    )


def _contents(sections: Sequence[Section]) -> str:
    """Links to the sections, for the screen; none where there are few."""
    if len(sections) < 4:
        return ""
    items, at = [], 1
    for name, members in groupby(sections, _chapter_of):
        links = []
        for section in members:
            links.append(f'<a href="#s{at}">{_plain(section.title)}</a>')
            at += 1
        head = f"<b>{_plain(name)}</b> " if name else ""
        items.append(f"<li>{head}{' '.join(links)}</li>\n")
    return f'<nav aria-label="Contents"><ul>\n{"".join(items)}</ul></nav>\n'


def _parts(parts: Sequence[Part], prefix: str) -> str:
    """The parts one below the other; narrow ones that follow each other side by side."""
    found = []
    numbered = [(f"{prefix}-{at}-", part) for at, part in enumerate(parts)]
    for narrow, group in groupby(numbered, lambda pair: getattr(pair[1], "width", 1) < 1):
        blocks = "".join(_part(part, name) for name, part in group)
        found.append(f'<div class="pair">\n{blocks}</div>\n' if narrow else blocks)
    return "".join(found)


def _part(part: Part, prefix: str) -> str:
    if isinstance(part, Text):
        return _text(part)
    return _table(part) if isinstance(part, Table) else _figure(part, prefix)


def _text(text: Text) -> str:
    if text.kind == "code":
        return f"<pre>{_plain(text.text)}</pre>\n"
    kind = "" if text.kind == "plain" else f' class="{_plain(text.kind)}"'
    blocks = []
    for paragraph in text.paragraphs:
        if isinstance(paragraph, str):
            blocks.append(f"<p{kind}>{_plain(paragraph)}</p>\n")
        else:
            items = "".join(f"<li>{_plain(item)}</li>" for item in paragraph)
            blocks.append(f"<ul{kind}>{items}</ul>\n")
    return "".join(blocks)


def _table(table: Table) -> str:
    right = [_is_number_like(column) for column in zip(*table.rows, strict=True)]
    caption = f"<caption>{_plain(table.caption)}</caption>\n" if table.caption else ""
    head = ""
    if table.columns:
        marked = zip(table.columns, right or [False] * len(table.columns), strict=True)
        cells = "".join(
            f'<th scope="col"{_class(number and bool(at or not table.row_names))}>{_plain(name)}</th>'
            for at, (name, number) in enumerate(marked)
        )
        head = f"<thead><tr>{cells}</tr></thead>\n"
    rows = "".join(f"<tr>{_row(row, right, table.row_names)}</tr>\n" for row in table.rows)
    named = "facts" if not table.columns else "figures" if right and all(right[1:]) else ""
    kind = f' class="{named}"' if named else ""
    whole = " whole" if len(table.rows) <= KEPT_WHOLE else ""
    return f'<div class="table{whole}"><table{kind}>\n{caption}{head}<tbody>\n{rows}</tbody></table></div>\n'


def _row(row: Sequence[Cell], right: Sequence[bool], named: bool) -> str:
    cells = []
    for at, (cell, number) in enumerate(zip(row, right, strict=True)):
        tag = 'th scope="row"' if named and not at else "td"
        cells.append(f"<{tag}{_class(number and bool(at or not named))}>{_cell(cell)}</{tag[:2]}>")
    return "".join(cells)


def _cell(cell: Cell) -> str:
    if not isinstance(cell, Picture):
        return _plain(cell)
    data = base64.b64encode(cell.content).decode("ascii")
    return f'<img src="data:{cell.kind};base64,{data}" alt="{_plain(cell.alt)}">'


def _class(number: bool) -> str:
    return ' class="n"' if number else ""


def _is_number_like(column: Sequence[Cell]) -> bool:
    if any(isinstance(cell, Picture) for cell in column):
        return False
    texts = [cell for cell in column if isinstance(cell, str)]
    return all(_NUMBER_LIKE.fullmatch(text) for text in texts) and any(
        cell not in (None, "", "-") for cell in column
    )


def _figure(figure: Figure, prefix: str) -> str:
    if figure.svg is not None:
        picture = inline(figure.svg, prefix, figure.alt)
    else:
        data = base64.b64encode(figure.png or b"").decode("ascii")
        picture = f'<img src="data:image/png;base64,{data}" alt="{_plain(figure.alt)}">'
    caption = f"<figcaption>{_plain(figure.caption)}</figcaption>" if figure.caption else ""
    return f"<figure>{picture}{caption}</figure>\n"


def _plain(value: Cell) -> str:
    """Any cell or sentence as text of HTML, in element and attribute alike."""
    return escape(CONTROLS.sub("\ufffd", cell_text(value)), quote=True)
