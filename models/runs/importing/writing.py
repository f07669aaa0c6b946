"""Imported results as a run folder without weights, its figures computed as every run's are."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models import __version__
from models.errors import BadInput
from models.evaluation import (
    Predictions,
    confusion,
    evaluate,
    predicted_classes,
    sensitivity_at_least,
    write_predictions,
    youden,
)
from models.runs.cases import CASES_FILE, CaseTable
from models.runs.folder import Run, run_roots
from models.runs.history import HISTORY_FILE, History
from models.runs.writer import write_run

_PLACEHOLDER = ("negative", "positive")


def write_imported(
    root: str | Path,
    *,
    id: str,
    title: str = "",
    modality: str,
    predictions: Predictions | None = None,
    history: History | None = None,
    classes: Sequence[str] | None = None,
    positive: str | None = None,
    data: str = "",
    licence: str = "",
    threshold: float | None = None,
    network: str = "imported",
    note: str = "",
    parameters: Mapping[str, Any] | None = None,
    cases: CaseTable | None = None,
    synthetic: bool = False,
) -> Run:
    """Write `root`/`id` and return it: a run of predictions, of a history, or of both.

    classes, positive: of the predictions (positive: its last class) unless given; a history alone has two
    placeholders. threshold: of the default operating point; by default Youden's index on the validation part
    where both classes are in it, else 0.5. Metrics with intervals are those of the labelled cases of the
    validation and test parts at that threshold. BadInput for neither predictions nor history, an id that is
    taken or not valid, a threshold outside 0..1, or a card that does not fit.
    """
    if predictions is None and history is None:
        raise BadInput("There is nothing to import: give predictions, a history, or both.")
    if threshold is not None and not 0 <= threshold <= 1:
        raise BadInput(f"The threshold {threshold:g} is no probability: give one from 0 to 1.")
    folder = Path(root) / id
    _refuse_taken(id, folder)
    classes = tuple(classes or (predictions.classes if predictions else _PLACEHOLDER))
    positive = positive or classes[-1]
    if predictions is not None and classes != predictions.classes:
        raise BadInput("The classes are not those of the predictions: give them in the predictions' order.")
    if positive not in classes:
        raise BadInput(f"{positive!r} is not one of the classes {', '.join(classes)}: choose one of them.")
    card = _card(classes, positive, history, parameters)
    card |= {"id": id, "title": (title.strip() or id)[:120], "modality": modality, "network": network}
    card |= {"data": _data(predictions, data, licence, note), "synthetic": synthetic}
    card |= _judged(predictions, positive, threshold)
    files: dict[str, bytes | str | Path] = {}
    if history is not None:
        files[HISTORY_FILE] = history.to_csv()
    if cases is not None:
        files[CASES_FILE] = cases.to_csv()
    with tempfile.TemporaryDirectory() as place:
        if predictions is not None:
            write_predictions(predictions, Path(place) / "predictions.csv")
            files["predictions.csv"] = Path(place) / "predictions.csv"
        try:
            return write_run(folder, card, files)
        except OSError as error:
            raise BadInput(f"{folder} cannot be written ({error.strerror}): choose another place.") from error


def free_id(name: str, taken: Sequence[str] = ()) -> str:
    """A valid id after a file's or a title's name that is not among `taken`."""
    stem = re.sub(r"\.(csv|tsv|txt|zip)$", "", Path(name).name.strip(), flags=re.IGNORECASE)
    plain = re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-").lower()[:60] or "imported"
    found, number = plain, 2
    while found in taken:
        found, number = f"{plain}-{number}", number + 1
    return found


def _refuse_taken(id: str, folder: Path) -> None:
    if "/" in id or id in ("", ".", ".."):
        raise BadInput(f"{id!r} cannot be the id of a run: use letters, digits, dots and dashes.")
    for place in dict.fromkeys((folder, *(each / id for each in run_roots()))):
        if place.exists():
            raise BadInput(f"Another run is called {id} already: give this one another id.")


def _card(
    classes: tuple[str, ...], positive: str, history: History | None, parameters: Mapping[str, Any] | None
) -> dict[str, Any]:
    one_logit = len(classes) == 2 and positive == classes[1]
    facts: dict[str, Any] = dict(parameters or {})
    if history is not None:
        facts = {"epochs": len(history)} | facts
    return {
        "classes": list(classes),
        "positive": positive,
        "label_map": {name: name for name in classes},
        "logits": 1 if one_logit else len(classes),
        "training": facts,
        "intended_use": "Results of another program, for comparison in research. Not a diagnostic device.",
        "limits": "Imported without weights: what they say is as good as the table they came in.",
        "versions": {"lesionlens": __version__},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _data(predictions: Predictions | None, name: str, licence: str, note: str) -> dict[str, Any]:
    counts = {}
    if predictions is not None:
        for part in ("train", "validation", "test"):
            counts[f"n_{part}"] = int((predictions.splits == part).sum())
        counts["n_train"] = counts["n_train"] or None
        counts["n_validation"] = counts["n_validation"] or None
    return {"name": name.strip() or "not stated", "licence": licence, "note": note, **counts}


def _judged(predictions: Predictions | None, positive: str, threshold: float | None) -> dict[str, Any]:
    """Operating points, metrics and the confusion matrix of the test part."""
    if predictions is None:
        point = {"name": "half", "threshold": 0.5 if threshold is None else threshold, "on": "nothing"}
        return {"operating_points": [point | {"rule": "there are no predictions to choose it on"}]}
    place = predictions.classes.index(positive)
    points = _points(predictions.part("validation").labelled(), place, threshold)
    metrics = {}
    for name in ("validation", "test"):
        part = predictions.part(name).labelled()
        if len(part):
            metrics[name] = evaluate(
                part.labels,
                part.probabilities,
                classes=predictions.classes,
                positive=positive,
                threshold=points[0]["threshold"],
                groups=part.groups,
            )
    test = predictions.part("test").labelled()
    judged: dict[str, Any] = {"operating_points": points, "metrics": metrics}
    if len(test):
        called = predicted_classes(test.probabilities, points[0]["threshold"], place)
        judged["confusion"] = confusion(test.labels, called, predictions.classes)
    return judged


def _points(validation: Predictions, positive: int, threshold: float | None) -> list[dict[str, Any]]:
    truth = (validation.labels == positive).astype(int)
    chosen = []
    if 0 < truth.sum() < len(truth):
        scores = validation.probabilities[:, positive]
        chosen = [youden(truth, scores).to_dict(), sensitivity_at_least(truth, scores, 0.95).to_dict()]
    if threshold is not None:
        given = {"name": "given", "threshold": threshold, "rule": "given with the import", "on": "nothing"}
        return [given, *chosen]
    half = {
        "name": "half",
        "threshold": 0.5,
        "rule": "0.5: no validation cases to choose it on",
        "on": "nothing",
    }
    return chosen or [half]
