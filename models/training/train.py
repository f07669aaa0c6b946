"""One call from a recipe and a manifest to a finished run."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import keras

from models.data.audit import leakage_of, without_leaks
from models.data.cleaning import clean
from models.data.manifest import Manifest, class_of, read_manifest
from models.data.merging import merge, split_of_pieces
from models.data.prepare import prepare
from models.data.splits import PARTS, Split, split_for
from models.errors import BadInput
from models.networks.onnx_export import export_trunk
from models.networks.onnx_head import export_head
from models.recipes.recipe import Recipe, load_recipe, recipe_digest, strategy
from models.runs import Run
from models.runs.digests import bytes_digest
from models.training.checkpoint import read_history
from models.training.finish import Weights, finish, progress_bar
from models.training.heads import branch_entry, train_head
from models.training.loop import run_stages
from models.training.plans import Part, begin, network_spec, part_of, stage_plans, taught_parts


def train(
    recipe_name: str | Path,
    data: Path | Sequence[Path],
    out: Path,
    work: Path,
    changes: tuple[str, ...] = (),
    quiet: bool = False,
    split: Split | None = None,
) -> Run:
    """Train a recipe on a manifest, or on several merged, and write the run folder `out`; resumes from what
    `work` holds.

    recipe_name: a TOML file or a shipped recipe's name. work: folder for checkpoints, one a recipe. changes:
    `key=value` in TOML, as `--set` gives them. split: of the whole images, instead of the manifest's own.
    Raises BadInput for everything a person can mend.
    """
    recipe, text = load_recipe(recipe_name, changes)
    manifest = manifest_of(recipe, data)
    for case in manifest.cases:  # before anything is read; a case without a label is only passed over
        if case.label:
            class_of(case.label, recipe.data.label_map, recipe.data.classes, case.row)
    manifest, left_out = clean(manifest, work.parent / "fingerprints")
    for entry in left_out:
        print(f"left out {entry.file}: {entry.why}", file=sys.stderr)
    if not manifest.cases:
        raise BadInput("No image of the manifest can be read: see the reasons above and correct the paths.")
    # Pictures are compared before they are cut: two tiles of plain tissue look alike and are not one film.
    whole = _without_leakage(recipe, manifest, split or split_for(manifest, recipe.seed_of_split), work)
    split = whole
    if recipe.prepare.cut != "none":
        manifest = prepare(manifest, recipe.prepare, work / "prepared")
        split = split_of_pieces(manifest, whole)
    parts = {name: part_of(recipe, manifest, split, name) for name in PARTS}
    _claim(work, recipe_digest(text), f"{manifest.digest} {split.id}")
    keras.utils.set_random_seed(recipe.seed)
    with _precision(recipe):
        standing = recipe.trains_head_only or recipe.classical
        make = train_head if standing else _train_network
        started = time.perf_counter()
        weights = make(recipe, taught_parts(recipe, parts), work, quiet)
        seconds = time.perf_counter() - started
    return _finished(recipe, text, weights, manifest, split, parts, work, out, quiet, seconds)


def manifest_of(recipe: Recipe, data: Path | Sequence[Path]) -> Manifest:
    """The manifest, or several merged into one, less the labels that the recipe leaves out."""
    paths = [data] if isinstance(data, str | Path) else list(data)
    manifests = [read_manifest(path) for path in paths]
    manifest = manifests[0] if len(manifests) == 1 else merge(manifests)
    # Left out, not forgotten: a split places every case that is listed, so it stays the pack's own.
    kept = tuple(case for case in manifest.cases if recipe.data.takes(case.label))
    dropped = tuple(case for case in manifest.cases if not recipe.data.takes(case.label))
    return replace(manifest, cases=kept, left_out=(*manifest.left_out, *dropped))


def _without_leakage(recipe: Recipe, manifest: Manifest, split: Split, work: Path) -> Split:
    """The split, where nothing stands in two parts of it; else what the recipe's `leakage` says: BadInput,
    the split less the training case of each pair, or the split as it is with a warning."""
    leaks = leakage_of(manifest, split, work.parent / "fingerprints")
    if not leaks:
        return split
    first = leaks[0]
    told = (
        f"{len(leaks)} pairs leak across the split, the first {first.a} ({first.parts[0]}) and {first.b} "
        f"({first.parts[1]}), {first.kind}"
    )
    if recipe.leakage == "refuse":
        raise BadInput(
            f"{told}: correct the manifest's split or dup_group column (python -m models audit-data shows "
            "all), or train with --set leakage=leave_out, which leaves the training cases of the pairs out."
        )
    if recipe.leakage == "accept":
        print(f"Warning: {told}; the figures will flatter.", file=sys.stderr)
        return split
    print(f"{told}; the training case of each is left out.", file=sys.stderr)
    return without_leaks(manifest, split, leaks)


def _claim(work: Path, recipe: str, data: str) -> None:
    """Remember whose checkpoints `work` holds; BadInput where it holds another training's."""
    work.mkdir(parents=True, exist_ok=True)
    mark, owner = work / "training.txt", f"{recipe}\n{data}\n"
    if mark.exists() and mark.read_text() != owner:
        raise BadInput(
            f"{work} holds the checkpoints of another recipe or manifest; remove that folder or give "
            f"another --work."
        )
    mark.write_text(owner)


@contextmanager
def _precision(recipe: Recipe):
    """Keras' mixed half precision where the recipe asks for it and there is a GPU; single otherwise."""
    if not recipe.mixed_precision:
        yield
        return
    if not gpu_at_hand():
        print("Mixed precision needs a GPU; training in single precision.", file=sys.stderr)
        yield
        return
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def gpu_at_hand() -> bool:
    """Whether the Keras backend sees a GPU."""
    return bool(keras.distribution.list_devices("gpu"))


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
    seconds: float,
) -> Run:
    history = work / "history.csv"
    rows = read_history(history)
    facts = {
        "strategy": strategy(recipe),
        "epochs": len(rows),
        # Epochs count from the history, so that a resumed training is not cut short.
        "seconds": round(sum(float(row["seconds"]) for row in rows) if rows else seconds, 1),
        "seed": recipe.seed,
        "device": f"{keras.backend.backend()}, {'GPU' if gpu_at_hand() else platform.machine()}",
        "finished": time.strftime("%Y-%m-%d"),
    }
    spec = network_spec(recipe)
    return finish(recipe, text, spec, weights, manifest, split, parts, history, out, facts, quiet)
