"""ResNet50 and ResNet101 (He et al., CVPR 2016), the graphs of keras.applications."""

from __future__ import annotations

from models.networks.backbone import Backbone, InputRange, application

_SOURCE = "He et al. 2016, Deep Residual Learning for Image Recognition; graph of keras.applications"

RESNET50 = Backbone(
    name="resnet50",
    title="ResNet50",
    build=application("ResNet50"),
    target_layer="conv5_block3_out",
    range=InputRange.mean_subtracted_bgr(),
    hints=("conv3_block4_out", "conv4_block6_out", "conv5_block3_out"),
    blocks=("conv4_", "conv5_"),
    source=_SOURCE,
    smallest=32,
)

RESNET101 = Backbone(
    name="resnet101",
    title="ResNet101",
    build=application("ResNet101"),
    target_layer="conv5_block3_out",
    range=InputRange.mean_subtracted_bgr(),
    hints=("conv3_block4_out", "conv4_block23_out", "conv5_block3_out"),
    blocks=("conv4_", "conv5_"),
    source=_SOURCE,
    smallest=32,
)
