"""VGG16 and VGG19 (Simonyan and Zisserman, ICLR 2015), the graphs of keras.applications without the last
pooling."""

from __future__ import annotations

from models.networks.backbone import Backbone, InputRange, application

_SOURCE = (
    "Simonyan and Zisserman 2015, Very Deep Convolutional Networks for Large-Scale Image Recognition; "
    "graph of keras.applications"
)

VGG16 = Backbone(
    name="vgg16",
    title="VGG16",
    build=application("VGG16", end="block5_conv3"),
    target_layer="block5_conv3",
    range=InputRange.mean_subtracted_bgr(),
    hints=("block4_conv3", "block5_conv3", "block5_conv3"),
    blocks=("block5_",),
    source=_SOURCE,
    smallest=32,
)

VGG19 = Backbone(
    name="vgg19",
    title="VGG19",
    build=application("VGG19", end="block5_conv4"),
    target_layer="block5_conv4",
    range=InputRange.mean_subtracted_bgr(),
    hints=("block4_conv4", "block5_conv4", "block5_conv4"),
    blocks=("block5_",),
    source=_SOURCE,
    smallest=32,
)
