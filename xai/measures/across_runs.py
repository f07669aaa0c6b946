"""Do two runs explain the same images alike: other seeds, guided and unguided, labels shuffled?

The model-side half of Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018: a run trained on
shuffled labels (data randomisation) must have other maps, and one trained from another seed should have the
same ones (reproducibility in Arun et al., Radiology: Artificial Intelligence 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput
from models.evaluation.intervals import group_index, percentile_interval, resampled_weights
from xai.measures.agreement import Agreement, agreement

if TYPE_CHECKING:
    from models.engines import Engine
    from models.runs import Run
    from models.study import Study

SAME_MAPS = 0.5
"""Mean rank correlation from which a run on shuffled labels explains like the one it is held against."""

Figure = dict[str, float | int | str | None]


@dataclass(frozen=True, eq=False)
class RunAgreement:
    """The maps of two runs on the same images. pairs: one agreement an image. rank: Spearman's correlation,
    overlap: of the top tenths, each {"value", "low", "high", "n"} over the images that have both maps."""

    pairs: tuple[Agreement, ...]
    rank: Figure
    overlap: Figure


def compare_maps(
    run_a: Run,
    run_b: Run,
    studies: Iterable[Study],
    label: str | None = None,
    method: str = "grad-cam",
    *,
    engines: tuple[Engine, Engine] | None = None,
    groups: Sequence[str] | None = None,
    watch: Callable[[int], None] | None = None,
) -> RunAgreement:
    """The joint maps of both runs on each study (`xai.measures.agreement`), and their means with 95 %
    intervals.

    label: a class both runs know, None for run_a's positive class; each run's map of it. engines: opened for
    the runs, else ONNX ones are. groups: a patient a study, for the interval. watch: called with the studies
    done, may raise to stop. BadInput for a class one of them does not know.
    """
    from models.engines import open_engine
    from xai.explain import check_class, explain_study

    label = label or run_a.positive
    for run in (run_a, run_b):
        check_class(run, label)
    first, second = engines or (open_engine(run_a, "onnx"), open_engine(run_b, "onnx"))
    pairs = []
    for done, study in enumerate(studies, start=1):
        maps = [
            explain_study(study, run, engine, label, method).joint
            for run, engine in ((run_a, first), (run_b, second))
        ]
        pairs.append(agreement(*maps))
        if watch:
            watch(done)
    if not pairs:
        raise BadInput("There is no image to compare the two runs' maps on: choose a manifest that has some.")
    return summarised(pairs, groups)


def summarised(pairs: Sequence[Agreement], groups: Sequence[str] | None = None) -> RunAgreement:
    """Means of agreements with the grouped bootstrap's intervals; images without a place in one of the maps
    are left out, `n` says how many are in."""
    return RunAgreement(
        tuple(pairs),
        _mean([pair.rank for pair in pairs], groups, -1.0),
        _mean([pair.overlap for pair in pairs], groups, 0.0),
    )


def _mean(values: Sequence[float | None], groups: Sequence[str] | None, least: float) -> Figure:
    kept = [i for i, value in enumerate(values) if value is not None]
    if not kept:
        why = "no image has a place in both maps"
        return {"value": None, "low": None, "high": None, "n": 0, "why": why}
    found = np.array([values[i] for i in kept], float)
    own = None if groups is None else [groups[i] for i in kept]
    weights = np.concatenate(list(resampled_weights(np.zeros(len(found), int), own)))
    value = float(found.mean())
    low, high = percentile_interval((weights @ found) / weights.sum(axis=1), value)
    if len(np.unique(group_index(own, len(found)))) < 2:  # one group alone shows no spread
        low, high = least, 1.0
    return {"value": value, "low": low, "high": high, "n": len(found)}
