"""InceptionV3 (Szegedy et al., CVPR 2016), the graph of keras.applications."""

from __future__ import annotations

from models.networks.backbone import Backbone, InputRange, application

INCEPTIONV3 = Backbone(
    name="inceptionv3",
    title="InceptionV3",
    build=application("InceptionV3"),
    target_layer="mixed10",
    range=InputRange.symmetric(),
    hints=("mixed2", "mixed7", "mixed10"),
    # Keras numbers these layers and build_trunk writes 00 to 93: the blocks mixed8 to mixed10 begin with the
    # 71st convolution, which is number 70.
    blocks=tuple(f"{kind}_{tens}" for kind in ("conv2d", "batch_normalization") for tens in (7, 8, 9)),
    source="Szegedy et al. 2016, Rethinking the Inception Architecture; graph of keras.applications",
    smallest=75,
)
