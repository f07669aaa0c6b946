"""The files a visitor gives to the Import page, kept while they look at other pages."""

from __future__ import annotations

import streamlit as st

from pages.ui.importing.session_runs import safe_file_name
from pages.ui.importing.upload import Upload
from pages.ui.plain_text import plain

PREDICTIONS, HISTORY, PACKED = "predictions", "history", "packed"
_KEPT = "import_files"
_ROUND = "import_round"
_ASKED = {
    PREDICTIONS: (
        "Predictions (CSV)",
        "A case a row: a score or a probability a class, and the label where it is known. Columns may have "
        "any name and order: you say below what they mean. scikit-learn's y_true, y_score is enough.",
    ),
    HISTORY: (
        "Training history (CSV or ZIP)",
        "What Keras' CSVLogger wrote, a CSV export of Weights & Biases, a TensorBoard event file, or the "
        "zipped folder of a TensorBoard or MLflow run.",
    ),
    PACKED: (
        "or a packed run (ZIP)",
        "A file of python -m models pack, or one downloaded from this page. Its weights are left out: this "
        "program runs only weights that its owner installed.",
    ),
}  # fmt: skip


def ask_for_files() -> dict[str, Upload]:
    """Ask for predictions, a history and a packed run; what is there, by those names."""
    for place, kind in zip(st.columns(len(_ASKED), gap="medium"), _ASKED, strict=True):
        with place:
            _ask(kind)
    return dict(_kept())


def forget_files() -> None:
    """Empty the uploaders, once a run was made of what they held."""
    st.session_state.pop(_KEPT, None)
    st.session_state[_ROUND] = _round() + 1


def _ask(kind: str) -> None:
    label, meaning = _ASKED[kind]
    given = st.file_uploader(
        label, key=f"import_{kind}_{_round()}", on_change=_drop, args=(kind,), help=meaning
    )
    kept = _kept().get(kind)
    if given is not None and (kept is None or kept.mark != given.file_id):
        _kept()[kind] = Upload(safe_file_name(given.name), given.getvalue(), given.file_id)
    elif given is None and kept is not None:
        # Streamlit empties an uploader when its page is left.
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.caption(f":material/description: {plain(kept.name)}", width="content")
            st.button("Remove", key=f"drop_{kind}", type="tertiary", on_click=_drop, args=(kind,))


def _drop(kind: str) -> None:
    _kept().pop(kind, None)


def _kept() -> dict[str, Upload]:
    return st.session_state.setdefault(_KEPT, {})


def _round() -> int:
    return st.session_state.get(_ROUND, 0)
