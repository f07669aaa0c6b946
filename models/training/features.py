"""A head trained on the stored pooled features of other runs' trunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from models.data.arrays import Arrays
from models.data.augmentation import Augmentation
from models.engines import open_engine
from models.errors import BadInput
from models.networks.graph import NetworkSpec, make_head
from models.networks.head import PooledHead
from models.runs import Run

BATCH = 16


@dataclass(frozen=True)
class Standard:
    """Mean and deviation of each pooled feature over the training cases, float32 [K]."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Standard:
        """Over features [..., K]; a feature that never varies counts as it is."""
        flat = features.reshape(-1, features.shape[-1])
        deviation = flat.std(axis=0)
        return cls(flat.mean(axis=0), np.where(deviation > 1e-6, deviation, 1.0).astype(np.float32))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return (features - self.mean) / self.deviation


def source_run(runs: dict[str, Run], backbone: str) -> Run:
    """The run whose only trunk a branch takes over; BadInput where it has another."""
    run = runs[backbone]
    if [branch.backbone for branch in run.branches] != [backbone]:
        raise BadInput(f"The run {run.id} is not a single {backbone}, so the branch cannot start from it.")
    return run


def pooled_features(
    runs: tuple[Run, ...],
    arrays: Arrays,
    copies: int,
    augmentation: Augmentation,
    seed: int,
    progress: Callable[[range], Iterator[int]],
) -> np.ndarray:
    """Features float32 [copies + 1, n, sum of K] of the images as they are (first) and of augmented copies.

    Computed by the ONNX engine from the trunks that will be shipped, so training and inference agree.
    """
    engines = [open_engine(run, "onnx") for run in runs]
    n = len(arrays.images)
    rows = []
    for start in progress(range(0, (copies + 1) * n, BATCH)):
        images = []
        for position in range(start, min(start + BATCH, (copies + 1) * n)):
            copy, row = divmod(position, n)
            image = arrays.images[row].astype(np.float32) / 255.0
            if copy:
                image = augmentation(image, None, np.random.default_rng((seed, copy, row)))[0]
            images.append(image)
        tensor = np.stack(images)
        pooled = [engine.explain(tensor).branches[0].activations.mean(axis=(1, 2)) for engine in engines]
        rows.append(np.concatenate(pooled, axis=1))
    return np.concatenate(rows).reshape(copies + 1, n, -1)


def stored_features(path: Path, compute: Callable[[], np.ndarray]) -> np.ndarray:
    """`compute()`, kept at `path` for the next start of the same training."""
    if path.exists():
        return np.load(path)
    features = compute()
    temporary = path.with_suffix(".partial.npy")
    np.save(temporary, features)
    temporary.replace(path)
    return features


def head_network(spec: NetworkSpec, runs: tuple[Run, ...]) -> tuple[keras.Model, PooledHead]:
    """(standardised features [N, K] -> logits [N, L], its head) for branches of these runs."""
    branches = [run.branches[0] for run in runs]
    head = make_head(spec, tuple(b.grid[0] * b.grid[1] for b in branches))
    features = keras.Input((sum(b.channels for b in branches),), name="features")
    edges = np.cumsum([b.channels for b in branches])[:-1].tolist()
    parts = keras.ops.split(features, edges, axis=-1) if edges else [features]
    return keras.Model(features, head(parts)[0]), head


def fold(standard: Standard, head: PooledHead) -> None:
    """Move the standardisation into the head's first dense layer, so that it takes features as they come."""
    first = head.dense_layers()[0]
    kernel, bias = np.asarray(first.kernel), np.asarray(first.bias)
    first.bias.assign(bias - (standard.mean / standard.deviation) @ kernel)
    first.kernel.assign(kernel / standard.deviation[:, None])
