"""Batches of augmented cases for any Keras backend."""

from __future__ import annotations

import keras
import numpy as np

from models.data.arrays import Arrays
from models.data.augmentation import Augmentation


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
    ):
        super().__init__(workers=2, max_queue_size=4)
        self.arrays, self.labels, self.weights = arrays, labels.astype(np.int32), weights.astype(np.float32)
        self.batch, self.augmentation, self.seed = batch, augmentation, seed
        self.begin_epoch(0)

    def begin_epoch(self, epoch: int) -> None:
        """Fix the order and the random draws of this epoch."""
        self.epoch = epoch
        self.order = np.arange(len(self.labels))
        if self.augmentation is not None:
            np.random.default_rng((self.seed, epoch)).shuffle(self.order)

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch)

    def __getitem__(self, index: int):
        rows = self.order[index * self.batch : (index + 1) * self.batch]
        images = np.stack([self._image(row) for row in rows])
        return images, {"label": self.labels[rows]}, self.weights[rows]

    def _image(self, row: int) -> np.ndarray:
        image = self.arrays.images[row].astype(np.float32) / 255.0
        if self.augmentation is None:
            return image
        rng = np.random.default_rng((self.seed, self.epoch, int(row)))
        return self.augmentation(image, None, rng)[0]


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


def balanced_weights(labels: np.ndarray, classes: int, how: str) -> np.ndarray:
    """A weight a case: n / (classes * cases of its class) for "weights", else 1; BadInput where a class is
    absent."""
    from models.errors import BadInput

    counts = np.bincount(labels, minlength=classes)
    if not counts.all():
        raise BadInput(
            "One of the classes has no training case; correct the labels or the recipe's label_map."
        )
    if how != "weights":
        return np.ones(len(labels), np.float32)
    return (len(labels) / (classes * counts))[labels].astype(np.float32)
