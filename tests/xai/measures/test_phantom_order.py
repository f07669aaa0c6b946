"""On phantoms the truth is known: measures must rank the outline over Grad-CAM over noise, in the mean and by
more than the interval of the difference."""

import numpy as np
import pytest

from models.data.phantoms import phantom
from models.engines import open_engine
from models.evaluation.intervals import percentile_interval, resampled_weights
from models.inputs import Placement
from models.runs import find_run
from tests.xai.fakes import study_of
from xai.explain import explain_study
from xai.measures.faithfulness import blur_test, insertion
from xai.measures.localisation import localise

CASES, SEED = 6, 20_000  # training used seed 1
LOCALISATION = ("iou", "iou_otsu", "dice", "energy", "average_precision")
FAITHFULNESS = ("insertion", "blur drop", "share beaten")


@pytest.fixture(scope="module")
def measured():
    """{map: {measure: float64 [cases]}} of the shipped ultrasound run on phantoms drawn anew."""
    run = find_run("phantom-ultrasound")
    engine = open_engine(run, "onnx")
    rows = {"truth": [], "grad-cam": [], "noise": []}
    for index in range(CASES):
        drawn = phantom("ultrasound", SEED, index, label=run.positive)
        study = study_of(np.repeat(drawn.image[..., None], 3, axis=2), synthetic=True)
        joint = explain_study(study, run, engine, run.positive).joint
        tensor, placement = run.inputs.tensor(study).tensor, joint.placement
        noise = np.random.default_rng(index).random(joint.grid, dtype=np.float32)
        natives = {
            "truth": drawn.mask.astype(np.float32),
            "grad-cam": joint.native(),
            "noise": placement.to_native(noise),
        }
        for name, native in natives.items():
            found = localise(native, drawn.mask)
            rows[name].append({measure: getattr(found, measure) for measure in LOCALISATION})
        whole = Placement.fitting(placement.input, placement.input)

        def margin(images):
            return engine.predict(images).logits[:, 0]

        for name, grid in (("grad-cam", joint.map.values), ("noise", noise)):
            heat, inside = whole.to_native(grid), placement.content()
            blur = blur_test(tensor, heat, margin, draws=5, inside=inside)
            back = insertion(tensor, heat, margin, steps=4, inside=inside).area
            rows[name][-1] |= {"insertion": back, "blur drop": blur.drop, "share beaten": blur.share_beaten}
    return {
        name: {measure: np.array([row[measure] for row in found]) for measure in found[0]}
        for name, found in rows.items()
    }


def least_difference(better, worse):
    """The lower end of the 95 % interval of a paired mean difference."""
    difference = better - worse
    weights = np.concatenate(list(resampled_weights(np.zeros(len(difference), int), None)))
    drawn = (weights @ difference) / weights.sum(axis=1)
    return percentile_interval(drawn, float(difference.mean()))[0]


@pytest.mark.parametrize("measure", LOCALISATION)
def test_localisation_ranks_the_outline_over_grad_cam_over_noise(measured, measure):
    truth, cam, noise = (measured[name][measure] for name in ("truth", "grad-cam", "noise"))
    assert least_difference(truth, cam) > 0.02
    assert least_difference(cam, noise) > 0.1


@pytest.mark.parametrize("measure", FAITHFULNESS)
def test_faithfulness_ranks_grad_cam_over_noise(measured, measure):
    """Not the outline over Grad-CAM: these ask what the network uses, which need not be the whole lesion."""
    assert least_difference(measured["grad-cam"][measure], measured["noise"][measure]) > 0.1
