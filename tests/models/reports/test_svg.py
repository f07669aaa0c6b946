"""An SVG in a page: what an allow-list knows, under names of its own, in the page's colours."""

import pytest

from models.reports.svg import inline
from tests.models.reports.reading import Page

HOSTILE = """<?xml version="1.0"?><svg viewBox="0 0 9 9" onload="alert(1)" xmlns="http://www.w3.org/2000/svg"
 xmlns:xlink="http://www.w3.org/1999/xlink">
<script>alert(1)</script><style>@import url(http://x);*{fill:red}</style>
<foreignObject><iframe src="http://x"></iframe></foreignObject>
<image href="http://x/a.png"/><a href="javascript:alert(1)"><text>kept out</text></a>
<use xlink:href="http://x/#a"/><use xlink:href="#mark" onclick="alert(1)"/>
<animate attributeName="href" to="javascript:alert(1)"/>
<path d="M0 0" style="fill: url(http://x)" fill="url(javascript:alert(1))"/>
<g id="mark"><rect x="1" y="1" width="2" height="2"/></g>
<text x="1" y="2">a &lt;b&gt; &amp; c</text></svg>"""


def test_nothing_that_acts_gets_through():
    text = inline(HOSTILE, "f1-", "a figure")
    page = Page(text)
    assert not page.problems and not page.dangers()
    assert page.names == {"svg", "use", "path", "g", "rect", "text"}
    assert "javascript" not in text and "http" not in text and "alert" not in text
    assert page.attributes("href") == ["#f1-mark"] and page.attributes("id") == ["f1-mark"]
    assert page.words == "a <b> & c"


@pytest.mark.parametrize("svg", ['<!DOCTYPE svg [<!ENTITY a "b">]><svg>&a;</svg>', "<svg><!ENTITY a></svg>"])
def test_entities_are_never_resolved(svg):
    with pytest.raises(ValueError, match="SVG document"):
        inline(svg, "", "")


def test_its_description_is_plain_text():
    text = inline("<svg/>", "", 'a "b" <i>\x07\x85')
    assert 'aria-label="a &quot;b&quot; &lt;i&gt;\ufffd\ufffd"' in text


def test_comments_are_left_out():
    assert inline("<svg><!-- a > b --><g><path d='M0 0'/></g></svg>", "", "x").count("<") == 5


def test_known_colours_become_the_pages_and_letters_take_its_family():
    text = inline(
        "<svg><path style='stroke: #B4531F; fill: #123456'/>"
        "<text style=\"font: 600 8px 'DejaVu Sans'; text-anchor: middle\">t</text></svg>",
        "",
        "x",
    )
    assert "stroke: var(--above)" in text and "fill: #123456" in text
    assert "font-weight: 600; font-size: 8px; text-anchor: middle" in text and "DejaVu" not in text
