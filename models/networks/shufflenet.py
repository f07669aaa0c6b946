"""ShuffleNetV2 at 1x width (Ma et al., ECCV 2018, arXiv:1807.11164, table 5).

Padding, batch normalisation and order of the channels are those of torchvision's shufflenet_v2_x1_0, so that
its numbers fit layer by layer once their axes are turned.
"""

from __future__ import annotations

from models.networks.backbone import Backbone, InputRange, Tensor, refuse_imagenet

_STAGES = ((2, 4, 116), (3, 8, 232), (4, 4, 464))  # stage, units, channels
_STEM, _TOP = 24, 1024
_EPSILON = 1e-5  # PyTorch's; Keras' own default is 1e-3


def _pointwise(x: Tensor, channels: int, name: str) -> Tensor:
    from keras import layers

    x = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_bn")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def _depthwise(x: Tensor, stride: int, name: str) -> Tensor:
    """3x3 a channel, a pixel of padding on every side as PyTorch has it, and no activation (section 3)."""
    from keras import layers

    x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    x = layers.DepthwiseConv2D(3, strides=stride, use_bias=False, name=f"{name}_depthwise")(x)
    return layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_depthwise_bn")(x)


def _unit(x: Tensor, channels: int, stride: int, name: str) -> Tensor:
    """Figure 3c, and 3d at stride 2: one half passes (or is shrunk), the other is worked on, then both are
    shuffled."""
    from keras import layers

    from models.networks.shufflenet_layers import ChannelShuffle, ChannelSlice

    half = channels // 2
    if stride == 1:
        left = ChannelSlice(0, half, name=f"{name}_left")(x)
        right = ChannelSlice(half, channels, name=f"{name}_right")(x)
    else:
        left = _pointwise(_depthwise(x, stride, f"{name}_shortcut"), half, f"{name}_shortcut")
        right = x
    right = _pointwise(right, half, f"{name}_expand")
    right = _pointwise(_depthwise(right, stride, name), half, f"{name}_project")
    joined = layers.Concatenate(name=f"{name}_concat")([left, right])
    return ChannelShuffle(2, name=f"{name}_shuffle")(joined)


def _shufflenetv2(images: Tensor, weights: str | None = None) -> Tensor:
    from keras import layers

    refuse_imagenet("ShuffleNetV2", weights)
    x = layers.ZeroPadding2D(1, name="stem_pad")(images)
    x = layers.Conv2D(_STEM, 3, strides=2, use_bias=False, name="stem_conv")(x)
    x = layers.BatchNormalization(epsilon=_EPSILON, name="stem_bn")(x)
    x = layers.Activation("relu", name="stem_relu")(x)
    x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)  # behind a ReLU zero is as good as minus infinity
    x = layers.MaxPooling2D(3, strides=2, name="stem_pool")(x)
    for stage, units, channels in _STAGES:
        for index in range(1, units + 1):
            x = _unit(x, channels, 2 if index == 1 else 1, f"stage{stage}_unit{index}")
    return _pointwise(x, _TOP, "top")


SHUFFLENETV2 = Backbone(
    name="shufflenetv2",
    title="ShuffleNetV2 1x",
    build=_shufflenetv2,
    target_layer="top_relu",
    range=InputRange.standardised(),
    hints=("stage2_unit4_shuffle", "stage3_unit8_shuffle", "top_relu"),
    blocks=("stage4_", "top_"),
    source="Ma et al. 2018, ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design",
    smallest=32,
)
