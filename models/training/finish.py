"""From trained weights to a run folder: every figure in it is computed from the files that are shipped."""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from models import __version__
from models.data.manifest import Manifest
from models.data.splits import PARTS, Split
from models.engines import open_engine
from models.engines.cost import cost_of
from models.engines.familiarity import FEATURES_FILE, fit_familiarity, rows_of
from models.engines.grids import resample
from models.engines.scoring import score
from models.evaluation import (
    Calibration,
    Predictions,
    confusion,
    evaluate,
    fit_calibration,
    predicted_classes,
    sensitivity_at_least,
    write_predictions,
    youden,
)
from models.networks.graph import NetworkSpec
from models.networks.squeezenet import WEIGHTS_FILE, WEIGHTS_SOURCE
from models.recipes.recipe import Recipe, recipe_digest
from models.runs import Run, find_run, write_run
from models.runs.cases import CASES_FILE, case_table
from models.runs.digests import bytes_digest
from models.runs.folder import run_roots
from models.runs.schema import HEAD_FILE
from models.study import read_study
from models.training.plans import Part

SCALE_PERCENTILE = 95.0


@dataclass(frozen=True)
class Weights:
    """What the run ships: trunk digest -> ONNX bytes (none where another run's trunk is shared), the head's
    bytes, and run.json's description of the branches."""

    trunks: Mapping[str, bytes]
    head: bytes
    branches: tuple[dict, ...]


def finish(
    recipe: Recipe,
    text: str,
    spec: NetworkSpec,
    weights: Weights,
    manifest: Manifest,
    split: Split,
    parts: dict[str, Part],
    history: Path,
    out: Path,
    facts: dict[str, str | float | int],
    quiet: bool = False,
) -> Run:
    """Score every case of the split with the exported files, calibrate and choose operating points on
    validation, measure on test, and write the run folder whole."""
    card = _card(recipe, text, spec, weights, manifest, split, parts, facts)
    files: dict[str, bytes | str | Path] = {HEAD_FILE: weights.head, "recipe.toml": text}
    if history.exists():  # a classifier that is fitted in one go has none
        files["history.csv"] = history
    inside = {f"trunks/{digest}.onnx": content for digest, content in weights.trunks.items()}
    for branch in weights.branches:
        if branch["trunk"] not in weights.trunks:
            inside[f"trunks/{branch['trunk']}.onnx"] = _shared_trunk(recipe, branch["trunk"])
    with tempfile.TemporaryDirectory() as folder:
        draft = write_run(Path(folder) / recipe.id, card, files | inside)
        predictions = _predict(draft, parts, quiet)
        known = {case.case_id: case.modality or "" for part in parts.values() for case in part.cases}
        card |= _judged(recipe, predictions, known)
        measured = write_run(Path(folder) / recipe.id, card, files | inside)
        card["map_scale"] = _map_scale(measured, parts["validation"])
        card["cost"] = cost_of(measured)
        final = _calibrated(predictions, card)
        write_predictions(final, Path(folder) / "predictions.csv")
        files["predictions.csv"] = Path(folder) / "predictions.csv"
        files[FEATURES_FILE] = _familiarity(measured, parts, quiet)
        files[CASES_FILE] = case_table(manifest, final.case_ids.tolist()).to_csv()
        if _under_a_root(out):
            _share_trunks(out.parent.parent / "trunks", inside)
            inside = {}
        return write_run(out, card, files | inside)


