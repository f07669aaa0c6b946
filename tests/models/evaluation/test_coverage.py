"""Do the 95 % intervals hold the truth in 95 % of samples? Small in `make test`, larger when marked slow.

The share found has a standard error of sqrt(0.95 * 0.05 / samples): 0.0154 of 200, 0.0034 of 4,000. The small
runs therefore take 0.90 to 0.99, the large ones 0.93 to 0.97.
"""

from statistics import NormalDist

import numpy as np
import pytest

from models.evaluation.delong import compare_aucs
from models.evaluation.intervals import effective_n, wilson
from models.evaluation.ranking import Ranking
from models.evaluation.resampling import resampled_counts
from models.evaluation.screening import at_prevalence
from models.evaluation.verdicts import verdicts_of

SMALL, LARGE = (200, 0.9, 0.99), (4000, 0.93, 0.97)
SIZES = [pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large", marks=pytest.mark.slow)]
normal = NormalDist()


def covered(hold, samples, seed):
    rng = np.random.default_rng(seed)
    return np.mean([hold(rng) for _ in range(samples)])


def holds(metric, truth):
    return metric["low"] - 1e-12 <= truth <= metric["high"] + 1e-12


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("positives", "negatives", "shift"), [(25, 66, 1.5), (100, 300, 0.5)])
def test_delong_on_the_logit_scale(size, positives, negatives, shift):
    samples, least, most = size
    outcomes = np.repeat([True, False], [positives, negatives])
    truth = normal.cdf(shift / np.sqrt(2))

    def hold(rng):
        return holds(Ranking(outcomes, rng.normal(shift * outcomes, 1)).auc(), truth)

    assert least <= covered(hold, samples, 0) <= most


def true_average_precision(positives, negatives, shift):
    """The precision at every threshold, averaged over the positives' normal scores."""
    x = np.linspace(-6, 6 + shift, 4001)
    found = np.array([1 - normal.cdf(t - shift) for t in x]) * positives
    called = found + np.array([1 - normal.cdf(t) for t in x]) * negatives
    density = np.array([normal.pdf(t - shift) for t in x])
    return float((density * found / called).sum() / density.sum())


