"""Lights that ask the model again: is the hot area what the score depends on, and does the map hold still?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xai.methods import METHODS
from xai.methods.target import Target
from xai.trust.light import Light

if TYPE_CHECKING:
    from models.engines import Engine
    from xai.explain import CaseExplanation
    from xai.heatmap import Heatmap

#: Share of the image that is blurred: the tenth where the map is hottest, as in the overlap of two maps.
BLUR_SHARE = 0.10
#: Random areas. A map without meaning beats all of 16 others with a chance of 1 in 17.
BLUR_DRAWS = 16
#: Share of the random areas that the hot one must beat. A map without meaning does so in 2 of 17 images.
BLUR_GOOD = 0.9
#: Intersection over union of the hottest tenths. Of two that meet in half of their union two thirds of each
#: are common; two chosen blindly have 0.05 (xai.measures.agreement).
STABLE_OVERLAP = 0.5
APART_OVERLAP = 0.05
APART_RANK = 0.5

BLUR = "Blur test"
STABILITY = "Stability"
KINDS = ("noise", "shift", "jpeg", "flip")
TOLD = {"noise": "a little noise", "shift": "a shift by 4 pixels", "jpeg": "JPEG", "flip": "a flip"}


def blur_light(result: CaseExplanation, heatmap: Heatmap, engine: Engine) -> Light:
    """Does blurring the hot area lower the score more than blurring others of its shape?"""
    from models.engines import margins
    from xai.measures.faithfulness import blur_test

    why = (
        f"The hottest {BLUR_SHARE:.0%} of the image is blurred, then {BLUR_DRAWS} random areas of the same "
        "shape and size; the score is the margin that the map explains (one step of a deletion curve, "
        "Petsiuk et al., BMVC 2018, with a control). It fails where the hot area lowers the score no more "
        f"than the random ones do on average, and passes where it beats {BLUR_GOOD:.0%} of them."
    )
    if heatmap.blank:
        return Light(BLUR, "unknown", "no map", "A blank map has no hot area to test.", why)
    tensor = result.run.inputs.tensor(result.study).tensor
    target = Target(result.label, result.against)
    classes = result.reading.explained.classes

    def score(images: np.ndarray) -> np.ndarray:
        return target.of(margins(engine.predict(images).logits, len(classes)), classes)

    found = blur_test(
        tensor, on_input(heatmap), score, share=BLUR_SHARE, draws=BLUR_DRAWS,
        inside=heatmap.placement.content(),
    )  # fmt: skip
    if not len(found.random_drops):
        return Light(BLUR, "unknown", "no room", "The hot area leaves no room for another of its shape.", why)
    control = float(np.mean(found.random_drops))
    figure = f"beats {round(found.share_beaten * found.n)} of {found.n} areas"
    numbers = f"({found.drop:+.2f} against {control:+.2f} logits)"
    if found.drop <= control:
        sentence = (
            "Blurring the hot area lowers the score less than blurring a random area of the same size "
            f"{numbers}: do not read this map as the reason."
        )
        return Light(BLUR, "bad", figure, sentence, why)
    if found.share_beaten >= BLUR_GOOD:
        sentence = f"The score falls more when the hot area is blurred than when others are {numbers}."
        return Light(BLUR, "good", figure, sentence, why)
    sentence = f"Some random areas matter to the score as much as the hot one does {numbers}."
    return Light(BLUR, "doubt", figure, sentence, why)


def stability_light(result: CaseExplanation, name: str, engine: Engine) -> Light:
    """Does the map stay where it is under changes that no reader would see?"""
    from xai.measures.stability import stability

    why = (
        "The map is made again of the image with a little noise, shifted by 4 pixels, JPEG-compressed, and "
        "flipped (then flipped back): overlap of the hottest tenths of the image and rank correlation, the "
        f"worst of the four. It passes from an overlap of {STABLE_OVERLAP}, and fails where the map moves "
        f"elsewhere (overlap up to {APART_OVERLAP}, correlation under {APART_RANK}) (repeatability, Arun et "
        "al., Radiology: AI 2021)."
    )
    reason = _why_not_repeated(result)
    if reason:
        return Light(STABILITY, "unknown", "not measured", reason, why)
    if chosen(result, name).blank:
        return Light(STABILITY, "unknown", "no map", "A blank map has no places that could move.", why)
    tensor = result.run.inputs.tensor(result.study).tensor
    inside = result.reading.placement.content()
    found = stability(tensor, _explaining(result, name, engine), kinds=KINDS, seed=0, inside=inside)
    vanished = [one for one in found if one.overlap is None or one.rank is None]
    if vanished:
        sentence = f"The map vanishes under {TOLD[vanished[0].kind]}."
        return Light(STABILITY, "bad", "vanishes", sentence, why)
    worst = min(found, key=lambda one: (one.overlap, one.rank))
    figure, under = f"overlap {worst.overlap:.2f}", TOLD[worst.kind]
    if worst.overlap <= APART_OVERLAP and worst.rank < APART_RANK:
        sentence = f"Under {under} the map moves to another place: it does not describe this image."
        return Light(STABILITY, "bad", figure, sentence, why)
    if worst.overlap >= STABLE_OVERLAP:
        sentence = "Noise, a small shift, JPEG and a flip leave the hot area where it is."
        return Light(STABILITY, "good", figure, sentence, why)
    return Light(STABILITY, "doubt", figure, f"Under {under} the hot area moves partly.", why)


def chosen(result: CaseExplanation, name: str) -> Heatmap:
    """The branch's heatmap of that name, else the joint one."""
    return next((heatmap for heatmap in result.heatmaps if heatmap.map.name == name), result.joint)


def on_input(heatmap: Heatmap) -> np.ndarray:
    """float32 [h, w], signed: the map stretched over the network's whole input."""
    placement = heatmap.placement
    whole = replace(placement, native=placement.input, box=(0.0, 0.0, *map(float, placement.input)))
    return whole.to_native(heatmap.map.values)


def _why_not_repeated(result: CaseExplanation) -> str:
    if METHODS[result.method].family != "stored" or result.layer is not None:
        return "A map of this method takes too long to be made four times more: see the Trust page."
    return ""


def _explaining(
    result: CaseExplanation, name: str, engine: Engine
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """tensor [N, h, w, C] -> (maps [N, gh, gw], target values [N]) by the result's own method."""
    from xai.explain import explain_reading

    target = Target(result.label, result.against)

    def explain(tensor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        explained = engine.explain(tensor)
        values = target.of(explained.margins, explained.classes)
        maps = []
        for index in range(len(explained)):
            reading = replace(result.reading, explained=explained.case(index))
            again = explain_reading(
                reading, result.label, result.method, against=result.against, engine=engine
            )
            maps.append(chosen(again, name).map.values)
        return np.stack(maps), values

    return explain
