"""A case as a report: what the model said, where its evidence lies, and how far to trust it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.reports import Figure, Report, Section, Table, Text, facts
from models.reports.wording import DIGITS, told
from xai.cam import why_no_contributions
from xai.drawing import draw_as
from xai.export import png_bytes
from xai.measures.areas import hot_share
from xai.methods import METHODS
from xai.overlay import DEFAULT_COLOURS, DEFAULT_OPACITY, to_rgb
from xai.trust import WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.reports.document import Part
    from models.runs import Run
    from models.study import Study
    from xai.explain import CaseExplanation
    from xai.heatmap import Heatmap
    from xai.trust import TrustCard

MEASURES = {
    "iou": "IoU at half of the maximum",
    "dice": "Dice at half of the maximum",
    "energy": "Share of the evidence on the lesion",
    "average_precision": "Average precision of the pixels",
}
LONGEST_SIDE = 1200
NOT_STATED = "not stated"
OF_A_PERSON = "This file holds the image itself: send it only to who may see the image."


def explanation_report(
    result: CaseExplanation,
    opacity: float = DEFAULT_OPACITY,
    colours: str = DEFAULT_COLOURS,
    doubts: Sequence[str] = (),
    card: TrustCard | None = None,
    drawing: str = "colour",
) -> Report:
    """One image through one run. doubts: why the run may have nothing to say about this image. card: how far
    the map can be trusted, before the map itself. drawing: of xai.drawing.DRAWINGS."""
    study, run = result.study, result.run
    title = result.joint.map.title
    sections = (
        Section("Verdict", _verdict(result, doubts)),
        *((Section("How far the map can be trusted", _trust(card)),) if card else ()),
        Section(f"Evidence for {title}", _pictures(result, opacity, colours, drawing)),
        Section("What the margin is made of", _contributions(result)),
        Section("Against the lesion mask", (*_measures(result), *_areas(result))),
        Section("The run's record", _record(run)),
        Section("Where this comes from", _origin(result)),
    )
    return Report("One image, explained", f"{study.name} by {run.title} (run {run.id})", sections)


def _verdict(result: CaseExplanation, doubts: Sequence[str]) -> tuple[Part, ...]:
    reading, run = result.reading, result.run
    if len(run.classes) > 2:
        said = f"The model says {reading.label}, the most probable class."
    else:
        side = "at or above" if reading.label == run.positive else "below"
        said = (
            f"The model says {reading.label}: {side} the threshold {reading.threshold:.3f} of {run.positive}."
        )
    rows = tuple((name, f"{p:.3f}") for name, p in reading.probabilities.items())
    cautions = [*doubts, *(caution.sentence for caution in result.cautions), *study_notices(result)]
    return (
        Text(f"{said} Not a diagnosis."),
        Table(("Class", "Calibrated probability"), rows),
        *(Text(sentence, "warning") for sentence in cautions),
    )


def _trust(card: TrustCard) -> tuple[Part, ...]:
    rows = tuple((light.name, WORDS[light.level], light.figure, light.sentence) for light in card.lights)
    of = "the joint map" if card.of == "joint" else f"the map of {card.of}"
    reasons = "\n".join(f"- {light.name}: {light.why}" for light in card.lights)
    return (
        Text(card.sentence, "warning" if card.level in ("bad", "doubt") else "plain"),
        Table(("Check", "Level", "Figure", "In words"), rows, f"Of {of}. {card.count()}."),
        Text(reasons, "small"),
    )


def study_notices(result: CaseExplanation) -> tuple[str, ...]:
    """What the reader of the file had to choose, and that a phantom is one."""
    phantom = ("The image is a synthetic phantom: no person is in it.",) if result.study.synthetic else ()
    return (*phantom, *result.reading.notices)


def _pictures(result: CaseExplanation, opacity: float, colours: str, style: str) -> tuple[Part, ...]:
    shown = _reduced(result.study.display())
    mask = None if result.mask is None else _reduced(result.mask[..., None].astype(np.uint8))[..., 0] > 0
    figures = [Figure(_bare(result.study), "The image", png=png_bytes(to_rgb(shown)), width=0.5)]
    for heatmap in (result.joint, *(result.heatmaps if len(result.heatmaps) > 1 else ())):
        drawing = png_bytes(draw_as(shown, heatmap, style, opacity, colours, mask))
        alt = f"Heatmap of {result.label}, {_named(heatmap)}"
        figures.append(Figure(_caption(heatmap), alt, png=drawing, width=0.5))
    notes = []
    if shown.shape[:2] != result.study.display().shape[:2]:
        notes.append("Pictures are reduced in size; the measures are of the whole image.")
    if not result.study.synthetic:
        notes.append(OF_A_PERSON)
    return (*figures, *(Text(note, "small") for note in notes))


def _bare(study: Study) -> str:
    side = " ".join(filter(None, (study.laterality, study.view)))
    how = "as stored" if study.dicom is None else f"shown by its {study.dicom.shown_by}"
    return f"The image {how}{f', {side}' if side else ''}."


def _reduced(pixels: np.ndarray) -> np.ndarray:
    """uint8 [H, W, C] averaged down so that the longer side is at most LONGEST_SIDE: a page shows no more."""
    height, width = pixels.shape[:2]
    factor = LONGEST_SIDE / max(height, width)
    if factor >= 1:
        return pixels
    import cv2

    size = max(1, round(width * factor)), max(1, round(height * factor))
    smaller = cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA)
    return smaller if smaller.ndim == 3 else smaller[..., None]


def _named(heatmap: Heatmap) -> str:
    return "joint map" if heatmap.map.name == "joint" else heatmap.map.name


def _caption(heatmap: Heatmap) -> str:
    if heatmap.blank:
        return f"{_named(heatmap).capitalize()}: blank, nothing to draw."
    grid, reach = heatmap.grid, f"{heatmap.minimum:+.3f} to {heatmap.maximum:+.3f}"
    own = ", this map's own maximum" if heatmap.relative else ""
    return (
        f"{_named(heatmap).capitalize()}, {grid[0]} x {grid[1]} cells, {METHODS[heatmap.map.method].title}: "
        f"{reach} ({heatmap.map.unit}), full colour at {heatmap.scale:.3g}{own}."
    )


def _contributions(result: CaseExplanation) -> tuple[Part, ...]:
    margin = f"Margin of {result.joint.map.title}: {result.margin:+.3f} logit units."
    if result.rest is None and why_no_contributions(result.reading.explained.head) is None:
        return (Text(f"{margin} This method's maps do not add up to it: Grad-CAM's do."),)
    if why := why_no_contributions(result.reading.explained.head):
        return (Text(f"{margin} {why}"),)
    named = [(heatmap.map.name, heatmap.map.contribution) for heatmap in result.heatmaps]
    rows = [*named, ("rest (no place in the image)", result.rest), ("margin", result.margin)]
    table = Table(("Part", "Logit units"), tuple((name, _signed(value)) for name, value in rows))
    return Text(f"{margin} Contributions and rest add up to it."), table


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"


def _measures(result: CaseExplanation) -> tuple[Part, ...]:
    found = result.measures
    if found is None:
        return (Text("No lesion mask was given: whether the map finds the lesion was not measured."),)
    rows = [("Pointing game: is the map's highest point on the lesion?", "hit" if found.pointing else "miss")]
    rows += [(words, f"{getattr(found, name):.3f}") for name, words in MEASURES.items()]
    note = [Text("One case proves little: see the run's record.", "small")]
    if result.label != result.run.positive:
        other = f"The map explains {result.label}, which is not the finding the mask outlines."
        note.insert(0, Text(other, "warning"))
    return (Table(("Measure of the joint map", "Value"), tuple(rows)), *note)


def _record(run: Run) -> tuple[Part, ...]:
    test = run.card.metrics.get("test", {})
    names = (("AUC", "auc"), ("Sensitivity", "sensitivity"), ("Specificity", "specificity"))
    names += (("Pointing game", "pointing"), ("IoU of map and lesion", "iou"))
    rows = [(words, told(test[name], 2), test[name].n) for words, name in names if name in test]
    if not rows:
        return (Text("This run's card holds no test metrics."),)
    of = "synthetic phantoms" if run.card.synthetic else run.card.data.name
    return (
        Table(("On its own test cases", "Value (95 % interval)", "n"), tuple(rows), f"Test cases of {of}."),
    )


def image_facts(study: Study) -> list[tuple[str, str]]:
    """Side, view and spacing, "not stated" where a file does not say: all that a report has of its header."""
    spacing = study.spacing_mm and " x ".join(f"{side:.4g}" for side in study.spacing_mm) + " mm"
    rows = [
        ("Laterality", study.laterality or NOT_STATED),
        ("View", study.view or NOT_STATED),
        ("Pixel spacing", spacing or NOT_STATED),
    ]
    return rows + ([("Frame", f"{study.frame + 1:,} of {study.frames:,}")] if study.frames > 1 else [])


def _areas(result: CaseExplanation) -> tuple[Text, ...]:
    """How large the hot region is, and the lesion: in square millimetres where a pixel's size is known."""
    if result.joint.blank:
        return ()
    regions = [("Hot region, at least half of the map's maximum", hot_share(result.joint))]
    if result.mask is not None:
        regions.append(("Lesion mask", float(result.mask.mean())))
    return (Text(" ".join(f"{name}: {area(result.study, share)}." for name, share in regions)),)


def area(study: Study, share: float) -> str:
    """A share of the image in words: "38 mm² (1.2 % of the image)", or the share alone."""
    percent = f"{100 * share:.1f} % of the image"
    size = study.area_mm2(share * study.height * study.width)
    return percent if size is None else f"{size:,.0f} mm² ({percent})"


def _origin(result: CaseExplanation) -> tuple[Part, ...]:
    study, run, reading = result.study, result.run, result.reading
    card = run.card
    pairs = [
        ("Image", f"{study.width:,} x {study.height:,} pixels"),
        *image_facts(study),
        ("Its digest", study.digest[:DIGITS]),
        ("Run", run.id),
        ("Its digest", run.digest[:DIGITS]),
        ("Engine", reading.explained.engine),
        ("Method", f"{METHODS[result.method].title} ({METHODS[result.method].paper})"),
        ("Explains", result.joint.map.title),
        *((("Layer", result.layer),) if result.layer else ()),
        ("Data of the run", ": ".join(filter(None, (card.data.name, card.data.licence)))),
        ("Intended use", card.intended_use),
        ("Limits", card.limits),
    ]
    return (facts(pairs),)
