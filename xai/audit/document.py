"""The audit's document: what `python -m xai audit --json` prints and `xai.json` keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xai.audit.figures import figures, mean_figure, paired_difference
from xai.audit.table import BASELINES, JOINT, MeasureTable
from xai.methods import same_as

if TYPE_CHECKING:
    from models.evaluation.metrics import Metric
    from xai.audit.cases import AuditedCase
    from xai.audit.job import Audit

# What every map is measured by; other measures are left out of the figures of a map they were not taken of.
MEASURES = ("pointing", "iou", "dice", "energy", "average_precision")
# Share of the image that the lesion covers; the borders are near BUSI's thirds.
SIZES = (("small", 0.0, 0.03), ("medium", 0.03, 0.10), ("large", 0.10, 1.01))
# From this share of the cases on a warning is one about the run.
MANY = 0.25
CURVE_POINTS = 60
TOLD = {
    "marks": "have much of their heat on marks drawn into the image: the run may read those, not the tissue",
    "outside": "have much of their heat off the tissue",
    "blank": "are blank: they point nowhere",
}


def document(result: Audit) -> dict[str, Any]:
    """Every figure with its 95 % interval over the cases' groups.

    Headline population: cases of the positive class with a mask, that class's joint map. "methods": by
    method; "branches", "by_class", "by_size": of the first method. "findings": what the audit holds against
    the run's maps, in sentences; empty where it holds nothing.
    """
    run, questions, table = result.run, result.questions, result.table()
    groups, first = result.groups, questions.methods[0]
    positive = table.take(table.labels == run.positive)
    headline = [case for case in result.cases if case.label == run.positive]
    fields = {
        "run": run.id,
        "run_digest": run.digest,
        "engine": result.engine,
        "synthetic": bool(run.card.synthetic),
        "n": len(headline),
        "population": f"cases of the class {run.positive} with a mask, that class's joint map",
        "cases": {"asked": result.asked, "measured": len(result.cases), "complete": result.complete},
        "methods": {name: _of(positive, groups, name) for name in questions.methods},
        "same_maps": {name: why for name in questions.methods if (why := same_as(name, run))},
        "branches": {
            branch.name: _of(positive, groups, first, branch.name if len(run.branches) > 1 else JOINT)
            for branch in run.branches
        },
        "by_class": {label: _of(table.take(table.labels == label), groups, first) for label in run.classes},
        "by_size": [
            {"size": name, "from": low, "to": min(high, 1.0)}
            | _of(positive.take(_between(positive.lesion_shares, low, high)), groups, first)
            for name, low, high in SIZES
        ],
        "baselines": {name: _of(positive, groups, "", name) for name in BASELINES},
        "thresholds": {
            name: {"value": one.share, "n": one.n} | ({"why": one.why} if one.why else {})
            for name, one in result.thresholds.items()
        },
        "froc": {name: found for name in questions.methods if (found := _froc(headline, name))},
        "agreement": _agreement(headline, groups),
        "guards": _guards(headline, positive.of(first)),
        "randomisation": result.randomisation or _unreached(first),
        "skipped": list(result.skipped),
    }
    return fields | {"findings": findings(fields, positive, groups)}


def findings(fields: dict[str, Any], positive: MeasureTable, groups: dict[str, str]) -> list[dict[str, str]]:
    """[{"kind", "sentence"}]: what speaks against taking the run's maps for places.

    "centre": neither pointing game nor IoU is above the centre blob's by more than the interval. "chance":
    no more of the energy lies on the lesion than of noise. "marks", "outside", "blank": a quarter of the maps
    or more. "randomisation": the maps stay without the weights. "unfamiliar": a quarter of the images or more
    is unlike the training images.
    """
    first, n = next(iter(fields["methods"]), None), fields["n"]
    if not n:
        return []
    joint, found = positive.of(first), {}

    def above(baseline: str, measure: str) -> bool:
        difference = paired_difference(joint, positive.of(map=baseline), measure, groups)
        return difference["value"] is not None and difference["low"] > 0

    if not above("centre", "pointing") and not above("centre", "iou"):
        own, blob = fields["methods"][first]["pointing"], fields["baselines"]["centre"]["pointing"]
        found["centre"] = (
            f"The peak lies on the lesion in {own['value']:.0%} of {n} cases, that of a blob in the centre "
            f"in {blob['value']:.0%}: here the maps are not surely better than a guess without the image."
        )
    if not above("random", "energy"):
        found["chance"] = (
            "The share of the evidence on the lesion is not surely higher than that of noise: here the maps "
            "do not tell the lesion from the rest."
        )
    for kind, words in TOLD.items():
        count = fields["guards"]["cautions"].get(kind, 0)
        if count >= MANY * n:
            found[kind] = f"{count} of {n} maps {words}."
    if fields["randomisation"].get("passed") is False:
        found["randomisation"] = (
            "With all weights random the maps keep a rank correlation of "
            f"{fields['randomisation']['correlation']:.2f} with the trained ones: what they show comes in "
            "good part from the image and the method, not from what the run learned."
        )
    unlike = fields["guards"]["familiar"].get("bad", 0)
    if unlike >= MANY * n:
        found["unfamiliar"] = f"{unlike} of {n} images are unlike the run's training images."
    return [{"kind": kind, "sentence": sentence} for kind, sentence in found.items()]


def _of(table: MeasureTable, groups: dict[str, str], method: str, map: str = JOINT) -> dict[str, Metric]:
    """The figures of one map: those of MEASURES, and whatever else was measured of it."""
    found = figures(table, groups, method, map)
    own = {name: found.get(name) or mean_figure(np.empty(0)) for name in MEASURES}
    return own | {name: metric for name, metric in found.items() if metric["n"] or name in MEASURES}


def _between(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return (values >= low) & (values < high)


def _froc(cases: Sequence[AuditedCase], method: str) -> dict[str, Any] | None:
    """The free-response curve of the headline cases: {"images", "lesions", "sensitivity_at": {false marks an
    image: figure}, "fp_per_image", "sensitivity"}, at most CURVE_POINTS points."""
    from xai.measures.froc import FrocCase, froc, sensitivity_at

    known = [
        FrocCase(
            np.array([value for value, _ in case.marks[method]], float),
            np.array([at for _, at in case.marks[method]], np.intp),
            case.lesions,
            case.group,
        )
        for case in cases
        if method in case.marks
    ]
    if not known:
        return None
    curve = froc(known)
    points = len(curve.sensitivity)
    shown = np.unique(np.linspace(0, points - 1, min(points, CURVE_POINTS)).round().astype(int))
    return {
        "images": curve.images,
        "lesions": curve.lesions,
        "sensitivity_at": sensitivity_at(known),
        "fp_per_image": [round(float(v), 4) for v in curve.fp_per_image[shown]],
        "sensitivity": [round(float(v), 4) for v in curve.sensitivity[shown]],
    }


def _agreement(cases: Sequence[AuditedCase], groups: dict[str, str]) -> list[dict[str, Any]]:
    """Pairs of maps that were measured on the same cases: {"kind", "between", "rank", "overlap"}."""
    pairs: dict[tuple[str, str, str], list[tuple[str, Any]]] = {}
    for case in cases:
        for pair in case.pairs:
            pairs.setdefault((pair.kind, pair.first, pair.second), []).append((groups[case.case_id], pair))
    return [
        {"kind": kind, "between": [first, second]}
        | {
            name: mean_figure(
                np.array([getattr(pair, name) for _, pair in found], dtype=np.float64),
                [group for group, _ in found],
                name,
            )
            for name in ("rank", "overlap")
        }
        for (kind, first, second), found in pairs.items()
    ]


def _guards(cases: Sequence[AuditedCase], joint: MeasureTable) -> dict[str, Any]:
    """How many headline cases had which warning of their first method's map, and how familiar the images
    are."""
    kinds = Counter(kind for own in joint.caution_kinds() for kind in dict.fromkeys(own))
    levels = Counter(case.familiar for case in cases)
    return {
        "n": len(cases),
        "cautions": dict(sorted(kinds.items())),
        "familiar": dict(sorted(levels.items())),
    }


def _unreached(method: str) -> dict[str, Any]:
    from xai.audit.randomised import undefined

    return undefined("the audit was stopped before it", method)
