"""The published systems' own confusion matrices through our metrics, to the printed digits; and where a paper
contradicts itself, by which of its own figures.

Figures are typed in from the papers. Where a paper prints no matrix, the only one that gives all of its
printed figures was searched for.
"""

import numpy as np
import pytest

from models.evaluation.counting import matrix_metrics
from models.evaluation.metric_table import evaluate
from models.evaluation.screening import at_prevalence
from models.evaluation.verdicts import verdicts_of


def measured(tp: int, fn: int, fp: int, tn: int) -> dict[str, float]:
    """The metrics of that many cases, one by one through `evaluate`."""
    labels = np.repeat([1, 1, 0, 0], [tp, fn, fp, tn])
    called = np.repeat([1.0, 0.0, 1.0, 0.0], [tp, fn, fp, tn])
    table = evaluate(
        labels, np.stack([1 - called, called], axis=1), classes=("other", "malignant"), resamples=2
    )
    return {name: metric["value"] for name, metric in table.items()}


def printed_alike(value: float, printed: float, digits: int) -> bool:
    return abs(value - printed) <= 0.5 * 10**-digits + 1e-9


# --- Thesis 2025, mammography and ultrasound merged, 710 test images: TP, FN, FP, TN and the printed figures.
THESIS = {
    "CustomCNN": ((231, 70, 100, 309), {"accuracy": 0.761, "ppv": 0.698}),
    "MobileNetV3": ((248, 53, 27, 382), {"accuracy": 0.887, "ppv": 0.902, "sensitivity": 0.824}),
    "ShuffleNetV2": ((269, 32, 80, 329), {"accuracy": 0.842, "ppv": 0.771, "sensitivity": 0.894}),
}


@pytest.mark.parametrize("system", THESIS)
def test_the_thesis_where_it_agrees_with_itself(system):
    matrix, printed = THESIS[system]
    assert sum(matrix) == 710
    found = measured(*matrix)
    for name, value in printed.items():
        assert printed_alike(found[name], value, 3), name


def test_where_the_thesis_contradicts_itself():
    custom = measured(*THESIS["CustomCNN"][0])
    # Printed: sensitivity 0.768 and F1 0.732. Its own matrix gives 0.767 and 0.731.
    assert (round(custom["sensitivity"], 3), round(custom["f1"], 3)) == (0.767, 0.731)
    # Nor is 0.732 the F1 of the printed precision and sensitivity.
    assert round(2 * 0.698 * 0.768 / (0.698 + 0.768), 3) == 0.731
    # DenseNet121: the matrix has 647 cases of 710 and an accuracy of 0.870, not the printed 0.882. With 381
    # for 318 among the true negatives, two digits exchanged, both come right.
    assert 245 + 56 + 28 + 318 == 647
    assert round(measured(245, 56, 28, 318)["accuracy"], 3) == 0.870
    assert 245 + 56 + 28 + 381 == 710
    assert round(measured(245, 56, 28, 381)["accuracy"], 3) == 0.882
    # MobileNetV3: the table prints 0.882 for all figures, the matrix gives four different ones.
    mobile = measured(*THESIS["MobileNetV3"][0])
    assert {round(mobile[name], 3) for name in ("accuracy", "ppv", "sensitivity", "f1")} == {
        0.887,
        0.902,
        0.824,
        0.861,
    }


def test_the_hybrid_of_2024():
    # "1600/50/53/2297": the printed 0.98 for precision, recall and F1 are those of the class of 2,350 cases.
    found = measured(2297, 53, 50, 1600)
    assert [round(found[name], 2) for name in ("ppv", "sensitivity", "f1")] == [0.98, 0.98, 0.98]
    other = measured(1600, 50, 53, 2297)
    assert [round(other[name], 2) for name in ("ppv", "sensitivity", "f1")] == [0.97, 0.97, 0.97]
    # The printed accuracy is 0.9791; the matrix gives 0.9743, and no number of 4,000 cases gives 0.9791.
    assert found["accuracy"] == pytest.approx(0.97425)
    assert not [right for right in range(4001) if printed_alike(right / 4000, 0.9791, 4)]


def test_the_three_classes_of_2024():
    # 117 cases: 65 benign right and 1 called normal; 29 malignant right and 2 called benign; 20 normal right.
    matrix = np.array([[65, 0, 1], [2, 29, 0], [0, 0, 20]])
    truth = np.repeat(np.repeat(np.arange(3), 3), matrix.ravel())
    called = np.repeat(np.tile(np.arange(3), 3), matrix.ravel())
    found = verdicts_of(
        truth,
        called,
        matrix[None],
        classes=("benign", "malignant", "normal"),
        groups=np.arange(len(truth)),
    )
    assert found.counts.tolist() == matrix.tolist() and matrix.sum() == 117
    # Printed: 0.97. The text's 0.99 is not to be had: three of 117 are wrong.
    assert round(found.metrics["accuracy"]["value"], 2) == 0.97
    assert found.metrics["sensitivity"]["value"] == pytest.approx((65 / 66 + 29 / 31 + 1) / 3)


