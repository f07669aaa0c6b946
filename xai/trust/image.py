"""Lights that look at the image and its map: the map's own faults, a strange image, and shortcuts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor
from typing import TYPE_CHECKING

import numpy as np

from xai.guards import judge
from xai.trust.light import Level, Light

if TYPE_CHECKING:
    from models.engines import Engine
    from xai.explain import CaseExplanation
    from xai.guards.shortcuts import Shortcuts
    from xai.heatmap import Heatmap

#: A quarter of the heat where there is no tissue is the bound of the guards as well (xai.guards). Less is
#: no doubt of its own: calipers end on the lesion, and a cell of a 7 x 7 grid is 2 % of the image.
HEAT_BAD = 0.25
#: With a verdict that changes, this much is enough.
HEAT_AND_FLIP = 0.10
#: Fall of the explained class's probability without the marks that counts as reliance on them: painting over
#: a region that means nothing moves it by a few hundredths.
RELIANCE = 0.10
#: Where what is no tissue is told for certain. In ultrasound a shadow, and the inside of a lesion, are as
#: dark as the background, so heat there is a doubt and no failure.
CERTAIN_BACKGROUND = ("mammography",)

GUARDS = "Map itself"
FAMILIARITY = "Familiar image"
SHORTCUTS = "Marks and background"


def guard_light(heatmap: Heatmap) -> Light:
    """Blank, saturated, lit in the padding or hugging the border: `xai.guards.judge`."""
    why = (
        "The map is looked at alone: does it point anywhere, does more than half of it reach full colour, "
        "does a quarter of the evidence lie in the padding, do its peak and half of it lie along the edge? "
        "Blank and padding fail, the others raise a doubt."
    )
    found = judge(heatmap)
    if not found:
        return Light(GUARDS, "good", "no fault", "The map points to places inside the image.", why)
    failing = [caution for caution in found if caution.kind in ("blank", "padding")]
    first = (failing or found)[0]
    level: Level = "bad" if failing else "doubt"
    return Light(GUARDS, level, ", ".join(c.kind for c in found), first.sentence, why)


def familiarity_light(result: CaseExplanation) -> Light:
    """Is the image like those the run was trained on? `xai.guards.judge_image`."""
    from xai.guards.familiar import judge_image

    why = (
        "Distance of the image's features from those of the training images (Mahalanobis, Lee et al., "
        "NeurIPS 2018), as a percentile of the run's held-out images. It tells that an image is strange, "
        "never what it is of."
    )
    found = judge_image(result.reading)
    figure = "not stored" if found.percentile is None else f"stranger than {floor(found.percentile)} %"
    return Light(FAMILIARITY, found.level, figure, found.sentence, why)


def shortcut_light(result: CaseExplanation, heatmap: Heatmap, engine: Engine) -> Light:
    """Heat on burned-in marks or off the tissue, and the prediction again without them."""
    from xai.guards.shortcuts import find_shortcuts

    why = (
        "Burned-in text, calipers, rulers, labels, and what lies outside of the tissue are looked for; then "
        "they are painted over and the model is asked again. It fails where the explained class then loses "
        f"{RELIANCE:.2f} of its probability and {HEAT_BAD:.0%} of the heat lay there (or "
        f"{HEAT_AND_FLIP:.0%} and the verdict changes). Only half of that is a doubt; so is heat off the "
        "tissue where tissue can be as dark as the background (ultrasound)."
    )
    found = find_shortcuts(result.study, heatmap)
    tests = []
    if found.regions:
        kinds = ", ".join(sorted({region.kind for region in found.regions}))
        alone = replace(found, outside=np.zeros_like(found.outside))
        tests.append(_test(result, engine, alone, found.heat_on_marks, f"on burned-in marks ({kinds})"))
    if found.heat_outside >= HEAT_BAD:
        alone = replace(found, regions=())
        outside = _test(result, engine, alone, found.heat_outside, "outside of the tissue")
        sure = result.study.modality in CERTAIN_BACKGROUND
        tests.append(outside if sure else replace(outside, level=min(outside.level, 1)))
    if not tests:
        return Light(SHORTCUTS, "good", "none found", "No burned-in marks, and the heat is on tissue.", why)
    worst = max(tests, key=lambda test: (test.level, test.heat))
    level: Level = ("good", "doubt", "bad")[worst.level]
    return Light(SHORTCUTS, level, f"{worst.heat:.0%} of heat", worst.sentence, why)


@dataclass(frozen=True)
class _Without:
    """The prediction without one kind of shortcut. level: 0 good, 1 doubt, 2 bad."""

    level: int
    heat: float
    change: float
    sentence: str


def _test(result: CaseExplanation, engine: Engine, shortcuts: Shortcuts, heat: float, where: str) -> _Without:
    from xai.guards.shortcuts import without_marks

    rerun = without_marks(result.reading, engine, shortcuts)
    change = rerun.probabilities[result.label] - result.reading.probabilities[result.label]
    flips = ", which changes the verdict" if rerun.label_changed else ""
    moved = f"painted over, the probability of {result.label} moves by {change:+.2f}{flips}"
    said = f"{heat:.0%} of the heat is {where}; {moved}"
    hot, relies = heat >= HEAT_BAD, change <= -RELIANCE
    if relies and (hot or (heat >= HEAT_AND_FLIP and rerun.label_changed)):
        return _Without(2, heat, change, f"{said}: the model relies on what is no tissue.")
    if hot or abs(change) >= RELIANCE:
        return _Without(1, heat, change, f"{said}: look whether the model reads it.")
    return _Without(0, heat, change, f"{said}.")
