"""What metrics mean at a prevalence, and whether acting on a model is worth it."""

import numpy as np
import pytest

from models.errors import BadInput
from models.evaluation.decision import decision_curve
from models.evaluation.intervals import wilson
from models.evaluation.ranking import Ranking
from models.evaluation.screening import at_prevalence, effective_cases


def share(hits, n):
    low, high = wilson(hits / n, n)
    return {"value": hits / n, "low": low, "high": high, "n": n}


def test_a_thousand_women_by_hand():
    # 6 of 1,000 have cancer; 9 of 10 are found, and 1 in 10 of the other 994 is recalled.
    told = at_prevalence(share(90, 100), share(900, 1000), 0.006)
    assert told.found["value"] == pytest.approx(5.4)
    assert told.misses["value"] == pytest.approx(0.6)
    assert told.false_alarms["value"] == pytest.approx(99.4)
    assert told.recalls["value"] == pytest.approx(104.8)
    assert told.ppv["value"] == pytest.approx(5.4 / 104.8)
    assert told.npv["value"] == pytest.approx(994 * 0.9 / (994 * 0.9 + 0.6))
    low, high = wilson(0.9, 100)
    assert (told.found["low"], told.found["high"]) == pytest.approx((6 * low, 6 * high))
    assert (told.misses["low"], told.misses["high"]) == pytest.approx((6 - 6 * high, 6 - 6 * low))
    for metric in (told.ppv, told.npv, told.recalls, told.misses, told.false_alarms):
        assert metric["low"] < metric["value"] < metric["high"]


def test_the_interval_of_mercaldo():
    """Mercaldo, Lau and Zhou 2007: logit(PPV) has the variance (1 - se) / (se n1) + sp / ((1 - sp) n0)."""
    told = at_prevalence(share(80, 100), share(170, 200), 0.1)
    centre = np.log(0.8 * 0.1) - np.log(0.15 * 0.9)
    half = 1.959964 * np.sqrt(0.2 / (0.8 * 100) + 0.85 / (0.15 * 200))
    assert told.ppv["low"] == pytest.approx(1 / (1 + np.exp(-(centre - half))), rel=1e-5)
    assert told.ppv["high"] == pytest.approx(1 / (1 + np.exp(-(centre + half))), rel=1e-5)
    centre = np.log(0.85 * 0.9) - np.log(0.2 * 0.1)
    half = 1.959964 * np.sqrt(0.8 / (0.2 * 100) + 0.15 / (0.85 * 200))
    assert told.npv["low"] == pytest.approx(1 / (1 + np.exp(-(centre - half))), rel=1e-5)


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (1, 29), (30, 60), (81, 263), (50, 50), (49, 50)])
def test_a_share_tells_of_how_many_cases_it_is(hits, n):
    assert effective_cases(share(hits, n)) == pytest.approx(n, rel=1e-6)
    low, high = wilson(hits / n, n / 2.5)
    assert effective_cases({"value": hits / n, "low": low, "high": high, "n": n}) == pytest.approx(
        n / 2.5, rel=1e-6
    )


def test_perfect_and_undefined_metrics():
    told = at_prevalence(share(20, 20), share(50, 50), 0.01)
    assert told.ppv["value"] == told.ppv["high"] == 1
    assert 0.05 < told.ppv["low"] < 0.5
    assert told.misses["value"] == 0 < told.misses["high"]
    none = {"value": None, "low": None, "high": None, "n": 0, "why": "No case is malignant."}
    assert at_prevalence(none, share(5, 10), 0.01).npv["why"] == "No case is malignant."
    assert at_prevalence(share(0, 10), share(10, 10), 0.01).ppv["why"].startswith("No case is called")
    for prevalence in (0, 1, -0.1, 60, float("nan")):
        with pytest.raises(BadInput, match="prevalence"):
            at_prevalence(share(1, 2), share(1, 2), prevalence)


def test_net_benefit_by_hand():
    # Ten cases, four positive. From 0.5 on three positives and one negative are called.
    outcomes = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    ranking = Ranking(outcomes, [0.9, 0.8, 0.6, 0.1, 0.7, 0.3, 0.2, 0.2, 0.1, 0.05])
    curve = decision_curve(ranking, np.array([0.5, 0.2]), bands=ranking.bands())
    assert curve.model.tolist() == pytest.approx([3 / 10 - 1 / 10, 3 / 10 - 4 / 10 * 0.25])
    assert curve.everyone.tolist() == pytest.approx([0.4 - 0.6, 0.4 - 0.6 * 0.25])
    assert (curve.low <= curve.model).all() and (curve.model <= curve.high).all()
    assert curve.prevalence == 0.4
    # At 1 in 100: 0.75 of 0.01 found, 1/6 of 0.99 for nothing.
    rare = decision_curve(ranking, np.array([0.5]), prevalence=0.01)
    assert rare.model[0] == pytest.approx(0.75 * 0.01 - 0.99 / 6)
    assert np.isnan(rare.low[0])
    whole = decision_curve(ranking)
    assert len(whole.thresholds) == 99
    assert whole.model[0] == pytest.approx(whole.everyone[0])


def test_decision_curves_that_cannot_be_drawn():
    ranking = Ranking([1, 0], [0.6, 0.4])
    with pytest.raises(BadInput, match="thresholds between 0 and 1"):
        decision_curve(ranking, np.array([0.0, 0.5]))
    with pytest.raises(BadInput, match="prevalence of 2"):
        decision_curve(ranking, prevalence=2)
    with pytest.raises(BadInput, match="both classes"):
        decision_curve(Ranking([1, 1], [0.6, 0.4]))