# --- Comparative report 2025 (the portal): accuracy, precision, sensitivity, F1 as printed, then the one
# matrix (TP, FN, FP, TN) that gives all four; every network of a test set has the same number of positives.
PORTAL = {
    ("mammography", "ResNet50", "unfrozen"): ((0.9782, 0.9227, 0.9078, 0.9152), (394, 40, 33, 2887)),
    ("mammography", "VGG19", "unfrozen"): ((0.9672, 0.8750, 0.8710, 0.8730), (378, 56, 54, 2866)),
    ("mammography", "DenseNet121", "unfrozen"): ((0.9714, 0.8789, 0.9032, 0.8909), (392, 42, 54, 2866)),
    ("mammography", "ResNet50", "progressive"): ((0.9640, 0.8548, 0.8692, 0.8619), (565, 85, 96, 4284)),
    ("mammography", "VGG16", "progressive"): ((0.9559, 0.8664, 0.7785, 0.8201), (506, 144, 78, 4302)),
    ("mammography", "DenseNet121", "progressive"): ((0.9372, 0.7850, 0.7077, 0.7443), (460, 190, 126, 4254)),
    ("ultrasound", "ResNet50", "unfrozen"): ((0.9897, 0.9895, 0.9895, 0.9895), (660, 7, 7, 679)),
    ("ultrasound", "VGG16", "unfrozen"): ((0.9534, 0.9254, 0.9850, 0.9542), (657, 10, 53, 633)),
    ("ultrasound", "DenseNet121", "unfrozen"): ((0.9897, 0.9939, 0.9850, 0.9895), (657, 10, 4, 682)),
    ("ultrasound", "ResNet50", "progressive"): ((0.9889, 0.9985, 0.9790, 0.9886), (653, 14, 1, 685)),
    ("ultrasound", "VGG16", "progressive"): ((0.9867, 0.9924, 0.9805, 0.9864), (654, 13, 5, 681)),
    ("ultrasound", "DenseNet121", "progressive"): ((0.9882, 0.9895, 0.9865, 0.9880), (658, 9, 7, 679)),
    ("histopathology", "ResNet50", "unfrozen"): ((0.8990, 0.8695, 0.9387, 0.9028), (2253, 147, 338, 2062)),
    ("histopathology", "DenseNet121", "unfrozen"): ((0.8954, 0.8719, 0.9271, 0.8986), (2225, 175, 327, 2073)),
    ("histopathology", "VGG16", "unfrozen"): ((0.8912, 0.8659, 0.9258, 0.8949), (2222, 178, 344, 2056)),
    ("histopathology", "ResNet50", "progressive"): ((0.8712, 0.8456, 0.9083, 0.8759), (2180, 220, 398, 2002)),
    ("histopathology", "VGG16", "progressive"): ((0.8571, 0.8229, 0.9100, 0.8643), (2184, 216, 470, 1930)),
    ("histopathology", "DenseNet121", "progressive"): (
        (0.8481, 0.8257, 0.8825, 0.8532),
        (2118, 282, 447, 1953),
    ),
}
TEST_SETS = {
    ("mammography", "unfrozen"): (3354, 434),
    ("mammography", "progressive"): (5030, 650),
    ("ultrasound", "unfrozen"): (1353, 667),
    ("ultrasound", "progressive"): (1353, 667),
    ("histopathology", "unfrozen"): (4800, 2400),
    ("histopathology", "progressive"): (4800, 2400),
}


@pytest.mark.parametrize("system", PORTAL, ids=" ".join)
def test_all_18_systems_of_the_portal_to_the_fourth_digit(system):
    printed, matrix = PORTAL[system]
    assert (sum(matrix), matrix[0] + matrix[1]) == TEST_SETS[system[0], system[2]]
    found = measured(*matrix)
    for name, value in zip(("accuracy", "ppv", "sensitivity", "f1"), printed, strict=True):
        assert printed_alike(found[name], value, 4), name


