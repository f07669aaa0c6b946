"""Batches of augmented cases for any Keras backend."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from models.data.arrays import Arrays
from models.data.augmentation import Augmentation
from models.errors import BadInput
from models.training.features import StoredMaps


class Cases(keras.utils.PyDataset):
    """Arrays in memory -> batches (images float32 [n, h, w, C] in 0..1, {"label": int32 [n]}, weights [n]).

    With `augmentation` the order is shuffled and every image is changed anew each epoch. Each draw depends on
    seed, epoch and case alone, so neither a restart nor the number of loading threads changes it.
    """

    def __init__(
        self,
        arrays: Arrays,
        labels: np.ndarray,
        weights: np.ndarray,
        batch: int,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        lesions: Lesions | None = None,
        even: bool = False,
    ):
        """lesions: also give "lesion" and "masked" (see Guided). even: every class is drawn equally often, an
        epoch being as long as the set."""
        super().__init__(workers=2, max_queue_size=4)
        self.arrays, self.labels, self.weights = arrays, labels.astype(np.int32), weights.astype(np.float32)
        self.batch, self.augmentation, self.seed = batch, augmentation, seed
        self.lesions, self.even = lesions, even
        self.begin_epoch(0)

    def begin_epoch(self, epoch: int) -> None:
        """Fix the order and the random draws of this epoch."""
        self.epoch = epoch
        self.order = np.arange(len(self.labels))
        rng = np.random.default_rng((self.seed, epoch))
        if self.even:
            self.order = _even_order(self.labels, rng)
        elif self.augmentation is not None:
            rng.shuffle(self.order)

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch)

    def __getitem__(self, index: int):
        rows = self.order[index * self.batch : (index + 1) * self.batch]
        pairs = [self._pair(row, index * self.batch + place) for place, row in enumerate(rows)]
        target = {"label": self.labels[rows]}
        if self.lesions is not None:
            target["lesion"] = np.stack([self.lesions.on_grid(mask) for _, mask in pairs])
            target["masked"] = self.lesions.taught[rows]
        return np.stack([image for image, _ in pairs]), target, self.weights[rows]

    def _pair(self, row: int, place: int) -> tuple[np.ndarray, np.ndarray | None]:
        image = self.arrays.images[row].astype(np.float32) / 255.0
        mask = self.arrays.masks[row].astype(np.float32) / 255.0 if self.lesions is not None else None
        if self.augmentation is None:
            return image, mask
        # A case may be drawn twice in an even epoch, each time changed otherwise.
        key = (self.seed, self.epoch, int(row), place) if self.even else (self.seed, self.epoch, int(row))
        return self.augmentation(image, mask, np.random.default_rng(key))


@dataclass(frozen=True)
class Lesions:
    """Which masks a heatmap is taught from, and on which grid.

    grid: (rows, columns) of the joint heatmap. taught: float32 [n], 1 where the case's mask counts.
    """

    grid: tuple[int, int]
    taught: np.ndarray

    @classmethod
    def of(
        cls, arrays: Arrays, labels: np.ndarray, grid: tuple[int, int], logits: int, positive: int
    ) -> Lesions:
        """Cases with a mask that is not empty; for one logit those of the positive class alone, since its map
        says nothing of where the other class is."""
        taught = arrays.masked & arrays.masks.any(axis=(1, 2))
        if logits == 1:
            taught &= labels == positive
        return cls(grid, taught.astype(np.float32))

    def on_grid(self, mask: np.ndarray) -> np.ndarray:
        """float32 [rows, columns]: the share of each cell that is lesion, of a mask [h, w] in 0..1."""
        import cv2

        return cv2.resize(mask, self.grid[::-1], interpolation=cv2.INTER_AREA)


class Features(keras.utils.PyDataset):
    """Stored pooled features [copies, n, K] -> batches; each epoch draws one of the augmented copies a
    case."""

    def __init__(
        self, features: np.ndarray, labels: np.ndarray, weights: np.ndarray, batch: int, seed: int = 0
    ):
        super().__init__()
        self.features, self.labels = features.astype(np.float32), labels.astype(np.int32)
        self.weights, self.batch, self.seed = weights.astype(np.float32), batch, seed
        self.begin_epoch(0)

    def begin_epoch(self, epoch: int) -> None:
        rng = np.random.default_rng((self.seed, epoch))
        self.order = np.arange(len(self.labels))
        self.copies = np.zeros(len(self.labels), int)
        if len(self.features) > 1:
            rng.shuffle(self.order)
            self.copies = rng.integers(len(self.features), size=len(self.labels))

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch)

    def __getitem__(self, index: int):
        rows = self.order[index * self.batch : (index + 1) * self.batch]
        return self.features[self.copies[rows], rows], {"label": self.labels[rows]}, self.weights[rows]


class MapCases(keras.utils.PyDataset):
    """Stored feature maps -> batches ({branch: [n, gh, gw, K]}, target, weights); each epoch draws one of the
    augmented copies a case, with the mask that was changed with it."""

    def __init__(
        self,
        stored: StoredMaps,
        labels: np.ndarray,
        weights: np.ndarray,
        batch: int,
        seed: int = 0,
        lesions: Lesions | None = None,
    ):
        super().__init__()
        self.stored, self.lesions = stored, lesions
        self.drawn = Features(stored.masks[..., :1, 0], labels, weights, batch, seed)

    def begin_epoch(self, epoch: int) -> None:
        self.drawn.begin_epoch(epoch)

    def __len__(self) -> int:
        return len(self.drawn)

    def __getitem__(self, index: int):
        drawn = self.drawn
        rows = drawn.order[index * drawn.batch : (index + 1) * drawn.batch]
        copies = drawn.copies[rows]
        maps = {name: values[copies, rows].astype(np.float32) for name, values in self.stored.maps.items()}
        target = {"label": drawn.labels[rows]}
        if self.lesions is not None:
            masks = self.stored.masks[copies, rows].astype(np.float32) / 255.0
            target["lesion"] = np.stack([self.lesions.on_grid(mask) for mask in masks])
            target["masked"] = self.lesions.taught[rows]
        return maps, target, drawn.weights[rows]


def _even_order(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """len(labels) rows, each class as often as the others: each cycled through in shuffled order."""
    classes = np.unique(labels)
    share = -(-len(labels) // len(classes))
    drawn = []
    for label in classes:
        rows = np.flatnonzero(labels == label)
        rounds = [rng.permutation(rows) for _ in range(-(-share // len(rows)))]
        drawn.append(np.concatenate(rounds)[:share])
    return rng.permutation(np.concatenate(drawn))[: len(labels)]


def balanced_weights(labels: np.ndarray, classes: int, how: str) -> np.ndarray:
    """A weight a case: n / (classes * cases of its class) for "weights", else 1; BadInput where a class is
    absent."""
    counts = np.bincount(labels, minlength=classes)
    if not counts.all():
        raise BadInput(
            "One of the classes has no training case; correct the labels or the recipe's label_map."
        )
    if how != "weights":
        return np.ones(len(labels), np.float32)
    return (len(labels) / (classes * counts))[labels].astype(np.float32)
