"""Which frame of a DICOM, and through which window it is looked at; every answer in the address.

The window changes the picture and nothing else: a run always sees the file's first one, so that its answer
does not depend on how somebody liked to look at the image.
"""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from models.study import Study, Window
from pages.ui import caches
from pages.ui.frame import guarded
from pages.ui.plain_text import plain
from pages.ui.viewing.words import WINDOW_NOTE, window_name

FRAME, WINDOW, CENTRE, WIDTH = "frame", "window", "centre", "width"
OWN = "Centre and width"
_ANEW = "viewed_anew"
_OF = "viewed_file"
_SHOWN = "study_as_shown"


def pick_frame(file: caches.File) -> caches.File:
    """Ask for a frame where the file has several; the file at that frame."""
    _begin(file)
    frames = caches.frames(file)
    if frames < 2:
        return file
    asked = st.query_params.get(FRAME)
    if asked is not None and not (asked.isascii() and asked.isdecimal() and 1 <= int(asked[:9]) <= frames):
        st.error(f"The address names frame {plain(asked[:20])}, and this file has {frames:,}: choose one.")
    elif asked is None:
        st.session_state.setdefault(FRAME, file.frame + 1)
    if not 1 <= (st.session_state.get(FRAME) or 1) <= frames:
        st.session_state[FRAME] = 1
    number = st.number_input(
        f"Frame (1 to {frames:,})", 1, frames, key=FRAME, step=1, bind="query-params",
        help="Each frame is an image of its own: what the run says is of this one.",
    )  # fmt: skip
    return replace(file, frame=int(number) - 1)


def pick_window(file: caches.File, study: Study) -> None:
    """Ask how a grey DICOM is shown; `as_shown` gives the study as the person wants to see it."""
    st.session_state.pop(_SHOWN, None)
    dicom = study.dicom
    if dicom is None or not dicom.photometric.startswith("MONOCHROME"):
        return
    presets = _presets(study)
    first = next(iter(presets))
    if st.session_state.pop(_ANEW, False):
        st.session_state[WINDOW] = first
    elif st.query_params.get(WINDOW) not in (None, *presets, OWN):
        st.error("The address names a window that this file does not have: choose another one.")
    chosen = st.selectbox("Window", [*presets, OWN], key=WINDOW, bind="query-params", filter_mode=None)
    low, high = dicom.value_range
    start = dicom.window or Window((low + high) / 2, max(high - low, 1.0))
    window = _own(start) if chosen == OWN else presets[chosen]
    st.caption(WINDOW_NOTE)
    if chosen != first and window is not None:
        with guarded():
            st.session_state[_SHOWN] = study.digest, caches.study(replace(file, window=window))


def _presets(study: Study) -> dict[str, Window | None]:
    """Title -> window, the file's first choice in front (None where that is no window). The titles stand in
    the address, since a bound widget writes its options as they are shown."""
    dicom = study.dicom
    first = dicom.shown_by.capitalize() if dicom.window is None else window_name(dicom.window)
    low, high = dicom.value_range
    return {
        first: dicom.window,
        **{window_name(window): window for window in dicom.windows[1:] if window_name(window) != first},
        f"Full range, {low:g} to {high:g}": Window((low + high) / 2, max(high - low, 1.0), "LINEAR_EXACT"),
    }


def as_shown(study: Study) -> Study:
    """The study in the window that the person chose, for pictures alone."""
    of, shown = st.session_state.get(_SHOWN) or (None, None)
    return shown if of == study.digest else study


def _begin(file: caches.File) -> None:
    """Another file: its first frame, or the one it was opened at, in its first window."""
    if st.session_state.get(_OF) not in (None, file.digest):
        st.session_state[FRAME] = file.frame + 1
        st.session_state[_ANEW] = True
        for key in (CENTRE, WIDTH):
            st.session_state.pop(key, None)
    st.session_state[_OF] = file.digest


def _own(start: Window) -> Window:
    centre, width = st.columns(2)
    step = float(max(1, round(start.width / 50)))
    if CENTRE not in st.query_params:
        st.session_state.setdefault(CENTRE, float(start.centre))
    if WIDTH not in st.query_params:
        st.session_state.setdefault(WIDTH, float(start.width))
    return Window(
        centre.number_input("Centre", -1e6, 1e6, key=CENTRE, step=step, bind="query-params"),
        width.number_input("Width", 1.0, 1e6, key=WIDTH, step=step, bind="query-params"),
        start.function if start.function != "LINEAR_EXACT" else "LINEAR",
    )