# --- Tomography 2024 10 2038: accuracy, precision, sensitivity, specificity, NPV, kappa as printed.
TOMOGRAPHY = {
    "EfficientNetB0+LR": (0.713, 0.665, 0.783, 0.676, 0.768, 0.428),
    "EfficientNetB0+NB": (0.601, 0.564, 0.648, 0.561, 0.645, 0.207),
    "EfficientNetB0+SVM": (0.769, 0.790, 0.781, 0.754, 0.743, 0.534),
    "InceptionV3+LR": (0.664, 0.662, 0.700, 0.632, 0.667, 0.328),
    "InceptionV3+NB": (0.632, 0.569, 0.691, 0.585, 0.705, 0.270),
    "InceptionV3+SVM": (0.726, 0.751, 0.742, 0.707, 0.697, 0.449),
    "MobileNetV2+LR": (0.666, 0.870, 0.639, 0.742, 0.429, 0.308),
    "MobileNetV2+NB": (0.640, 0.543, 0.717, 0.587, 0.752, 0.289),
    "MobileNetV2+SVM": (0.743, 0.760, 0.762, 0.722, 0.725, 0.484),
    "ResNet101+LR": (0.642, 0.655, 0.730, 0.679, 0.627, 0.284),
    "ResNet101+NB": (0.593, 0.525, 0.649, 0.550, 0.671, 0.194),
    "ResNet101+SVM": (0.749, 0.759, 0.771, 0.726, 0.738, 0.497),
    "ResNet50+LR": (0.669, 0.602, 0.790, 0.657, 0.746, 0.344),
    "ResNet50+NB": (0.617, 0.544, 0.679, 0.570, 0.701, 0.241),
    "ResNet50+SVM": (0.743, 0.758, 0.763, 0.721, 0.727, 0.484),
    "EfficientNetB0+ADAM": (0.649, 0.496, 0.803, 0.596, 0.826, 0.314),
    "EfficientNetB0+RMSprop": (0.692, 0.616, 0.777, 0.644, 0.781, 0.390),
    "EfficientNetB0+SGDM": (0.820, 0.742, 0.906, 0.754, 0.911, 0.644),
    "InceptionV3+ADAM": (0.614, 0.530, 0.681, 0.566, 0.711, 0.236),
    "InceptionV3+RMSprop": (0.512, 0.667, 0.537, 0.463, 0.333, 0.010),
    "InceptionV3+SGDM": (0.611, 0.740, 0.633, 0.649, 0.462, 0.205),
    "MobileNetV2+ADAM": (0.639, 0.414, 0.832, 0.574, 0.899, 0.302),
    "MobileNetV2+RMSprop": (0.651, 0.423, 0.869, 0.582, 0.916, 0.327),
    "MobileNetV2+SGDM": (0.669, 0.606, 0.764, 0.632, 0.742, 0.343),
    "ResNet101+ADAM": (0.568, 0.653, 0.603, 0.535, 0.471, 0.122),
    "ResNet101+RMSprop": (0.499, 0.808, 0.517, 0.305, 0.142, 0.020),
    "ResNet101+SGDM": (0.618, 0.546, 0.678, 0.573, 0.701, 0.243),
    "ResNet50+ADAM": (0.618, 0.433, 0.757, 0.560, 0.831, 0.256),
    "ResNet50+RMSprop": (0.623, 0.409, 0.789, 0.560, 0.872, 0.271),
    "ResNet50+SGDM": (0.612, 0.463, 0.709, 0.559, 0.784, 0.240),
    "CNN17 25/32": (0.946, 0.954, 0.976, 0.946, 0.976, 0.890),
    "CNN17 25/64": (0.964, 0.970, 0.976, 0.964, 0.973, 0.927),
    "CNN17 30/32": (0.957, 0.984, 0.988, 0.979, 0.988, 0.915),
    "CNN17 30/64": (0.962, 0.976, 0.972, 0.971, 0.968, 0.925),
}
# Whose six figures fit together; the other rows contradict themselves however they are read.
CONSISTENT = (
    "EfficientNetB0+NB", "EfficientNetB0+SVM", "InceptionV3+NB", "InceptionV3+SVM", "MobileNetV2+NB",
    "MobileNetV2+SVM", "ResNet101+NB", "ResNet101+SVM", "ResNet50+NB", "ResNet50+SVM", "EfficientNetB0+SGDM",
    "ResNet101+SGDM", "ResNet50+RMSprop",
)  # fmt: skip
# The same but for kappa, which is printed 0.001 or more away.
BUT_FOR_KAPPA = ("InceptionV3+ADAM", "InceptionV3+RMSprop")
PREVALENCES = np.linspace(0.02, 0.98, 1921)


