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
    """The document's entry: {"correlation", "low", "high", "n", "passed", "method", "stages": [{"name",
    "correlation", "low", "high", "similarity", "blank"}]}; correlation None, with "why", where nothing could
    be measured. cases: of the positive class, the first few are taken. See `xai.measures.randomisation` for
    the rule."""
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
    stages = []
    for stage in found.stages:
        figure = mean_figure(np.array(stage.ranks))
        own = {
            "name": stage.name,
            "correlation": figure["value"],
            "low": figure["low"],
            "high": figure["high"],
        }
        stages.append(own | {"similarity": stage.similarity, "blank": stage.blank})
    last = {key: stages[-1][key] for key in ("correlation", "low", "high")}
    return last | {"n": found.n, "passed": bool(found.passed), "method": method, "stages": stages}


def undefined(why: str, method: str) -> dict[str, Any]:
    """The entry where nothing could be measured."""
    nothing = dict.fromkeys(("correlation", "low", "high"))
    return nothing | {"n": 0, "passed": None, "method": method, "stages": [], "why": why}
