"""A notebook of a stranger is shown and cannot do anything."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser

import pytest

from models.errors import BadInput
from pages.ui.training.notebook_html import MOST_BYTES, framed, notebook_page, render

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
HOSTILE = """# Title <script>alert(1)</script> tail
<img src=x onerror=alert(1)> ![remote](https://evil.test/a.png) [link](javascript:alert(1))
<a href="java&#115;cript:alert(1)">x</a> <svg onload=alert(1)></svg> <iframe src="https://evil.test"></iframe>
<form action="https://evil.test"><input name=a></form> <style>p{background:url(https://evil.test)}</style>
<p style="background:url(https://evil.test)" onclick="alert(1)">word</p> <base href="https://evil.test">
<meta http-equiv="refresh" content="0;url=https://evil.test"> <link rel=stylesheet href="https://evil.test">
<object data="https://evil.test"></object> <img src="https://figure.invalid/7">

[fine](https://doi.org/1)
"""


def notebook(*cells: dict) -> bytes:
    numbered = [{"id": f"c{i}", "metadata": {}} | cell for i, cell in enumerate(cells)]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": numbered}).encode()


def markdown(source: str, **more: object) -> dict:
    return {"cell_type": "markdown", "source": source} | more


def output(**data: str) -> dict:
    shown = {kind.replace("_", "/", 1): value for kind, value in data.items()}
    return {"output_type": "display_data", "metadata": {}, "data": shown}


def code(*outputs: dict, source: str = "1 + 1") -> dict:
    return {"cell_type": "code", "source": source, "execution_count": 1, "outputs": list(outputs)}


class Elements(HTMLParser):
    """(tag, attributes) of everything in a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.found.append((tag, dict(attrs)))


def body(page: str) -> list[tuple[str, dict]]:
    return Elements(page.partition("<body>")[2]).found


def assert_harmless(page: str) -> None:
    for tag, attributes in body(page):
        assert tag not in {
            "script",
            "style",
            "iframe",
            "object",
            "form",
            "input",
            "svg",
            "meta",
            "base",
            "link",
        }
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert attributes.get("src", "data:image/").startswith("data:image/")
        assert attributes.get("href", "https://").startswith(("https://", "http://", "#"))
    assert "evil.test" not in re.sub(r">[^<]*<", "><", page)


def test_active_markdown_becomes_text_and_text_stays():
    page = render(notebook(markdown(HOSTILE)))
    assert_harmless(page)
    assert "Title" in page and "tail" in page and "word" in page
    assert ("a", {"href": "https://doi.org/1"}) in body(page)
    assert "figure.invalid" not in page


def test_active_outputs_are_left_out_and_tables_and_text_stay():
    page = render(
        notebook(
            code(
                output(
                    text_html="<table><tr><td colspan=2 onclick=x>cell</td></tr></table><script>1</script>"
                ),
                output(application_javascript="alert(1)", text_plain="plain words"),
                {"output_type": "stream", "name": "stdout", "text": "<script>alert(1)</script>"},
                {"output_type": "error", "ename": "E", "evalue": "e", "traceback": ["\x1b[31m<b>bad</b>"]},
            ),
            {"cell_type": "raw", "source": "<script>alert(1)</script>"},
        )
    )
    assert_harmless(page)
    assert ("td", {"colspan": "2"}) in body(page)
    assert "plain words" in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2
    assert "&lt;b&gt;bad&lt;/b&gt;" in page


def test_pictures_are_embedded_and_nothing_else_passes_for_one():
    attached = {"attachments": {"p.png": {"image/png": PIXEL}}}
    cells = (
        markdown("![a](attachment:p.png)", **attached),
        code(
            output(image_png=PIXEL), output(**{"image_svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'/>"})
        ),
        code(output(image_png='"><script>alert(1)</script>'), output(image_bmp=PIXEL)),
    )
    page = render(notebook(*cells))
    assert_harmless(page)
    sources = [attributes["src"] for tag, attributes in body(page) if tag == "img" and "src" in attributes]
    assert [source.partition(";")[0] for source in sources] == [
        "data:image/png", "data:image/png", "data:image/svg+xml",
    ]  # fmt: skip
    assert sources[0].endswith(PIXEL)


def test_the_document_forbids_what_the_sanitiser_might_miss():
    page = render(notebook(markdown("word")), dark=True)
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
    assert "--page:#101418" in page


def test_the_frame_has_no_right_and_its_content_cannot_leave_it():
    (_, style), (tag, attributes) = Elements(framed('<p title="a">"><script>1</script>', 300)).found
    assert (style, tag) == ({}, "iframe")
    assert attributes["sandbox"] == ""
    assert attributes["srcdoc"] == '<p title="a">"><script>1</script>'


def test_a_page_is_made_in_a_process_of_its_own():
    assert "<strong>word</strong>" in notebook_page(notebook(markdown("**word**")))


def test_what_takes_too_long_is_given_up():
    with pytest.raises(BadInput, match="too intricate to be shown"):
        notebook_page(notebook(markdown("[" * 60_000)), seconds=0.3)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b'{"nbformat": 99, "cells": []}', b"[" * 100_000],
    ids=["empty", "no notebook", "list", "no text", "unknown form", "deep"],
)  # fmt: skip
def test_what_is_no_notebook_is_refused(content):
    with pytest.raises(BadInput, match="not a Jupyter notebook"):
        render(content)


def test_a_notebook_too_large_is_refused_unread():
    with pytest.raises(BadInput, match="too large"):
        notebook_page(b" " * (MOST_BYTES + 1))
