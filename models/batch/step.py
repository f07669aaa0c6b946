"""What else is done with a case once a run has scored it: how `xai batch` adds heatmaps and measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from models.batch.item import Item
    from models.engines import Engine, Explained
    from models.inputs import Prepared
    from models.study import Study


@dataclass(frozen=True, eq=False)
class ScoredCase:
    """One case as one run saw it. explained: of this case alone, N = 1. mask: bool [H, W] or None.
    folder: the batch's output, below which a step may write files of its own, each whole or not at all."""

    item: Item
    study: Study
    prepared: Prepared
    engine: Engine
    explained: Explained
    mask: np.ndarray | None
    folder: Path


class Step(Protocol):
    """One thing that is done with every scored case, in any thread, many at a time.

    columns: the names it adds to a row, always all of them. signature: what its results depend on besides
    run and image, as JSON; a batch is not gone on with under another one. It can be pickled.
    A BadInput it raises is kept as the row's notice; the score stays.
    """

    name: str
    columns: tuple[str, ...]

    @property
    def signature(self) -> Mapping[str, object]: ...

    def __call__(self, case: ScoredCase) -> Mapping[str, float | int | str | bool | None]: ...
