"""The measures of an audit in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pages.ui.evaluation.words import NONE, listed
from pages.ui.plain_text import plain

if TYPE_CHECKING:
    from pages.ui.trust.audited import Audited, Look

#: measure -> (name, what it asks). In the order of tables; the first five are the headline of every audit.
MEASURES = {
    "pointing": ("Pointing game", "Is the map's highest point on the lesion? No tolerance."),
    "iou": ("IoU", "Overlap of the lesion with where the map is at or above half of its maximum."),
    "dice": ("Dice", "The same overlap, counted as Dice."),
    "energy": ("Energy inside", "Share of the positive evidence that lies on the lesion."),
    "average_precision": ("Average precision", "The map as a segmenter: all its thresholds at once."),
    "pointing_15": ("Pointing game, 15 px", "The highest point within 15 pixels of the lesion (Zhang 2018)."),
    "top5": ("Hottest 5 % touch", "Do the hottest 5 % of the image's pixels touch the lesion?"),
    "iou_otsu": ("IoU, Otsu", "Overlap where the map is above Otsu's threshold of its positive values."),
    "iou_tuned": ("IoU, tuned", "Overlap at the share of the maximum that was best on validation cases."),
    "lesions_hit": ("Lesions found", "Share of an image's lesions that hold a peak or the hottest pixels."),
}
#: Faithfulness to the network, measured only where it was asked for.
FAITHFULNESS = {
    "deletion": ("Deletion", "Area under the score as the hottest pixels go first; low is faithful."),
    "insertion": ("Insertion", "Area under the score as the hottest pixels come first; high is faithful."),
    "average_drop": ("Average drop", "How far the score falls when only the lit part is left; low is good."),
    "increase": ("Increase in confidence", "How often the score rises with only the lit part left."),
}
HEADLINE = tuple(MEASURES)[:5]
#: A hit or a miss, 0 or 1 a case.
HITS = ("pointing", "pointing_15", "top5")
#: Drawn case by case: those that take any value between 0 and 1.
GRADED = ("iou", "energy", "average_precision", "dice", "iou_otsu", "iou_tuned", "lesions_hit")
BASELINES = {
    "centre": ("blob in the centre", "diamond-open"),
    "random": ("noise", "x-thin-open"),
    "ceiling": ("best of this grid", "line-ns-open"),
}
#: Name in a table or a picker.
MAPS = {
    "joint": "Joint map",
    "centre": "Blob in the centre",
    "random": "Noise",
    "ceiling": "Best of the grid",
}
SIZES = {"small": "small: under 3 % of the image", "medium": "medium: 3 to 10 %", "large": "large: over 10 %"}
__all__ = ["listed"]

NO_AUDIT = (
    "This run's heatmaps were never audited, so nothing is known of where they point. "
    "That takes images with lesion masks: measure them in the view Audit now, or with "
    "`python -m xai audit {run} --data MANIFEST --part test --store`."
)


def name_of(measure: str) -> str:
    """A measure's name for people."""
    known = MEASURES.get(measure) or FAITHFULNESS.get(measure)
    return known[0] if known else measure.replace("_", " ").capitalize()


def meaning(measure: str) -> str:
    """What a measure asks, in a sentence."""
    known = MEASURES.get(measure) or FAITHFULNESS.get(measure)
    return known[1] if known else ""


def map_name(name: str, branches: Iterable[str] = ()) -> str:
    """A map's name: a branch keeps its own, and with one branch the joint map is simply the map."""
    if name == "joint" and len(tuple(branches)) == 1:
        return "Map"
    return MAPS.get(name, name)


def metric(found: Mapping[str, object], digits: int = 2) -> str:
    """ "0.92 (0.87 to 0.97)"; a dash where it is undefined, no interval of a single case."""
    if found["value"] is None:
        return NONE
    value, low, high = (f"{found[key]:.{digits}f}" for key in ("value", "low", "high"))
    return value if found.get("n") == 1 else f"{value} ({low} to {high})"


def difference(found: Mapping[str, object], digits: int = 2) -> str:
    """ "+0.14 (+0.02 to +0.25)"; a dash where it is undefined."""
    if found["value"] is None:
        return NONE
    value, low, high = (f"{found[key]:+.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def against_centre(found: Mapping[str, object]) -> str:
    """What the paired difference between map and centre blob lets one say."""
    if found["value"] is None:
        return ""
    told = f"{difference(found)} against the blob in the centre, on the same cases"
    if found["low"] > 0:
        return f"Better than guessing the middle: {told}."
    if found["high"] < 0:
        return f"**Worse than guessing the middle**: {told}."
    return f"**Not told apart from guessing the middle**: {told}."


def of_a_case(measure: str, value: float) -> str:
    """One case's value of a measure."""
    return ("hit" if value else "miss") if measure in HITS else f"{value:.2f}"


def peak(hit: bool, cautions: str = "") -> str:
    """Where the map's peak is, as Markdown; a blank map has none. cautions: kinds with spaces between."""
    if "blank" in cautions.split():
        return ":red[map blank]"
    return f"peak {':green[on]' if hit else ':red[off]'} the lesion"


def bold_value(text: str) -> str:
    """The value in bold, its interval not."""
    value, space, interval = text.partition(" (")
    return f"**{value}**{space}{interval}"


def why(found: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Why measures are undefined: one sentence for all that share a reason."""
    reasons: dict[str, list[str]] = {}
    for name, metric_of in found.items():
        if metric_of["value"] is None:
            reasons.setdefault(str(metric_of.get("why", "")), []).append(name_of(name))
    return [f"{', '.join(names)}: {plain(reason)}" for reason, names in reasons.items()]


def population(audit: Audited, look: Look) -> str:
    """How many cases of which kind the page is about."""
    counts = [(name, len(set(audit.table.case_ids[audit.table.labels == name]))) for name in audit.labels]
    return f"{sum(n for _, n in counts):,} cases with outlined lesions: " + ", ".join(
        f"{n:,} {plain(name)}" for name, n in counts
    )
