"""ResNet50 (He et al., CVPR 2016), the graph of keras.applications."""

from __future__ import annotations

from models.networks.backbone import Backbone, InputRange, Tensor


def _resnet50(images: Tensor, weights: str | None = None) -> Tensor:
    import keras

    return keras.applications.ResNet50(include_top=False, weights=weights, input_tensor=images).output


RESNET50 = Backbone(
    name="resnet50",
    title="ResNet50",
    build=_resnet50,
    target_layer="conv5_block3_out",
    range=InputRange.mean_subtracted_bgr(),
    hints=("conv3_block4_out", "conv4_block6_out", "conv5_block3_out"),
    source="He et al. 2016, Deep Residual Learning for Image Recognition; graph of keras.applications",
)
