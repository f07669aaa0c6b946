"""The colours of figures and pages, named once; a dark screen has its own of each (report.css)."""

from __future__ import annotations

INK = "#1d2730"
MUTED = "#5b6770"
LINE = "#c9d0d4"
PAGE = "#ffffff"
ON_FILL = "#1d2731"
"""Letters on a filled cell: dark on either screen."""
ABOVE = "#b4531f"
"""Positive cases, the model, what stands out."""
BELOW = "#2f6f9f"
"""Negative cases, the reference."""
# Lines after the first two, each with its own dashes too: a page may be printed without colour.
THIRD, FOURTH, FIFTH, SIXTH = "#3f7d4e", "#7a4f9c", "#8a6a12", "#4a5a94"
SERIES = (BELOW, ABOVE, THIRD, FOURTH, FIFTH, SIXTH)

VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    PAGE: "--page",
    ON_FILL: "--on-fill",
    ABOVE: "--above",
    BELOW: "--below",
    THIRD: "--third",
    FOURTH: "--fourth",
    FIFTH: "--fifth",
    SIXTH: "--sixth",
}
"""Colour of a figure -> the CSS variable that stands for it in a page."""
