"""What every backbone tells the rest of the house: how it is built, what it expects, what it publishes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Tensor = Any  # a symbolic keras.KerasTensor; keras is only imported by the files that build layers

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class InputRange:
    """The affine map, per channel, from a picture in 0..1 to the numbers a backbone was made for."""

    scale: tuple[float, float, float]
    offset: tuple[float, float, float]

    @classmethod
    def standardised(cls) -> InputRange:
        """ImageNet's mean and standard deviation removed (Keras calls it `torch` mode: DenseNet)."""
        return cls(
            scale=tuple(1.0 / s for s in IMAGENET_STD),
            offset=tuple(-m / s for m, s in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)),
        )

    @classmethod
    def mean_subtracted(cls) -> InputRange:
        """0..255 less ImageNet's mean, channels in RGB order (SqueezeNet's published weights)."""
        return cls(scale=(255.0,) * 3, offset=tuple(-255.0 * m for m in IMAGENET_MEAN))

    @classmethod
    def mean_subtracted_bgr(cls) -> InputRange:
        """0..255 less ImageNet's mean in BGR order (Keras calls it `caffe` mode: ResNet50)."""
        return cls(scale=(255.0,) * 3, offset=(-103.939, -116.779, -123.68))

    @property
    def reversed_channels(self) -> bool:
        """True when the backbone's first channel is blue."""
        return self == InputRange.mean_subtracted_bgr()


@dataclass(frozen=True)
class Backbone:
    """A convolutional feature extractor whose last feature map feeds a mean pooling.

    build: (tensor [N, h, w, 3] in `range`, "imagenet" or None) -> target layer's tensor [N, gh, gw, K].
    target_layer: name of the layer whose activation feeds the pooling, without a branch's prefix.
    hints: layers (no prefix) at strides 8, 16 and 32, for distillation; may be empty.
    """

    name: str
    title: str
    build: Callable[[Tensor, str | None], Tensor]
    target_layer: str
    range: InputRange
    hints: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    source: str = ""
