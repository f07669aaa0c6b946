"""At which share of its maximum a method's maps outline lesions best: tuned on validation cases, for
iou_tuned."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput
from xai.audit.cases import Decoded, Questions, baseline_maps, explained_by, noise_on
from xai.audit.table import BASELINES
from xai.explain import read_with
from xai.methods import METHODS

if TYPE_CHECKING:
    from models.engines import Engine
    from models.runs import Run
    from xai.heatmap import Heatmap

NO_VALIDATION = "the run has no validation cases with a mask of its positive class in this manifest"
TOO_SLOW = "tuned for methods of the stored family alone: the others take as many passes again"


@dataclass(frozen=True)
class Threshold:
    """share: of a map's maximum, 0.05..0.95; None, with `why`, where none was tuned. n: validation cases."""

    share: float | None
    n: int = 0
    why: str = ""


def untuned(questions: Questions, why: str = NO_VALIDATION) -> dict[str, Threshold]:
    """A threshold of None for every method and baseline."""
    return {name: Threshold(None, 0, why) for name in (*questions.methods, *BASELINES)}


def tuned(
    run: Run, engine: Engine, cases: Iterable[Decoded], questions: Questions, check: Callable[[], None]
) -> dict[str, Threshold]:
    """Method or baseline -> its threshold. cases: validation cases, read once each; check: see
    `measure_case`."""
    from xai.measures.localisation import tune_threshold

    stored = tuple(name for name in questions.methods if METHODS[name].family == "stored")
    found = untuned(questions, TOO_SLOW)
    # Grids are small and kept; maps of the image's size are made again for each method.
    kept: list[tuple[np.ndarray, Heatmap, np.ndarray, dict[str, Heatmap]]] = []
    asked = Questions(stored or questions.methods[:1], None, questions.masks, questions.seed)
    for decoded in cases if stored else ():
        check()
        reading = read_with(decoded.study, run, engine)
        maps = {
            name: r.joint for name, r in explained_by(reading, decoded.label, asked, engine, check).items()
        }
        joint = maps[stored[0]]
        kept.append((decoded.mask, joint, noise_on(joint.grid, decoded.case.case_id), maps))
    if not kept:
        return found if not stored else untuned(questions)
    for name in stored:
        share = tune_threshold((maps[name].native(), mask) for mask, _, _, maps in kept)
        found[name] = Threshold(share, len(kept))
    for name in BASELINES:
        check()
        share = tune_threshold(
            (baseline_maps(mask, joint, noise)[name], mask) for mask, joint, noise, _ in kept
        )
        found[name] = Threshold(share, len(kept))
    return found


def readable(cases: Iterable[tuple], decode: Callable) -> Iterable[Decoded]:
    """Cases decoded one after the other; what cannot be read is passed over."""
    for case, label in cases:
        try:
            yield decode(case, label)
        except BadInput:
            continue
