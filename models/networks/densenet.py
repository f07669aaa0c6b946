"""DenseNet121 (Huang et al., CVPR 2017), the graph of keras.applications."""

from __future__ import annotations

from models.networks.backbone import Backbone, InputRange, application

DENSENET121 = Backbone(
    name="densenet121",
    title="DenseNet121",
    build=application("DenseNet121"),
    target_layer="relu",
    range=InputRange.standardised(),
    hints=("pool3_relu", "pool4_relu", "relu"),
    blocks=("conv4_", "pool4_", "conv5_", "bn"),
    source="Huang et al. 2017, Densely Connected Convolutional Networks; graph of keras.applications",
    smallest=32,
)
