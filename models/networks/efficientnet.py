"""EfficientNetB0 (Tan and Le, ICML 2019), the graph of keras.applications.

Keras' graph begins with a division by 255 and a standardisation whose numbers come with the ImageNet weights
(and with one more rescaling then). Here the graph is the same for every start: that standardisation stays at
its neutral numbers and the branch's adapter does it, see `InputRange.standardised_times_255`.
"""

from __future__ import annotations

from models.networks.backbone import Backbone, InputRange, application

EFFICIENTNETB0 = Backbone(
    name="efficientnetb0",
    title="EfficientNetB0",
    build=application("EfficientNetB0"),
    target_layer="top_activation",
    range=InputRange.standardised_times_255(),
    hints=("block3b_add", "block5c_add", "top_activation"),
    blocks=("block6", "block7", "top_"),
    source="Tan and Le 2019, EfficientNet: Rethinking Model Scaling; graph of keras.applications",
    smallest=32,
)
