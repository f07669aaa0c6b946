"""One file that stands alone: whole, escaped, without anything that runs or asks for something."""

import struct
import zlib

import pytest

from models.reports import Figure, Picture, Report, Section, Table, Text, facts, join_reports, to_html
from models.reports.document import NOTICE
from tests.models.reports.reading import INJECTIONS, Page, shown

SVG = '<svg viewBox="0 0 4 4"><rect x="1" y="1" width="2" height="2" style="fill: #1d2730"/></svg>'


def png(width: int = 1, height: int = 1) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0))
    rows = zlib.compress(b"\0" * (width + 1) * height)
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def report_of(words: str = "plain") -> Report:
    """Every kind of part, with `words` wherever a word can stand."""
    parts = (
        Text(f"{words}\n\n- {words}\n- two"),
        Text(words, "warning"),
        Text(words, "code"),
        facts([(words, words), ("nothing", None), ("left out", "")]),
        Table((words, "n"), ((words, 1234), ("b", None)), words),
        Figure(words, words, svg=SVG, width=0.5),
        Figure(words, words, png=png()),
    )
    return Report(words, words, (Section(words, parts),), f"{NOTICE} {words}")


def test_a_report_is_a_whole_document_with_every_part():
    page = Page(to_html(report_of(), made="2026-01-02"))
    assert not page.problems
    assert page.names >= {"html", "title", "h1", "h2", "section", "p", "ul", "table", "figure", "svg", "img"}
    assert NOTICE in page.words and "2026-01-02" in page.words
    assert "1,234" in page.words and "left out" not in page.words


def test_it_needs_nothing_from_outside_and_runs_nothing():
    text = to_html(report_of())
    page = Page(text)
    assert not page.dangers()
    assert "default-src 'none'" in text
    assert "@import" not in text and "http" not in text.replace("http-equiv", "")


@pytest.mark.parametrize("words", INJECTIONS)
def test_markup_in_words_stays_words(words):
    plain, page = Page(to_html(report_of(), made="now")), Page(to_html(report_of(words), made="now"))
    assert not page.dangers() and not page.problems
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    # Title, subtitle, notice, heading, contents of text, table and captions.
    assert page.words.count(shown(words)) >= 10
    assert [value for value in page.attributes("alt", "aria-label") if shown(value) == shown(words)]


def test_the_same_report_gives_the_same_file():
    assert to_html(report_of(), made="now") == to_html(report_of(), made="now")


def test_reports_are_joined_as_chapters_with_links_that_lead_somewhere():
    one = Report("First", "", (Section("A", (Text("a"),)), Section("B", (Text("b"),))))
    two = Report("Second", "", (Section("C", ()), Section("D", (Text("d"),))))
    page = Page(to_html(join_reports("Both", "", [one, two])))
    assert not page.problems
    assert (
        page.words.count("First") == page.words.count("Second") == 2
    )  # in the contents and above the chapter
    links = [value for value in page.attributes("href") if value.startswith("#")]
    assert links == ["#s1", "#s2", "#s3", "#s4"]
    assert {link[1:] for link in links} <= set(page.attributes("id"))


def test_figures_of_one_page_share_no_name():
    clipped = (
        '<svg viewBox="0 0 4 4"><defs><clipPath id="c"><rect width="2" height="2"/></clipPath></defs>'
        '<path d="M0 0L4 4" clip-path="url(#c)"/></svg>'
    )
    figure = Figure("", "clipped", svg=clipped)
    page = Page(to_html(Report("t", "", (Section("s", (figure, figure)),))))
    ids = page.attributes("id")
    assert len(ids) == len(set(ids)) == 3
    assert page.attributes("clip-path") == [f"url(#{name})" for name in ids if name != "s1"]


def test_numbers_are_set_apart_from_words():
    table = Table(("Metric", "Value", "Word"), (("AUC", "0.935 (0.876 to 0.979)", "a"), ("n", "-", "b")))
    page = Page(to_html(Report("t", "", (Section("s", (table,)),))))
    cells = [own.get("class") for tag, own in page.tags if tag in ("td", "th")]
    assert cells == [None, "n", None] * 3


@pytest.mark.parametrize(
    "make",
    [
        lambda: Table(("a", "b"), ((1,),)),
        lambda: Table((), ((1,), (1, 2))),
        lambda: Figure("c", "a"),
        lambda: Figure("c", "a", svg=SVG, png=png()),
        lambda: Figure("c", "a", png=b"GIF89a"),
    ],
)
def test_parts_that_cannot_be_shown_are_refused(make):
    with pytest.raises(ValueError):
        make()


@pytest.mark.parametrize("svg", ["", "no svg", "<svg", "<svg><g></svg>"])
def test_a_figure_that_is_no_svg_is_refused(svg):
    with pytest.raises(ValueError, match="SVG document"):
        to_html(Report("t", "", (Section("s", (Figure("", "x", svg=svg),)),)))


def test_a_picture_stands_in_its_cell_and_is_no_number():
    """Numbers in the column beside it are set to the right, the picture is not."""
    jpeg = b"\xff\xd8\xff" + bytes(8)
    cells = ((Picture(png(), 'a "scan"'), 1), (Picture(jpeg, "another"), 2))
    text = to_html(Report("t", "", (Section("s", (Table(("Picture", "n"), cells, row_names=False),)),)))
    page = Page(text)
    assert not page.problems and not page.dangers()
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [dict(one)["alt"] for one in images] == ['a "scan"', "another"]
    assert [dict(one)["src"].partition(";")[0] for one in images] == ["data:image/png", "data:image/jpeg"]
    assert "<td><img" in text and text.count('<td class="n">') == 2
    with pytest.raises(ValueError, match="neither PNG nor JPEG"):
        Picture(b"GIF89a", "a")
