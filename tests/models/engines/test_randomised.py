"""A run with random weights, layer by layer from the top: what is shuffled and what stays."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from models.engines import open_engine
from models.engines.randomised import STAGES, Cascade, layers_of, randomised_engine
from models.errors import BadInput
from models.runs import find_run

RUN = find_run("busi-squeezenet")


def weights(model):
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


@pytest.fixture(scope="module")
def tensor():
    size = RUN.card.input
    shape = (1, size.height, size.width, size.channels)
    return np.random.default_rng(0).random(shape, dtype=np.float32)


@pytest.fixture
def shuffled(monkeypatch):
    """The models a cascade would compile, in the order it does."""
    found = []

    def keep(content):
        found.append(onnx.load_from_string(content))
        return None

    monkeypatch.setattr("models.engines.randomised.compile_onnxruntime", keep)
    return found


def sorted_bits(values):
    """The same for the same numbers in any order; half precision itself sorts slowly."""
    return np.sort(values.ravel().view(f"u{values.itemsize}"))


def changed_layers(before, after):
    return {name.rpartition("/")[0] for name in before if not np.array_equal(before[name], after[name])}


def test_a_stage_shuffles_the_uppermost_layers_and_no_other(shuffled):
    cascade, file = Cascade(RUN), RUN.trunk_files[RUN.branches[0].trunk]
    plain = onnx.load(file)
    layers, before = layers_of(plain), weights(plain)
    assert layers[0] == "squeezenet_adapter" and "fire9" in layers[-1] and len(layers) == 26
    for part, lowest in ((0.0, 26), (0.25, 20), (0.5, 13), (1.0, 0)):
        cascade._trunk(0, part)
        after = weights(shuffled.pop())
        # A bias may hold nothing but equal numbers, so a layer may look the same; none below may differ.
        changed = changed_layers(before, after)
        assert changed <= set(layers[lowest:]) and len(changed) >= len(layers[lowest:]) - 1
        for name, values in before.items():
            assert values.dtype == after[name].dtype and values.shape == after[name].shape
            np.testing.assert_array_equal(sorted_bits(values), sorted_bits(after[name]))


def test_a_head_loses_what_it_learned_and_keeps_its_arithmetic(shuffled):
    for run, gone in (
        (
            find_run("phantom-ultrasound"),
            {"dense1/kernel", "dense1/bias", "dense2/kernel", "dense2/bias", "dense3/kernel"},
        ),
        (find_run("busi-frozen-svm"), {"head/coefficients"}),
        (find_run("busi-frozen-bayes"), {"head/centres", "head/precisions"}),
        (find_run("busi-frozen-logistic"), {"head/coefficients"}),
    ):
        before = weights(onnx.load(run.head_file))
        _ = Cascade(run)._head
        after = weights(shuffled.pop())
        # The scale of the features, margins and shapes stay.
        assert {name for name in before if not np.array_equal(before[name], after[name])} == gone


def test_the_same_seed_gives_the_same_network_and_each_stage_another(tensor):
    plain = open_engine(RUN, "onnxruntime").predict(tensor).logits
    logits = {stage: engine.predict(tensor).logits for stage, engine in Cascade(RUN, 7).engines()}
    assert tuple(logits) == STAGES
    assert len({values.tobytes() for values in (plain, *logits.values())}) == 1 + len(STAGES)
    again = randomised_engine(RUN, "last half", 7).predict(tensor).logits
    np.testing.assert_array_equal(again, logits["last half"])
    assert not np.array_equal(randomised_engine(RUN, "head", 8).predict(tensor).logits, logits["head"])
    # The run's own engine, whose trunk is shared by the whole process, is left as it was.
    np.testing.assert_array_equal(open_engine(RUN, "onnxruntime").predict(tensor).logits, plain)


def test_what_cannot_be_randomised_is_refused():
    with pytest.raises(BadInput, match="without weights"):
        Cascade(find_run("busi-light-hybrid-folds"))
    with pytest.raises(ValueError, match="choose one of head"):
        Cascade(RUN).engine("tail")
