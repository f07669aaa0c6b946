"""On phantoms the truth is known: the shipped runs' maps have to find the lesion, not only the label."""

import numpy as np
import pytest

from models.data.phantoms import phantom
from models.engines import open_engine
from models.runs import find_run
from models.study import read_study
from xai.explain import explain_study
from xai.export import png_bytes

HELD_OUT_SEED, CASES = 20_000, 40  # training used seed 1, the samples 9001


@pytest.mark.parametrize(
    ("modality", "drawn_as", "positive"),
    [
        ("ultrasound", "malignant", "malignant"),
        ("mammography", "malignant", "mass"),
        ("histopathology", "idc", "idc"),
    ],
)
def test_the_joint_maps_peak_falls_into_the_lesion_of_held_out_phantoms(modality, drawn_as, positive):
    run = find_run(f"phantom-{modality}")
    engine = open_engine(run, "onnx")
    hits = called = 0
    for index in range(CASES):
        drawn = phantom(modality, HELD_OUT_SEED, index, label=drawn_as)
        rgb = drawn.image if drawn.image.ndim == 3 else np.repeat(drawn.image[..., None], 3, axis=2)
        study = read_study(png_bytes(rgb), "phantom.png", modality=modality, synthetic=True)
        result = explain_study(study, run, engine, positive, mask=drawn.mask)
        hits += result.measures.pointing
        called += result.reading.label == positive
    assert hits >= 0.85 * CASES, f"{hits} of {CASES} peaks inside"
    assert called >= 0.85 * CASES, f"{called} of {CASES} called {positive}"
