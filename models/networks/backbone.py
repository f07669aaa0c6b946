"""What every backbone tells the rest of the house: how it is built, what it expects, what it publishes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from models.errors import BadInput

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

    @classmethod
    def symmetric(cls) -> InputRange:
        """-1..1 (Keras calls it `tf` mode: MobileNet, Inception)."""
        return cls(scale=(2.0,) * 3, offset=(-1.0,) * 3)

    @classmethod
    def standardised_times_255(cls) -> InputRange:
        """ImageNet's mean and standard deviation removed, then times 255, for a network that begins by
        dividing by 255 (EfficientNet)."""
        plain = cls.standardised()
        return cls(scale=tuple(255.0 * s for s in plain.scale), offset=tuple(255.0 * o for o in plain.offset))

    @property
    def reversed_channels(self) -> bool:
        """True when the backbone's first channel is blue."""
        return self == InputRange.mean_subtracted_bgr()


@dataclass(frozen=True)
class Backbone:
    """A convolutional feature extractor that ends at the last convolution's activation, before any pooling.

    build: (tensor [N, h, w, 3] in `range`, "imagenet" or None) -> target layer's tensor [N, gh, gw, K];
    "imagenet" downloads, and is asked for with an input layer's tensor only.
    target_layer: name of the layer whose activation feeds the head, without a branch's prefix.
    hints: layers (no prefix) at strides 8, 16 and 32, for distillation, the last one again where the trunk
    ends earlier; may be empty.
    earlier: further layers (no prefix), in the network's order, that maps may be made at.
    blocks: beginnings of the names (no prefix) of the last blocks' layers, which are trained alone by choice.
    smallest: least height and width of an image, in pixels.
    """

    name: str
    title: str
    build: Callable[[Tensor, str | None], Tensor]
    target_layer: str
    range: InputRange
    hints: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    source: str = ""
    smallest: int = 1

    @property
    def published(self) -> tuple[str, ...]:
        """Layers (no prefix) that maps can be made at, first to last; the target layer is the last one."""
        return tuple(dict.fromkeys((*self.earlier, *self.hints, self.target_layer)))


def application(name: str, end: str = "", **options: object) -> Callable[[Tensor, str | None], Tensor]:
    """The builder of a graph of keras.applications without its classifier, up to layer `end` (or its
    last)."""

    def build(images: Tensor, weights: str | None = None) -> Tensor:
        import keras

        network = getattr(keras.applications, name)
        model = network(include_top=False, weights=weights, input_tensor=images, **options)
        return model.get_layer(end).output if end else model.output

    return build


def refuse_imagenet(title: str, weights: str | None) -> None:
    """BadInput where ImageNet weights are asked of a backbone that has none to download."""
    if weights is not None:
        raise BadInput(
            f'{title} has no published weights that Keras could download; set its start to "none" or to a '
            "weight file."
        )
