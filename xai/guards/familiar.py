"""Whether an image is like those its run was trained on. Told, never diagnosed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.engines.familiarity import Familiarity
    from models.runs import Run
    from xai.explain import Reading

DOUBT_PERCENTILE = 97.5
"""One in forty of the run's own held-out images is as far: worth a second look, no more."""
BEYOND = 1.001
"""Further than every held-out image by more than two engines' rounding can make."""


@dataclass(frozen=True)
class Familiar:
    """An image against the run's training images.

    percentile: 0..100, the share of the run's held-out images that lie nearer; None where the run keeps no
    statistics. distance: about 1 for a usual image, None likewise. level: "good", "doubt", "bad" or
    "unknown". sentence: for the reader.
    """

    percentile: float | None
    level: str
    sentence: str
    distance: float | None = None


def judge_image(reading: Reading) -> Familiar:
    """The image of a reading against the statistics in its run's `features.npz`, without another pass.

    "bad": further than every held-out image of the run; "doubt": further than 97.5 % of them.
    """
    from models.engines.familiarity import picture_facts

    run = reading.run
    known = _familiarity(run)
    if known is None:
        return Familiar(
            None,
            "unknown",
            f"The run {run.id} keeps no statistics of its training images, so it cannot be told whether this "
            "image is like them.",
        )
    facts = picture_facts(reading.study, run.inputs.tensor(reading.study))
    distance = float(known.distance(reading.explained, facts[None])[0])
    percentile = known.percentile(distance)
    if not np.isfinite(distance) or distance > BEYOND * known.held_out[-1]:
        return Familiar(
            100.0,
            "bad",
            f"This image is unlike the training images (further than 100 % of the {len(known)} held-out "
            "images): the probability means nothing here.",
            distance,
        )
    if percentile > DOUBT_PERCENTILE:
        return Familiar(
            percentile,
            "doubt",
            f"This image is at the edge of what the run was trained on (further than {percentile:.0f} % of "
            f"the {len(known)} held-out images): take the probability with caution.",
            distance,
        )
    return Familiar(
        percentile,
        "good",
        f"This image is like the training images (further than {percentile:.0f} % of the {len(known)} "
        "held-out images).",
        distance,
    )


@lru_cache(maxsize=8)
def _familiarity(run: Run) -> Familiarity | None:
    """Runs compare by the digest of their card, so a rewritten run is read anew."""
    from models.engines.familiarity import read_familiarity

    return read_familiarity(run)
