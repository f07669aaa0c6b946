"""A batch with labels as the evidence of a run: figures at once, and the pages that judge runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from models.batch.as_run import run_of_batch
from models.batch.labels import read_labels
from models.batch.results import read_batch
from models.errors import BadInput
from models.runs.importing import free_id
from pages.ui import batch_caches, caches, state
from pages.ui.batch import labelling
from pages.ui.batch.columns import Results
from pages.ui.frame import guarded
from pages.ui.plain_text import amount, plain
from pages.ui.trust import words as trust_words

if TYPE_CHECKING:
    from models.batch.results import BatchRun
    from models.runs import Run
    from pages.ui.batch.places import BatchPlace

EVALUATE, TRUST, COMPARE = "pages/4_Evaluate.py", "pages/6_Trust.py", "pages/2_Compare.py"
FIGURES = {
    "auc": "AUC",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "PPV",
    "npv": "NPV",
}
LEAVE_OUT = "none of them"
FEW = 10
_MADE, _UPLOAD = "batch_runs_made", "batch_labels_file"


def show(place: BatchPlace, results: Results) -> None:
    """Figures of every run where there are labels, and a place to add them."""
    if results.labelled:
        _figures(place, results)
    else:
        st.write(
            "Give the diagnosis of each image, and the batch is evaluated: sensitivity, specificity, curves, "
            "calibration and subgroups, on the Evaluate page; two runs against each other on Compare."
        )
    name = "Add labels" if results.labelled else "Labels of the images"
    with st.expander(name, not results.labelled, icon=":material/label:"), guarded():
        _ask_labels(place, results)


def _figures(place: BatchPlace, results: Results) -> None:
    rows = []
    for run in results.runs:
        measured = figures_of(results, run)
        rows.append(
            {"Run": run.id, "Images": f"{measured['n']:,}"}
            | {name: trust_words.metric(measured[key]) for key, name in FIGURES.items() if key in measured}
        )
    st.dataframe(rows, hide_index=True, alt="Figures of the runs on this batch")
    mapped = sum(m["n"] for m in (figures_of(results, run) for run in results.runs))
    if not mapped:
        st.warning("The labels mean no class of these runs: give labels again below and say what each means.")
        return
    st.caption(
        "With 95 % intervals, patients kept together, at each run's own operating point. These images are a "
        "sample of their own: a prevalence unlike the clinic's moves PPV and NPV. Research use only."
    )
    _open_pages(place, results)


def figures_of(results: Results, run: BatchRun) -> dict:
    """Metric dicts of FIGURES over the scored and labelled rows, and `n`, how many those are."""

    def made() -> dict:
        from models.evaluation import evaluate

        answers, labels = results.answers(run.id), results.text("label")
        meant = {label: run.label_index(label) for label in set(labels.tolist())}
        truth = np.array([meant[label] for label in labels.tolist()], dtype=np.int64)
        use = answers.scored & (truth >= 0)
        if not use.any():
            return {"n": 0}
        patients = np.where(results.text("patient_id") == "", results.text("key"), results.text("patient_id"))
        found = evaluate(
            truth[use], answers.probabilities[use], classes=run.classes, positive=run.positive,
            threshold=run.threshold, groups=patients[use].astype(str),
        )  # fmt: skip
        return {"n": int(use.sum())} | {key: found[key] for key in FIGURES if key in found}

    return results.once(("figures", run.id), made)


def _open_pages(place: BatchPlace, results: Results) -> None:
    """Buttons that make runs of the batch and open a page on them."""
    run_id = results.runs[0].id
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if len(results.runs) > 1:
            run_id = st.selectbox(
                "Run", [run.id for run in results.runs], key="evaluate", bind="query-params", width=230,
                filter_mode=None,
            )  # fmt: skip
        if st.button("Evaluate this batch", type="primary", icon=":material/analytics:"):
            st.switch_page(EVALUATE, query_params={state.RUN: made_run(place, results, run_id).id})
        measured = np.isfinite(results.extra_number(run_id, "lesion_share")).any()
        if st.button(
            "Trust measures", icon=":material/verified:", disabled=not measured,
            help="Where its maps point, case by case, against the masks."
            if measured else "No map of this batch was measured: give masks with the images.",
        ):  # fmt: skip
            st.switch_page(TRUST, query_params={state.RUN: made_run(place, results, run_id).id})
        if len(results.runs) > 1:
            other = next(run.id for run in results.runs if run.id != run_id)
            other = _ask_other(results, run_id, other)
            if st.button("Compare", icon=":material/compare_arrows:"):
                first, second = (made_run(place, results, one).id for one in (run_id, other))
                # This page has a view of its own, so that the address cannot carry Compare's.
                state.wish(view="Two runs")
                st.switch_page(COMPARE, query_params={"first": first, "second": second})
    st.caption(
        "It is taken over as a run of this visit, without weights: the page opened has every figure, curve "
        "and table, and only you see it."
    )


def _ask_other(results: Results, run_id: str, other: str) -> str:
    others = [run.id for run in results.runs if run.id != run_id]
    if len(others) == 1:
        return other
    return st.selectbox("with", others, key="evaluate_with", width=230, filter_mode=None)


def made_run(place: BatchPlace, results: Results, run_id: str) -> Run:
    """The batch as a run of this visit, made once for the same rows and labels. BadInput where it cannot."""
    store, added = caches.session_runs(), batch_caches.added_labels(place)
    known = st.session_state.setdefault(_MADE, {})
    key = place.id, run_id, len(results), added.mark
    run = next((run for run in store.runs if run.id == known.get(key)), None)
    if run is not None:
        return run
    with st.spinner("Gathering the batch as a run"):
        store.check_room()
        batch = read_batch(place.folder)
        taken = [run.id for run in caches.runs().runs]
        new = free_id(f"{run_id} batch", taken)
        run = run_of_batch(
            batch, run_id, store.folder, id=new, title=f"{batch.run(run_id).title} on a batch of this visit",
            labels=added.said, files=_audit(batch, run_id, new, added.said),
        )  # fmt: skip
        store.add(run)
    known[key] = run.id
    return run


def _audit(batch, run_id: str, new: str, said: dict) -> dict[str, str]:
    """The measures of its maps as the Trust page reads them; none without masks."""
    from xai.batch.audited import audit_files

    run = next((run for run in caches.runs().runs if run.id == run_id), None)
    if run is None or not batch.has_masks:
        return {}
    labels = {key: one.label for key, one in said.items() if one.label}
    return audit_files(batch, run, new, labels=labels)


def _ask_labels(place: BatchPlace, results: Results) -> None:
    """Take a label file, say what was found in it, ask what strange labels mean."""
    st.caption(
        "A CSV with the columns file and label, and patient_id if you have it: file is the name or the "
        "path in the batch. Labels may be left empty."
    )
    upload = st.file_uploader(
        "Labels (CSV)", key=state.upload_key(_UPLOAD), max_upload_size=labelling.MOST_BYTES >> 20,
        label_visibility="collapsed",
    )  # fmt: skip
    if upload is not None:
        matched = labelling.match(read_labels(upload.getvalue(), upload.name), results)
        for sentence in labelling.report(matched, results):
            st.write(plain(sentence))
        said = matched.renamed(_ask_meanings(matched, results))
        if not any(one.label for one in said.values()):
            raise BadInput("None of these labels means a class of the runs: say above what each means.")
        if st.button("Use these labels", type="primary", icon=":material/check:"):
            batch_caches.add_labels(place, said)
            state.clear_uploads()
            st.rerun()
    elif batch_caches.added_labels(place).said:
        count = len(batch_caches.added_labels(place).said)
        if st.button(f"Take the {amount(count, 'added label')} away", icon=":material/delete:"):
            batch_caches.add_labels(place, {})
            st.rerun()


def _ask_meanings(matched: labelling.Matched, results: Results) -> dict[str, str]:
    """Label of the file -> class, for labels that mean none by themselves."""
    if not matched.unknown:
        return {}
    classes = list(dict.fromkeys(name for run in results.runs for name in run.classes))
    if len(matched.unknown) > FEW:
        first = ", ".join(map(repr, matched.unknown[:FEW]))
        raise BadInput(
            f"{len(matched.unknown)} labels of the file mean no class of the runs ({first}, and more): the "
            f"column label must hold {', '.join(classes)}, or words that the runs know."
        )
    st.write("These labels are no class of the runs. What does each mean?")
    meanings = {}
    with st.grid("auto", min_column_width=180):
        for label in matched.unknown:
            chosen = st.selectbox(plain(label), [LEAVE_OUT, *classes], key=f"means {label}", filter_mode=None)
            if chosen != LEAVE_OUT:
                meanings[label] = chosen
    return meanings
