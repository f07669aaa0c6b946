"""Import: results of other programs, on the pages of this one, for the length of a visit."""

import streamlit as st

from pages.ui.frame import guarded, page_frame
from pages.ui.importing import shelf
from pages.ui.importing.packed import take_packed
from pages.ui.importing.results import ask_for_run
from pages.ui.importing.uploads import HISTORY, PACKED, PREDICTIONS, ask_for_files

with page_frame("Import"):
    st.write(
        "Bring what a model of yours said about its test cases, and how it was trained, and see it on the "
        "pages Evaluate, Training and Compare. Nobody else sees it."
    )
    shelf.show_said()
    files = ask_for_files()
    if PACKED in files:
        with guarded():
            take_packed(files[PACKED])
            st.rerun()
    if PREDICTIONS in files or HISTORY in files:
        ask_for_run(files.get(PREDICTIONS), files.get(HISTORY))
    shelf.show_imported()
