"""One call from a recipe and a manifest to a finished run."""

from __future__ import annotations

import platform
import time
from pathlib import Path

import keras

from models.data.manifest import Manifest, read_manifest
from models.data.splits import PARTS, Split, split_for
from models.errors import BadInput
from models.networks.onnx_export import export_trunk
from models.networks.onnx_head import export_head
from models.recipes.recipe import Recipe, load_recipe, recipe_digest
from models.runs import Run
from models.runs.digests import bytes_digest
from models.training.checkpoint import read_history
from models.training.finish import Weights, finish, progress_bar
from models.training.heads import branch_entry, train_head
from models.training.loop import run_stages
from models.training.plans import Part, begin, network_spec, part_of, stage_plans


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
    make = train_head if recipe.trains_head_only or recipe.classical else _train_network
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
    network = begin(recipe)
    reading = progress_bar("reading", "image", quiet)
    plans = stage_plans(recipe, network, parts["train"], parts["validation"], reading)
    run_stages(network.model, plans, work, quiet)
    trunks, branches = {}, []
    for branch in network.branches:
        content = export_trunk(network, branch.name)
        digest = bytes_digest(content)
        trunks[digest] = content
        branches.append(branch_entry(branch, digest))
    head = export_head(network.head, tuple((b.name, b.channels) for b in network.branches))
    return Weights(trunks, head, tuple(branches))


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
