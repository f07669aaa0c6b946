"""An SVG document made part of a page: nothing active, names of its own, the page's colours and letters."""

from __future__ import annotations

import html
import re
from xml.etree import ElementTree

from models.reports.colours import VARIABLES

_ELEMENTS = {
    "svg", "g", "defs", "clipPath", "pattern", "use", "path", "rect", "circle", "ellipse", "line", "polyline",
    "polygon", "text", "tspan",
}  # fmt: skip
_ATTRIBUTES = {
    "viewBox", "preserveAspectRatio", "transform", "style", "id", "href", "clip-path", "d", "x", "y", "x1",
    "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "width", "height", "points", "fill", "fill-opacity",
    "stroke", "stroke-width", "opacity", "clip-rule", "fill-rule", "patternUnits", "patternTransform",
}  # fmt: skip
# A style may point into its own document and name no other address.
_ACTIVE = re.compile(r"url\((?!['\"]?#)|@|\\|expression|javascript|data:", re.IGNORECASE)
# Characters that HTML forbids would make the document invalid, not dangerous.
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_FONT = re.compile(r"font:\s*((?:bold|italic|\d00)\s+)?([\d.]+(?:px|pt))[^;\"]*")
_WEIGHTS = {"bold": "font-weight: bold; ", "italic": "font-style: italic; "}
_NUMBERED = re.compile(r"(figure|axes|patch|text|line2d|xtick|ytick|matplotlib\.\w+|[A-Za-z]+Collection)_\d+")


def inline(svg: str, prefix: str, alt: str) -> str:
    """`<svg>...</svg>` for a page of HTML, rebuilt from what an allow-list knows.

    Scripts, event handlers, styles, pictures, comments and links out of the document are left out. Ids get
    `prefix`, so that two figures of a page don't share one; the colours of models.reports.colours become the
    page's variables, and letters take the page's family. Raises ValueError for what is no SVG document.
    """
    at = svg.find("<svg")
    if at < 0 or "<!" in re.sub(r"<!--.*?-->|<!\[CDATA\[.*?\]\]>", "", svg[at:], flags=re.DOTALL):
        raise ValueError("a figure's text is no plain SVG document")
    try:
        root = ElementTree.fromstring(svg[at:])
    except ElementTree.ParseError as error:
        raise ValueError(f"a figure's text is no SVG document ({error})") from None
    named = html.escape(CONTROLS.sub("\ufffd", alt), quote=True)
    shape = f' viewBox="{html.escape(root.get("viewBox", ""), quote=True)}"'
    inside = "".join(_element(child, prefix) for child in root)
    return f'<svg{shape} role="img" aria-label="{named}">{inside}</svg>'


def _element(element: ElementTree.Element, prefix: str) -> str:
    tag = _local(element.tag)
    if tag not in _ELEMENTS or tag == "svg":
        return ""
    attributes = "".join(_attribute(_local(name), value, prefix) for name, value in element.items())
    content = html.escape(element.text or "", quote=False) if tag in ("text", "tspan") else ""
    for child in element:
        content += _element(child, prefix)
        content += html.escape(child.tail or "", quote=False) if tag == "text" else ""
    if tag == "g" and not content:
        return ""
    return f"<{tag}{attributes}>{content}</{tag}>" if content else f"<{tag}{attributes}/>"


def _attribute(name: str, value: str, prefix: str) -> str:
    if name not in _ATTRIBUTES or _ACTIVE.search(value):
        return ""
    if name == "id":
        # Matplotlib numbers every part; only what something points to needs its name.
        if _NUMBERED.fullmatch(value):
            return ""
        value = prefix + value
    elif name == "href":
        if not value.startswith("#"):
            return ""
        value = f"#{prefix}{value[1:]}"
    else:
        value = re.sub(r"url\(['\"]?#", f"url(#{prefix}", value)
        value = _FONT.sub(_letters, value)
        value = re.sub(r"#[0-9a-fA-F]{6}\b", _colour, value)
    return f' {name}="{html.escape(value, quote=True)}"'


def _letters(match: re.Match[str]) -> str:
    weight = (match[1] or "").strip()
    before = _WEIGHTS.get(weight, f"font-weight: {weight}; " if weight else "")
    return f"{before}font-size: {match[2]}"


def _colour(match: re.Match[str]) -> str:
    variable = VARIABLES.get(match[0].lower())
    return f"var({variable})" if variable else match[0]


def _local(name: object) -> str:
    """A name without its namespace; "" for a comment or a processing instruction."""
    return name.rpartition("}")[2] if isinstance(name, str) else ""
