"""The frame of every page: its head, the permanent notice, and what becomes of a refusal or a fault."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models import __version__
from models.errors import BadInput

NOTICE = "Research use only: not a diagnostic device"
ABOUT = (
    f"**LesionLens {__version__}** shows what a breast-imaging classifier says about an image and where its "
    "evidence lies.\n\nFor research and teaching. It is not a medical device: do not use it to decide on the "
    "care of a person. Images stay in the memory of this computer and are never written to disk, but for "
    "those of a batch or a slide, which the Batch page keeps for a time that it states."
)

_log = logging.getLogger("lesionlens.pages")


@contextmanager
def page_frame(title: str) -> Iterator[DeltaGenerator]:
    """Open a page: call it once, first, at the top of every page script, and put the page inside.

    Yields the place beside the title. A refusal (BadInput) inside becomes one sentence; a fault of ours is
    logged under a short id and becomes one sentence with that id. Either way the app keeps running.
    """
    st.set_page_config(
        page_title=f"{title} · LesionLens",
        layout="wide",
        initial_sidebar_state=300,
        menu_items={"About": ABOUT},
    )
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        beside = st.container(horizontal=True, vertical_alignment="center", width="content")
        beside.header(title, anchor=False, width="content")
        st.badge(NOTICE, color="orange")
    with guarded():
        yield beside


@contextmanager
def guarded() -> Iterator[None]:
    """Turn what is raised inside into one sentence, where it stands; the rest of the page goes on."""
    try:
        yield
    except BadInput as refusal:
        st.error(str(refusal))
    except Exception:
        st.error(fault_sentence())


def fault_sentence() -> str:
    """Log the exception being handled with its traceback; the sentence that names the log entry."""
    fault = secrets.token_hex(3)
    _log.exception("fault %s", fault)
    return (
        f"Something went wrong in the program (fault {fault}, with details in the server's log): "
        "try again, or choose another image or run."
    )
