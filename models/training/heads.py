"""A head over trunks that stand still: trained, guided or fitted on features that are computed once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.data.arrays import Arrays, load_arrays
from models.errors import BadInput
from models.networks.onnx_export import export_trunk, read_initialisers
from models.networks.onnx_head import export_head
from models.recipes.recipe import Recipe, Stage
from models.runs import find_run
from models.runs.digests import bytes_digest
from models.training.features import (
    Standard,
    StoredMaps,
    fold,
    head_network,
    maps_network,
    pooled_features,
    stored_features,
)
from models.training.finish import Weights, progress_bar
from models.training.guide import finest_grid
from models.training.loader import Features, Lesions, MapCases, balanced_weights
from models.training.loop import StagePlan, run_stages
from models.training.plans import Part, begin, input_spec, network_spec, optimiser
from models.training.trainee import Guided, Trainee


@dataclass(frozen=True)
class Trunk:
    """A trunk that stands still: its ONNX file and its entry in run.json."""

    path: Path
    branch: dict

    @property
    def cells(self) -> int:
        return self.branch["grid"][0] * self.branch["grid"][1]


def train_head(recipe: Recipe, parts: dict[str, Part], work: Path, quiet: bool) -> Weights:
    """The head of a recipe whose trunks stand still, on features kept beside `work` for every recipe that
    uses the same trunks and cases."""
    trunks, own = _trunks(recipe, work)
    if recipe.classical:
        head = _fitted(recipe, trunks, parts, work, quiet)
    elif any(stage.guide for stage in recipe.stages):
        head = _guided(recipe, trunks, parts, work, quiet)
    else:
        head = _trained(recipe, trunks, parts, work, quiet)
    content = export_head(head, tuple((t.branch["name"], t.branch["channels"]) for t in trunks))
    return Weights(own, content, tuple(t.branch for t in trunks))


def _trunks(recipe: Recipe, work: Path) -> tuple[tuple[Trunk, ...], dict[str, bytes]]:
    """The trunks, and those among them that no stored run holds yet (digest -> bytes)."""
    if recipe.trains_head_only:
        return tuple(_stored_trunk(recipe, name) for name in recipe.network.backbones), {}
    network, folder, own, trunks = begin(recipe), work / "trunks", {}, []
    folder.mkdir(parents=True, exist_ok=True)
    for branch in network.branches:
        content = export_trunk(network, branch.name)
        digest = bytes_digest(content)
        path = folder / f"{digest}.onnx"
        path.write_bytes(content)
        own[digest] = content
        trunks.append(Trunk(path, branch_entry(branch, digest)))
    return tuple(trunks), own


def branch_entry(branch, digest: str) -> dict:
    """A network's branch as run.json describes it."""
    return {
        "name": branch.name,
        "backbone": branch.name,
        "trunk": digest,
        "target_layer": branch.layer,
        "grid": list(branch.grid),
        "channels": branch.channels,
    }


def _stored_trunk(recipe: Recipe, backbone: str) -> Trunk:
    run = find_run(recipe.start[backbone].removeprefix("run:"))
    if [branch.backbone for branch in run.branches] != [backbone]:
        raise BadInput(f"The run {run.id} is not a single {backbone}, so the branch cannot start from it.")
    if run.inputs != input_spec(recipe):
        raise BadInput(
            f"The run {run.id} expects another input than this recipe; give both the same [input]."
        )
    branch = run.branches[0]
    return Trunk(run.trunk_files[branch.trunk], branch.model_dump(mode="json"))


def _features(
    recipe: Recipe, trunks: tuple[Trunk, ...], part: Part, name: str, work: Path, quiet: bool
) -> np.ndarray:
    """Pooled features [copies + 1, n, sum of K], each trunk's computed once for all recipes."""
    copies = recipe.copies if name == "train" else 0
    loaded: list[Arrays] = []

    def arrays() -> Arrays:
        if not loaded:
            loaded.append(_arrays(recipe, part, quiet))
        return loaded[0]

    columns = []
    for trunk in trunks:
        bar = progress_bar(f"{name} features of {trunk.branch['name']}", "batch", quiet)
        augmentation = recipe.augment.augmentation()
        key = bytes_digest(
            repr((trunk.branch["trunk"], input_spec(recipe), augmentation, copies, recipe.seed)).encode()
            + "\n".join(f"{case.case_id} {case.file}" for case in part.cases).encode()
        )
        path = work.parent / "features" / f"{trunk.branch['name']}-{key[:16]}.npy"
        columns.append(
            stored_features(
                path,
                lambda trunk=trunk, bar=bar: pooled_features(
                    trunk.path, arrays(), copies, recipe.augment.augmentation(), recipe.seed, bar
                ),
            )
        )
    return np.concatenate(columns, axis=-1)


def _arrays(recipe: Recipe, part: Part, quiet: bool) -> Arrays:
    return load_arrays(part.cases, input_spec(recipe), progress_bar("reading", "image", quiet))


