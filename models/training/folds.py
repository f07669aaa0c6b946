"""One recipe trained several times: on the folds of a cross-validation, or from several seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.data.manifest import Manifest
from models.data.splits import Split, make_folds, split_for
from models.errors import BadInput
from models.evaluation import Predictions, evaluate
from models.evaluation.predictions import read_predictions
from models.recipes.recipe import load_recipe, recipe_digest
from models.runs import Run, load_run, write_atomically
from models.training.pooled import write_pooled
from models.training.train import manifest_of, train

SUMMARY = "folds.json"
FEWEST, MOST = {"--folds": 3, "--seeds": 2}, 20


def train_folds(
    recipe_name: str | Path,
    data: Path | Sequence[Path],
    out: Path,
    work: Path,
    changes: tuple[str, ...] = (),
    quiet: bool = False,
    folds: int = 5,
) -> dict:
    """Grouped, stratified cross-validation: a run a fold under `out`/fold<i>, `out`/folds.json, and all of
    them as one run without weights, `out`/<recipe>-folds. Folds that are done are kept.

    Returns the summary: metrics of the pooled test predictions of all folds (every usable case once, judged
    by a run that never saw it), with 95 % intervals over groups, and each fold's own figures.
    """
    _check(folds, "--folds")
    recipe, _ = load_recipe(recipe_name, changes)
    manifest = manifest_of(recipe, data)
    splits = make_folds(manifest, folds, recipe.seed_of_split)
    runs = [
        _one(recipe_name, data, out / f"fold{i}", work / f"fold{i}", changes, quiet, split)
        for i, split in enumerate(splits, 1)
    ]
    return _summarised(out, runs, "folds", manifest)


def train_seeds(
    recipe_name: str | Path,
    data: Path | Sequence[Path],
    out: Path,
    work: Path,
    changes: tuple[str, ...] = (),
    quiet: bool = False,
    seeds: int = 5,
) -> dict:
    """The recipe's own split from `seeds` seeds, counted from the recipe's: runs under `out`/seed<s>, and all
    of them as one run without weights, `out`/<recipe>-seeds.

    The summary's pooled metrics judge the mean probability of each test case over the seeds (an ensemble);
    `each` shows the spread.
    """
    _check(seeds, "--seeds")
    recipe, _ = load_recipe(recipe_name, changes)
    manifest = manifest_of(recipe, data)
    split = split_for(manifest, recipe.seed_of_split)  # the seed of the weights, not of the cases
    runs = []
    for seed in range(recipe.seed, recipe.seed + seeds):
        seeded = (*changes, f"seed={seed}")
        runs.append(_one(recipe_name, data, out / f"seed{seed}", work / f"seed{seed}", seeded, quiet, split))
    return _summarised(out, runs, "seeds", manifest)


def _check(count: int, option: str) -> None:
    if not FEWEST[option] <= count <= MOST:
        raise BadInput(f"{option} {count} is not possible: give a number from {FEWEST[option]} to {MOST}.")


def _one(recipe_name, data, out: Path, work: Path, changes, quiet: bool, split: Split) -> Run:
    """The finished run in `out`, if it is of this recipe and split, else a new one."""
    if (out / "run.json").exists():
        run = load_run(out)
        wanted = recipe_digest(load_recipe(recipe_name, changes)[1])
        if (run.card.recipe_digest, run.card.data.split_id) != (wanted, split.id):
            raise BadInput(f"{out} holds a run of another recipe or split; remove it or give another --out.")
        return run
    return train(recipe_name, data, out, work, changes, quiet, split)


def _summarised(out: Path, runs: list[Run], kind: str, manifest: Manifest) -> dict:
    tests = [read_predictions(run.folder / "predictions.csv", run.classes).part("test") for run in runs]
    pooled = _joined(tests) if kind == "folds" else _averaged(tests)
    card = runs[0].card
    # A fold's own threshold is part of its verdicts; pooled probabilities are calibrated, so theirs is one.
    threshold = float(np.mean([run.operating_point.threshold for run in runs]))
    metrics = evaluate(
        pooled.labels,
        pooled.probabilities,
        classes=card.classes,
        positive=card.positive,
        threshold=threshold,
        groups=pooled.groups,
    )
    one = write_pooled(out, runs, tests, pooled, metrics, kind, manifest)
    each = {name: [run.card.metrics["test"][name].value for run in runs] for name in metrics}
    summary = {
        "recipe": card.id,
        "kind": kind,
        "runs": [run.folder.name for run in runs],
        "run": one.id,
        "n": len(pooled),
        "threshold": threshold,
        "pooled": metrics,
        "each": each,
        "spread": {name: _spread(values) for name, values in each.items()},
    }
    text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    write_atomically(out / SUMMARY, lambda path: path.write_text(text, encoding="utf-8"))
    return summary


def _joined(parts: list[Predictions]) -> Predictions:
    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    names = ("case_ids", "patient_ids", "groups", "splits", "labels", "probabilities")
    return Predictions(parts[0].classes, *(column(name) for name in names))


def _averaged(parts: list[Predictions]) -> Predictions:
    """The mean probability of every case; the parts hold the same cases in the same order."""
    if any(not np.array_equal(part.case_ids, parts[0].case_ids) for part in parts):
        raise BadInput("The seeds were tested on different cases; train them on one manifest.")
    mean = np.mean([part.probabilities for part in parts], axis=0)
    return replace(parts[0], probabilities=mean, logits=None)


def _spread(values: list[float | None]) -> dict[str, float | None]:
    """Mean and sample standard deviation over the runs where the figure is defined."""
    known = [value for value in values if value is not None]
    mean = float(np.mean(known)) if known else None
    return {"mean": mean, "sd": float(np.std(known, ddof=1)) if len(known) > 1 else None}
