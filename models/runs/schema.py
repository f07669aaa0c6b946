"""What `run.json` holds, version 1: everything that must travel with the weights of a run."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    field_validator,
    model_serializer,
    model_validator,
)

SCHEMA_VERSION = 1
HEAD_FILE = "head.onnx"
CARD_FILE = "run.json"
FEATURES_FILE = "features.npz"
"""How the training images are distributed (models.engines.familiarity); means nothing without the weights."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=120)]
RunId = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$", max_length=80)
]
Plain = str | int | float | bool | None

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]*(/[A-Za-z0-9][A-Za-z0-9 ._+-]*)*")


def member_file(name: str) -> str:
    """The file of a member's test predictions."""
    return f"members/{name}.csv"


def member_history_file(name: str) -> str:
    """The file of a member's history."""
    return f"members/{name}-history.csv"


def safe_relative_name(name: str) -> bool:
    """True when `name` stays inside the folder it is joined to: relative, no `..`, no hidden part."""
    return bool(_FILE_NAME.fullmatch(name)) and ".." not in PurePosixPath(name).parts and len(name) <= 200


class Part(BaseModel):
    """Frozen, with unknown keys refused: version 1 means these fields and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Branch(Part):
    """One trunk of the network, from the image to the activations that feed the pooling."""

    name: Name
    backbone: Name
    trunk: Digest
    target_layer: Name
    grid: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    """(gh, gw) cells of the target layer at the run's input size."""
    channels: int = Field(ge=1)


class Head(Part):
    """What takes activations to logits.

    "pooled": dense layers over the joined pooled activations, ReLU between them. "flatten": dense layers over
    the max-pooled activations of one branch. "logistic", "svm" (RBF) and "bayes" (Gaussian): a classifier
    over the joined pooled activations.
    """

    kind: Literal["pooled", "flatten", "logistic", "svm", "bayes"] = "pooled"
    units: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Widths of the hidden layers, input side first; empty for a single linear layer."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share dropped in training after each hidden layer."""


class Input(Part):
    """Same fields as models.inputs.InputSpec."""

    height: int = Field(default=224, ge=1, le=4096)
    width: int = Field(default=224, ge=1, le=4096)
    channels: Literal[1, 3] = 1
    fit: Literal["pad", "stretch"] = "pad"
    steps: tuple[Literal["median", "clahe", "macenko"], ...] = ()
    """Picture steps on native pixels before the resizing, in this order."""


class Calibration(Part):
    """One logit: p = sigmoid(slope * logit + intercept). Several: p = softmax(slope * logits)."""

    method: Literal["platt", "temperature", "none"] = "none"
    slope: float = Field(default=1.0, gt=0)
    intercept: float = 0.0


class OperatingPoint(Part):
    """A threshold on the calibrated probability of the positive class (positive at or above it)."""

    name: Name
    threshold: float = Field(ge=0, le=1)
    rule: str = ""
    on: str = "validation"


class Interval(Part):
    """A figure with its 95 % interval over `n` cases; `value` null, with `why`, where it is undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = Field(default=None, ge=0)
    why: str | None = None

    @model_serializer(mode="wrap")
    def _without_empty_why(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = plain(self)
        if fields["why"] is None:
            del fields["why"]
        return fields


class Confusion(Part):
    """`counts[i][j]`: cases of class i that were called class j."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


class Data(Part):
    """What the run was trained and tested on."""

    name: str
    manifest_digest: Digest | None = None
    licence: str = ""
    citation: str = ""
    note: str = ""
    n_train: int | None = Field(default=None, ge=0)
    n_validation: int | None = Field(default=None, ge=0)
    n_test: int | None = Field(default=None, ge=0)
    split_id: str | None = None
    leave_out: tuple[str, ...] = ()
    """Labels whose cases take no part, in training or evaluation."""


class Source(Part):
    """Something the run started from: weights or a recipe of somebody else, with its licence."""

    name: str
    licence: str
    url: str = ""
    note: str = ""