def _fitted(recipe, trunks, parts, work: Path, quiet: bool):
    """A classical classifier, fitted in one go on the training cases and their augmented copies."""
    from models.training.classical import fit_classifier

    spec = network_spec(recipe)
    features = _features(recipe, trunks, parts["train"], "train", work, quiet)
    labels = np.tile(parts["train"].labels, len(features))
    return fit_classifier(
        recipe.network.head,
        features.reshape(len(labels), -1),
        labels,
        spec.classes,
        spec.positive,
        tuple(t.branch["channels"] for t in trunks),
        tuple(t.cells for t in trunks),
        recipe.seed,
        balanced=recipe.balance != "none",
    )


def _trained(recipe, trunks, parts, work: Path, quiet: bool):
    """Dense layers on pooled features."""
    stored = {
        name: _features(recipe, trunks, parts[name], name, work, quiet) for name in ("train", "validation")
    }
    standard = Standard.of(stored["train"])
    features = {name: standard(values) for name, values in stored.items()}
    spec = network_spec(recipe)
    channels, cells = tuple(t.branch["channels"] for t in trunks), tuple(t.cells for t in trunks)
    model, head = head_network(spec, channels, cells)
    _begin(recipe, head, standard)

    def plan(stage: Stage) -> StagePlan:
        trainee = Trainee(model, spec.positive)
        _ready(trainee, recipe, stage)
        train, validation = parts["train"], parts["validation"]
        weights = balanced_weights(train.labels, spec.classes, recipe.balance)
        return StagePlan(
            stage,
            model,
            trainee,
            Features(features["train"], train.labels, weights, stage.batch, recipe.seed),
            Features(features["validation"], validation.labels, np.ones(len(validation.labels)), stage.batch),
        )

    run_stages(model, [lambda stage=stage: plan(stage) for stage in recipe.stages], work, quiet)
    fold(standard, head)
    return head


def _guided(recipe, trunks, parts, work: Path, quiet: bool):
    """Dense layers on stored feature maps, so that their joint heatmap can be pulled onto the lesion."""
    spec = network_spec(recipe)
    stored, arrays = {}, {}
    for name in ("train", "validation"):
        arrays[name] = _arrays(recipe, parts[name], quiet)
        stored[name] = StoredMaps.compute(
            work / f"maps-{name}",
            {t.branch["name"]: t.path for t in trunks},
            arrays[name],
            recipe.copies if name == "train" else 0,
            recipe.augment.augmentation(),
            recipe.seed,
            progress_bar(f"{name} feature maps", "batch", quiet),
        )
    standard = stored["train"].standard()
    model, head = maps_network(spec, tuple(t.branch for t in trunks), standard)
    _begin(recipe, head, standard)

    def plan(stage: Stage) -> StagePlan:
        trainee = Guided(model, spec.backbones, stage.guide, stage.guide_peak, spec.positive)
        _ready(trainee, recipe, stage)
        train, validation = parts["train"], parts["validation"]
        weights = balanced_weights(train.labels, spec.classes, recipe.balance)
        grid = finest_grid(model, spec.backbones)
        lesions = Lesions.of(arrays["train"], train.labels, grid, spec.outputs, spec.positive)
        ones = np.ones(len(validation.labels))
        return StagePlan(
            stage,
            model,
            trainee,
            MapCases(stored["train"], train.labels, weights, stage.batch, recipe.seed, lesions),
            MapCases(stored["validation"], validation.labels, ones, stage.batch),
        )

    run_stages(model, [lambda stage=stage: plan(stage) for stage in recipe.stages], work, quiet)
    fold(standard, head)
    return head


def _begin(recipe: Recipe, head, standard: Standard) -> None:
    """A linear head as the mean of the heads of the runs it takes its trunks from; BadInput where one of them
    is not linear or tells other classes."""
    if recipe.network.begin == "random":
        return
    runs = [find_run(recipe.start[name].removeprefix("run:")) for name in recipe.network.backbones]
    kernels, bias = [], 0.0
    for run in runs:
        stored = read_initialisers(run.head_file)
        if set(stored) != {"dense1/kernel", "dense1/bias"} or run.classes != recipe.data.classes:
            raise BadInput(
                f"The head of {run.id} is not linear or tells other classes, so no head can begin with it; "
                'give network.begin = "random".'
            )
        kernels.append(stored["dense1/kernel"] / len(runs))
        bias = bias + stored["dense1/bias"] / len(runs)
    kernel = np.concatenate(kernels)
    (dense,) = head.dense_layers()
    # The head sees standardised features: the inverse of what `fold` does afterwards.
    dense.kernel.assign(kernel * standard.deviation[:, None])
    dense.bias.assign(bias + standard.mean @ kernel)


def _ready(trainee: Trainee, recipe: Recipe, stage: Stage) -> None:
    trainee.compile(optimizer=optimiser(recipe, stage), jit_compile=False)
    trainee.build(trainee.network.input_shape)
    trainee.optimizer.build(trainee.trainable_variables)
