"""Deletion, insertion, average drop and increase in confidence are those of Xplique 2.0.2.

Its values were stored by tests/golden/make_xplique.py; the network there is Keras', here it is numpy.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.golden.perturbed import STEPS, perturbed
from xai.measures.faithfulness import deletion, insertion, kept

GOLDEN = json.loads((Path(__file__).resolve().parents[2] / "golden" / "xplique.json").read_text())
FIXED = perturbed()


def score_of(label):
    def predict(images):
        patches = np.lib.stride_tricks.sliding_window_view(images[..., 0], (3, 3), axis=(1, 2))[:, ::2, ::2]
        maps = np.maximum(np.einsum("nijab,abk->nijk", patches, FIXED.kernel[:, :, 0]) + FIXED.bias, 0)
        logits = maps.mean(axis=(1, 2)) @ FIXED.dense
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (odds / odds.sum(axis=1, keepdims=True))[:, label]

    return predict


@pytest.mark.parametrize("case", [0, 1])
@pytest.mark.parametrize("baseline", ["black", "mean", "blur"])
def test_the_curves_are_xpliques(case, baseline):
    image, heat = FIXED.images[case][None], FIXED.maps[case]
    predict = score_of(FIXED.targets[case])
    for name, measure in (("deletion", deletion), ("insertion", insertion)):
        theirs, ours = GOLDEN[case][f"{name} {baseline}"], measure(image, heat, predict, baseline, STEPS)
        np.testing.assert_allclose(ours.shares * heat.size, theirs["pixels"])
        np.testing.assert_allclose(ours.values, theirs["values"], rtol=1e-4)
        assert ours.area == pytest.approx(theirs["area"], rel=1e-4)


def test_what_is_kept_is_xpliques():
    drops = []
    for case, theirs in enumerate(GOLDEN):
        found = kept(FIXED.images[case][None], FIXED.maps[case], score_of(FIXED.targets[case]))
        assert found.full == pytest.approx(theirs["score"], rel=1e-4)
        assert found.drop == pytest.approx(theirs["average_drop"], rel=1e-3)
        assert float(found.increase) == theirs["increase"]
        drops.append(found.drop)
    # The two cases tell a drop from an increase.
    assert drops[0] == 0 < 0.2 < drops[1]
