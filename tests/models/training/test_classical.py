"""Fitted classifiers decide as scikit-learn does, from the numbers in their heads and in their files."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from models.engines.onnx import compile_model
from models.errors import BadInput

pytest.importorskip("keras")

from models.networks.onnx_head import export_head
from models.training.classical import fit_classifier

pytestmark = pytest.mark.tf

CHANNELS, CELLS = (20, 12), (49, 16)


def cases(classes, n=90, seed=0):
    """Overlapping clouds of unlike widths and sizes; one feature never varies."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, n, p=np.arange(1, classes + 1) / sum(range(1, classes + 1)))
    centres = rng.normal(0, 0.6, (classes, sum(CHANNELS)))
    features = centres[labels] + rng.normal(0, 1, (n, sum(CHANNELS))) * (1 + 0.3 * labels[:, None])
    features = features * rng.uniform(0.01, 5, sum(CHANNELS)) + 2
    features[:, 3] = 0.25
    return features.astype(np.float32), labels


def parts(features):
    return np.split(features, np.cumsum(CHANNELS)[:-1], axis=1)


def theirs(kind, features, labels):
    """New features -> decision values [n, L] for the positive, last class or for every class, by
    scikit-learn's own pipeline."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    scaler = StandardScaler().fit(features.astype(np.float64))
    x = scaler.transform(features.astype(np.float64))
    if kind == "logistic":
        decide = LogisticRegression(C=1.0, tol=1e-8, max_iter=10_000).fit(x, labels).decision_function
    elif kind == "svm":
        machine = SVC(C=1.0, gamma=1 / x.shape[1])
        model = machine if labels.max() == 1 else OneVsRestClassifier(machine)
        decide = model.fit(x, labels).decision_function
    else:
        joint = GaussianNB().fit(x, labels).predict_joint_log_proba
        decide = joint if labels.max() > 1 else lambda z: np.diff(joint(z), axis=1)
    return lambda new: decide(scaler.transform(new.astype(np.float64))).reshape(len(new), -1)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", ["logistic", "svm", "bayes"])
def test_the_decision_is_scikit_learns(kind, classes, tmp_path):
    features, labels = cases(classes)
    new = cases(classes, 30, seed=1)[0]
    head = fit_classifier(kind, features, labels, classes, classes - 1, CHANNELS, CELLS, seed=3)
    expected = theirs(kind, features, labels)(new)
    tolerance = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(head(parts(new))[0], expected, rtol=0, atol=tolerance)
    path = tmp_path / "head.onnx"
    path.write_bytes(export_head(head, tuple(zip("ab", CHANNELS, strict=True))))
    pooled = {f"pooled_{name}": part for name, part in zip("ab", parts(new), strict=True)}
    stored = compile_model(path, "onnxruntime").call(pooled)["logits"]
    np.testing.assert_allclose(stored, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", ["logistic", "svm", "bayes"])
def test_channel_weights_are_finite_differences_of_scikit_learns_margins(kind, classes):
    features, labels = cases(classes)
    x = cases(classes, 1, seed=2)[0]
    head = fit_classifier(kind, features, labels, classes, classes - 1, CHANNELS, CELLS)
    weights = np.concatenate(
        [np.asarray(w)[0] * cells for w, cells in zip(head(parts(x))[1:], CELLS, strict=True)], axis=1
    )
    deviation = features.astype(np.float64).std(axis=0)
    deviation[3] = 1
    decision = theirs(kind, features, labels)
    for feature in (0, 7, 25, 31):
        step = np.zeros((1, sum(CHANNELS)))
        step[0, feature] = 1e-3 * deviation[feature]
        high, low = (decision(x.astype(np.float64) + s)[0] for s in (step, -step))
        slope = (high - low) / (2 * step[0, feature])
        slope = np.array([-slope[0], slope[0]]) if classes == 2 else slope - (slope.sum() - slope) / 2
        scale = np.abs(weights * deviation).max() / deviation[feature]
        np.testing.assert_allclose(weights[:, feature], slope, rtol=0, atol=2e-4 * scale)


def test_balanced_classes_count_alike():
    features, labels = cases(2)
    assert np.mean(labels == 0) < 0.45

    def called_rare(balanced):
        head = fit_classifier("bayes", features, labels, 2, 1, CHANNELS, CELLS, balanced=balanced)
        return np.asarray(head(parts(features))[0])[:, 0]

    # Equal priors instead of the shares move every log ratio by the same amount, towards the rare class.
    share = np.mean(labels == 1)
    np.testing.assert_allclose(
        called_rare(False) - called_rare(True), np.log(share / (1 - share)), rtol=0, atol=1e-4
    )


def test_a_classifier_without_a_closed_form_is_refused():
    features, labels = cases(2)
    with pytest.raises(BadInput, match=r"'forest'.*only logistic regression.*closed-form gradient"):
        fit_classifier("forest", features, labels, 2, 1, CHANNELS, CELLS)
    with pytest.raises(BadInput, match="No training case is of class number 2"):
        fit_classifier("svm", features, labels, 3, 2, CHANNELS, CELLS)
    with pytest.raises(BadInput, match="not all finite"):
        fit_classifier("svm", features * np.inf, labels, 2, 1, CHANNELS, CELLS)
