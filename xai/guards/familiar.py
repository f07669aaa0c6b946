"""Whether an image is like those its run was trained on. Told, never diagnosed."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.engines.familiarity import Familiarity
    from models.inputs import Prepared
    from models.runs import Run
    from xai.explain import Reading

DOUBT_PERCENTILE, BAD_PERCENTILE = 97.5, 99.0
"""One in forty of the run's own held-out images lies as far: worth a second look; one in a hundred: told. The
furthest of them is often an oddity of its own, so an image need not lie beyond all of them."""


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

    "bad": further than 99 % of the run's held-out images; "doubt": further than 97.5 %.
    """
    from models.engines.familiarity import read_familiarity

    known = read_familiarity(reading.run)
    if known is None:
        return not_kept(reading.run)
    return judge_with(known, reading, reading.run.inputs.tensor(reading.study))


def not_kept(run: Run) -> Familiar:
    """What is said where the run keeps no statistics."""
    return Familiar(
        None,
        "unknown",
        f"The run {run.id} keeps no statistics of its training images, so nobody can tell whether this "
        "image is like them.",
    )


def judge_with(known: Familiarity, reading: Reading, prepared: Prepared) -> Familiar:
    """`judge_image` with the run's statistics and the study's tensor at hand."""
    from models.engines.familiarity import picture_facts

    facts = picture_facts(reading.study, prepared)
    distance = float(known.distance(reading.explained, facts[None])[0])
    # Activations that are not numbers lie nowhere near.
    percentile = known.percentile(distance) if np.isfinite(distance) else 100.0
    further = f"further than {floor(percentile)} % of the run's {len(known)} held-out images"
    if percentile > BAD_PERCENTILE:
        sentence = (
            f"This image is unlike the training images ({further}): the probability means nothing here."
        )
        return Familiar(percentile, "bad", sentence, distance)
    if percentile > DOUBT_PERCENTILE:
        sentence = f"This image is at the edge of the training images ({further}): doubt the probability."
        return Familiar(percentile, "doubt", sentence, distance)
    return Familiar(percentile, "good", f"This image is like the training images ({further}).", distance)
