"""Lights from what is known already: other maps of the same pass, the run's audit, the lesion's mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xai.measures.agreement import agreements, why_no_place
from xai.methods import METHODS, same_as
from xai.trust.light import Level, Light
from xai.trust.passes import APART_OVERLAP, chosen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.engines import Engine
    from models.runs import Run
    from xai.explain import CaseExplanation
    from xai.heatmap import Heatmap

#: Overlap of the hottest tenths from which two maps speak for one place: half of each is common to both.
AGREE_OVERLAP = 1 / 3
#: Methods whose maps the stored pass gives at once, and that ask the same question of it. Eigen-CAM does
#: not: it knows no class.
COMPARED = ("grad-cam", "layercam", "ablation-cam")

#: Share of full colour below which a branch has no place of its own: its highest cell is a whim of noise.
FAINT = 0.05

AGREEMENT = "Agreement"
SANITY = "Random weights"
LOCALISATION = "Record of the run"
NO_RECORD = "This run's audit was never stored: python -m xai audit RUN --data MANIFEST --store measures it."


def agreement_light(result: CaseExplanation, name: str, engine: Engine) -> Light:
    """Do the branches of a hybrid, and other methods on the same pass, point to the same place?"""
    why = (
        "The branches' maps against each other and this map against those of other methods from the same "
        "pass: overlap of the hottest tenths of the image, the worst pair (Krishna et al., 2022). It passes "
        f"from {AGREE_OVERLAP:.2f}; two tenths chosen blindly have 0.05. Disagreement is a doubt, never a "
        "failure: it does not say who is right."
    )
    maps = _others(result, name, engine)
    branches = {heatmap.map.name for heatmap in result.heatmaps}
    faint = [t for t, each in maps.items() if t in branches and each.maximum < FAINT * each.scale]
    usable = {t: heatmap for t, heatmap in maps.items() if t not in faint and not why_no_place(heatmap)}
    mine = chosen(result, name)
    if why_no_place(mine) or not usable:
        reason = "There is no second map from the same pass to compare with."
        return Light(AGREEMENT, "unknown", "nothing to compare", reason, why, decisive=False)
    worst = None
    for title, first, second in _pairs(result, mine, usable):
        found = agreements((first, second))[0][1]
        if found.overlap is not None and (worst is None or found.overlap < worst[1].overlap):
            worst = title, found
    if worst is None:
        reason = "The maps have no places that could be compared."
        return Light(AGREEMENT, "unknown", "nothing to compare", reason, why, decisive=False)
    title, found = worst
    figure = f"overlap {found.overlap:.2f}"
    if found.overlap >= AGREE_OVERLAP:
        sentence = "The branches and other methods point to the same place."
        if len(result.heatmaps) < 2 or faint:
            sentence = "Other methods on the same pass point to the same place."
        if faint:
            sentence += f" Not compared, with next to no evidence: {', '.join(faint)}."
        return Light(AGREEMENT, "good", figure, sentence, why, decisive=False)
    how = "point to different places" if found.overlap <= APART_OVERLAP else "agree only in part"
    return Light(AGREEMENT, "doubt", figure, f"{title} {how}.", why, decisive=False)


def _others(result: CaseExplanation, name: str, engine: Engine) -> dict[str, Heatmap]:
    """Title -> heatmap of the same class: the branches of a joint map, and what other methods make of the
    stored pass."""
    from xai.explain import explain_reading

    found = {}
    if name == "joint" and len(result.heatmaps) > 1:
        found |= {heatmap.map.name: heatmap for heatmap in result.heatmaps}
    if result.layer is not None:
        return found
    mine = same_map(result.method, result.run)
    for method in COMPARED:
        if same_map(method, result.run) == mine:
            continue
        again = explain_reading(result.reading, result.label, method, against=result.against, engine=engine)
        found[METHODS[method].title] = chosen(again, name)
    return found


def same_map(method: str, run: Run) -> str:
    """The first method that gives the same map on this run: the method itself, or Grad-CAM."""
    return "grad-cam" if same_as(method, run) else method


def _pairs(result: CaseExplanation, mine: Heatmap, others: Mapping[str, Heatmap]):
    branches = {heatmap.map.name for heatmap in result.heatmaps} if len(result.heatmaps) > 1 else set()
    own = [others[title] for title in others if title in branches]
    if len(own) > 1:
        yield f"The branches {own[0].map.name} and {own[1].map.name}", own[0], own[1]
    here = METHODS[result.method].title
    for title, heatmap in others.items():
        if title not in branches:
            yield f"{here} and {title}", mine, heatmap


def sanity_light(result: CaseExplanation, record: Mapping[str, Any] | None) -> Light:
    """Did the run's maps change when its weights were randomised?"""
    why = (
        "In the run's audit the weights are randomised from the top layer down: a map that stays the same "
        "does not show what the model learned (Adebayo et al., NeurIPS 2018). The figure is the rank "
        "correlation of maps before and after."
    )
    found = (record or {}).get("randomisation") or {}
    correlation = _value(found.get("correlation"))
    if correlation is None or found.get("passed") is None:
        reason = f"Not measured: {found['why']}." if found.get("why") else NO_RECORD
        return Light(SANITY, "unknown", "not measured" if found.get("why") else "never stored", reason, why)
    tested = found.get("method") or "grad-cam"
    if result.layer is not None or same_map(result.method, result.run) != same_map(tested, result.run):
        # Guided backpropagation stays where Grad-CAM does not (Adebayo et al.): one says nothing of another.
        asked = METHODS[result.method].title + (f" at {result.layer}" if result.layer is not None else "")
        reason = f"The run's audit did it with {METHODS[tested].title} alone: of {asked} that says nothing."
        return Light(SANITY, "unknown", "other map", reason, why)
    figure = f"correlation {correlation:.2f}"
    if found["passed"]:
        sentence = "With randomised weights this run's maps change: they depend on what it learned."
        return Light(SANITY, "good", figure, sentence, why)
    sentence = "This run's maps hardly change with randomised weights: they do not show what it learned."
    return Light(SANITY, "bad", figure, sentence, why)