class Member(Part):
    """One fold or seed of a pooled run. Its test predictions are the file members/<name>.csv, its history,
    where it has one, members/<name>-history.csv."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=40)]
    kind: Literal["fold", "seed"]
    threshold: float = Field(ge=0, le=1)
    """The member's own default operating point, from its own validation part."""
    n: int = Field(ge=0)
    metrics: dict[str, Interval] = {}
    """On the member's test part, at its own threshold."""


class RunCard(Part):
    """The whole of `run.json`. A one-logit run lists its positive class last."""

    schema_version: Literal[1] = SCHEMA_VERSION
    id: RunId
    title: Name
    modality: Literal["ultrasound", "mammography", "histopathology", "mixed"]
    classes: tuple[Name, ...] = Field(min_length=2)
    positive: Name
    label_map: dict[str, str] = {}
    network: Name
    branches: tuple[Branch, ...] = ()
    """Empty for results of another program that came without weights."""
    head: Head | None = None
    logits: int = Field(ge=1)
    input: Input = Input()
    prepare: dict[str, Plain] = {}
    """How images were cut before training (`models.recipes.recipe.Prepare`); empty for not at all."""
    calibration: Calibration = Calibration()
    operating_points: tuple[OperatingPoint, ...] = Field(min_length=1)
    """The first is the default."""
    metrics: dict[str, dict[str, Interval]] = {}
    """Part of the split ("validation", "test") -> metric -> figure."""
    confusion: Confusion | None = None
    """On the test part, at the default operating point."""
    map_scale: dict[str, Annotated[float, Field(gt=0)]] = {}
    """Branch name or "joint" -> upper end of the overlay's colours, in logit units per grid cell."""
    data: Data
    synthetic: bool = False
    intended_use: str = ""
    limits: str = ""
    sources: tuple[Source, ...] = ()
    training: dict[str, Plain] = {}
    """Free facts about the training that are worth showing: seconds, epochs, seed, device, strategy."""
    cost: dict[str, Plain] = {}
    """What it costs to use (models.engines.cost): parameters, weight size, time an image, memory."""
    recipe_digest: Digest | None = None
    versions: dict[str, str] = {}
    created: str = ""
    """ISO 8601, UTC."""
    members: tuple[Member, ...] = ()
    """The folds or seeds whose test predictions this run pools; empty for a run of one training."""
    files: dict[str, Digest] = {}
    """Relative name -> sha256 of every other file of the folder that counts. Trunks are not among them."""

    @model_serializer(mode="wrap")
    def _without_empty_members(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A program that knows no members still reads every run that has none."""
        fields = plain(self)
        if not fields["members"]:
            del fields["members"]
        return fields

    @field_validator("files")
    @classmethod
    def _names_stay_inside(cls, files: dict[str, str]) -> dict[str, str]:
        for name in files:
            if not safe_relative_name(name) or name == CARD_FILE or name.startswith("trunks/"):
                raise ValueError(f"{name!r} is not a file name a run may list")
        return files

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> RunCard:
        for problem in _disagreements(self):
            raise ValueError(problem)
        return self


def _disagreements(card: RunCard):
    if len(set(card.classes)) != len(card.classes):
        yield "classes holds a name twice"
    if card.positive not in card.classes:
        yield f"positive is {card.positive!r}, which is not one of the classes"
    if card.logits == 1 and (len(card.classes) != 2 or card.positive != card.classes[1]):
        yield "a run of one logit needs two classes with the positive one last"
    if card.logits > 1 and card.logits != len(card.classes):
        yield f"{card.logits} logits do not fit {len(card.classes)} classes"
    unknown = sorted(set(card.label_map.values()) - set(card.classes))
    if unknown:
        yield f"label_map leads to {unknown[0]!r}, which is not one of the classes"
    names = [branch.name for branch in card.branches]
    if len(set(names)) != len(names):
        yield "two branches have the same name"
    listed = [member.name for member in card.members]
    if len(set(listed)) != len(listed):
        yield "two members have the same name"
    for name in listed:
        if member_file(name) not in card.files:
            yield f"the member {name} is described but {member_file(name)} is not among the files"
    if card.branches and HEAD_FILE not in card.files:
        yield f"branches are described but {HEAD_FILE} is not among the files"
