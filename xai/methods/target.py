"""What a map explains: one class's margin, or one class against another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.errors import BadInput
from xai.cam import target_title


@dataclass(frozen=True)
class Target:
    """A linear combination of the margins, in logit units.

    label: the class that is explained. against: None for its margin; another class for a contrastive map,
    "why malignant, not benign": the difference of the two logits (Prabhushankar et al., "Contrastive
    Explanations in Neural Networks", ICIP 2020, asks the same question of a loss).
    """

    label: str
    against: str | None = None

    @property
    def title(self) -> str:
        """For people: "malignant", or "malignant, not benign"."""
        return target_title(self.label, self.against)

    def weights(self, classes: Sequence[str]) -> np.ndarray:
        """float64 [C]: what each class's margin is multiplied by. BadInput for an unknown or a repeated
        class.

        A margin is a logit less the mean of the others (models.engines.margins), so two margins differ by
        C / (C - 1) times what their logits differ by; the factor here takes that back. A network of one
        logit z has margins (-z, z): its positive class against the other is z again.
        """
        for name in (self.label, self.against):
            if name is not None and name not in classes:
                raise BadInput(f"This run has no class {name!r}: choose one of {', '.join(classes)}.")
        if self.label == self.against:
            raise BadInput(f"The class {self.label} cannot be held against itself: choose another class.")
        weights = np.zeros(len(classes))
        weights[list(classes).index(self.label)] = 1.0
        if self.against is not None:
            weights[list(classes).index(self.against)] = -1.0
            weights *= (len(classes) - 1) / len(classes)
        return weights

    def of(self, margins: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """float64 [N]: the target's value, from margins [N, C], in logit units."""
        return np.asarray(margins, np.float64) @ self.weights(classes)