def fitting(figures, names=("accuracy", "ppv", "npv", "kappa")):
    """The shares of malignant images at which these metrics of ours have the printed digits, for some
    sensitivity and specificity that round to the printed ones; (low, high) or None."""
    accuracy, ppv, sensitivity, specificity, npv, kappa = figures
    wanted = {"accuracy": accuracy, "ppv": ppv, "npv": npv, "kappa": kappa}
    within = np.linspace(-5e-4, 5e-4, 9)
    s, c, p = np.meshgrid(sensitivity + within, specificity + within, PREVALENCES, indexing="ij")
    # Only what has about the right accuracy is worth measuring.
    near = np.abs(s * p + c * (1 - p) - accuracy) < 1e-3
    s, c, p = s[near], c[near], p[near]
    cells = np.stack([c * (1 - p), (1 - c) * (1 - p), (1 - s) * p, s * p], axis=-1)
    found = matrix_metrics(cells.reshape(-1, 2, 2), 1)
    fits = np.all([np.abs(found[name] - wanted[name]) <= 5e-4 + 1e-9 for name in names], axis=0)
    at = p[fits]
    return (at.min(), at.max()) if len(at) else None


def exchanged(figures):
    """Precision read as sensitivity and the reverse, and NPV as specificity and the reverse."""
    accuracy, ppv, sensitivity, specificity, npv, kappa = figures
    return accuracy, sensitivity, ppv, npv, specificity, kappa


def test_thirteen_systems_of_tomography_agree_with_themselves():
    as_printed = {name: fitting(TOMOGRAPHY[name]) for name in CONSISTENT}
    turned = {name: fitting(exchanged(TOMOGRAPHY[name])) for name in CONSISTENT}
    assert all(as_printed.values()) and all(turned.values())
    # All were tested on one set. As printed, its share of malignant images would be 0.28 to 0.54 ...
    assert max(low for low, _ in as_printed.values()) > 0.54
    assert min(high for _, high in as_printed.values()) < 0.28
    # ... with precision and sensitivity exchanged (and specificity and NPV), it is 0.535 to 0.538 for all.
    assert min(low for low, _ in turned.values()) > 0.534
    assert max(high for _, high in turned.values()) < 0.539
    # The two predictive values come out of the other code, for screening, as well.
    for name in CONSISTENT:
        _, ppv, sensitivity, specificity, npv, _ = exchanged(TOMOGRAPHY[name])
        share = {"low": 0.5, "high": 0.9, "n": 1000}
        told = at_prevalence(
            {"value": sensitivity, **share}, {"value": specificity, **share}, sum(turned[name]) / 2
        )
        assert told.ppv["value"] == pytest.approx(ppv, abs=1.5e-3)
        assert told.npv["value"] == pytest.approx(npv, abs=1.5e-3)


@pytest.mark.parametrize("name", BUT_FOR_KAPPA)
def test_two_systems_of_tomography_agree_but_for_kappa(name):
    figures = exchanged(TOMOGRAPHY[name])
    low, high = fitting(figures, ("accuracy", "ppv", "npv"))
    assert 0.534 < low < high < 0.539
    assert fitting(figures) is None and fitting(TOMOGRAPHY[name]) is None


@pytest.mark.parametrize("name", [name for name in TOMOGRAPHY if name not in CONSISTENT + BUT_FOR_KAPPA])
def test_nineteen_systems_of_tomography_contradict_themselves(name):
    """No share of malignant images gives accuracy, precision and NPV from sensitivity and specificity,
    whichever way the columns are read."""
    for figures in (TOMOGRAPHY[name], exchanged(TOMOGRAPHY[name])):
        assert fitting(figures, ("accuracy", "ppv", "npv")) is None


def test_accuracies_that_lie_outside_their_sensitivity_and_specificity():
    """An accuracy is a mean of the two, so it lies between them: the four 17-layer networks' do so in neither
    reading, and two others' not as printed."""

    def outside(figures):
        accuracy, _, sensitivity, specificity, _, _ = figures
        low, high = sorted((sensitivity, specificity))
        return not low - 1e-3 < accuracy < high + 1e-3

    assert [name for name in TOMOGRAPHY if outside(TOMOGRAPHY[name])] == [
        "ResNet101+LR",
        "InceptionV3+SGDM",
        "CNN17 30/32",
        "CNN17 30/64",
    ]
    assert [name for name in TOMOGRAPHY if outside(exchanged(TOMOGRAPHY[name]))] == [
        "CNN17 25/32",
        "CNN17 25/64",
        "CNN17 30/32",
        "CNN17 30/64",
    ]
    # 25/32 and 25/64: accuracy and specificity are equal, sensitivity is not: nobody would be malignant.
    for name in ("CNN17 25/32", "CNN17 25/64"):
        accuracy, _, sensitivity, specificity, _, _ = TOMOGRAPHY[name]
        assert accuracy == specificity < sensitivity
