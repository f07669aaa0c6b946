"""Classical classifiers fitted by scikit-learn and handed on as heads of plain numbers."""

from __future__ import annotations

import numpy as np

from models.errors import BadInput
from models.networks.classical_head import (
    CLASSICAL_HEADS,
    BayesHead,
    ClassicalHead,
    LogisticHead,
    SvmHead,
    contrast_matrix,
)
from models.training.features import Standard

ITERATIONS = 10_000
TOLERANCE = 1e-7  # the optimum itself, so that the same cases give the same numbers everywhere


def fit_classifier(
    kind: str,
    features: np.ndarray,
    labels: np.ndarray,
    classes: int,
    positive: int,
    channels: tuple[int, ...],
    cells: tuple[int, ...],
    seed: int = 0,
    balanced: bool = False,
) -> ClassicalHead:
    """A classifier fitted on pooled features, as a built head that `export_head` stores.

    kind: "logistic" (L2, C = 1; multinomial for several classes), "svm" (RBF kernel, C = 1, gamma = 1 /
    features; several classes one against the rest) or "bayes" (Gaussian, variance smoothing 1e-9).
    features: float32 [n, K], the branches joined; standardised here, by the head itself later. labels: class
    index [n]. channels, cells: K_b and the number of grid cells of each branch. balanced: classes count
    alike, however many cases each has. BadInput for another classifier, a class without cases, or features
    that are not finite.
    """
    _check(kind, features, labels, classes)
    standard = Standard.of(features)
    z = standard(features).astype(np.float64)
    outputs = 1 if classes == 2 else classes
    common = (outputs, cells, classes, positive)
    if kind == "logistic":
        head, numbers = LogisticHead(*common), _logistic(z, labels, outputs, positive, seed, balanced)
    elif kind == "svm":
        numbers = _svm(z, labels, outputs, positive, seed, balanced)
        head = SvmHead(*common, len(numbers["vectors"]))
    else:
        head, numbers = BayesHead(*common), _bayes(z, labels, outputs, classes, positive, balanced)
    head.build([(None, width) for width in channels])
    head.load({"mean": standard.mean, "deviation": standard.deviation} | numbers)
    return head


def _check(kind: str, features: np.ndarray, labels: np.ndarray, classes: int) -> None:
    if kind not in CLASSICAL_HEADS:
        raise BadInput(
            f"There is no classifier {kind!r}: only logistic regression (logistic), a support vector machine "
            "with an RBF kernel (svm) and Gaussian naive Bayes (bayes) have a closed-form gradient here."
        )
    if absent := sorted(set(range(classes)) - set(np.unique(labels).tolist())):
        raise BadInput(f"No training case is of class number {absent[0]}: every class needs cases.")
    if not np.isfinite(features).all():
        raise BadInput("The trunk's features are not all finite numbers: its weights are damaged.")


def _weighting(balanced: bool) -> str | None:
    return "balanced" if balanced else None


def _logistic(z, labels, outputs: int, positive: int, seed: int, balanced: bool) -> dict[str, np.ndarray]:
    from sklearn.linear_model import LogisticRegression

    target = labels == positive if outputs == 1 else labels
    model = LogisticRegression(
        C=1.0, max_iter=ITERATIONS, tol=TOLERANCE, class_weight=_weighting(balanced), random_state=seed
    )
    model.fit(z, target)
    return {"coefficients": model.coef_.T, "bias": model.intercept_}


def _svm(z, labels, outputs: int, positive: int, seed: int, balanced: bool) -> dict[str, np.ndarray]:
    from sklearn.svm import SVC

    machines = []
    for label in [positive] if outputs == 1 else range(outputs):
        machine = SVC(
            C=1.0,
            kernel="rbf",
            gamma=1.0 / z.shape[1],
            class_weight=_weighting(balanced),
            random_state=seed,
        )
        machines.append(machine.fit(z, labels == label))
    # A case may support several machines; it is stored once.
    support = np.unique(np.concatenate([machine.support_ for machine in machines]))
    coefficients = np.zeros((len(support), outputs))
    for column, machine in enumerate(machines):
        coefficients[np.searchsorted(support, machine.support_), column] = machine.dual_coef_[0]
    bias = np.concatenate([machine.intercept_ for machine in machines])
    return {"vectors": z[support], "coefficients": coefficients, "bias": bias}


def _bayes(z, labels, outputs: int, classes: int, positive: int, balanced: bool) -> dict[str, np.ndarray]:
    from sklearn.naive_bayes import GaussianNB

    priors = np.full(classes, 1.0 / classes) if balanced else None
    model = GaussianNB(priors=priors, var_smoothing=1e-9).fit(z, labels)
    log_joint = np.log(model.class_prior_) - 0.5 * np.log(2 * np.pi * model.var_).sum(axis=1)
    return {
        "centres": model.theta_,
        "precisions": 1.0 / model.var_,
        "bias": contrast_matrix(outputs, classes, positive).astype(np.float64) @ log_joint,
    }
