"""From a study and a run to everything there is to say about the prediction, for page and command line.

    reading = read_with(study, run, engine)            # the one call that computes the network
    result = explain_reading(reading, label="malignant", mask=mask)
    picture = draw_overlay(study.display(), result.joint, mask=result.mask)

A reading answers for every class: choosing another one, or moving a slider, never predicts again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput
from models.evaluation import predicted_classes
from models.runs.pieces import cut_note
from xai.cam import JOINT, LOGIT_PER_CELL, GridMap, target_title, why_no_contributions
from xai.guards import Caution, judge
from xai.heatmap import Heatmap
from xai.measures import Localisation, localise
from xai.methods import DEFAULT_METHOD, METHODS, Request, Target, Watch, check_request, make_maps
from xai.methods.layers import is_last

if TYPE_CHECKING:
    from models.engines import Engine, Explained
    from models.engines.shared import SharedPass
    from models.inputs import Placement
    from models.runs import Run
    from models.study import Study

# Full colour for a run without a scale of its own: this many logits, spread evenly over the grid.
UNSCALED_LOGITS = 10.0


@dataclass(frozen=True, eq=False)
class Reading:
    """What a run says about a study, with all that its maps are made of.

    explained: the engine's answer, N = 1. label: the verdict, see `verdict`. prepare_seconds: resizing to
    the network's input; engine_seconds: the one pass.
    """

    study: Study
    run: Run
    placement: Placement
    explained: Explained
    label: str
    prepare_seconds: float
    engine_seconds: float

    @property
    def probabilities(self) -> dict[str, float]:
        """Class -> calibrated probability 0..1, summing to 1, in the run's order."""
        return dict(zip(self.explained.classes, map(float, self.explained.probabilities[0]), strict=True))

    @property
    def notices(self) -> tuple[str, ...]:
        """What was changed or chosen while reading, and that the run knows only pieces of images."""
        note = cut_note(self.run, self.study.height, self.study.width)
        return (*self.study.notices, *([note] if note else []))

    @property
    def threshold(self) -> float:
        """The default operating point's threshold on the probability of the run's positive class."""
        return float(self.run.operating_point.threshold)


@dataclass(frozen=True, eq=False)
class CaseExplanation:
    """One target of a reading explained.

    label: the class whose margin is explained; against: the class it is held against, None for the margin
    alone. layer: the layer that was asked for, None for the last one of every branch; masks and seed as in
    `Request`. heatmaps: one a branch, in the run's order (one alone for a layer, or for a method that looks
    at the whole network); joint: their sum, the map to show first (the same map where there is one). margin
    and rest: logit units; the contributions of the heatmaps' maps + rest == margin (None where the
    method or the head has none). cautions: about the joint map, for the reader. mask: bool [H, W] of the
    lesion or None; measures: the joint map against it. heatmap_seconds: maps, guards and measures.
    """

    reading: Reading
    label: str
    method: str
    heatmaps: tuple[Heatmap, ...]
    joint: Heatmap
    rest: float | None
    margin: float
    cautions: tuple[Caution, ...]
    mask: np.ndarray | None
    measures: Localisation | None
    heatmap_seconds: float
    against: str | None = None
    layer: str | None = None
    masks: int | None = None
    seed: int = 0

    @property
    def title(self) -> str:
        """What is explained, for people: "malignant", or "malignant, not benign"."""
        return target_title(self.label, self.against)

    @property
    def why_no_contributions(self) -> str | None:
        """A sentence where the maps' contributions and the rest are None; None where they are not."""
        return why_no_contributions(self.reading.explained.head, self.method, self.layer)

    @property
    def study(self) -> Study:
        return self.reading.study

    @property
    def run(self) -> Run:
        return self.reading.run


def read_with(study: Study, run: Run, engine: Engine) -> Reading:
    """Run the network once on a study. `engine` is one opened for `run`."""
    began = time.perf_counter()
    prepared = run.inputs.tensor(study)
    ready = time.perf_counter()
    explained = engine.explain(prepared.tensor)
    done = time.perf_counter()
    label = verdict(run, explained.probabilities[0])
    return Reading(study, run, prepared.placement, explained, label, ready - began, done - ready)


def read_shared(shared: SharedPass, run: Run) -> Reading:
    """What one of several runs says of the study that `shared` holds; the seconds are of what this run alone
    had to compute."""
    began = time.perf_counter()
    placement = shared.prepared(run).placement
    ready = time.perf_counter()
    explained = shared.explain(run)
    done = time.perf_counter()
    label = verdict(run, explained.probabilities[0])
    return Reading(shared.study, run, placement, explained, label, ready - began, done - ready)


