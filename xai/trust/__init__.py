"""How far can this heatmap be trusted? A few seconds of checks, each with its number and a sentence.

    card = trust_card(result, engine, record=read_audit(result.run))

Reading a map that does not say why the model decided is worse than having none. So the card never averages:
one decisive check that fails is enough to hold the map back, and what could not be measured says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from xai.trust.light import LEVELS, WORDS, Level, Light, TrustCard, card_of, entry

if TYPE_CHECKING:
    from models.engines import Engine
    from xai.explain import CaseExplanation

__all__ = ["LEVELS", "WORDS", "Level", "Light", "TrustCard", "entry", "trust_card"]


def trust_card(
    result: CaseExplanation,
    engine: Engine,
    *,
    name: str = "joint",
    record: Mapping[str, Any] | None = None,
    watch: Callable[[int, int], None] | None = None,
) -> TrustCard:
    """Check one map of one image.

    engine: an engine of the result's run. name: the map, "joint" or a branch's. record: the run's stored
    audit (`xai.audit.read_audit`), the shape of `python -m xai audit --json`. watch: told (done, total)
    before every check; what it raises stops the card. Some 25 network passes, in batches.
    """
    from xai.trust.image import familiarity_light, guard_light, shortcut_light
    from xai.trust.passes import blur_light, chosen, stability_light
    from xai.trust.record import agreement_light, mask_light, record_light, sanity_light

    began = time.perf_counter()
    heatmap = chosen(result, name)
    checks: tuple[Callable[[], Light | None], ...] = (
        lambda: guard_light(heatmap),
        lambda: familiarity_light(result),
        lambda: blur_light(result, heatmap, engine),
        lambda: stability_light(result, name, engine),
        lambda: shortcut_light(result, heatmap, engine),
        lambda: agreement_light(result, name, engine),
        lambda: sanity_light(result, record),
        lambda: mask_light(result, heatmap),
        lambda: record_light(result, record),
    )
    lights = []
    for done, check in enumerate(checks):
        if watch is not None:
            watch(done, len(checks))
        light = check()
        if light is not None:
            lights.append(light)
    return card_of(tuple(lights), heatmap.map.name, result.method, time.perf_counter() - began)
