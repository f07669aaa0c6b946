"""What printed figures are drawn on: matplotlib without its state, SVG that is the same every time."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from models.reports.colours import INK, LINE, MUTED, PAGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

HALF = (3.5, 3.2)
"""Width and height in inches of a figure that fills half of the page."""
WIDE = (7.2, 2.7)
_STYLE: dict[str, Any] = {
    # Letters stay letters: they can be searched, and take the page's own family.
    "svg.fonttype": "none",
    "svg.hashsalt": "lesionlens",
    # A class may be called "$x$"; no label is ever a formula.
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.unicode_minus": False,
    "figure.facecolor": "none",
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "legend.handlelength": 2.4,
    "legend.borderpad": 0.2,
    "path.simplify": True,
}
# matplotlib's settings belong to the whole process, and every visitor's download has a thread of its own.
_alone = threading.Lock()


def drawn(draw: Callable[[Sheet], None], size: tuple[float, float] = HALF) -> str:
    """An SVG document of `size` inches (width, height) on which `draw(sheet)` has drawn."""
    import matplotlib
    from matplotlib.figure import Figure

    with _alone, matplotlib.rc_context():
        plain = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"}
        matplotlib.rcParams.update(plain | _STYLE)
        sheet = Figure(figsize=size, layout="constrained")
        draw(sheet)
        return _svg(sheet)


def share_axes(axes: Axes, x: str, y: str) -> None:
    """Both axes run from 0 to 1, in equal steps."""
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=x, ylabel=y)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0", "0.2", "0.4", "0.6", "0.8", "1"])
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0", "0.2", "0.4", "0.6", "0.8", "1"])
    axes.set_box_aspect(1)
    axes.grid(True)


def short(text: object, longest: int = 26) -> str:
    """A name that fits a figure: the middle of a long one is left out."""
    name = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    if len(name) <= longest:
        return name
    head = (longest - 1) // 2
    return f"{name[: longest - 1 - head]}\u2026{name[-head:]}"


def legend(axes: Axes, place: str = "best") -> None:
    """The names of the lines, on ground that lets them be read."""
    box = axes.legend(loc=place, frameon=True)
    box.get_frame().set(facecolor=PAGE, edgecolor="none", alpha=0.85)


def _svg(sheet: Sheet) -> str:
    stream = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    sheet.savefig(stream, format="svg", metadata=nothing, transparent=True)
    text = stream.getvalue()
    return re.sub(r"^.*?(?=<svg)", "", text, count=1, flags=re.DOTALL)
