"""A recipe: every choice that shapes a run, in one short TOML file."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from models.data.augmentation import Augmentation
from models.errors import BadInput
from models.recipes.files import read_fields, recipe_file, shipped_recipes

__all__ = ["Recipe", "load_recipe", "recipe_digest", "recipe_file", "shipped_recipes"]

CLASSIFIERS = {"svm": "RBF SVM", "logistic": "logistic regression", "bayes": "Gaussian naive Bayes"}
CLASSICAL = tuple(CLASSIFIERS)
OPTIMISERS = {"adamw": "AdamW", "adam": "Adam", "sgdm": "SGDM", "rmsprop": "RMSprop"}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Part):
    """What the run is trained on and what its labels mean.

    classes: a run of one logit lists its positive class last. label_map: a manifest's label -> class.
    leave_out: labels whose cases take no part, for instance "normal" where malignant is told from benign.
    permute_labels: the training cases' labels are permuted among them (label randomisation: Adebayo et al.,
    Sanity checks for saliency maps, NeurIPS 2018); validation and test keep their own.
    """

    name: str
    modality: Literal["ultrasound", "mammography", "histopathology", "mixed"]
    classes: tuple[str, ...] = Field(min_length=2)
    positive: str
    label_map: dict[str, str] = {}
    leave_out: tuple[str, ...] = ()
    licence: str
    citation: str
    note: str = ""
    synthetic: bool = False
    permute_labels: bool = False

    @model_validator(mode="after")
    def _known_classes(self) -> Data:
        if self.positive not in self.classes:
            raise ValueError(f"positive = {self.positive!r} is not one of the classes")
        if unknown := set(self.label_map.values()) - set(self.classes):
            raise ValueError(f"label_map leads to {sorted(unknown)}, which are not classes")
        if len(self.classes) == 2 and self.positive != self.classes[-1]:
            raise ValueError(f"of two classes the positive one comes last: {self.positive!r}")
        if both := {label for label in (*self.label_map, *self.classes) if not self.takes(label)}:
            raise ValueError(f"leave_out names {sorted(both)}, which is a class or is mapped to one")
        return self

    def takes(self, label: str) -> bool:
        """Whether cases of that label take part; upper and lower case are the same."""
        return label.strip().casefold() not in {name.casefold() for name in self.leave_out}


class Input(_Part):
    """The network's input: pixels, 1 (grey) or 3 (RGB) channels, padded or stretched.

    steps: picture steps applied in this order before the resizing, in training and inference alike: "median"
    and "clahe" (speckle, contrast), "macenko" (stain normalisation).
    """

    height: int = Field(224, ge=32, le=2048)
    width: int = Field(224, ge=32, le=2048)
    channels: Literal[1, 3] = 1
    fit: Literal["pad", "stretch"] = "pad"
    steps: tuple[Literal["median", "clahe", "macenko"], ...] = ()


class Prepare(_Part):
    """How the manifest's images become training images; "none" takes them whole.

    cut: "roi" crops each lesion from its mask or box with `margin` of its size around it; "tiles" cuts
    overlapping squares of `size` native pixels, `stride` apart.
    """

    cut: Literal["none", "roi", "tiles"] = "none"
    margin: float = Field(0.2, ge=0, le=4)
    size: int = Field(256, ge=32, le=4096)
    stride: int = Field(128, ge=16, le=4096)


class NetworkChoice(_Part):
    """Backbones (one a branch) and the classifier over their features.

    head: "pooled" (mean pooling, then dense layers of `units`), "flatten" (one backbone alone: its last maps
    flattened, then dense layers), or a classical classifier over pooled features: "logistic", "svm" (RBF),
    "bayes" (Gaussian). begin: a linear head over stored trunks begins at "random" or as the mean of the
    "runs" whose trunks it takes, so that fusion starts from what they know.
    """

    backbones: tuple[str, ...] = Field(min_length=1)
    head: Literal["pooled", "flatten", "logistic", "svm", "bayes"] = "pooled"
    units: tuple[int, ...] = ()
    dropout: float = Field(0.0, ge=0, lt=1)
    begin: Literal["random", "runs"] = "random"

    @model_validator(mode="after")
    def _flatten_stands_alone(self) -> NetworkChoice:
        if self.head == "flatten" and len(self.backbones) > 1:
            raise ValueError("a flattening head takes one backbone; a hybrid fuses pooled features")
        if self.head in CLASSICAL and self.units:
            raise ValueError(f"the classifier {self.head} has no hidden units; leave units out")
        if self.begin == "runs" and (self.head != "pooled" or self.units):
            raise ValueError('begin = "runs" needs a linear head: head = "pooled" without units')
        return self


class Stage(_Part):
    """A stretch of training with one rate schedule.

    kind: "fit" (labels alone), "distil" (labels and the teacher's features). side: the square side in pixels
    the trainee sees, 0 for the network's own input. schedule: "plateau" halves the rate when the validation
    loss stalls for `stall` epochs; "cosine" decays it to a hundredth over `span` epochs (0: over `epochs`).
    patience: epochs without a lower validation loss before the stage ends, 0 for never. keep: weights handed
    on. train: which weights move, "all", "head" (the trunks stand still) or "last" (head and each backbone's
    last blocks); `freeze` names layers that stand still besides. guide: weight of the explanation-guided term
    (see models.training.guide), 0 for none; guide_peak: how much of it asks for the hottest cells alone.
    """

    name: str
    kind: Literal["fit", "distil"] = "fit"
    epochs: int = Field(ge=1)
    batch: int = Field(32, ge=1)
    rate: float = Field(gt=0)
    side: int = Field(0, ge=0)
    schedule: Literal["plateau", "cosine"] = "plateau"
    stall: int = Field(3, ge=1)
    patience: int = Field(0, ge=0)
    span: int = Field(0, ge=0)
    keep: Literal["best", "last"] = "best"
    freeze: tuple[str, ...] = ()
    train: Literal["all", "head", "last"] = "all"
    optimiser: Literal["adamw", "adam", "sgdm", "rmsprop"] = "adamw"
    guide: float = Field(0.0, ge=0)
    guide_peak: float = Field(0.1, ge=0)


class Augment(_Part):
    """Bounds of the augmentation (see models.data.augmentation)."""

    flip: bool = False
    flip_vertical: bool = False
    quarter_turns: bool = False
    rotation: float = Field(0.0, ge=0, le=180)
    zoom: float = Field(0.0, ge=0, lt=1)
    shift: float = Field(0.0, ge=0, lt=1)
    brightness: float = Field(0.0, ge=0, lt=1)
    contrast: float = Field(0.0, ge=0, lt=1)
    noise: float = Field(0.0, ge=0, lt=1)
    stain: float = Field(0.0, ge=0, lt=1)

    def augmentation(self) -> Augmentation:
        return Augmentation(**self.model_dump())


class Published(_Part):
    """What the publication that a recipe follows printed: other data, so a landmark and not a target.

    data: the images it used. figures: as printed, by name (precision is the ppv of a run, sensitivity its
    recall), in 0..1. note: its confusion matrix and where it contradicts itself.
    """

    source: str
    data: str = ""
    setting: str = ""
    test_cases: str = ""
    figures: dict[str, float] = {}
    note: str = ""


class Recipe(_Part):
    """One run's recipe.

    start: backbone -> "none", "imagenet", "file:NAME", "run:ID" (that run's trunk as it stands: only the head
    is trained, on the trunk's stored features) or "weights:ID" (that run's trunk as a beginning, trained on).
    teacher: the run whose features a "distil" stage hands on. copies: augmented copies of each training image
    when features are stored. balance: how unequal classes are met, by "weights" a case, by "batches" that
    draw each class alike, or not ("none"). split_seed: the seed of the split where it is not the weights'
    `seed`, so that trainings from several seeds share their test cases. leakage: what to do where the data
    audit finds a picture or patient in two parts: refuse, leave the training case out, or accept and warn.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{1,60}$")
    title: str
    suite: str = "own"
    seed: int = 1
    split_seed: int | None = None
    data: Data
    input: Input = Input()
    network: NetworkChoice
    start: dict[str, str] = {}
    teacher: str = ""
    copies: int = Field(8, ge=0, le=64)
    weight_decay: float = Field(0.0, ge=0)
    balance: Literal["weights", "batches", "none"] = "weights"
    mixed_precision: bool = False
    leakage: Literal["refuse", "leave_out", "accept"] = "refuse"
    prepare: Prepare = Prepare()
    stages: tuple[Stage, ...] = ()
    published: Published | None = None
    augment: Augment = Augment()
    intended_use: str = "Research on the explanation of classifiers. Not a diagnostic device."
    limits: str = ""

    @field_validator("start")
    @classmethod
    def _known_starts(cls, start: dict[str, str]) -> dict[str, str]:
        for value in start.values():
            if value not in ("none", "imagenet") and not re.match(r"(file|run|weights):.", value):
                raise ValueError(f"{value!r} is none of none, imagenet, file:NAME, run:ID and weights:ID")
        return start

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if unknown := set(self.start) - set(self.network.backbones):
            raise ValueError(f"start names {sorted(unknown)}, which are not among the backbones")
        if any(s.kind == "distil" for s in self.stages) and not self.teacher:
            raise ValueError("a distil stage needs teacher = RUN")
        if self.data.permute_labels and any(stage.guide for stage in self.stages):
            raise ValueError("permuted labels have no lesions to be guided by; leave guide out of the stages")
        if self.network.head == "flatten" and any(stage.side for stage in self.stages):
            raise ValueError("a flattening head has one input size; leave side out of the stages")
        if self.network.head in CLASSICAL and self.stages:
            raise ValueError(f"the classifier {self.network.head} is fitted in one go; leave the stages out")
        if self.network.head not in CLASSICAL and not self.stages:
            raise ValueError("there is no stage; add at least one [[stages]]")
        frozen = [name for name in self.network.backbones if self.start.get(name, "").startswith("run:")]
        if frozen and len(frozen) != len(self.network.backbones):
            raise ValueError("either every backbone starts from a run (the head is trained) or none does")
        if self.network.begin == "runs" and not frozen:
            raise ValueError('begin = "runs" needs every backbone to start from a run')
        return self

    @property
    def seed_of_split(self) -> int:
        """The seed that the manifest is split with."""
        return self.seed if self.split_seed is None else self.split_seed

    @property
    def classical(self) -> bool:
        """True for a classical classifier over stored features."""
        return self.network.head in CLASSICAL

    @property
    def trains_head_only(self) -> bool:
        return self.start.get(self.network.backbones[0], "").startswith("run:")


def load_recipe(name: str | Path, changes: tuple[str, ...] = ()) -> tuple[Recipe, str]:
    """The recipe of that file or shipped name, and its text as trained: self-contained, bases and changes
    written out. That text as a file gives the same recipe.

    changes: "key=value" or "part.key=value" in TOML notation, as `--set` gives them.
    Raises BadInput with the first fault in plain words.
    """
    path = recipe_file(name)
    fields, text = read_fields(path, changes)
    try:
        return Recipe.model_validate(fields), text
    except ValidationError as fault:
        raise BadInput(_sentence(path.name, fault)) from fault


def recipe_digest(text: str) -> str:
    """SHA-256 of a recipe's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _sentence(file: str, fault: ValidationError) -> str:
    first = fault.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "recipe"
    if first["type"] == "extra_forbidden":
        return f"The recipe {file} has a key that no recipe has, {place}; correct or remove it."
    if first["type"] == "missing":
        return f"The recipe {file} lacks {place}; add it."
    reason = first["msg"].removeprefix("Value error, ").rstrip(".")
    return f"The recipe {file} cannot be used: {place}: {reason}."


def strategy(recipe: Recipe) -> str:
    """How the weights come about, in a few words."""
    words = _strategy(recipe)
    return f"{words}, permuted labels" if recipe.data.permute_labels else words


def _strategy(recipe: Recipe) -> str:
    stages = recipe.stages
    if recipe.classical:
        return f"frozen features + {CLASSIFIERS[recipe.network.head]}"
    if recipe.trains_head_only:
        guided = any(stage.guide for stage in stages)
        return "head on stored features, guided" if guided else "head on stored features"
    if any(stage.kind == "distil" for stage in stages):
        words = "distilled"
    elif stages[0].train == "head" and stages[-1].train != "head":
        words = "progressive"
    else:
        which = {"all": "all weights", "last": "last blocks", "head": "head"}[stages[-1].train]
        words = f"{which}, {OPTIMISERS[stages[-1].optimiser]}"
    return f"{words}, guided" if any(stage.guide for stage in stages) else words
