"""The colours and type of the plotly figures, following the theme the person has chosen."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Palette:
    """Colours of one theme; CSS colour strings."""

    text: str
    muted: str
    line: str
    panel: str  # behind an image: dark in both themes, so that a grey image is judged the same in each
    track: str  # the part of a gauge or bar that carries no value
    above: str  # evidence for a class, or beyond the operating point
    below: str  # evidence against it
    on_mark: str  # text on `above` or `below`
    series: tuple[str, ...]  # classes or runs, for every colour vision (after Okabe and Ito)


LIGHT = Palette(
    "#1D2730", "#5B6770", "#C9D0D4", "#15191D", "#E3E7E8", "#B4531F", "#2F6F9F", "#FFFFFF",
    ("#B4531F", "#2F6F9F", "#2C7A57", "#8A4E9E", "#8F6F00", "#12808C", "#A33A63", "#5B6770"),
)  # fmt: skip
DARK = Palette(
    "#D6DDE3", "#93A0AA", "#3A444D", "#07090B", "#262E35", "#E08A4F", "#6FB1DC", "#101418",
    ("#E08A4F", "#6FB1DC", "#62B98F", "#BF8FD6", "#D8BC4C", "#55C2CC", "#E47FA3", "#93A0AA"),
)  # fmt: skip

FONT = '"Source Sans", "Source Sans 3", "Source Sans Pro", sans-serif'


def palette() -> Palette:
    """The palette of the theme on the person's screen (light until the browser has said)."""
    return DARK if st.context.theme.type == "dark" else LIGHT
