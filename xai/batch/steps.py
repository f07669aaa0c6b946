"""What `xai batch` does with every case that a run has scored: a heatmap, its cautions, its measures, how
like the training data the image is, a thumbnail.

Every step takes what the batch's one pass of the network left (`models.batch.ScoredCase`). Columns are named
here once; whoever reads a batch takes the names from here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from models.errors import BadInput
from xai.batch.case import LONGEST_SIDE, shrunk, view_of
from xai.batch.pictures import (
    HEATMAPS,
    MEASURES,
    THUMBNAIL_SIDE,
    THUMBNAILS,
    file_name,
    jpeg,
    png,
    refused_picture,
    write_whole,
)
from xai.methods import DEFAULT_METHOD, METHODS, check_method, why_not

if TYPE_CHECKING:
    from models.batch import ScoredCase, Step
    from models.runs import Run
    from xai.explain import CaseExplanation

Value = float | int | str | bool | None

#: Columns of the steps. HEATMAP and THUMBNAIL: paths below the batch's folder.
HEATMAP, MAXIMUM, BLANK, CAUTIONS, REST = "heatmap", "map_maximum", "blank", "cautions", "rest"
CONTRIBUTION = "contribution_"
FAMILIAR, PERCENTILE, DISTANCE = "familiar", "familiar_percentile", "familiar_distance"
THUMBNAIL = "thumbnail"
MEASURED_CLASS, MEASURES_FILE = "measured_class", "measures"
#: Of a case's own class (of the positive one without a label), as `xai audit` measures them; hits are 0 or 1.
MEASURE_COLUMNS = (
    *("pointing", "iou", "dice", "energy", "average_precision"),
    *("pointing_15", "top5", "iou_otsu", "lesions_hit"),
)
LESION_COLUMNS = ("lesion_share", "lesions")
UNFAMILIAR = "unfamiliar"
#: Cautions under which no map is drawn: what the trust card of a single image calls failed, and marks.
REFUSING = ("blank", "padding", "marks", "outside", UNFAMILIAR)
#: What the picture says in the place of a map.
WHY_REFUSED = {
    "blank": "No map: blank",
    "padding": "No map: its evidence lies off the image",
    "marks": "No map: its evidence lies on burned-in marks",
    "outside": "No map: its evidence lies off the tissue",
    UNFAMILIAR: "No map: image unlike the training images",
}
# Of what a step writes; another one means that a batch made before it is not gone on with.
_VERSION = 1


@dataclass(frozen=True)
class HeatmapStep:
    """The overlay of a case's joint map of the run's positive class, whatever the verdict, as PNG below
    `heatmaps/<run>`, and what the map is made of.

    The image's own size, its longer side at most LONGEST_SIDE; the lesion's outline where there is a mask. A
    map that must not be read as evidence (REFUSING) is not drawn: the picture is the image under a bar that
    says why, `cautions` has the kind. marks: also look for heat on burned-in marks and off the tissue, which
    costs more than everything else. Columns: `heatmap`, `map_maximum` (the highest value of the grid, in the
    method's unit), `blank`, `cautions` (kinds with spaces between), `rest` and `contribution_<branch>` in
    logit units, None where method or head have none.
    """

    run_id: str
    branches: tuple[str, ...]
    method: str = DEFAULT_METHOD
    marks: bool = False
    name: str = "heatmap"

    @property
    def columns(self) -> tuple[str, ...]:
        contributions = (f"{CONTRIBUTION}{branch}" for branch in self.branches)
        return (HEATMAP, MAXIMUM, BLANK, CAUTIONS, REST, *contributions)

    @property
    def signature(self) -> Mapping[str, object]:
        return {"version": _VERSION, "method": self.method, "marks": self.marks, "side": LONGEST_SIDE}

    def __call__(self, case: ScoredCase) -> dict[str, Value]:
        result = view_of(case).explanation(method=self.method)
        kinds = self._cautions(case, result)
        refused = next((kind for kind in kinds if kind in REFUSING), None)
        name = file_name(case.item.index, case.item.key, case.item.name)
        relative = f"{HEATMAPS}/{self.run_id}/{name}"
        write_whole(case.folder / relative, png(_drawn(case, result, refused)))
        found = {
            HEATMAP: relative,
            MAXIMUM: _finite(result.joint.maximum),
            BLANK: result.joint.blank,
            CAUTIONS: " ".join(kinds),
            REST: _finite(result.rest),
        }
        parts = {heatmap.map.name: heatmap.map.contribution for heatmap in result.heatmaps}
        return found | {f"{CONTRIBUTION}{name}": _finite(parts.get(name)) for name in self.branches}

    def _cautions(self, case: ScoredCase, result: CaseExplanation) -> tuple[str, ...]:
        """Kinds of caution, each once, in the order in which they were found."""
        kinds = [caution.kind for caution in result.cautions]
        if view_of(case).familiar.level == "bad":
            kinds.append(UNFAMILIAR)
        if self.marks:
            from xai.guards import find_shortcuts

            modality = case.study.modality or case.engine.run.modality
            found = find_shortcuts(case.study, result.joint, modality)
            kinds += [caution.kind for caution in found.cautions]
        return tuple(dict.fromkeys(kinds))


@dataclass(frozen=True)
class MeasureStep:
    """With a mask: the map against it, as `xai audit` measures a case (every row of `xai.csv`, which goes to
    a file below `measures/<run>`), its joint map's figures as columns. Without one all columns are None.

    The map is of the case's own class; of the positive one where there is no label, or one the run does not
    know. label_map: label -> class, as (label, class) pairs.
    """

    run_id: str
    method: str = DEFAULT_METHOD
    label_map: tuple[tuple[str, str], ...] = ()
    name: str = "measures"
    columns: tuple[str, ...] = (*MEASURE_COLUMNS, *LESION_COLUMNS, MEASURED_CLASS, MEASURES_FILE)

    @property
    def signature(self) -> Mapping[str, object]:
        return {"version": _VERSION, "method": self.method, "labels": dict(sorted(self.label_map))}

    def __call__(self, case: ScoredCase) -> dict[str, Value]:
        nothing = dict.fromkeys(self.columns)
        if case.mask is None or not case.mask.any():
            return nothing
        from xai.audit.cases import Questions, measure_reading

        view, run, item = view_of(case), case.engine.run, case.item
        label = self._class_of(item.label, run)
        found = measure_reading(
            view.reading, label, case.mask, Questions((self.method,)), case.engine,
            case_id=item.key, group=item.group or item.patient_id or item.key,
            familiar=view.familiar.level,
        )  # fmt: skip
        relative = f"{MEASURES}/{self.run_id}/{file_name(item.index, item.key, suffix='.json')}"
        write_whole(case.folder / relative, (json.dumps(found.to_dict()) + "\n").encode())
        joint = found.rows[0].measures
        return nothing | {name: joint.get(name) for name in MEASURE_COLUMNS} | {
            "lesion_share": found.share, "lesions": found.lesions, MEASURED_CLASS: label,
            MEASURES_FILE: relative,
        }  # fmt: skip

    def _class_of(self, label: str, run: Run) -> str:
        from models.data.manifest import class_of

        try:
            return class_of(label, run.card.label_map | dict(self.label_map), run.classes)
        except BadInput:
            return run.positive


@dataclass(frozen=True)
class FamiliarityStep:
    """How unlike the run's training images this one is (`xai.guards.judge_image`).

    Columns: `familiar` ("good", "doubt", "bad", "unknown"), `familiar_percentile` (0..100: the share of the
    run's held-out images that lie nearer) and `familiar_distance` (about 1 for a usual image), both None
    where the run keeps no statistics.
    """

    name: str = "familiarity"
    columns: tuple[str, ...] = (FAMILIAR, PERCENTILE, DISTANCE)

    @property
    def signature(self) -> Mapping[str, object]:
        return {"version": _VERSION}

    def __call__(self, case: ScoredCase) -> dict[str, Value]:
        found = view_of(case).familiar
        distance = None if found.distance is None else _finite(found.distance)
        return {FAMILIAR: found.level, PERCENTILE: found.percentile, DISTANCE: distance}


@dataclass(frozen=True)
class ThumbnailStep:
    """The image alone, at most THUMBNAIL_SIDE pixels, as `thumbnails/<name>.jpg`: one for all runs."""

    name: str = "thumbnail"
    columns: tuple[str, ...] = (THUMBNAIL,)

    @property
    def signature(self) -> Mapping[str, object]:
        return {"version": _VERSION, "side": THUMBNAIL_SIDE}

    def __call__(self, case: ScoredCase) -> dict[str, Value]:
        item = case.item
        relative = f"{THUMBNAILS}/{file_name(item.index, item.key, suffix='.jpg')}"
        if not (case.folder / relative).is_file():  # another run of the batch has seen the same image
            small = shrunk(replace(case.study, samples=view_of(case).picture, depth_max=255), THUMBNAIL_SIDE)
            write_whole(case.folder / relative, jpeg(small.samples))
        return {THUMBNAIL: relative}


def batch_steps(
    run: Run,
    *,
    heatmaps: bool = True,
    method: str = DEFAULT_METHOD,
    measures: bool = True,
    familiarity: bool = True,
    thumbnails: bool = True,
    marks: bool = False,
    label_map: Mapping[str, str] | None = None,
) -> tuple[Step, ...]:
    """The steps of one run of a batch, in the order in which they are done.

    method: of the stored family, which needs no further pass. marks: see `HeatmapStep`. label_map: label ->
    class, beside the run's own. BadInput for a method the run cannot give, or one that takes many passes.
    """
    key = check_stored(run, method) if heatmaps or measures else DEFAULT_METHOD
    steps: list[Step] = []
    if heatmaps:
        steps.append(HeatmapStep(run.id, tuple(branch.name for branch in run.branches), key, marks))
    if measures:
        steps.append(MeasureStep(run.id, key, tuple(sorted((label_map or {}).items()))))
    if familiarity:
        steps.append(FamiliarityStep())
    if thumbnails:
        steps.append(ThumbnailStep())
    return tuple(steps)


def check_stored(run: Run, method: str) -> str:
    """The method's key, or BadInput where a batch cannot make such maps of this run."""
    key = check_method(method)
    if METHODS[key].family != "stored":
        stored = ", ".join(name for name, one in METHODS.items() if one.family == "stored")
        raise BadInput(
            f"{METHODS[key].title} looks at the network many times an image, which a batch does not: choose "
            f"one of {stored}."
        )
    if reason := why_not(key, run):
        raise BadInput(reason)
    return key


def _drawn(case: ScoredCase, result: CaseExplanation, refused: str | None):
    """uint8 RGB [h, w, 3]: the overlay, or the image under a bar that says why there is no map."""
    from xai.drawing import draw_as
    from xai.overlay import draw_outline, mask_outline, to_rgb

    picture = view_of(case).picture
    mask = None if case.mask is None else _mask_for(case, picture.shape[:2])
    if refused is None:
        return draw_as(picture, result.joint, mask=mask)
    bare = to_rgb(picture) if mask is None else draw_outline(to_rgb(picture), mask_outline(mask))
    return refused_picture(bare, WHY_REFUSED[refused])


def _mask_for(case: ScoredCase, size: tuple[int, int]):
    """bool [h, w]: the mask at the picture's size."""
    if case.mask.shape == size:
        return case.mask
    import cv2

    return cv2.resize(case.mask.view("uint8"), size[::-1], interpolation=cv2.INTER_NEAREST) > 0


def _finite(value: float | None) -> float | None:
    from math import isfinite

    return float(value) if value is not None and isfinite(value) else None