def _card(recipe, text, spec, weights, manifest, split, parts, facts) -> dict:
    data = recipe.data
    counts = {name: len(part.cases) for name, part in parts.items()}
    return {
        "id": recipe.id,
        "title": recipe.title,
        "modality": data.modality,
        "classes": list(data.classes),
        "positive": data.positive,
        "label_map": data.label_map,
        "network": "hybrid" if len(recipe.network.backbones) > 1 else recipe.network.backbones[0],
        "branches": list(weights.branches),
        "head": {"kind": spec.head, "units": list(spec.units), "dropout": spec.dropout},
        "logits": spec.outputs,
        "input": recipe.input.model_dump(),
        "operating_points": [{"name": "half", "threshold": 0.5, "rule": "not chosen yet"}],
        "data": {
            "name": data.name,
            "manifest_digest": (manifest.source or manifest).digest,
            "licence": data.licence,
            "citation": data.citation,
            "note": data.note,
            "n_train": counts["train"],
            "n_validation": counts["validation"],
            "n_test": counts["test"],
            "split_id": split.id,
            "leave_out": list(data.leave_out),
        },
        "synthetic": data.synthetic,
        "prepare": recipe.prepare.model_dump() if recipe.prepare.cut != "none" else {},
        "intended_use": recipe.intended_use,
        "limits": recipe.limits,
        "sources": _sources(recipe),
        "training": facts,
        "recipe_digest": recipe_digest(text),
        "versions": {
            "lesionlens": __version__,
            "python": platform.python_version(),
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
            "numpy": np.__version__,
        },
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _sources(recipe: Recipe) -> list[dict[str, str]]:
    """What the weights started from, with its licence."""
    starts = {name: recipe.start.get(name, "imagenet") for name in recipe.network.backbones}
    found = {}
    for name, start in starts.items():
        if start == "imagenet":
            found["ImageNet weights of keras.applications"] = ("Apache-2.0", "start of the trunks")
        if start.startswith("file:") and Path(start).name == WEIGHTS_FILE:
            found[WEIGHTS_SOURCE] = ("MIT", f"start of the {name} trunk, fine-tuned")
        elif start.startswith("file:"):
            found[Path(start.removeprefix("file:")).name] = (
                "as its owner says",
                f"start of the {name} trunk",
            )
    runs = [start.split(":", 1)[1] for start in starts.values() if start.startswith(("run:", "weights:"))]
    for run in filter(None, [recipe.teacher, *runs]):
        found[f"run {Path(run).name}"] = ("Apache-2.0", "teacher, start or shared trunk")
    return [{"name": k, "licence": v[0], "note": v[1]} for k, v in sorted(found.items())]


def _predict(run: Run, parts: dict[str, Part], quiet: bool) -> Predictions:
    """Every case of the split, uncalibrated, in the split's order of parts."""
    cases = [case for name in PARTS for case in parts[name].cases]
    labels = [int(label) for name in PARTS for label in parts[name].labels]
    splits = {case.case_id: name for name in PARTS for case in parts[name].cases}
    predictions, skipped = score(open_engine(run, "onnx"), cases, labels, splits, quiet)
    if skipped:
        raise RuntimeError(
            f"{skipped[0]['file']} could be read for training and cannot now: {skipped[0]['why']}"
        )
    return predictions


def _judged_parts(predictions: Predictions, modalities: dict[str, str]):
    """("validation", its cases), ("test", ...) and, of a merged set, ("test/<modality>", ...)."""
    test = predictions.part("test")
    yield "validation", predictions.part("validation")
    yield "test", test
    of_case = np.array([modalities.get(case, "") for case in test.case_ids])
    kinds = sorted(set(of_case) - {""})
    if len(kinds) > 1:
        for kind in kinds:
            yield f"test/{kind}", test.take(of_case == kind)


def _judged(recipe: Recipe, predictions: Predictions, modalities: dict[str, str]) -> dict:
    """Calibration and operating points from validation, metrics on validation and test, of a merged set also
    on each modality's test cases. modalities: case id -> modality, where it is known."""
    classes, positive = recipe.data.classes, recipe.data.classes.index(recipe.data.positive)
    validation = predictions.part("validation")
    one = len(classes) == 2
    target = validation.labels == positive if one else validation.labels
    calibration = fit_calibration(validation.logits, np.asarray(target, int))
    probabilities = calibration.apply(validation.logits, positive)[:, positive]
    truth = (validation.labels == positive).astype(int)
    points = [youden(truth, probabilities), sensitivity_at_least(truth, probabilities, 0.95)]
    metrics = {
        name: evaluate(
            part.labels,
            calibration.apply(part.logits, positive),
            classes=classes,
            positive=recipe.data.positive,
            threshold=points[0].threshold,
            groups=part.groups,
        )
        for name, part in _judged_parts(predictions, modalities)
    }
    test = predictions.part("test")
    called = predicted_classes(calibration.apply(test.logits, positive), points[0].threshold, positive)
    return {
        "calibration": calibration.to_dict(),
        "operating_points": [point.to_dict() for point in points],
        "metrics": metrics,
        "confusion": confusion(test.labels, called, classes),
    }


def _calibrated(predictions: Predictions, card: dict) -> Predictions:
    positive = card["classes"].index(card["positive"])
    probabilities = Calibration.from_dict(card["calibration"]).apply(predictions.logits, positive)
    return replace(predictions, probabilities=probabilities)


def _map_scale(run: Run, part: Part) -> dict[str, float]:
    """Upper end of the overlay's colours for the joint map and each branch, in logit units per grid cell.

    Joint: the 95th percentile, over the validation cases of the positive class, of the map's maximum; fixed,
    so that a weak map looks weak, and never under one logit spread over the grid. A branch takes the same
    amount of logit per area of the image, so that a branch that says little looks so beside one that says
    much.
    """
    engine = open_engine(run, "onnx")
    positive = run.classes.index(run.positive)
    finest = max((branch.grid for branch in run.branches), key=lambda grid: grid[0] * grid[1])
    peaks = []
    for index in np.flatnonzero(part.labels == positive):
        explained = engine.explain(run.inputs.tensor(read_study(part.cases[index].file)).tensor)
        maps = [branch.activations[0] @ branch.weights[0, positive] for branch in explained.branches]
        peaks.append(float(sum(resample(values, *finest) for values in maps).max()))
    cells = finest[0] * finest[1]
    joint = max(float(np.percentile(peaks, SCALE_PERCENTILE)), 1.0 / cells)
    return branch_scales(joint, cells, {b.name: b.grid[0] * b.grid[1] for b in run.branches})


def branch_scales(joint: float, cells: int, branches: Mapping[str, int]) -> dict[str, float]:
    """The joint map's scale over `cells`, and each branch's over its own number of cells: equal logit per
    area."""
    return {"joint": joint} | {name: joint * cells / own for name, own in branches.items()}


def _familiarity(run: Run, parts: dict[str, Part], quiet: bool) -> bytes:
    """What the run keeps of its training images, measured against validation and test: `features.npz`."""
    engine, watch = open_engine(run, "onnx"), progress_bar("familiarity", "image", quiet)
    training = rows_of(engine, watch(parts["train"].cases))
    held_out = rows_of(engine, watch((*parts["validation"].cases, *parts["test"].cases)))
    return fit_familiarity(training, held_out).to_bytes()


def _shared_trunk(recipe: Recipe, digest: str) -> Path:
    for start in recipe.start.values():
        trunks = find_run(start.removeprefix("run:")).trunk_files
        if digest in trunks:
            return trunks[digest]
    raise RuntimeError(f"the trunk {digest} belongs to none of the runs this recipe starts from")


def _under_a_root(out: Path) -> bool:
    return out.parent.resolve() in {root.resolve() for root in run_roots()} and out.parent.name == "runs"


def _share_trunks(folder: Path, trunks: Mapping[str, bytes | Path]) -> None:
    """Put trunks into the folder that all runs of a root share; a file of that name has those bytes
    already."""
    from models.runs.writer import write_atomically

    for name, content in trunks.items():
        path = folder / Path(name).name
        data = content.read_bytes() if isinstance(content, Path) else content
        if not path.exists() or bytes_digest(path.read_bytes()) != path.stem:
            write_atomically(path, lambda temporary, data=data: temporary.write_bytes(data))


def progress_bar(description: str, unit: str, quiet: bool):
    """A tqdm over a sequence, on stderr."""
    return lambda items: tqdm(items, desc=description, unit=unit, file=sys.stderr, disable=quiet)
