"""From modality values to what is shown: windows and lookup tables (PS3.3 C.11.1 and C.11.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.errors import BadInput

WHITE = 65535
FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


@dataclass(frozen=True)
class Window:
    """A grey window. centre, width: in modality values (after rescale or modality LUT). function: of
    PS3.3 C.11.2.1.2 and C.11.2.1.3. name: of a preset, for people. BadInput where it is none."""

    centre: float
    width: float
    function: Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"] = "LINEAR"
    name: str = ""

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            raise BadInput(f"There is no such window function: use one of {', '.join(FUNCTIONS)}.")
        if not (math.isfinite(self.centre) and math.isfinite(self.width) and abs(self.centre) < 1e9):
            raise BadInput("A window's centre and width are numbers: give others.")
        least = 1.0 if self.function == "LINEAR" else 0.0
        if not least <= self.width < 1e9 or self.width == 0:
            raise BadInput(
                "A window's width is at least 1 (above 0 where it is exact or a sigmoid): give a larger one."
            )

    def shown(self, values: np.ndarray) -> np.ndarray:
        """float64 0..1, 0 black, of modality values of any shape (C.11.2.1.2, C.11.2.1.3)."""
        x = np.asarray(values, dtype=np.float64)
        if self.function == "SIGMOID":
            # Beyond +-40 the exponential is 0 or overflows, and the sigmoid is 0 or 1 to the last bit.
            return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (x - self.centre) / self.width, -40.0, 40.0)))
        if self.function == "LINEAR_EXACT":
            return np.clip((x - self.centre) / self.width + 0.5, 0.0, 1.0)
        if self.width == 1:
            return (x > self.centre - 0.5).astype(np.float64)
        return np.clip((x - (self.centre - 0.5)) / (self.width - 1.0) + 0.5, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class LookupTable:
    """first: the value of the first entry; values below it get that entry, values above the last one get the
    last (C.11.1.1.1). entries: uint16 [n]. bits: of an entry. name: the table's explanation, for people."""

    first: int
    entries: np.ndarray
    bits: int
    name: str = ""

    def looked_up(self, values: np.ndarray) -> np.ndarray:
        """uint16, of values of any shape; those between two entries take the nearer one."""
        place = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1)
        return self.entries[place.astype(np.int64)]

    def shown(self, values: np.ndarray) -> np.ndarray:
        """float64 0..1, 0 black."""
        white = max(2**self.bits - 1, int(self.entries.max()))
        return self.looked_up(values) / float(white)


def stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """float64 0..1: from low, black, to high, white; where they are equal, black."""
    return np.clip((np.asarray(values, np.float64) - low) / ((high - low) or 1.0), 0.0, 1.0)
