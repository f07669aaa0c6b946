"""A compact convolutional network of ours, for phantoms and as a light branch: five stages, 14x14 at the
end."""

from __future__ import annotations

from models.networks.backbone import Backbone, InputRange, Tensor, refuse_imagenet

_WIDTHS = (16, 32, 64, 96, 128)


def _compact(images: Tensor, weights: str | None = None) -> Tensor:
    from keras import layers

    refuse_imagenet("The compact network", weights)
    x = images
    for stage, width in enumerate(_WIDTHS, 1):
        stride = 2 if stage < len(_WIDTHS) else 1
        x = layers.Conv2D(
            width, 3, strides=stride, padding="same", use_bias=False, name=f"stage{stage}_conv"
        )(x)
        x = layers.BatchNormalization(name=f"stage{stage}_bn")(x)
        x = layers.Activation("relu", name=f"stage{stage}_relu")(x)
    return x


COMPACT = Backbone(
    name="compact",
    title="Compact CNN",
    build=_compact,
    target_layer=f"stage{len(_WIDTHS)}_relu",
    range=InputRange.standardised(),
    earlier=("stage3_relu", "stage4_relu"),
    blocks=("stage5_",),
    source="this project",
)
