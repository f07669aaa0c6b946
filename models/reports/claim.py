"""The items of CLAIM 2024 and what a run folder says to each.

Tejani, Klontzas, Gatti et al., "Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024
Update", Radiology: Artificial Intelligence 6(4), 2024, e240300. Items in our own short words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.reports.document import Part, Table, Text
from models.reports.subgroup_tables import spoken
from models.reports.wording import listed

if TYPE_CHECKING:
    from models.runs import Run

CITATION = (
    "Tejani et al., Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update, "
    "Radiology: Artificial Intelligence 6 (2024) e240300"
)
ITEMS = (
    "Study named as one of AI, with its kind", "Structured abstract", "Background and intended use",
    "Aims and hypotheses", "Prospective or retrospective", "Goal of the study", "Sources of the data",
    "Inclusion and exclusion", "Preprocessing", "Selection of parts of the data", "De-identification",
    "Missing data", "Acquisition of the images", "Definition of the reference standard",
    "Reasons for the reference standard", "Who annotated", "Annotation of the test set",
    "Variability between and within annotators", "How cases were put into parts",
    "Level at which the parts are disjoint", "Intended sample size", "Model in detail", "Software",
    "Where the weights began", "Training", "How the final model was chosen", "Ensembles",
    "Metrics", "Uncertainty and significance", "Robustness", "Explainability and its validation",
    "Internal testing", "External testing", "Registration of a trial", "Cases included and excluded",
    "Demographics and clinical traits", "Results on all parts", "Diagnostic performance and its precision",
    "Failures", "Limitations", "Meaning for practice", "Protocol or further detail",
    "Availability of software, model and data", "Funding",
)  # fmt: skip
YES, PARTLY, NO, NOTHING = "yes", "partly", "no", "n/a"
_DEMOGRAPHIC = ("age_group", "density", "site", "scanner", "manufacturer")


def claim_parts(run: Run, columns: tuple[str, ...] = ()) -> tuple[Part, ...]:
    """A row an item: its number and what it asks, whether this card answers it, where or why not.

    `columns`: what is known of the test cases (cases.csv), by which subgroups can be told.
    """
    found = _answers(run, columns)
    rows = []
    for number, words in enumerate(ITEMS, 1):
        answer, where = found.get(number, (NO, "Not part of a run: the study's own text has to say it"))
        rows.append((f"{number}. {words}", answer, where))
    counts = {kind: sum(row[1] == kind for row in rows) for kind in (YES, PARTLY, NO, NOTHING)}
    said = (
        f"Of {len(ITEMS)} items this card answers {counts[YES]}, and {counts[PARTLY]} in part; {counts[NO]} "
        f"it does not, and {counts[NOTHING]} cannot apply."
    )
    table = Table(("Item", "Answered", "Where, or why not"), tuple(rows), f"{CITATION}.", row_names=False)
    return Text(said), table


def _answers(run: Run, columns: tuple[str, ...]) -> dict[int, tuple[str, str]]:
    return _of_the_data(run, columns) | _of_the_model(run) | _of_the_results(run, columns)


def _of_the_data(run: Run, columns: tuple[str, ...]) -> dict[int, tuple[str, str]]:
    data = run.card.data
    authors = "The labels of the data's authors, unchanged: see their publication"
    found = {
        3: (PARTLY, "Intended use; the clinical background is the study's own"),
        5: (YES, "Retrospective: stored images were scored"),
        6: (PARTLY, "Intended use"),
        7: (YES if data.citation else PARTLY, "Training and evaluation data"),
        8: (PARTLY, "Labels left out and the note on the data; how women were chosen, the authors know"),
        11: (NO, "Done by the data's authors, if at all; a run keeps no name, date or free text"),
        12: (PARTLY, "Files that cannot be read are left out and listed; nothing is filled in"),
        14: (PARTLY, "How labels become classes: Training data. How they were found: the data's authors"),
        16: (PARTLY, authors),
        17: (PARTLY, authors),
        18: (NO, "One label a case: nothing to compare"),
        21: (NO, "No sample size was planned: all cases at hand were used"),
    }
    if {"scanner", "manufacturer", "site"} & set(columns):
        found[13] = (PARTLY, "Scanner or site of each case, as far as the data tell")
    else:
        found[13] = (NO, "The data tell nothing of scanner or protocol")
    if run.card.prepare or data.leave_out or data.note:
        found[10] = (YES if run.card.prepare else PARTLY, "Training data: what was cut or left out")
    if data.n_train and data.n_test:
        found[19] = (YES, "Training and evaluation data: cases a part")
    if run.card.members:
        kind = run.card.members[0].kind
        found[19] = (YES, f"Quantitative analyses: {len(run.card.members)} {kind}s, cases of each")
        found[20] = (YES, "Evaluation data: by patient where ids exist, and by groups of near-duplicates")
    if data.split_id:
        found[20] = (YES, "Evaluation data: by patient where ids exist, and by groups of near-duplicates")
    return found


def _of_the_model(run: Run) -> dict[int, tuple[str, str]]:
    card = run.card
    found = {43: (PARTLY, "The run's folder; the data's licence says who may have the images")}
    if not (run.has_weights or card.head or card.cost):
        return found | {1: (PARTLY, "The results came without a word on their model")}
    kind = "a classical classifier on deep features" if _classical(run) else "deep learning"
    found |= {1: (YES, f"Model details: {kind}"), 27: _joined(run)}
    if run.has_weights:
        found[9] = (YES, "Model details: size, fitting and picture steps of the input")
        found[22] = (YES, "Model details; every layer is in the run's ONNX files")
        found[31] = _explained(run)
    else:
        found[22] = (PARTLY, "Model details; the weights are not in this run")
    if card.versions:
        found[23] = (YES, "Model details: versions")
    if card.sources or card.training.get("strategy"):
        found[24] = (YES, "Training data: starting weights")
    if run.path("recipe.toml"):
        found[9] = (YES, "recipe.toml: input and augmentation")
        found[25] = (YES, "recipe.toml in the run's folder has every choice")
        found[26] = (PARTLY, "recipe.toml and history.csv: the stages and how long each lasted")
        found[42] = (YES, "recipe.toml; its digest is in the card")
    return found


def _of_the_results(run: Run, columns: tuple[str, ...]) -> dict[int, tuple[str, str]]:
    tested = "test" in run.card.metrics
    by = listed([spoken(column).lower() for column in columns])
    found = {
        28: (YES, "Metrics"),
        29: (YES, "Metrics: a 95 % interval beside every figure, and how it was had"),
        30: (PARTLY if columns else NO, f"Subgroups by {by}" if columns else "Not measured"),
        32: (YES if tested else NO, "Quantitative analyses: test part" if tested else "No test part"),
        33: (NO, "Never tested on data of another origin"),
        34: (NOTHING, "No trial"),
        35: (PARTLY, "Cases a part; the data's authors know how many women they had to choose from"),
        36: (PARTLY if set(_DEMOGRAPHIC) & set(columns) else NO, "As far as the data tell: Factors"),
        37: (PARTLY, "Validation and test; figures on training cases would flatter"),
        38: (YES if tested else NO, "Quantitative analyses"),
        39: (PARTLY, "Confusion matrix; the evaluation shows the cases"),
        40: (YES, "Caveats and recommendations"),
        41: (PARTLY, "Intended use: research alone"),
    }
    return found


def _explained(run: Run) -> tuple[str, str]:
    measured = {"pointing", "iou", "energy"} & set(run.card.metrics.get("test", {}))
    if measured:
        return YES, "Quantitative analyses: heatmaps against lesion masks"
    return PARTLY, "Heatmaps can be drawn; they were not measured against lesions"


def _joined(run: Run) -> tuple[str, str]:
    if len(run.card.branches) > 1:
        return YES, f"Model details: {len(run.card.branches)} branches joined before the head"
    if "hybrid" in run.card.network:
        return YES, "Model details: several branches joined before the head"
    return NOTHING, "One network"


def _classical(run: Run) -> bool:
    return bool(run.card.head and run.card.head.kind in ("logistic", "svm", "bayes"))