@pytest.mark.parametrize(
    "size", [(100, 0.92, 1.0), pytest.param((1000, 0.94, 0.995), marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_average_precision(size, shift):
    """The resamples' percentiles held it in 89 and 82 % of samples."""
    samples, least, most = size
    outcomes = np.repeat([True, False], [25, 66])
    truth = true_average_precision(25, 66, shift)

    def hold(rng):
        return holds(Ranking(outcomes, rng.normal(shift * outcomes, 1)).average_precision(200), truth)

    assert least <= covered(hold, samples, 1) <= most


@pytest.mark.parametrize("size", SIZES)
def test_clustered_areas(size):
    """Forty women of four images each, whose scores go together."""
    samples, least, most = size
    woman, outcomes = np.repeat(np.arange(40), 4), np.repeat(np.arange(40) < 16, 4)
    truth = normal.cdf(1.2 / np.sqrt(2))

    def hold(rng):
        scores = 1.2 * outcomes + rng.normal(0, np.sqrt(0.6), 40)[woman] + rng.normal(0, np.sqrt(0.4), 160)
        return holds(Ranking(outcomes, scores, woman).auc(), truth)

    def naive(rng):
        scores = 1.2 * outcomes + rng.normal(0, np.sqrt(0.6), 40)[woman] + rng.normal(0, np.sqrt(0.4), 160)
        return holds(Ranking(outcomes, scores).auc(), truth)

    assert least <= covered(hold, samples, 1) <= most
    # Taken for 160 independent images they would promise far too much.
    assert covered(naive, samples, 1) < 0.85


@pytest.mark.parametrize("size", SIZES)
def test_the_difference_of_two_areas(size):
    samples, least, most = size
    outcomes = np.repeat([True, False], [40, 80])
    truth = normal.cdf(1.5 / np.sqrt(2)) - normal.cdf(1 / np.sqrt(2))

    def hold(rng):
        shared = rng.normal(0, np.sqrt(0.5), 120)
        one, two = (shift * outcomes + shared + rng.normal(0, np.sqrt(0.5), 120) for shift in (1.5, 1))
        found = compare_aucs(outcomes, one, two)
        return found.low <= truth <= found.high

    assert least <= covered(hold, samples, 2) <= most


def test_the_level_of_the_test_of_two_areas():
    """Two equal networks differ "significantly" in one sample of twenty."""
    outcomes = np.repeat([True, False], [40, 80])

    def refused(rng):
        shared = rng.normal(1.2 * outcomes, np.sqrt(0.5))
        one, two = (shared + rng.normal(0, np.sqrt(0.5), 120) for _ in range(2))
        return compare_aucs(outcomes, one, two).p < 0.05

    assert 0.02 <= covered(refused, 400, 3) <= 0.08


@pytest.mark.parametrize("n", [25, 66, 300])
def test_wilson(n):
    """Exactly, over every number of hits; the mean over shares, since each one's own steps up and down."""
    from scipy.stats import binom

    hits, shares = np.arange(n + 1), np.linspace(0.6, 0.97, 200)[:, None]
    ends = np.array([wilson(k / n, n) for k in hits])
    inside = (ends[:, 0] <= shares) & (shares <= ends[:, 1])
    found = (binom.pmf(hits, n, shares) * inside).sum(axis=1)
    assert found.mean() == pytest.approx(0.95, abs=0.005)
    assert found.min() > 0.9


@pytest.mark.parametrize("size", SIZES)
def test_wilson_of_grouped_cases(size):
    """Sixty women of three images that are right or wrong together more often than not."""
    samples, least, most = size
    woman = np.repeat(np.arange(60), 3)

    def hold(rng):
        own = rng.beta(0.85 * 2, 0.15 * 2, 60)
        hits = rng.random(180) < own[woman]
        low, high = wilson(hits.mean(), effective_n(hits, woman))
        return low <= 0.85 <= high

    assert least <= covered(hold, samples, 4) <= most


BOOTSTRAPPED = ("f1", "kappa", "mcc", "balanced_accuracy")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("positives", "negatives", "sensitivity", "specificity"),
    [(25, 66, 0.8, 0.9), pytest.param(80, 160, 0.8, 0.85, marks=pytest.mark.slow)],
)
def test_the_bootstrap_of_what_is_no_share(size, positives, negatives, sensitivity, specificity):
    samples, least, most = size
    tp, fp = positives * sensitivity, negatives * (1 - specificity)
    fn, tn, n = positives - tp, negatives - fp, positives + negatives
    chance = ((tp + fp) * positives + (tn + fn) * negatives) / n**2
    truth = {
        "f1": 2 * tp / (2 * tp + fp + fn),
        "kappa": ((tp + tn) / n - chance) / (1 - chance),
        "mcc": (tp * tn - fp * fn) / np.sqrt((tp + fp) * positives * (tn + fn) * negatives),
        "balanced_accuracy": (sensitivity + specificity) / 2,
    }
    labels = np.repeat([1, 0], [positives, negatives])
    found, rng = dict.fromkeys(BOOTSTRAPPED, 0), np.random.default_rng(5)
    for seed in range(samples):
        called = (rng.random(n) < np.where(labels == 1, sensitivity, 1 - specificity)).astype(np.int64)
        cells = 2 * labels + called
        drawn = resampled_counts(cells, 4, labels, None, 500, seed).counts.reshape(-1, 2, 2)
        metrics = verdicts_of(
            labels, called, drawn, classes=("other", "malignant"), groups=np.arange(n), label="malignant"
        ).metrics
        for name in BOOTSTRAPPED:
            found[name] += holds(metrics[name], truth[name])
    for name, count in found.items():
        assert least <= count / samples <= most, name


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("prevalence", [0.006, 0.1])
def test_predictive_values_and_recalls_at_a_prevalence(size, prevalence):
    samples, least, most = size
    truth = {
        "ppv": 0.85 * prevalence / (0.85 * prevalence + 0.1 * (1 - prevalence)),
        "npv": 0.9 * (1 - prevalence) / (0.9 * (1 - prevalence) + 0.15 * prevalence),
        "recalls": 1000 * (0.85 * prevalence + 0.1 * (1 - prevalence)),
    }
    found = {name: 0 for name in truth}
    rng = np.random.default_rng(6)
    for _ in range(samples):
        metrics = []
        for n, share in ((80, 0.85), (200, 0.9)):
            hits = rng.binomial(n, share)
            low, high = wilson(hits / n, n)
            metrics.append({"value": hits / n, "low": low, "high": high, "n": n})
        told = at_prevalence(*metrics, prevalence)
        for name, value in truth.items():
            found[name] += holds(getattr(told, name), value)
    for name, count in found.items():
        assert least <= count / samples <= most, name
