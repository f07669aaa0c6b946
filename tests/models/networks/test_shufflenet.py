"""ShuffleNetV2: the published size, the grids of its stages, and the shuffle by hand."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from models.networks.backbones import BACKBONES  # noqa: E402
from models.networks.shufflenet_layers import ChannelShuffle, ChannelSlice  # noqa: E402

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def trunk():
    image = keras.Input((224, 224, 3))
    return keras.Model(image, BACKBONES["shufflenetv2"].build(image, None))


def test_with_a_classifier_of_1000_classes_it_has_the_published_parameters(trunk):
    """2.3 M in the paper (table 8); torchvision's shufflenet_v2_x1_0 counts 2,278,604."""
    parameters = sum(int(np.prod(v.shape)) for v in trunk.trainable_weights)
    classifier = trunk.output.shape[-1] * 1000 + 1000
    assert parameters + classifier == 2_278_604


def test_its_stages_have_the_grids_and_widths_of_table_5(trunk):
    def shape(name):
        return tuple(trunk.get_layer(name).output.shape[1:])

    assert shape("stem_conv") == (112, 112, 24)
    assert shape("stem_pool") == (56, 56, 24)
    assert shape("stage2_unit4_shuffle") == (28, 28, 116)
    assert shape("stage3_unit8_shuffle") == (14, 14, 232)
    assert shape("stage4_unit4_shuffle") == (7, 7, 464)
    assert shape("top_relu") == (7, 7, 1024)


def test_half_of_a_unit_passes_unchanged(trunk):
    """At stride 1 the left half of the channels comes out at every second place."""
    layer = trunk.get_layer
    unit = keras.Model(layer("stage4_unit1_shuffle").output, layer("stage4_unit2_shuffle").output)
    x = np.random.default_rng(0).random((1, 7, 7, 464)).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(unit(x))[..., 0::2], x[..., :232])


def test_a_shuffle_by_hand():
    """Groups (0, 1, 2) and (3, 4, 5) are dealt out in turn."""
    x = np.broadcast_to(np.arange(6, dtype=np.float32), (2, 3, 4, 6))
    assert np.asarray(ChannelShuffle(2)(x))[1, 2, 3].tolist() == [0, 3, 1, 4, 2, 5]


def test_its_layers_are_rebuilt_from_their_configuration():
    image = keras.Input((4, 4, 6))
    model = keras.Model(image, ChannelSlice(1, 5)(ChannelShuffle(3)(image)))
    twin = keras.Model.from_config(model.get_config())
    x = np.broadcast_to(np.arange(6, dtype=np.float32), (1, 4, 4, 6))
    assert np.asarray(twin(x))[0, 0, 0].tolist() == [2, 4, 1, 3]
