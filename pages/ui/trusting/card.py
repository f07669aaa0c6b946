"""The trust card as it stands beside a heatmap: an icon and a word a check, the reasons on demand."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.ui.plain_text import plain
from xai.trust import LEVELS, WORDS, Level, Light, TrustCard
from xai.trust.light import BLANK, FAILS

#: Shape and word say the level; the colour only repeats it.
ICONS: dict[Level, str] = {
    "good": ":green[:material/check_circle:]",
    "doubt": ":orange[:material/warning:]",
    "bad": ":red[:material/dangerous:]",
    "unknown": ":gray[:material/help:]",
}
TITLES: dict[Level, str] = {
    "good": "Nothing found against this map",
    "doubt": "Read this map with care",
    "bad": FAILS,
    "unknown": "This map is unchecked",
}
#: Checks beside one another where they are told in words.
ABREAST = 3
SHOW_ANYWAY = "Show it anyway"
CHECKING = "Checking this map: some 25 more passes of the network"


def show_card(card: TrustCard, action: Callable[[], None] | None = None) -> None:
    """The card's verdict, then its lights from the worst to the best. action: draws what the reader can do
    about the verdict."""
    st.markdown(f"**How far can this map be trusted?**  \n{ICONS[card.level]} **{_title(card)}**")
    st.caption(plain(_told(card)))
    if action is not None:
        action()
    st.markdown("  \n".join(_line(light) for light in ordered(card)))


def show_words(card: TrustCard) -> None:
    """Every check with its sentence and how it was measured, over the page's whole width."""
    with st.expander("The checks in words", key="checks_in_words"):
        lights = ordered(card)
        for start in range(0, len(lights), ABREAST):
            columns = st.columns(ABREAST, gap="medium")
            for column, light in zip(columns, lights[start : start + ABREAST], strict=False):
                column.markdown(_words(light))
        st.caption(f"{card.count()}. The checks took {card.seconds:.1f} s.")


def ordered(card: TrustCard) -> list[Light]:
    """Worst first; the order of the checks otherwise."""
    return sorted(card.lights, key=lambda light: -_severity(light.level))


def _severity(level: Level) -> int:
    return LEVELS.index(level) if level != "unknown" else -1


def _title(card: TrustCard) -> str:
    return BLANK if card.sentence.startswith(BLANK) else TITLES[card.level]


def _told(card: TrustCard) -> str:
    """The card's sentence without what its title says already."""
    sentence = card.sentence
    for title in (*TITLES.values(), BLANK):
        sentence = sentence.removeprefix(f"{title}. ")
    return sentence


def _line(light: Light) -> str:
    return (
        f"{ICONS[light.level]} {plain(light.name)} :small[:gray[{WORDS[light.level]}: {plain(light.figure)}]]"
    )


def _words(light: Light) -> str:
    return (
        f"{ICONS[light.level]} **{plain(light.name)}** ({WORDS[light.level]}: {plain(light.figure)})  \n"
        f"{plain(light.sentence)}  \n:small[:gray[{plain(light.why)}]]"
    )