def explain_reading(
    reading: Reading,
    label: str | None = None,
    method: str = DEFAULT_METHOD,
    mask: np.ndarray | None = None,
    *,
    against: str | None = None,
    layer: str | None = None,
    masks: int | None = None,
    seed: int = 0,
    engine: Engine | None = None,
    watch: Watch | None = None,
) -> CaseExplanation:
    """The maps of one class, their cautions and, with a lesion mask (bool [H, W], native size), their
    measures.

    label: None for the run's positive class, whatever the verdict: its map says what speaks for the finding,
    its negative values what speaks against. against, layer, masks, seed: see `Target` and `Request`; engine
    and watch: see `make_maps`, methods of the stored family need neither. BadInput for an unknown class,
    layer or method, or one that this run cannot give.
    """
    began = time.perf_counter()
    run = reading.run
    request = Request(Target(label or run.positive, against), method, layer, masks, seed)
    explanation = make_maps(reading, request, engine=engine, watch=watch)
    heatmaps = tuple(_heatmap(m, reading, layer, m.name) for m in explanation.maps)
    # A run of one branch may keep its scale under the branch's name alone; one layer's map is its branch's.
    only = explanation.maps[0].name if len(explanation.maps) == 1 else None
    names = (JOINT, only) if layer is None else (only,)
    joint = _heatmap(explanation.joint, reading, layer, *names)
    measures = None if mask is None else localise(joint.native(), mask)
    return CaseExplanation(
        reading=reading,
        label=explanation.label,
        method=explanation.joint.method,
        heatmaps=heatmaps,
        joint=joint,
        rest=explanation.rest,
        margin=explanation.margin,
        cautions=_cautions(run, joint, *names),
        mask=mask,
        measures=measures,
        heatmap_seconds=time.perf_counter() - began,
        against=against,
        layer=layer,
        masks=masks,
        seed=seed,
    )


def explain_study(
    study: Study,
    run: Run,
    engine: Engine,
    label: str | None = None,
    method: str = DEFAULT_METHOD,
    mask: np.ndarray | None = None,
    *,
    against: str | None = None,
    layer: str | None = None,
    masks: int | None = None,
    seed: int = 0,
    watch: Watch | None = None,
) -> CaseExplanation:
    """`read_with` and `explain_reading` in one; a wrong class or method is refused before the network
    runs."""
    check_class(run, label)
    check_class(run, against)
    check_request(run, Request(Target(label or run.positive, against), method, layer, masks, seed))
    return explain_reading(
        read_with(study, run, engine),
        label,
        method,
        mask,
        against=against,
        layer=layer,
        masks=masks,
        seed=seed,
        engine=engine,
        watch=watch,
    )


def check_class(run: Run, label: str | None) -> None:
    """BadInput that lists the run's classes unless `label` is one of them (or None)."""
    if label is not None and label not in run.classes:
        raise BadInput(f"The run {run.id} has no class {label!r}: choose one of {', '.join(run.classes)}.")


def verdict(run: Run, probabilities: np.ndarray) -> str:
    """The class a case is called, from its calibrated probabilities [C], by the rule every metric uses.

    Two classes: the positive one at or above the default operating point's threshold, else the other. More:
    the most probable.
    """
    positive = run.classes.index(run.positive)
    return run.classes[
        int(predicted_classes(probabilities[None], run.operating_point.threshold, positive)[0])
    ]


def _heatmap(values: GridMap, reading: Reading, layer: str | None, *names: str | None) -> Heatmap:
    # The run's scale is of logits in the cells of the last layer; anything else has its own maximum alone.
    if values.unit != LOGIT_PER_CELL or not is_last(reading.run, layer):
        return Heatmap.relative_to_itself(values, reading.placement)
    scale = _scale(reading.run, *names)
    if scale is None:
        scale = UNSCALED_LOGITS / values.values.size
    return Heatmap(values, reading.placement, scale)


def _scale(run: Run, *names: str | None) -> float | None:
    return next((run.card.map_scale[name] for name in names if name in run.card.map_scale), None)


def _cautions(run: Run, joint: Heatmap, *names: str | None) -> tuple[Caution, ...]:
    if joint.relative:
        return judge(joint) if joint.blank else (*judge(joint), _relative(joint.map))
    if _scale(run, *names) is not None:
        return judge(joint)
    unscaled = Caution(
        "unscaled",
        f"The run {run.id} has no colour range of its own, so full colour is {joint.scale:.3g} logits "
        "a cell: compare its colours with no other run's.",
    )
    return (*judge(joint), unscaled)


def _relative(shown: GridMap) -> Caution:
    return Caution(
        "relative",
        f"Full colour is this map's own maximum ({METHODS[shown.method].title} of {shown.layer} has no fixed "
        "scale): even a weak map reaches it, and its colours cannot be compared with another image's.",
    )
