"""What a report is made of, before anyone decides how it looks: all text is plain, never markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

NOTICE = (
    "Research use only. LesionLens is not a medical device: do not use a figure, probability or heatmap of "
    "this report to decide on the care of a person."
)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"


@dataclass(frozen=True)
class Picture:
    """A small picture in a cell of a table: the bytes of a PNG or a JPEG. `alt` says in words what it shows.

    Raises ValueError for other bytes.
    """

    content: bytes
    alt: str

    def __post_init__(self) -> None:
        if not self.content.startswith((PNG_SIGNATURE, JPEG_SIGNATURE)):
            raise ValueError("the bytes of a picture are neither PNG nor JPEG")

    @property
    def kind(self) -> str:
        """The media type."""
        return "image/png" if self.content.startswith(PNG_SIGNATURE) else "image/jpeg"


Cell = str | int | float | bool | Picture | None


@dataclass(frozen=True)
class Text:
    """Paragraphs, split by blank lines; a paragraph whose lines all begin with "- " is a list.

    `kind`: "plain", "warning" (stands out: what a reader must not miss), "small" (an aside) or "code" (as it
    is written, with its lines).
    """

    text: str
    kind: str = "plain"

    @property
    def paragraphs(self) -> tuple[str | tuple[str, ...], ...]:
        """A str a paragraph, a tuple of its items a list."""
        found: list[str | tuple[str, ...]] = []
        for block in self.text.replace("\r", "").split("\n\n"):
            lines = [line.strip() for line in block.splitlines() if line.strip()]
            if lines and all(line.startswith("- ") for line in lines):
                found.append(tuple(line[2:].strip() for line in lines))
            elif lines:
                found.append(" ".join(lines))
        return tuple(found)


@dataclass(frozen=True)
class Table:
    """Cells as text, numbers or small pictures, a row a line; None is an empty cell. Without columns there is
    no head.

    `row_names`: the first cell of each row names it. `width`: as of a Figure. Raises ValueError for rows of
    different lengths.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    row_names: bool = True
    width: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "rows", tuple(tuple(row) for row in self.rows))
        lengths = {len(row) for row in self.rows} | ({len(self.columns)} if self.columns else set())
        if len(lengths) > 1:
            raise ValueError(f"a table's rows and columns have different lengths: {sorted(lengths)}")


@dataclass(frozen=True)
class Figure:
    """A picture: an SVG document, or PNG bytes. `alt` says in words what it shows, for who cannot see it.

    `width`: the largest share of the page's width, 0..1; narrow parts that follow each other stand side by
    side.
    Raises ValueError unless exactly one of `svg` and `png` is there.
    """

    caption: str
    alt: str
    svg: str | None = None
    png: bytes | None = None
    width: float = 1.0

    def __post_init__(self) -> None:
        if (self.svg is None) == (self.png is None):
            raise ValueError("a figure is either an SVG or a PNG")
        if self.png is not None and not self.png.startswith(PNG_SIGNATURE):
            raise ValueError("the bytes of a figure are no PNG")


Part = Text | Table | Figure


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it. Sections of one `chapter` belong together."""

    title: str
    parts: tuple[Part, ...]
    chapter: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self.parts))


@dataclass(frozen=True)
class Report:
    """A title, a line under it, and sections. `notice` stands at the head and on every printed page."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    notice: str = NOTICE

    def __post_init__(self) -> None:
        object.__setattr__(self, "sections", tuple(self.sections))


def facts(pairs: Iterable[tuple[str, Cell]], caption: str = "") -> Table:
    """Names and values as a table of two columns without a head; pairs without a value are left out."""
    return Table((), tuple((name, value) for name, value in pairs if value not in ("", None)), caption)


def join_reports(title: str, subtitle: str, reports: Sequence[Report], notice: str = NOTICE) -> Report:
    """Several reports as the chapters of one."""
    sections = [replace(section, chapter=report.title) for report in reports for section in report.sections]
    return Report(title, subtitle, tuple(sections), notice)


def cell_text(cell: Cell) -> str:
    """A cell as people read it: "1,234", "0.5", "yes", "" for None, of a picture its words."""
    if cell is None:
        return ""
    if isinstance(cell, Picture):
        return cell.alt
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
