"""MobileNetV2 (Sandler et al., CVPR 2018) and MobileNetV3 (Howard et al., ICCV 2019), the graphs of
keras.applications."""

from __future__ import annotations

from collections.abc import Callable

from models.networks.backbone import Backbone, InputRange, Tensor, application

_V3_TARGET = "top_activation"
_V3_SOURCE = "Howard et al. 2019, Searching for MobileNetV3; graph of keras.applications"


def _mobilenetv3(name: str) -> Callable[[Tensor, str | None], Tensor]:
    """Keras numbers the last activation, in each size another number; here it has a name."""
    build = application(name, include_preprocessing=False)

    def named(images: Tensor, weights: str | None = None) -> Tensor:
        features = build(images, weights)
        features._keras_history.operation.name = _V3_TARGET
        return features

    return named


MOBILENETV2 = Backbone(
    name="mobilenetv2",
    title="MobileNetV2",
    build=application("MobileNetV2"),
    target_layer="out_relu",
    range=InputRange.symmetric(),
    hints=("block_6_expand_relu", "block_13_expand_relu", "out_relu"),
    blocks=("block_13_", "block_14_", "block_15_", "block_16_", "Conv_1"),
    source="Sandler et al. 2018, Inverted Residuals and Linear Bottlenecks; graph of keras.applications",
    smallest=32,
)

MOBILENETV3SMALL = Backbone(
    name="mobilenetv3small",
    title="MobileNetV3 small",
    build=_mobilenetv3("MobileNetV3Small"),
    target_layer=_V3_TARGET,
    range=InputRange.symmetric(),
    hints=("expanded_conv_2_add", "expanded_conv_7_add", _V3_TARGET),
    blocks=("expanded_conv_8_", "expanded_conv_9_", "expanded_conv_10_", "conv_1"),
    source=_V3_SOURCE,
    smallest=32,
)

MOBILENETV3LARGE = Backbone(
    name="mobilenetv3large",
    title="MobileNetV3 large",
    build=_mobilenetv3("MobileNetV3Large"),
    target_layer=_V3_TARGET,
    range=InputRange.symmetric(),
    hints=("expanded_conv_5_add", "expanded_conv_11_add", _V3_TARGET),
    blocks=("expanded_conv_12_", "expanded_conv_13_", "expanded_conv_14_", "conv_1"),
    source=_V3_SOURCE,
    smallest=32,
)