def mask_light(result: CaseExplanation, heatmap: Heatmap) -> Light | None:
    """This map against this image's lesion mask; None without a mask."""
    from xai.measures import localise

    if result.mask is None:
        return None
    why = (
        "This map against the lesion mask given with the image. It passes where its highest point is on the "
        "lesion (pointing game, Zhang et al., IJCV 2018) and fails where the lesion gets less of the heat "
        "than its share of the image: heat spread evenly would do better."
    )
    name = "On the lesion"
    if result.label != result.run.positive:
        reason = f"The map explains {result.label}, which is not the finding that the mask outlines."
        return Light(name, "unknown", "other class", reason, why)
    if heatmap.blank:
        return Light(
            name, "unknown", "no map", "A blank map points to no place, on the lesion or off it.", why
        )
    of_joint = heatmap is result.joint and result.measures is not None
    found = result.measures if of_joint else localise(heatmap.native(), result.mask)
    share = float(np.mean(result.mask))
    figure = f"{'hit' if found.pointing else 'miss'}, {found.energy:.0%} of heat"
    if found.energy < share:
        sentence = (
            f"The lesion is {share:.0%} of the image and gets {found.energy:.0%} of the heat: "
            "this map does not show it."
        )
        return Light(name, "bad", figure, sentence, why)
    if found.pointing:
        return Light(name, "good", figure, "The map's highest point is on the lesion.", why)
    return Light(name, "doubt", figure, "The map's highest point is beside the lesion.", why)


def record_light(result: CaseExplanation, record: Mapping[str, Any] | None) -> Light:
    """The run's pointing game on its test cases against a blob in the middle of the image."""
    why = (
        "Pointing game over the run's masked test cases with its 95 % interval, beside that of a blob in the "
        "middle of every image, which knows nothing. It passes where the whole interval is above the blob's "
        "figure. It is about the run, not about this image, and raises a doubt at most."
    )
    stored = (record or {}).get("methods") or {}
    method = result.method if result.method in stored else "grad-cam"
    if stored and result.layer is not None:
        reason = f"The stored audit is of the last layers' maps, not of {result.layer}'s."
        return Light(LOCALISATION, "unknown", "other layer", reason, why, decisive=False)
    if result.method not in stored and same_as(result.method, result.run) is None:
        reason = NO_RECORD if not stored else f"The stored audit has no {METHODS[result.method].title}."
        return Light(
            LOCALISATION, "unknown", "not measured" if stored else "never stored", reason, why, decisive=False
        )
    pointing = (stored.get(method) or {}).get("pointing") or {}
    centre = _value(((record or {}).get("baselines") or {}).get("centre", {}).get("pointing"))
    if _value(pointing) is None or centre is None:
        reason = f"Not measured: {pointing['why']}." if pointing.get("why") else NO_RECORD
        return Light(LOCALISATION, "unknown", "not measured", reason, why, decisive=False)
    value, low, high = (pointing[key] for key in ("value", "low", "high"))
    figure = f"hits {value:.0%} of {pointing['n']}"
    interval = "" if low is None else f" ({low:.2f} to {high:.2f})"
    level: Level = "good" if low is not None and low > centre else "doubt"
    beside = f"a blob in the middle of the image hits {centre:.2f}"
    if level == "good":
        sentence = f"On its test cases its maps hit the lesion in {value:.2f}{interval}; {beside}."
    else:
        no = "is no better" if value <= centre else "is not surely better"
        sentence = f"On its test cases its maps hit the lesion in {value:.2f}{interval}: that {no}, {beside}."
    return Light(LOCALISATION, level, figure, sentence, why, decisive=False)


def _value(metric: Any) -> float | None:
    value = metric.get("value") if isinstance(metric, dict) else metric
    return None if value is None else float(value)
