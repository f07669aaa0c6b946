"""Grad-CAM by a second implementation: tf-keras-vis 0.8.7, per branch, on the flat shipped hybrid.

Its maps are compared on the native grid, neither expanded nor normalised; it rectifies, so ours are rectified
too.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from models.data.phantoms import phantom
from models.inputs import InputSpec

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def network():
    from models.networks.rebuild import rebuild
    from models.runs import find_run

    return rebuild(find_run("busi-hybrid"))


@pytest.mark.parametrize("branch", [pytest.param("densenet121", marks=pytest.mark.slow), "squeezenet"])
def test_each_branch_equals_tf_keras_vis(network, branch):
    """For and against malignant: what speaks against it is lost to one rectified map and seen in the
    other."""
    import keras
    from tf_keras_vis.gradcam import Gradcam

    unit = phantom("ultrasound", 31, 0, label="malignant").image.astype(np.float32) / 255.0
    tensor = InputSpec().array(unit).tensor
    layer = next(b.layer for b in network.branches if b.name == branch)
    second = Gradcam(keras.Model(network.model.input, network.model.output["logits"]), clone=False)
    out = network.model(tensor)
    activations, weights = (
        np.asarray(out[f"{kind}_{branch}"])[0] for kind in ("activations", "channel_weights")
    )
    peaks = []
    for sign, index in ((1.0, 1), (-1.0, 0)):
        theirs = second(
            lambda output, sign=sign: sign * output[:, 0],
            tensor,
            penultimate_layer=layer,
            seek_penultimate_conv_layer=False,
            expand_cam=False,
            normalize_cam=False,
        )
        ours = np.maximum(activations @ weights[index], 0.0)
        theirs = np.asarray(theirs).reshape(ours.shape)
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-4 * max(ours.max(), theirs.max()))
        peaks.append(ours.max())
    assert max(peaks) > 0
