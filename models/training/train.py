"""One call from a recipe and a manifest to a finished run."""

from __future__ import annotations

import platform
import time
from pathlib import Path

import keras
import numpy as np

from models.data.arrays import load_arrays
from models.data.manifest import Manifest, read_manifest
from models.data.splits import PARTS, Split, split_for
from models.errors import BadInput
from models.networks.graph import build_network
from models.networks.onnx_export import export_trunk
from models.networks.onnx_head import export_head
from models.recipes.recipe import Recipe, load_recipe, recipe_digest
from models.runs import Run, find_run
from models.runs.digests import bytes_digest
from models.training.checkpoint import read_history
from models.training.features import (
    Standard,
    fold,
    head_network,
    pooled_features,
    source_run,
    stored_features,
)
from models.training.finish import Weights, finish, progress_bar
from models.training.loader import Features, balanced_weights
from models.training.loop import StagePlan, run_stages
from models.training.plans import Part, input_spec, network_spec, optimiser, part_of, stage_plans, starts
from models.training.trainee import Trainee


def train(
    recipe_name: str | Path,
    manifest_path: str | Path,
    out: Path,
    work: Path,
    changes: tuple[str, ...] = (),
    quiet: bool = False,
) -> Run:
    """Train a recipe on a manifest and write the run folder `out`; resumes from what `work` holds.

    recipe_name: a TOML file or a shipped recipe's name. work: folder for checkpoints, one a recipe. changes:
    `key=value` in TOML, as `--set` gives them. Raises BadInput for everything a person can mend.
    """
    recipe, text = load_recipe(recipe_name, changes)
    manifest = read_manifest(manifest_path)
    split = split_for(manifest, recipe.seed)
    if leaks := split.leaks(manifest):
        raise BadInput(
            f"The manifest's own split puts the group {leaks[0]!r} into several parts; correct its split "
            f"column."
        )
    parts = {name: part_of(recipe, manifest, split, name) for name in PARTS}
    _claim(work, recipe_digest(text), manifest.digest)
    keras.utils.set_random_seed(recipe.seed)
    make = _train_head if recipe.trains_head_only else _train_network
    weights = make(recipe, parts, work, quiet)
    return _finished(recipe, text, weights, manifest, split, parts, work, out, quiet)


def _claim(work: Path, recipe: str, manifest: str) -> None:
    """Remember whose checkpoints `work` holds; BadInput where it holds another training's."""
    work.mkdir(parents=True, exist_ok=True)
    mark, owner = work / "training.txt", f"{recipe}\n{manifest}\n"
    if mark.exists() and mark.read_text() != owner:
        raise BadInput(
            f"{work} holds the checkpoints of another recipe or manifest; remove that folder or give "
            f"another --work."
        )
    mark.write_text(owner)


def _train_network(recipe: Recipe, parts: dict[str, Part], work: Path, quiet: bool) -> Weights:
    """All of the network, from its starts."""
    spec = network_spec(recipe)
    network = build_network(spec, starts(recipe))
    reading = progress_bar("reading", "image", quiet)
    plans = stage_plans(recipe, network, parts["train"], parts["validation"], reading)
    run_stages(network.model, plans, work, quiet)
    trunks, branches = {}, []
    for branch in network.branches:
        content = export_trunk(network, branch.name)
        digest = bytes_digest(content)
        trunks[digest] = content
        branches.append(
            {
                "name": branch.name,
                "backbone": branch.name,
                "trunk": digest,
                "target_layer": branch.layer,
                "grid": list(branch.grid),
                "channels": branch.channels,
            }
        )
    head = export_head(network.head, tuple((b.name, b.channels) for b in network.branches))
    return Weights(trunks, head, tuple(branches))


def _train_head(recipe: Recipe, parts: dict[str, Part], work: Path, quiet: bool) -> Weights:
    """The head alone, on stored features of the runs it starts from."""
    found = {name: find_run(start.removeprefix("run:")) for name, start in recipe.start.items()}
    runs = tuple(source_run(found, name) for name in recipe.network.backbones)
    for run in runs:
        if run.inputs != input_spec(recipe):
            raise BadInput(
                f"The run {run.id} expects another input than this recipe; give both the same [input]."
            )
    features = {
        name: _features(recipe, runs, parts[name], name, work, quiet) for name in ("train", "validation")
    }
    standard_features, standard = _standardised(features)
    model, head = head_network(network_spec(recipe), runs)
    plans = [
        lambda stage=stage: _head_plan(recipe, stage, model, standard_features, parts)
        for stage in recipe.stages
    ]
    run_stages(model, plans, work, quiet)
    fold(standard, head)
    branches = tuple(run.branches[0].model_dump(mode="json") for run in runs)
    return Weights({}, export_head(head, tuple((b["name"], b["channels"]) for b in branches)), branches)


def _features(
    recipe: Recipe, runs: tuple[Run, ...], part: Part, name: str, work: Path, quiet: bool
) -> np.ndarray:
    copies = recipe.copies if name == "train" else 0
    digests = "".join(run.branches[0].trunk[:8] for run in runs)

    def compute() -> np.ndarray:
        arrays = load_arrays(part.cases, input_spec(recipe), progress_bar("reading", "image", quiet))
        bar = progress_bar(f"{name} features", "batch", quiet)
        return pooled_features(runs, arrays, copies, recipe.augment.augmentation(), recipe.seed, bar)

    return stored_features(work / f"features-{name}-{digests}.npy", compute)


def _standardised(features: dict[str, np.ndarray]):
    standard = Standard.of(features["train"])
    return {name: standard(values) for name, values in features.items()}, standard


def _head_plan(
    recipe: Recipe, stage, model: keras.Model, features: dict, parts: dict[str, Part]
) -> StagePlan:
    train, validation = parts["train"], parts["validation"]
    trainee = Trainee(model, network_spec(recipe).positive)
    trainee.compile(optimizer=optimiser(recipe, stage), jit_compile=False)
    trainee.build((None, features["train"].shape[-1]))
    trainee.optimizer.build(trainee.trainable_variables)
    weights = balanced_weights(train.labels, len(recipe.data.classes), recipe.balance)
    return StagePlan(
        stage,
        model,
        trainee,
        Features(features["train"], train.labels, weights, stage.batch, recipe.seed),
        Features(features["validation"], validation.labels, np.ones(len(validation.labels)), stage.batch),
    )


def _finished(
    recipe: Recipe,
    text: str,
    weights: Weights,
    manifest: Manifest,
    split: Split,
    parts: dict[str, Part],
    work: Path,
    out: Path,
    quiet: bool,
) -> Run:
    rows = read_history(work / "history.csv")
    facts = {
        "strategy": "head on stored features" if recipe.trains_head_only else "all weights",
        "epochs": len(rows),
        "seconds": round(sum(float(row["seconds"]) for row in rows), 1),
        "seed": recipe.seed,
        "device": f"{keras.backend.backend()}, {platform.machine()}",
        "finished": time.strftime("%Y-%m-%d"),
    }
    spec = network_spec(recipe)
    history = work / "history.csv"
    return finish(recipe, text, spec, weights, manifest, split, parts, history, out, facts, quiet)
