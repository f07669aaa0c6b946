"""Plain networks of two published comparisons: convolution, ReLU and max-pooling, then flattening.

Both end at their last convolution's ReLU: the last max-pooling, the flattening and the dense layers are the
flattening head's (`head = "flatten"` in a recipe), so that maps are made before that pooling.
"""

from __future__ import annotations

from collections.abc import Callable

from models.networks.backbone import Backbone, InputRange, Tensor, refuse_imagenet

_CUSTOM = ((32,), (64,), (128,), (128,))
_17_LAYERS = ((32, 32), (64, 64), (128, 128, 128), (256, 256, 512))


def _plain(title: str, blocks: tuple[tuple[int, ...], ...]) -> Callable[[Tensor, str | None], Tensor]:
    """3x3 convolutions with ReLU, their widths a block, and a 2x2 max-pooling between blocks."""

    def build(images: Tensor, weights: str | None = None) -> Tensor:
        from keras import layers

        refuse_imagenet(title, weights)
        x = images
        for block, widths in enumerate(blocks, 1):
            if block > 1:
                x = layers.MaxPooling2D(2, name=f"block{block - 1}_pool")(x)
            for index, width in enumerate(widths, 1):
                x = layers.Conv2D(
                    width,
                    3,
                    padding="same",
                    activation="relu",
                    # Without normalisation, Glorot's smaller numbers die out over ten ReLUs (He et al. 2015).
                    kernel_initializer="he_normal",
                    name=f"block{block}_conv{index}",
                )(x)
        return x

    return build


CUSTOMCNN = Backbone(
    name="customcnn",
    title="CustomCNN",
    build=_plain("CustomCNN", _CUSTOM),
    target_layer="block4_conv1",
    range=InputRange.standardised(),
    hints=("block4_conv1",) * 3,
    earlier=("block2_conv1", "block3_conv1"),
    blocks=("block4_",),
    source="after A Multi-Modal Deep Learning Framework for Breast Cancer Prediction and Stage "
    "Identification (2025 thesis), which gives the kinds of layers and not their widths",
    smallest=8,
)

# Published are 17 layers, images of 300x300 pixels and 679 MB of weights, some 170 million numbers of four
# bytes; the layers themselves are not. This is a choice that gives both: ten convolutions, four max-poolings
# (the fourth in the head), the flattening, and two dense layers with units = [1024]. Of the 172,371,361
# parameters (with one logit) 169,870,336 are the first dense layer's, over 18 x 18 x 512 numbers.
CNN17 = Backbone(
    name="cnn17",
    title="17-layer CNN",
    build=_plain("The 17-layer CNN", _17_LAYERS),
    target_layer="block4_conv3",
    range=InputRange.standardised(),
    hints=("block4_conv3",) * 3,
    earlier=("block2_conv2", "block3_conv3"),
    blocks=("block4_",),
    source="after CNN-Based Cross-Modality Fusion for Enhanced Breast Cancer Detection (Tomography 2024, 10, "
    "2038), which gives the number of layers and the size of the weights and not the layers",
    smallest=16,
)
