"""The audit's sanity check: maps of the run with its weights made random, on a few cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from xai.audit.figures import mean_figure
from xai.methods import METHODS

if TYPE_CHECKING:
    from models.runs import Run
    from xai.audit.cases import Decoded

CASES = 8
"""Six passes each, and five networks to compile."""


def randomisation_of(
    run: Run, cases: Iterable[Decoded], method: str, check: Callable[[], None]
) -> dict[str, Any]:
    """The document's entry: {"correlation": figure, "passed", "stages": [{"name", "correlation": figure,
    "similarity", "blank"}], "method"}; correlation's value is None, with its "why", where nothing could be
    measured. cases: of the positive class, the first few are taken. See `xai.measures.randomisation` for the
    rule."""
    from xai.measures.randomisation import randomise

    if METHODS[method].family != "stored":
        return undefined("measured on methods of the stored family alone", method)
    prepared = [run.inputs.tensor(decoded.study) for decoded in islice(cases, CASES)]
    if not prepared:
        return undefined("no case of the positive class has a mask", method)

    def watch(done: int, total: int) -> None:
        check()

    found = randomise(
        run,
        np.concatenate([one.tensor for one in prepared]),
        run.positive,
        method,
        insides=[one.placement.content() for one in prepared],
        watch=watch,
    )
    if found.correlation is None:
        return undefined(found.why, method)
    stages = [
        {
            "name": stage.name,
            "correlation": mean_figure(np.array(stage.ranks)),
            "similarity": stage.similarity,
            "blank": stage.blank,
        }
        for stage in found.stages
    ]
    return {
        "correlation": stages[-1]["correlation"],
        "passed": bool(found.passed),
        "stages": stages,
        "method": method,
    }


def undefined(why: str, method: str) -> dict[str, Any]:
    """The entry where nothing could be measured."""
    correlation = {"value": None, "low": None, "high": None, "n": 0, "why": why}
    return {"correlation": correlation, "passed": None, "stages": [], "method": method}
