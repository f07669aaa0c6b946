"""Lights that look at the image and its map: the map's own faults, a strange image, and shortcuts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai.guards import judge
from xai.trust.light import Level, Light

if TYPE_CHECKING:
    from models.engines import Engine
    from xai.explain import CaseExplanation
    from xai.heatmap import Heatmap

#: Share of the heat on marks, or off the tissue, that raises a doubt. A cell of a 7 x 7 grid is 2 % of the
#: image, so a mark beside a lesion gets some of its heat: a tenth is more than that spill alone.
SHORTCUT_HEAT_DOUBT = 0.10
#: A quarter of the heat where there is no tissue is the bound of the padding guard (xai.guards) as well.
SHORTCUT_HEAT_BAD = 0.25
#: Change of the probability without the marks that counts as reliance on them: a tenth moves a case across
#: most operating points' neighbourhoods; painting over a region alone moves it by a few hundredths.
SHORTCUT_CHANGE = 0.10

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
    figure = "not stored" if found.percentile is None else f"further than {found.percentile:.0f} %"
    return Light(FAMILIARITY, found.level, figure, found.sentence, why)


def shortcut_light(result: CaseExplanation, heatmap: Heatmap, engine: Engine) -> Light:
    """Heat on burned-in marks or off the tissue, and the prediction again without them."""
    from xai.guards.shortcuts import find_shortcuts, without_marks

    why = (
        "Burned-in text, calipers, rulers, labels, and what lies outside of the tissue are looked for; then "
        "they are painted over and the model is asked again (one pass). A doubt where the probability moves "
        f"by {SHORTCUT_CHANGE:.2f} or {SHORTCUT_HEAT_DOUBT:.0%} of the heat lies there; a failure where it "
        f"moves so and either {SHORTCUT_HEAT_BAD:.0%} of the heat lies there or the verdict changes."
    )
    found = find_shortcuts(result.study, heatmap)
    heat = max(found.heat_on_marks, found.heat_outside)
    if not found.regions and found.heat_outside < SHORTCUT_HEAT_DOUBT:
        return Light(SHORTCUTS, "good", "none found", "No burned-in marks, and the heat is on tissue.", why)
    rerun = without_marks(result.reading, engine, found)
    change = float(rerun.change)
    figure = f"{heat:.0%} of heat, p {change:+.2f}"
    where = _where(found)
    moved = f"painting {'them' if found.regions else 'it'} over moves the probability by {change:+.2f}"
    hot, relies = heat >= SHORTCUT_HEAT_DOUBT, abs(change) >= SHORTCUT_CHANGE
    if relies and (heat >= SHORTCUT_HEAT_BAD or (hot and rerun.label_changed)):
        flips = " and changes the verdict" if rerun.label_changed else ""
        sentence = f"{heat:.0%} of the heat is {where}, and {moved}{flips}: the model relies on them."
        return Light(SHORTCUTS, "bad", figure, sentence, why)
    if relies or hot:
        sentence = f"{heat:.0%} of the heat is {where}; {moved}: look whether the model reads them."
        return Light(SHORTCUTS, "doubt", figure, sentence, why)
    return Light(SHORTCUTS, "good", figure, f"Little heat is {where}, and {moved}.", why)


def _where(found) -> str:
    kinds = sorted({region.kind for region in found.regions})
    marks = f"on burned-in marks ({', '.join(kinds)})" if kinds else ""
    outside = "outside of the tissue"
    if not kinds or found.heat_outside > found.heat_on_marks:
        return outside
    return marks
