"""From a recipe's stages to trainees that are built, compiled and fed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from models.data.arrays import Arrays, load_arrays
from models.data.manifest import Case, Manifest, class_of
from models.data.splits import Split
from models.errors import BadInput
from models.inputs import InputSpec
from models.networks.graph import Network, NetworkSpec, backbone_named, build_network
from models.networks.onnx_export import load_trunk
from models.networks.rebuild import rebuild
from models.networks.squeezenet import WEIGHTS_FILE
from models.recipes.recipe import Recipe, Stage
from models.runs import find_run
from models.training.guide import finest_grid
from models.training.loader import Cases, Lesions, balanced_weights
from models.training.loop import StagePlan
from models.training.trainee import Distilled, Guided, Trainee

STATISTICS_MOMENTUM = 0.9
WEIGHTS_VARIABLE = "LESIONLENS_WEIGHTS"


@dataclass(frozen=True)
class Part:
    """The cases of one part of a split and their class indices, int [n]."""

    cases: tuple[Case, ...]
    labels: np.ndarray


def part_of(recipe: Recipe, manifest: Manifest, split: Split, part: str) -> Part:
    """The cases of that part with their labels as classes; BadInput for labels the recipe does not know."""
    cases = tuple(split.cases(manifest, part))
    classes = recipe.data.classes
    labels = [classes.index(class_of(c.label, recipe.data.label_map, classes, c.row)) for c in cases]
    if len(set(labels)) < len(classes):
        present = {classes[i] for i in labels}
        absent = ", ".join(c for c in classes if c not in present)
        raise BadInput(f"The {part} part has no case of {absent}; add cases or correct the labels.")
    return Part(cases, np.asarray(labels, np.int64))


def taught_parts(recipe: Recipe, parts: dict[str, Part]) -> dict[str, Part]:
    """The parts as the training sees them: where the recipe says so, with the training cases' labels permuted
    by its seed. What is stored, calibrated and measured keeps the true labels."""
    if not recipe.data.permute_labels:
        return parts
    train = parts["train"]
    permuted = np.random.default_rng((recipe.seed, len(train.labels))).permutation(train.labels)
    return parts | {"train": replace(train, labels=permuted)}


def input_spec(recipe: Recipe) -> InputSpec:
    return InputSpec(**recipe.input.model_dump())


def network_spec(recipe: Recipe) -> NetworkSpec:
    classes = recipe.data.classes
    return NetworkSpec(
        backbones=recipe.network.backbones,
        units=recipe.network.units,
        classes=len(classes),
        positive=classes.index(recipe.data.positive),
        height=recipe.input.height,
        width=recipe.input.width,
        channels=recipe.input.channels,
        dropout=recipe.network.dropout,
        head=recipe.network.head,
    )


def starts(recipe: Recipe) -> dict[str, str]:
    """Each backbone's start with a published file's place resolved.

    "file:NAME" is looked for as it stands, then in $LESIONLENS_WEIGHTS. BadInput says where it was missed.
    """
    resolved = {}
    for name in recipe.network.backbones:
        start = recipe.start.get(name, "imagenet")
        if start.startswith("file:"):
            given = Path(start.removeprefix("file:"))
            places = [given, Path(os.environ.get(WEIGHTS_VARIABLE, ".")) / given]
            found = next((p for p in places if p.is_file()), None)
            if found is None:
                raise BadInput(
                    f"The weight file {given} is not there; give its folder in ${WEIGHTS_VARIABLE} or its "
                    f"path with "
                    f"--set start.{name}=file:PATH ({WEIGHTS_FILE} is published by the keras-squeezenet "
                    f"project)."
                )
            start = f"file:{found}"
        resolved[name] = start
    return resolved


def begin(recipe: Recipe) -> Network:
    """The recipe's network with every trunk at its start; "weights:RUN" takes over that run's trunk."""
    given = starts(recipe)
    taken = {name: start.removeprefix("weights:") for name, start in given.items() if "weights:" in start}
    network = build_network(network_spec(recipe), given | dict.fromkeys(taken, "none"))
    for name, identity in taken.items():
        run = find_run(identity)
        branch = next((b for b in run.branches if b.backbone == name), None)
        if branch is None:
            raise BadInput(f"The run {run.id} has no {name} trunk to start from.")
        load_trunk(network, run.trunk_files[branch.trunk])
    return network


def stage_plans(
    recipe: Recipe, network: Network, train: Part, validation: Part, progress: Callable
) -> list[Callable[[], StagePlan]]:
    """One maker of a StagePlan a stage. Images are read once, when the first stage begins."""
    spec = input_spec(recipe)
    loaded: dict[str, Arrays] = {}

    def arrays(name: str, part: Part) -> Arrays:
        if name not in loaded:
            loaded[name] = load_arrays(part.cases, spec, progress)
        return loaded[name]

    def plan(stage: Stage) -> StagePlan:
        weights = balanced_weights(train.labels, len(recipe.data.classes), recipe.balance)
        student = _student(network, stage)
        _freeze(student, stage)
        _quicken(student)
        trainee = _trainee(recipe, student, stage)
        trainee.compile(optimizer=optimiser(recipe, stage), jit_compile=False)
        trainee.build((None, spec.height, spec.width, spec.channels))
        trainee.optimizer.build(trainee.trainable_variables)
        images = arrays("train", train)
        cases = Cases(
            images,
            train.labels,
            weights,
            stage.batch,
            recipe.augment.augmentation(),
            recipe.seed,
            _lesions(recipe, student, stage, images, train),
            even=recipe.balance == "batches",
        )
        return StagePlan(
            stage,
            student.model,
            trainee,
            cases,
            Cases(
                arrays("validation", validation),
                validation.labels,
                np.ones(len(validation.labels)),
                stage.batch,
            ),
        )

    return [lambda stage=stage: plan(stage) for stage in recipe.stages]


def optimiser(recipe: Recipe, stage: Stage) -> keras.optimizers.Optimizer:
    """The stage's optimiser; weight decay is decoupled in every one (Loshchilov and Hutter, ICLR 2019)."""
    common = {"learning_rate": stage.rate, "weight_decay": recipe.weight_decay or None, "clipnorm": 5.0}
    if stage.optimiser == "sgdm":
        return keras.optimizers.SGD(momentum=0.9, **common)
    if stage.optimiser == "adamw":
        return keras.optimizers.AdamW(**common | {"weight_decay": recipe.weight_decay})
    kind = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}[stage.optimiser]
    return kind(**common)


