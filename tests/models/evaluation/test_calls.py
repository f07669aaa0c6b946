"""Verdicts without resamples: matrix and shares as with them, and cases in the order of their errors."""

import numpy as np
import pytest

from models.errors import BadInput
from models.evaluation import Predictions
from models.evaluation.calls import ORDERS, calls, shares
from models.evaluation.evidence import gather


def predictions(p, labels, classes=("other", "malignant")) -> Predictions:
    p = np.asarray(p, float)
    p = np.stack([1 - p, p], axis=1) if p.ndim == 1 else p
    names = [f"c{i}" for i in range(len(p))]
    return Predictions(classes, names, names, names, ["test"] * len(p), labels, p)


#         0    1    2    3    4     5    6
P = [0.9, 0.5, 0.4, 0.1, 0.45, 0.8, 0.2]
TRUE = [1, 1, 1, 1, 0, 0, 0]


@pytest.mark.parametrize("label", [None, "a", "b", "c"])
def test_same_as_with_resamples(label):
    rng = np.random.default_rng(0)
    evidence = gather(
        predictions(rng.dirichlet([1, 1, 1], 60), rng.integers(3, size=60), ("a", "b", "c")), positive="b"
    )
    quick, slow = calls(evidence, 0.4, label), evidence.at(0.4, label)
    assert quick.counts == slow.counts.tolist()
    assert quick.classes == slow.classes
    found = shares(evidence, quick)
    assert found == {name: slow.metrics[name] for name in found}
    assert set(found) == (
        {"accuracy"} if label is None else {"sensitivity", "specificity", "ppv", "npv", "accuracy"}
    )


def test_orders_of_two_classes():
    found = calls(gather(predictions(P, TRUE)), 0.5)
    # Missed: 3 (0.1) and 2 (0.4), the surer first; then the false alarm 5. Case 1 is called at its threshold.
    assert found.ordered("missed first").tolist() == [3, 2, 5]
    # Sureness: case 3 (0.5 - 0.1) / 0.5 = 0.8, case 5 (0.8 - 0.5) / 0.5 = 0.6, case 2 0.2.
    assert found.ordered("most confident wrong").tolist() == [3, 5, 2]
    assert found.sureness[[3, 5, 2]] == pytest.approx([0.8, 0.6, 0.2])
    assert found.ordered("most uncertain").tolist()[:3] == [1, 4, 2]


def test_sureness_is_a_share_of_the_way_on_either_side():
    found = calls(gather(predictions([0.0, 0.1, 0.6, 1.0], [0, 0, 1, 1])), 0.2)
    assert found.sureness == pytest.approx([1, 0.5, 0.5, 1])


def test_a_cell_holds_right_verdicts_too_and_a_row_or_column_wrong_ones():
    found = calls(gather(predictions(P, TRUE)), 0.5)
    assert found.ordered("missed first", "malignant", "malignant").tolist() == [0, 1]
    assert found.ordered("missed first", "other", "malignant").tolist() == [5]
    assert found.ordered("missed first", "malignant").tolist() == [3, 2]
    assert sorted(found.ordered("most uncertain", called="other").tolist()) == [2, 3, 4, 6]
    with pytest.raises(BadInput, match="no class 'cyst'"):
        found.ordered(ORDERS[0], "cyst")


def test_of_several_classes_the_positive_one_is_missed_first():
    p = [[0.8, 0.1, 0.1], [0.5, 0.4, 0.1], [0.3, 0.6, 0.1], [0.45, 0.15, 0.4]]
    found = calls(gather(predictions(p, [1, 1, 0, 2], ("a", "b", "c")), positive="b"))
    assert found.called.tolist() == [0, 0, 1, 0]
    assert found.sureness == pytest.approx([0.7, 0.1, 0.3, 0.05])
    assert found.ordered("missed first").tolist() == [0, 1, 2, 3]
    assert found.ordered("most confident wrong").tolist() == [0, 2, 1, 3]


def test_a_threshold_is_a_number():
    with pytest.raises(BadInput, match="has to be a number"):
        calls(gather(predictions(P, TRUE)), float("nan"))
