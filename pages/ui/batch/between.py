"""To come."""

import streamlit as st


def show(place, results) -> None:
    st.caption("To come.")
