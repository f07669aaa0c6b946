"""DenseNet121 (Huang et al., CVPR 2017), the graph of keras.applications."""

from __future__ import annotations

from models.networks.backbone import Backbone, InputRange, Tensor


def _densenet121(images: Tensor, weights: str | None = None) -> Tensor:
    import keras

    return keras.applications.DenseNet121(include_top=False, weights=weights, input_tensor=images).output


DENSENET121 = Backbone(
    name="densenet121",
    title="DenseNet121",
    build=_densenet121,
    target_layer="relu",
    range=InputRange.standardised(),
    hints=("pool3_relu", "pool4_relu", "relu"),
    source="Huang et al. 2017, Densely Connected Convolutional Networks; graph of keras.applications",
)