def _lesions(recipe: Recipe, student: Network, stage: Stage, images: Arrays, train: Part) -> Lesions | None:
    """What a guided stage learns from; BadInput where no case has a mask to learn from."""
    if not stage.guide:
        return None
    grid = finest_grid(student.model, student.spec.backbones)
    spec = student.spec
    lesions = Lesions.of(images, train.labels, grid, spec.outputs, spec.positive)
    if not lesions.taught.any():
        raise BadInput(
            f"The stage {stage.name} is guided by masks and the manifest has none for "
            f"{recipe.data.positive}: add a mask_file column, or train with guide = 0."
        )
    return lesions


def _student(network: Network, stage: Stage) -> Network:
    """The network itself, or for a stage at another side a twin of it that begins with its weights."""
    spec = network.spec
    if stage.side in (0, spec.height):
        return network
    twin = build_network(replace(spec, height=stage.side, width=stage.side))
    for mine, theirs in zip(twin.model.variables, network.model.variables, strict=True):
        mine.assign(theirs)
    return twin


def _quicken(network: Network) -> None:
    """Let the stored statistics follow within some ten batches: small packs have few batches an epoch, and
    with Keras' 0.99 validation would be judged with the statistics of a network long gone."""
    for layer in network.model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = STATISTICS_MOMENTUM


def _freeze(network: Network, stage: Stage) -> None:
    """Make the layers trainable that the stage moves: all, the head alone, or the head and each backbone's
    last blocks; less those whose names begin as `freeze` says ("<backbone>_conv1", or "conv1" in any
    branch)."""
    names = network.spec.backbones

    def prefixed(beginnings: tuple[str, ...]) -> tuple[str, ...]:
        return (*beginnings, *(f"{name}_{b}" for name in names for b in beginnings))

    still = prefixed(stage.freeze)
    last = tuple(f"{name}_{block}" for name in names for block in backbone_named(name).blocks)
    for layer in network.model.layers:
        moves = {
            "all": True,
            "head": layer.name == "head",
            "last": layer.name == "head" or layer.name.startswith(last),
        }
        layer.trainable = moves[stage.train] and not (still and layer.name.startswith(still))


def _trainee(recipe: Recipe, student: Network, stage: Stage) -> Trainee:
    positive, side = student.spec.positive, student.spec.height
    if stage.kind == "fit" and stage.guide:
        return Guided(student.model, student.spec.backbones, stage.guide, stage.guide_peak, positive, side)
    if stage.kind == "fit":
        # Logits alone: what explains them costs nothing where it is not asked for.
        return Trainee(student.logits_model, positive, side)
    teacher = rebuild(find_run(recipe.teacher))
    taught = backbone_named(teacher.spec.backbones[0])
    outputs = {"logits": teacher.model.output["logits"]}
    hints: dict[str, str] = {}
    published = dict(student.model.output) if stage.guide else {"logits": student.model.output["logits"]}
    for name in student.spec.backbones:
        for key, target in zip(backbone_named(name).hints, taught.hints, strict=True):
            hints[f"{name}_{key}"] = target
            published[f"{name}_{key}"] = student.model.get_layer(f"{name}_{key}").output
            outputs[target] = teacher.model.get_layer(f"{taught.name}_{target}").output
    return Distilled(
        keras.Model(student.model.input, published),
        hints,
        keras.Model(teacher.model.input, outputs),
        positive,
        side,
        student.spec.backbones,
        stage.guide,
        stage.guide_peak,
    )
