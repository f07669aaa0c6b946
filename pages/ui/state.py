"""What a page remembers of a person between two clicks: the keys of session state, named once.

The run and the sample also stand in the address, so that a link opens the same case. So does a case of a
run's data, by its row in the run's predictions (0 is the first), or an image of a batch, by its place in the
batch: the name of a case or patient never does.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import streamlit as st

from models.errors import BadInput

RUN = "run"
SAMPLE = "sample"
CASE = "case"
OF = "of"
BATCH = "batch"
ROW = "case_row"
_HEATMAP_SHOWN = "heatmap_shown"
_UPLOADS = "uploads_cleared"
_OPENED = "opened_case"
_FOLLOWED = "case_followed"
_WISHES = "wishes"


@dataclass(frozen=True)
class DataCase:
    """A case of the data a run was made of: the run's id, and the row of its predictions.csv. Or an image of
    a batch: the batch's id, and its place in the input."""

    of: str
    row: int
    batch: str = ""


def follow_address(key: str, known: Collection[str]) -> None:
    """Take the value of `key` from the address, once for every address. BadInput for an unknown one."""
    asked = st.query_params.get(key)
    followed = f"{key}_followed"
    if asked is None or asked == st.session_state.get(followed):
        return
    st.session_state[followed] = asked
    if asked in known:
        st.session_state[key] = asked
        return
    del st.query_params[key]
    choice = ", ".join(sorted(known)) or "none yet"
    alone = " A run imported on a visit is known to that visit alone." if key == RUN else ""
    raise BadInput(f"There is no {key} {asked[:80]!r}: choose one of those at hand ({choice}).{alone}")


def write_address(key: str, value: str | None) -> None:
    """Put the chosen value into the address, for a link to this case."""
    st.session_state[f"{key}_followed"] = value
    if value is None:
        st.query_params.pop(key, None)
    elif st.query_params.get(key) != value:
        st.query_params[key] = value


def wish(**choices: str) -> None:
    """What the next page is to have chosen, by the keys of its widgets: for a page that has bound a name of
    the other's address to a widget of its own."""
    st.session_state[_WISHES] = choices


def take_wishes() -> None:
    """Choose it; to be called before the page's first widget."""
    st.session_state.update(st.session_state.pop(_WISHES, {}))


def heatmap_shown() -> bool:
    """Whether the overlay is on; it is until the person turns it off."""
    return bool(st.session_state.get(_HEATMAP_SHOWN, True))


def flip_heatmap() -> None:
    """Turn the overlay off or on again."""
    st.session_state[_HEATMAP_SHOWN] = not heatmap_shown()


def upload_key(name: str) -> str:
    """The key of an uploader; it changes when the uploads are cleared, which is how one is emptied."""
    return f"{name}_{st.session_state.get(_UPLOADS, 0)}"


def clear_uploads() -> None:
    """Forget the uploaded image and mask."""
    st.session_state[_UPLOADS] = st.session_state.get(_UPLOADS, 0) + 1


def follow_case(known: Collection[str]) -> None:
    """Open the case that the address names, once for every address: `case`, of the batch `batch`, else of
    the run `of` (or else `run`).

    It takes the place of uploads and samples. BadInput for a case that cannot be one.
    """
    row, batch = st.query_params.get(CASE), st.query_params.get(BATCH, "")
    of = "" if batch else st.query_params.get(OF) or st.query_params.get(RUN)
    if row is None or (of, row, batch) == st.session_state.get(_FOLLOWED):
        return
    st.session_state[_FOLLOWED] = (of, row, batch)
    a_row = row.isascii() and row.isdecimal() and len(row) < 10
    if batch and not a_row:
        close_case()
        raise BadInput(f"There is no image {row[:20]!r} in a batch: open it from the Batch page.")
    if not a_row or (of not in known and not batch):
        close_case()
        raise BadInput(
            f"There is no case {row[:20]!r} of a run {(of or '')[:80]!r}: choose a run on the Evaluate page "
            "and open one of its cases there."
        )
    clear_uploads()
    st.session_state[SAMPLE] = None
    st.session_state[_OPENED] = DataCase(of, int(row), batch)


def follow_row() -> None:
    """Take the row that the address names as `case` into ROW, once for every address, for a page that shows
    cases of its own run.

    No widget is bound to `case`: a link to another page loses what the page it leaves has bound.
    """
    row = st.query_params.get(CASE)
    if row is None or row == st.session_state.get(f"{CASE}_followed"):
        return
    st.session_state[f"{CASE}_followed"] = row
    if row.isascii() and row.isdecimal() and len(row) < 10:
        st.session_state[ROW] = int(row)


def opened_case() -> DataCase | None:
    """The case that is open, if one is."""
    return st.session_state.get(_OPENED)


def write_case(case: DataCase | None) -> None:
    """Put the open case into the address; with the run it is a case of, where the run asked is another.

    An address that says enough is left alone: each change of it is one more step back for the person.
    """
    wanted = {} if case is None else {CASE: str(case.row)}
    if case is not None and case.batch:
        wanted[BATCH] = case.batch
    elif case is not None and (OF in st.query_params or _run_of_address() != case.of):
        wanted[OF] = case.of
    st.session_state[_FOLLOWED] = (case.of, str(case.row), case.batch) if case else None
    for key in (CASE, OF, BATCH):
        if key not in wanted:
            st.query_params.pop(key, None)
        elif st.query_params.get(key) != wanted[key]:
            st.query_params[key] = wanted[key]


def close_case() -> None:
    """Forget the open case."""
    st.session_state[_OPENED] = None
    write_case(None)


def _run_of_address() -> str | None:
    """The run that the address will name once this rerun is through; None where it names none."""
    asked = st.query_params.get(RUN)
    return st.session_state.get(RUN) if asked == st.session_state.get(f"{RUN}_followed") and asked else asked
