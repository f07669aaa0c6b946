"""What a page remembers of a person between two clicks: the keys of session state, named once.

The run and the sample also stand in the address, so that a link opens the same case.
"""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st

from models.errors import BadInput

RUN = "run"
SAMPLE = "sample"
_HEATMAP_SHOWN = "heatmap_shown"
_UPLOADS = "uploads_cleared"


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
    raise BadInput(f"There is no {key} {asked[:80]!r}: choose one of those at hand ({choice}).")


def write_address(key: str, value: str | None) -> None:
    """Put the chosen value into the address, for a link to this case."""
    st.session_state[f"{key}_followed"] = value
    if value is None:
        st.query_params.pop(key, None)
    elif st.query_params.get(key) != value:
        st.query_params[key] = value


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
