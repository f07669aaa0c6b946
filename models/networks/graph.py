"""The explain graph: one flat functional network whose forward pass gives logits, feature maps and channel
weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import keras
from keras import layers

from models.errors import BadInput
from models.networks.backbones import backbone_named
from models.networks.classical_head import CLASSICAL_HEADS, ClassicalHead, SvmHead
from models.networks.flatten_head import FlattenHead
from models.networks.head import PooledHead
from models.networks.trunk import build_trunk

Head = PooledHead | FlattenHead | ClassicalHead


@dataclass(frozen=True)
class NetworkSpec:
    """Everything that decides a network's graph (not its weights).

    backbones: one a branch, each at most once. units: hidden widths of the head; of the head "svm" its number
    of support vectors. outputs: 1 for two classes (the logit of the positive one), else the number of
    classes. height, width, channels: the input, 0..1. head: "pooled", "flatten" (of one backbone),
    "logistic", "svm" or "bayes".
    """

    backbones: tuple[str, ...]
    units: tuple[int, ...]
    classes: int
    positive: int
    height: int = 224
    width: int = 224
    channels: int = 1
    dropout: float = 0.0
    head: str = "pooled"

    @property
    def outputs(self) -> int:
        return 1 if self.classes == 2 else self.classes


@dataclass(frozen=True)
class BranchLayer:
    """Where a branch's feature map comes from: layer name in the flat graph, grid [rows, columns],
    channels."""

    name: str
    layer: str
    grid: tuple[int, int]
    channels: int


@dataclass(frozen=True)
class Network:
    """A built explain graph.

    model: image [N, h, w, C] -> {"logits": [N, L], "activations_<branch>": [N, gh, gw, K],
    "channel_weights_<branch>": [N, classes, K]}, and where the head flattens "gradient_<branch>": [N,
    classes, gh, gw, K].
    """

    spec: NetworkSpec
    model: keras.Model
    branches: tuple[BranchLayer, ...]

    @property
    def head(self) -> Head:
        return self.model.get_layer("head")

    @cached_property
    def logits_model(self) -> keras.Model:
        """image -> logits [N, L], sharing this network's layers and weights: what to train, since nothing
        that explains is computed in it."""
        logits = self.head(_features(self), explain=False)
        return keras.Model(self.model.input, logits, name="logits")

    def trunk(self, branch: str) -> keras.Model:
        """Image to one branch's target layer, sharing this network's layers and weights."""
        layer = next(b.layer for b in self.branches if b.name == branch)
        return keras.Model(self.model.input, self.model.get_layer(layer).output, name=branch)


def build_network(spec: NetworkSpec, starts: dict[str, str] | None = None) -> Network:
    """Build the flat graph of `spec`, its trunks started as `starts` says.

    starts: backbone -> "none" (random), "imagenet" (downloaded by Keras) or "file:PATH" (a weight file of
    that backbone). Layer names are `<backbone>_<layer>`, unique over the whole graph.
    """
    starts = starts or {}
    image = keras.Input((spec.height, spec.width, spec.channels), name="image")
    features = [build_trunk(image, backbone_named(name), starts.get(name, "none")) for name in spec.backbones]
    branches = tuple(
        BranchLayer(name, f"{name}_{backbone_named(name).target_layer}", tuple(f.shape[1:3]), f.shape[3])
        for name, f in zip(spec.backbones, features, strict=True)
    )
    outputs = {f"activations_{branch.name}": f for branch, f in zip(branches, features, strict=True)}
    if spec.head == "flatten":
        if len(branches) > 1:
            raise BadInput("A flattening head takes one backbone: choose one, or a pooled head for a hybrid.")
        logits, weights, gradient = make_head(spec, ())(features[0])
        name = branches[0].name
        outputs |= {f"channel_weights_{name}": weights, f"gradient_{name}": gradient}
    else:
        pooled = [
            layers.GlobalAveragePooling2D(name=f"{name}_pool")(f)
            for name, f in zip(spec.backbones, features, strict=True)
        ]
        logits, *parts = make_head(spec, tuple(b.grid[0] * b.grid[1] for b in branches))(pooled)
        outputs |= {f"channel_weights_{b.name}": part for b, part in zip(branches, parts, strict=True)}
    return Network(spec, keras.Model(image, {"logits": logits} | outputs, name="explained"), branches)


def make_head(spec: NetworkSpec, cells: tuple[int, ...]) -> Head:
    """The head of `spec`, unbuilt. cells: number of grid cells a branch; a flattening head needs none.

    BadInput for a kind of head there is not.
    """
    if spec.head in CLASSICAL_HEADS:
        kind, common = CLASSICAL_HEADS[spec.head], (spec.outputs, cells, spec.classes, spec.positive)
        # Before it is fitted nobody knows how many support vectors there will be.
        return kind(*common, *(spec.units or (1,))) if kind is SvmHead else kind(*common)
    dense = {"units": spec.units, "outputs": spec.outputs, "dropout": spec.dropout}
    classes = {"classes": spec.classes, "positive": spec.positive}
    if spec.head == "flatten":
        return FlattenHead(**dense, **classes)
    if spec.head != "pooled":
        known = ", ".join(("pooled", "flatten", *CLASSICAL_HEADS))
        raise BadInput(f"There is no head {spec.head!r}: choose one of {known}.")
    return PooledHead(**dense, **classes, cells=cells)


def _features(network: Network):
    """What the network's head takes: the last activations where it flattens, else the pooled ones."""
    names = network.spec.backbones
    if network.spec.head == "flatten":
        return network.model.output[f"activations_{names[0]}"]
    return [network.model.get_layer(f"{name}_pool").output for name in names]
