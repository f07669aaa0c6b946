"""Home: what LesionLens is, its limits, what it runs on, the runs at hand, and samples to open."""

import streamlit as st

from pages.ui import caches, sentences
from pages.ui.frame import guarded, page_frame
from pages.ui.gallery import show_samples
from pages.ui.importing.session_runs import MARK
from pages.ui.machine import machine

PURPOSE = (
    "LesionLens shows what a breast-imaging classifier says about an image, and where in the image the "
    "evidence for it lies. Open a sample below or give an image of your own in Inspect: you get the "
    "calibrated probability, a heatmap of every branch on an absolute scale, and how far the run has "
    "proved itself. Batch does so for a whole folder or archive, and for a slide. Evaluate, Training and "
    "Compare show what stands behind each run; Trust measures how far its heatmaps can be believed; Import "
    "puts results of your own beside them."
)
LIMITS = (
    "The runs here were trained on small public data sets or on synthetic phantoms. A heatmap shows what "
    "moved the model, which need not be the lesion and says nothing about whether the model is right. A "
    "probability holds for images like those the run was tested on. No run tells the stage of a cancer: no "
    "public image set carries stage labels. Images stay in memory and are never written to disk, but for "
    "those of a batch or a slide: the page Batch says where they are kept, and for how long."
)

with page_frame("LesionLens"):
    purpose, limits = st.columns(2, gap="large")
    purpose.markdown(PURPOSE)
    limits.markdown(f"**Limits.** {LIMITS}")

    listing = caches.runs()
    st.subheader("Samples", anchor=False)
    samples = caches.samples()
    if samples:
        st.caption("Synthetic phantoms, made by a program: no patient is in them. A click opens Inspect.")
        with guarded():
            show_samples(samples, listing.runs)
    else:
        st.caption("No samples are at hand.")
    st.page_link("pages/3_Batch.py", label="Many images at once: Batch", icon=":material/stacks:")

    st.subheader("Runs at hand", anchor=False)
    if listing.runs:
        marks = {run.id: MARK for run in caches.imported_runs()}
        st.dataframe(sentences.runs_table(listing.runs, marks), hide_index=True, alt="Runs at hand")
        st.caption("AUC on the run's own test cases, with its 95 % interval; n is their number.")
    else:
        st.caption("No run is at hand: train one or import one (python -m models --help).")
    for skipped in listing.skipped:
        st.warning(f"Not listed: {skipped.why}")

    st.subheader("This machine", anchor=False)
    here = machine()
    parts = (
        ("Device", here.gpu or f"CPU, {here.cores} cores"),
        ("Engine", here.engine),
        ("Memory of this program", sentences.size(here.process)),
        ("Memory of the machine", f"{sentences.size(here.used)} of {sentences.size(here.total)} in use"),
    )
    for column, (name, value) in zip(st.columns(len(parts)), parts, strict=True):
        column.caption(f"{name}  \n**{value}**")
