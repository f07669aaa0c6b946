"""Faithfulness in an audit: does the score depend on what a map shows? It takes many passes, so it is asked
for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput

if TYPE_CHECKING:
    from models.engines import Engine
    from models.inputs import Placement
    from xai.explain import CaseExplanation, Reading

# The field's own choice: pixels go to the mean, and come back into a blurred image (Petsiuk et al. 2018).
USUAL = {"deletion": "mean", "insertion": "blur"}
FILLERS = ("mean", "blur", "black")
_SENSITIVITY_DRAWS, _SENSITIVITY_SHARES = 16, (0.1, 0.3, 0.5)


@dataclass(frozen=True)
class Faithfulness:
    """What to measure of each method's joint map, and of noise on the same grid.

    fillers: what takes the place of pixels in deletion and insertion, besides the usual ("mean" for deletion,
    "blur" for insertion): of FILLERS. steps: of a curve. BadInput for another filler.
    """

    fillers: tuple[str, ...] = ()
    steps: int = 20

    def __post_init__(self) -> None:
        for filler in self.fillers:
            if filler not in FILLERS:
                raise BadInput(f"There is no baseline {filler!r}: choose one of {', '.join(FILLERS)}.")

    @property
    def curves(self) -> dict[str, tuple[str, str]]:
        """Column -> (kind of curve, filler): "deletion" and "insertion" with the usual fillers, others with
        the filler's name behind."""
        usual = {kind: (kind, filler) for kind, filler in USUAL.items()}
        others = {
            f"{kind}_{filler}": (kind, filler)
            for kind in USUAL
            for filler in self.fillers
            if filler != USUAL[kind]
        }
        return usual | others

    @property
    def passes(self) -> int:
        """Network passes that one map takes."""
        curves = len(self.curves) * (self.steps + 1)
        return curves + 2 + 1 + len(_SENSITIVITY_SHARES) * _SENSITIVITY_DRAWS


def measure_faithfulness(
    reading: Reading,
    results: Mapping[str, CaseExplanation],
    noise: np.ndarray,
    engine: Engine,
    asked: Faithfulness,
    check: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, float | None]]:
    """{method: {measure: value}}, and "random" for `noise` float32 [gh, gw], what any map of that grid gets.

    The score is the calibrated probability of the explained class. check: called between measures; raises to
    stop.
    """
    run = reading.run
    tensor = run.inputs.tensor(reading.study).tensor
    inside = reading.placement.content()
    grids = {name: result.joint.map.values for name, result in results.items()} | {"random": noise}
    label = next(iter(results.values())).label
    index = run.classes.index(label)

    def predict(images: np.ndarray) -> np.ndarray:
        check()
        return engine.predict(images).probabilities[:, index]

    found = {}
    for name, values in grids.items():
        saliency = _on_input(values, reading.placement)
        found[name] = dict(_measures(tensor, saliency, predict, inside, asked))
    return found


def _measures(
    tensor: np.ndarray, saliency: np.ndarray, predict: Callable, inside: np.ndarray, asked: Faithfulness
) -> Iterable[tuple[str, float | None]]:
    from xai.measures.faithfulness import deletion, insertion, kept, sensitivity_n

    measures = {"deletion": deletion, "insertion": insertion}
    for name, (kind, filler) in asked.curves.items():
        yield name, measures[kind](tensor, saliency, predict, filler, asked.steps, inside).area
    one = kept(tensor, saliency, predict, inside)
    yield "average_drop", one.drop
    yield "increase", float(one.increase)
    yield (
        "sensitivity_n",
        sensitivity_n(tensor, saliency, predict, _SENSITIVITY_SHARES, _SENSITIVITY_DRAWS, inside=inside),
    )


def _on_input(values: np.ndarray, placement: Placement) -> np.ndarray:
    """A grid map stretched over the network's whole input, float32 [h, w]."""
    whole = replace(placement, native=placement.input, box=(0.0, 0.0, *map(float, placement.input)))
    return whole.to_native(values)
