"""The runs imported in this session, each with what can be done with it."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import streamlit as st

from models.errors import BadInput
from models.runs import Run, import_run
from models.runs.folder import RUNS_VARIABLE
from pages.ui import caches, state
from pages.ui.frame import guarded
from pages.ui.importing.session_runs import SessionRuns
from pages.ui.plain_text import plain
from pages.ui.sentences import figure, test_metric

PAGES = {
    "Evaluate": ("pages/4_Evaluate.py", "predictions.csv", state.RUN, {}),
    "Training": ("pages/5_Training.py", "history.csv", state.RUN, {}),
    "Compare": ("pages/2_Compare.py", "predictions.csv", "first", {"view": "Two runs"}),
}
"""Page -> its script, the file without which it has nothing to show, and where its address has the run."""
_SAID = "import_said"


def say(sentence: str, *, refused: bool = False) -> None:
    """What the next rerun says at the top of the page."""
    st.session_state[_SAID] = sentence, refused


def show_said() -> None:
    """What the last click led to, once."""
    sentence, refused = st.session_state.pop(_SAID, ("", False))
    if sentence:
        (st.error if refused else st.success)(plain(sentence))


def show_imported() -> None:
    """The imported runs, newest first; nothing where there are none."""
    runs = caches.imported_runs()
    if not runs:
        return
    st.subheader("Imported in this session", anchor=False)
    for run in reversed(runs):
        with st.container(border=True), guarded():
            _show(run, caches.session_runs())
    st.caption(
        "Only you see these runs. They lie in a temporary folder of the computer that runs this dashboard, "
        "and are deleted when you close or reload it: download what you want to keep."
    )


def describe(run: Run) -> str:
    """Id, modality, cases and record of an imported run in one line (Markdown)."""
    parts = [] if run.id == run.title else [plain(run.id)]
    parts += [run.modality.capitalize()]
    if run.path("predictions.csv"):
        parts += [", ".join(map(plain, run.classes))]
    count = run.card.data.n_test
    parts += [f"{count:,} test cases"] if count else []
    auc = test_metric(run, "auc")
    parts += [f"AUC {figure(auc)}"] if auc and auc.value is not None else []
    parts += ["training history"] if run.path("history.csv") else []
    return " · ".join(parts)


def _show(run: Run, store: SessionRuns) -> None:
    words, actions = st.columns([5, 7], vertical_alignment="center")
    words.markdown(f"**{plain(run.title)}**  \n:small[:gray[{describe(run)}]]")
    with actions.container(horizontal=True, horizontal_alignment="right"):
        for name, (script, needed, place, view) in PAGES.items():
            missing = run.path(needed) is None
            why = f"This run came without {needed}." if missing else None
            if st.button(name, key=f"{name} {run.id}", disabled=missing, help=why):
                st.switch_page(script, query_params={place: run.id} | view)
        st.download_button(
            "Download", partial(store.zip_file, run.id), f"{run.id}.zip", "application/zip",
            key=f"download {run.id}", icon=":material/download:", on_click="ignore",
            help="One zip file; this page and python -m models import take it back.",
        )  # fmt: skip
        if os.environ.get(RUNS_VARIABLE):
            st.button(
                "Keep", key=f"keep {run.id}", icon=":material/save:", on_click=_keep, args=(run.id,),
                help=f"Copy it into the folder that {RUNS_VARIABLE} names: it stays, and everyone who uses "
                "this dashboard sees it.",
            )  # fmt: skip
        st.button(
            "Remove", key=f"remove {run.id}", icon=":material/delete:", type="tertiary", on_click=_remove,
            args=(run.id,),
        )  # fmt: skip


def _keep(run_id: str) -> None:
    """Move a run to where it stays; it leaves this session, since it is listed for everyone now."""
    store = caches.session_runs()
    run = next((run for run in store.runs if run.id == run_id), None)
    if run is None:
        return
    try:
        import_run(run.folder, Path(os.environ[RUNS_VARIABLE]))
    except BadInput as refusal:
        say(str(refusal), refused=True)
        return
    store.remove(run_id)
    say(f"{run.title} is kept: it is listed on every page as {run_id}.")


def _remove(run_id: str) -> None:
    caches.session_runs().remove(run_id)
