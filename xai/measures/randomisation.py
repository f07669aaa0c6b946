"""Is the heatmap made of what the network learned? The same maps with the network's weights made random.

Cascading weight randomisation of Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018. Maps are
compared as there: the absolute value of Spearman's correlation (a map turned upside down still shows the same
structure) and structural similarity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xai.measures.agreement import agreement_of_values

if TYPE_CHECKING:
    from models.engines import Engine
    from models.runs import Run
    from xai.methods.target import Target

MOST_CORRELATION = 0.5
"""A map of a network without its weights that still correlates this much shows the image or the method."""
LEAST_CASES = 3
# Side of the square on which two maps are compared: finer than any grid (28 x 28).
COMPARED = 64

MapsOf = Callable[["Engine", np.ndarray], Sequence[np.ndarray]]
"""(engine, tensors float32 [N, h, w, C]) -> one map [gh, gw] an image, signed."""
Watch = Callable[[int, int], None]


@dataclass(frozen=True)
class Stage:
    """Maps of a partly random network against the trained one's.

    name: what is random, with all before it (models.engines.randomised.STAGES). correlation: mean over images
    of |Spearman's rho|, 0..1. similarity: mean structural similarity, -1..1. blank: how many maps had no
    place left; they count as 0 in both. ranks: |rho| of each image.
    """

    name: str
    correlation: float
    similarity: float
    blank: int = 0
    ranks: tuple[float, ...] = ()


@dataclass(frozen=True)
class Randomisation:
    """The cascade of one run and method.

    stages: from the head to all layers. correlation: the last stage's; None, with `why`, where fewer than
    three images had a map. passed: correlation below 0.5. n: images.
    """

    stages: tuple[Stage, ...]
    correlation: float | None
    passed: bool | None
    n: int
    why: str = ""


def randomise(
    run: Run,
    tensors: np.ndarray,
    target: Target | str,
    method: str = "grad-cam",
    *,
    seed: int = 0,
    maps_of: MapsOf | None = None,
    insides: Sequence[np.ndarray] | None = None,
    watch: Watch | None = None,
) -> Randomisation:
    """The maps of `tensors` (float32 [N, h, w, C], inputs of `run`) at every stage of randomisation.

    target: what the maps explain, a class's name for its margin. method: one of the stored family; for
    another give `maps_of`. insides: bool [h, w] an image, True on the image and False on padding, which is
    not compared. watch: called with (stages done, stages), may raise to stop. Images whose map by the trained
    network is blank are left out. Six times N passes, and the compilation of five networks.
    """
    from models.engines import open_engine
    from models.engines.randomised import STAGES, Cascade

    maps_of = maps_of or _stored_maps(target, method)
    if watch:
        watch(0, len(STAGES))
    trained = maps_of(open_engine(run, "onnxruntime"), tensors)
    usable = [i for i, grid in enumerate(trained) if np.isfinite(grid).all() and np.ptp(grid) > 0]
    if len(usable) < LEAST_CASES:
        why = f"only {len(usable)} of the images have a map to compare; {LEAST_CASES} are needed"
        return Randomisation((), None, None, len(usable), why)
    inside = None if insides is None else [insides[i] for i in usable]
    stages = []
    for done, (name, engine) in enumerate(Cascade(run, seed).engines(), start=1):
        found = maps_of(engine, tensors[usable])
        stages.append(_compared(name, [trained[i] for i in usable], found, inside))
        if watch:
            watch(done, len(STAGES))
    correlation = stages[-1].correlation
    return Randomisation(tuple(stages), correlation, correlation < MOST_CORRELATION, len(usable))


def structural_similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Mean structural similarity of two arrays [h, w], each brought to 0..1 first; -1..1.

    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 13,
    2004: an 11 x 11 Gaussian window of standard deviation 1.5, K1 = 0.01, K2 = 0.03, windows that lie within
    the image. A constant array becomes 0.
    """
    import cv2

    def smooth(values: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(values, (11, 11), 1.5)[5:-5, 5:-5]

    x, y = _to_unit(first), _to_unit(second)
    mx, my = smooth(x), smooth(y)
    vx, vy, vxy = smooth(x * x) - mx * mx, smooth(y * y) - my * my, smooth(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    found = ((2 * mx * my + c1) * (2 * vxy + c2)) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return float(found.mean())


def _compared(
    name: str,
    trained: Sequence[np.ndarray],
    found: Sequence[np.ndarray],
    insides: Sequence[np.ndarray] | None,
) -> Stage:
    ranks, alike, blank = [], [], 0
    for i, (before, after) in enumerate(zip(trained, found, strict=True)):
        first, second = _spread(before), _spread(after)
        seen = np.s_[:, :] if insides is None else _inside(insides[i])
        same = agreement_of_values(first[seen], second[seen])
        blank += same.rank is None
        ranks.append(abs(same.rank or 0.0))
        alike.append(0.0 if same.rank is None else structural_similarity(first, second))
    return Stage(name, float(np.mean(ranks)), float(np.mean(alike)), blank, tuple(ranks))


def _spread(grid: np.ndarray) -> np.ndarray:
    from models.inputs import Placement

    return Placement.fitting((COMPARED, COMPARED), (COMPARED, COMPARED)).to_native(grid)


def _inside(inside: np.ndarray) -> np.ndarray:
    rows, columns = (np.arange(COMPARED) * side // COMPARED for side in inside.shape)
    return inside[np.ix_(rows, columns)]


def _to_unit(values: np.ndarray) -> np.ndarray:
    low, span = values.min(), float(np.ptp(values))
    return (values.astype(np.float64) - low) / span if span > 0 else np.zeros(values.shape)


def _stored_maps(target: Target | str, method: str) -> MapsOf:
    def maps_of(engine: Engine, tensors: np.ndarray) -> list[np.ndarray]:
        from models.engines.head import Head
        from xai.methods.stored import explain_case

        explained = engine.explain(tensors)
        # Ablation-CAM asks the head again: the one whose weights are random as well.
        head = Head(engine.run, engine.head) if method == "ablation-cam" else None
        cases = (explained.case(i) for i in range(len(explained)))
        return [explain_case(case, target, method, head=head).joint.values for case in cases]

    return maps_of
