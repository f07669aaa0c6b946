"""The explain graph: one flat functional network whose forward pass gives logits, feature maps and channel
weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers

from models.errors import BadInput
from models.networks.backbone import Backbone
from models.networks.compact import COMPACT
from models.networks.densenet import DENSENET121
from models.networks.head import PooledHead
from models.networks.resnet import RESNET50
from models.networks.squeezenet import SQUEEZENET, read_published_weights

BACKBONES: dict[str, Backbone] = {b.name: b for b in (DENSENET121, RESNET50, SQUEEZENET, COMPACT)}


@dataclass(frozen=True)
class NetworkSpec:
    """Everything that decides a network's graph (not its weights).

    backbones: one a branch, each at most once. units: hidden widths of the head. outputs: 1 for two classes
    (the logit of the positive one), else the number of classes. height, width, channels: the input, 0..1.
    """

    backbones: tuple[str, ...]
    units: tuple[int, ...]
    classes: int
    positive: int
    height: int = 224
    width: int = 224
    channels: int = 1
    dropout: float = 0.0

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
    "channel_weights_<branch>": [N, classes, K]}.
    """

    spec: NetworkSpec
    model: keras.Model
    branches: tuple[BranchLayer, ...]

    @property
    def head(self) -> PooledHead:
        return self.model.get_layer("head")

    def trunk(self, branch: str) -> keras.Model:
        """Image to one branch's target layer, sharing this network's layers and weights."""
        layer = next(b.layer for b in self.branches if b.name == branch)
        return keras.Model(self.model.input, self.model.get_layer(layer).output, name=branch)


def backbone_named(name: str) -> Backbone:
    """The backbone of that name; BadInput lists the known ones."""
    if name not in BACKBONES:
        raise BadInput(f"There is no backbone named {name!r}; choose from {', '.join(sorted(BACKBONES))}.")
    return BACKBONES[name]


def build_network(spec: NetworkSpec, starts: dict[str, str] | None = None) -> Network:
    """Build the flat graph of `spec`, its trunks started as `starts` says.

    starts: backbone -> "none" (random), "imagenet" (downloaded by Keras) or "file:PATH" (SqueezeNet's
    published weights). Layer names are `<backbone>_<layer>`, unique over the whole graph.
    """
    starts = starts or {}
    image = keras.Input((spec.height, spec.width, spec.channels), name="image")
    features = [_trunk(image, backbone_named(name), starts.get(name, "none")) for name in spec.backbones]
    branches = tuple(
        BranchLayer(name, f"{name}_{backbone_named(name).target_layer}", tuple(f.shape[1:3]), f.shape[3])
        for name, f in zip(spec.backbones, features, strict=True)
    )
    pooled = [
        layers.GlobalAveragePooling2D(name=f"{name}_pool")(f)
        for name, f in zip(spec.backbones, features, strict=True)
    ]
    head = make_head(spec, tuple(b.grid[0] * b.grid[1] for b in branches))
    logits, *weights = head(pooled)
    outputs = {"logits": logits}
    for branch, f, w in zip(branches, features, weights, strict=True):
        outputs[f"activations_{branch.name}"] = f
        outputs[f"channel_weights_{branch.name}"] = w
    return Network(spec, keras.Model(image, outputs, name="explained"), branches)


def make_head(spec: NetworkSpec, cells: tuple[int, ...]) -> PooledHead:
    """The head of `spec`, unbuilt."""
    return PooledHead(
        units=spec.units,
        outputs=spec.outputs,
        cells=cells,
        classes=spec.classes,
        positive=spec.positive,
        dropout=spec.dropout,
    )


def _trunk(image, backbone: Backbone, start: str):
    """Adapter and backbone; returns the target layer's tensor. Every layer gets the backbone's prefix."""
    adapted = _adapter(image, backbone)
    features = backbone.build(adapted, "imagenet" if start == "imagenet" else None)
    model = keras.Model(image, features)
    for layer in model.layers:
        if layer.name != "image" and not layer.name.startswith(f"{backbone.name}_"):
            layer.name = f"{backbone.name}_{layer.name}"
    if start.startswith("file:"):
        _load_published(model, backbone, Path(start.removeprefix("file:")))
    elif start not in ("none", "imagenet"):
        raise BadInput(f"The start {start!r} of {backbone.name} is unknown; use none, imagenet or file:PATH.")
    return features


def _adapter(image, backbone: Backbone):
    """A trainable 1x1 convolution that starts as replication (grey) or identity (RGB) in the backbone's
    range."""
    channels = image.shape[-1]
    kernel = np.zeros((1, 1, channels, 3), np.float32)
    for target in range(3):
        source = (2 - target if backbone.range.reversed_channels else target) if channels == 3 else 0
        kernel[0, 0, source, target] = backbone.range.scale[target]
    return layers.Conv2D(
        3,
        1,
        kernel_initializer=keras.initializers.Constant(kernel),
        bias_initializer=keras.initializers.Constant(np.asarray(backbone.range.offset, np.float32)),
        name=f"{backbone.name}_adapter",
    )(image)


def _load_published(model: keras.Model, backbone: Backbone, path: Path) -> None:
    if backbone is not SQUEEZENET:
        raise BadInput(f"Only SqueezeNet starts from a published file here, not {backbone.name}.")
    for name, weights in read_published_weights(path).items():
        model.get_layer(f"{backbone.name}_{name}").set_weights(weights)
