"""The phantom laboratory of the tour: phantoms with and without the planted marker, through two runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, islice

import numpy as np

from models.engines import Engine
from models.runs import Run
from models.study import Study, read_study
from xai.explain import read_with
from xai.export import png_bytes
from xai.overlay import to_rgb

LESION, SHORTCUT = "lab-lesion", "lab-shortcut"
#: Of a series that no run was trained on; what the training saw was series 1.
SERIES, TWINS = 101, 6


@dataclass(frozen=True, eq=False)
class Twin:
    """One malignant phantom twice: marked (the corner marker planted) and plain, else the same to the pixel.
    mask: bool [H, W], of the lesion."""

    number: int
    marked: Study
    plain: Study
    mask: np.ndarray

    def image(self, marked: bool) -> Study:
        return self.marked if marked else self.plain


@dataclass(frozen=True, eq=False)
class Said:
    """What a run says of the twins: the probability of its positive class, float [n] each."""

    run: Run
    marked: np.ndarray
    plain: np.ndarray

    def called(self, marked: bool) -> int:
        """How many it calls positive at its own threshold."""
        values = self.marked if marked else self.plain
        return int((values >= self.run.operating_point.threshold).sum())


def numbers(most: int = TWINS) -> tuple[int, ...]:
    """Which phantoms of the series the tour shows: the first malignant ones."""
    from models.data.phantoms.case import label_of, positive_of

    positive = positive_of("ultrasound")
    malignant = (i for i in count() if label_of("ultrasound", SERIES, i) == positive)
    return tuple(islice(malignant, most))


def ask(run: Run, engine: Engine, twins: Sequence[Twin]) -> Said:
    """Two passes a twin."""
    values = [
        [read_with(twin.image(marked), run, engine).probabilities[run.positive] for twin in twins]
        for marked in (True, False)
    ]
    return Said(run, *(np.array(each) for each in values))


def draw_twin(index: int) -> Twin:
    """Phantom `index` of the series, marked and plain."""
    from models.data.phantoms.writing import Drawing

    marked, plain = (Drawing("ultrasound", SERIES, index, marked=marked) for marked in (True, False))
    drawn = plain.draw()
    return Twin(index, _study(marked.draw().image, marked.stem), _study(drawn.image, plain.stem), drawn.mask)


def _study(image: np.ndarray, name: str) -> Study:
    return read_study(png_bytes(to_rgb(image)), f"{name}.png", modality="ultrasound", synthetic=True)
