"""How well a run's maps find the lesions of a manifest whose outlines are known.

Headline population: cases of the positive class with a mask, that class's joint map, native geometry.
Reading, network and measures are those of `python -m xai explain`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import BadInput
from models.evaluation.intervals import (
    effective_n,
    group_index,
    percentile_interval,
    resampled_weights,
    wilson,
)
from xai.audit.figures import figures, paired_difference, rank_methods
from xai.audit.store import read_audit
from xai.audit.table import MeasureTable, case_groups, read_table
from xai.explain import explain_study
from xai.measures.baselines import baselines
from xai.measures.localisation import Localisation, localise
from xai.methods import DEFAULT_METHOD

if TYPE_CHECKING:
    from models.data.manifest import Case
    from models.engines import Engine
    from models.inputs import Placement
    from models.runs import Run

__all__ = [
    "MEASURES",
    "SIZES",
    "Audit",
    "AuditedCase",
    "MeasureTable",
    "audit",
    "case_groups",
    "document",
    "figures",
    "paired_difference",
    "pooled",
    "rank_methods",
    "read_audit",
    "read_table",
    "table",
]

MEASURES = ("pointing", "iou", "dice", "energy", "average_precision")
# Share of the image that the lesion covers; the borders are near BUSI's thirds.
SIZES = (("small", 0.0, 0.03), ("medium", 0.03, 0.10), ("large", 0.10, 1.01))

Figures = dict[str, dict[str, float | int | str | None]]


@dataclass(frozen=True, eq=False)
class AuditedCase:
    """One case's measures: the joint map's, each branch's, and the baselines' ("centre", "ceiling",
    "random").

    label: the case's class, whose map was measured. probability: of that class. share: of the image's pixels
    that are lesion. cautions: kinds of the joint map's warnings.
    """

    case_id: str
    group: str
    label: str
    probability: float
    share: float
    joint: Localisation
    branches: dict[str, Localisation]
    baselines: dict[str, Localisation]
    cautions: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Audit:
    """All audited cases of a run, and the files that could not be used with the reason."""

    run: Run
    method: str
    cases: tuple[AuditedCase, ...]
    skipped: tuple[dict[str, str], ...]


def audit(
    run: Run,
    engine: Engine,
    cases: Sequence[Case],
    labels: Sequence[str],
    method: str = DEFAULT_METHOD,
    progress: Callable[[Iterable], Iterable] = iter,
) -> Audit:
    """Measure the map of each case's own class against its mask; cases without a mask are passed over.

    labels: each case's class in the run's terms. BadInput when no case has a mask.
    """
    chosen = [(c, label) for c, label in zip(cases, labels, strict=True) if c.mask_file is not None]
    if not chosen:
        raise BadInput("No case of the manifest has a mask, so there is nothing to hold the maps against.")
    done, skipped = [], []
    for case, label in progress(chosen):
        try:
            done.append(_audited(run, engine, case, label, method))
        except BadInput as refusal:
            skipped.append({"file": case.columns["file"], "why": str(refusal)})
    return Audit(run, method, tuple(done), tuple(skipped))


def pooled(audits: Sequence[Audit]) -> Audit:
    """The cases of several audits as one, under the first one's run: the folds of a cross-validation."""
    cases = tuple(case for one in audits for case in one.cases)
    return Audit(audits[0].run, audits[0].method, cases, tuple(s for one in audits for s in one.skipped))


def document(result: Audit) -> dict[str, Any]:
    """The JSON of `python -m xai audit`: every figure with its 95 % interval over the cases' groups."""
    run, positive = result.run, [c for c in result.cases if c.label == result.run.positive]
    return {
        "run": run.id,
        "run_digest": run.digest,
        "n": len(positive),
        "population": f"cases of the class {run.positive} with a mask, that class's joint map",
        "methods": {result.method: _figures(positive, lambda c: c.joint)},
        "branches": {
            branch.name: _figures(positive, lambda c, name=branch.name: c.branches[name])
            for branch in run.branches
        },
        "by_class": {
            label: _figures([c for c in result.cases if c.label == label], lambda c: c.joint)
            for label in run.classes
        },
        "by_size": [
            {"size": name, "from": low, "to": min(high, 1.0)}
            | _figures([c for c in positive if low <= c.share < high], lambda c: c.joint)
            for name, low, high in SIZES
        ],
        "baselines": {
            name: _figures(positive, lambda c, name=name: c.baselines[name])
            for name in ("centre", "random", "ceiling")
        },
        "randomisation": {
            "correlation": None,
            "passed": None,
            "why": "weight randomisation is not measured by this version",
        },
        "skipped": list(result.skipped),
    }


def table(result: Audit) -> list[dict[str, Any]]:
    """A row a case, for `xai.csv`."""
    return [
        {"case_id": c.case_id, "label": c.label, "probability": c.probability, "lesion_share": c.share}
        | {name: getattr(c.joint, name) for name in MEASURES}
        | {"cautions": " ".join(c.cautions)}
        for c in result.cases
    ]


def _audited(run: Run, engine: Engine, case: Case, label: str, method: str) -> AuditedCase:
    from models.study import mask_for, read_mask, read_study

    study = read_study(case.file)
    mask = mask_for(study, read_mask(case.mask_file))
    explained = explain_study(study, run, engine, label, method, mask)
    placement = explained.joint.placement
    noise = _random_map(placement, explained.joint.grid, case.case_id)
    return AuditedCase(
        case_id=case.case_id,
        group=case.group,
        label=label,
        probability=explained.reading.probabilities[label],
        share=float(mask.mean()),
        joint=explained.measures,
        branches={h.map.name: localise(h.native(), mask) for h in explained.heatmaps},
        baselines=baselines(mask, placement, explained.joint.grid) | {"random": localise(noise, mask)},
        cautions=tuple(caution.kind for caution in explained.cautions),
    )


def _random_map(placement: Placement, grid: tuple[int, int], case_id: str) -> np.ndarray:
    """Uniform noise on the map's own grid, the same for a case each time: what chance alone would show."""
    rng = np.random.default_rng(list(case_id.encode()))
    return placement.to_native(rng.random(grid, dtype=np.float32))


def _figures(cases: Sequence[AuditedCase], pick: Callable[[AuditedCase], Localisation]) -> Figures:
    picked = [asdict(pick(case)) for case in cases]
    groups = [case.group for case in cases]
    return {name: _mean(np.array([m[name] for m in picked], float), groups) for name in MEASURES}


def _mean(values: np.ndarray, groups: Sequence[str]) -> dict[str, float | int | str | None]:
    """A mean with its interval: Wilson's for hits (0 or 1), the grouped bootstrap's for the rest."""
    n = len(values)
    if not n:
        return {"value": None, "low": None, "high": None, "n": 0, "why": "no such case has a mask"}
    value = float(values.mean())
    if np.isin(values, (0.0, 1.0)).all():
        low, high = wilson(value, effective_n(values.astype(bool), group_index(groups, n)))
    else:
        weights = np.concatenate(list(resampled_weights(np.zeros(n, int), groups)))
        low, high = percentile_interval((weights @ values) / weights.sum(axis=1), value)
    return {"value": value, "low": low, "high": high, "n": n}
