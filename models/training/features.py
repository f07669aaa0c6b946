"""Stored features and feature maps of trunks that stand still, and the networks over them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from models.data.arrays import Arrays
from models.data.augmentation import Augmentation
from models.engines.onnx import available_runtime, compile_model
from models.networks.graph import NetworkSpec, make_head
from models.networks.head import PooledHead

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


def pooled_features(
    trunk: Path,
    arrays: Arrays,
    copies: int,
    augmentation: Augmentation,
    seed: int,
    progress: Callable[[range], Iterable[int]],
) -> np.ndarray:
    """Features float32 [copies + 1, n, K] of the images as they are (first) and of augmented copies.

    Computed from the trunk's ONNX file, the one that will be shipped, so training and inference agree.
    """
    compiled = compile_model(trunk, available_runtime())
    rows = []
    for positions in _batches(arrays, copies, progress):
        tensor = np.stack([_copy(arrays, position, augmentation, seed)[0] for position in positions])
        rows.append(compiled.call({"image": tensor})["activations"].mean(axis=(1, 2), dtype=np.float32))
    return np.concatenate(rows).reshape(copies + 1, len(arrays.images), -1)


def stored_features(path: Path, compute: Callable[[], np.ndarray]) -> np.ndarray:
    """`compute()`, kept at `path` for the next that asks."""
    if path.exists():
        return np.load(path)
    features = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.partial.npy")
    np.save(temporary, features)
    temporary.replace(path)
    return features


@dataclass(frozen=True)
class StoredMaps:
    """Target-layer activations on disk: branch -> float16 [copies + 1, n, gh, gw, K], and the masks that were
    changed with them, uint8 [copies + 1, n, h, w]."""

    maps: dict[str, np.ndarray]
    masks: np.ndarray

    @classmethod
    def compute(
        cls,
        folder: Path,
        trunks: dict[str, Path],
        arrays: Arrays,
        copies: int,
        augmentation: Augmentation,
        seed: int,
        progress: Callable[[range], Iterable[int]],
    ) -> StoredMaps:
        """Read from `folder` where they are whole, else computed there."""
        names = [*trunks, "masks"]
        if not (folder / "done").exists():
            folder.mkdir(parents=True, exist_ok=True)
            cls._write(folder, trunks, arrays, copies, augmentation, seed, progress)
            (folder / "done").touch()
        stored = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
        masks = stored.pop("masks")
        return cls(stored, masks)

    @staticmethod
    def _write(folder, trunks, arrays, copies, augmentation, seed, progress) -> None:
        compiled = {name: compile_model(path, available_runtime()) for name, path in trunks.items()}
        total, opened = (copies + 1) * len(arrays.images), {}
        lead = (copies + 1, len(arrays.images))

        def keep(name: str, positions, values: np.ndarray, kind) -> None:
            if name not in opened:
                opened[name] = np.lib.format.open_memmap(
                    folder / f"{name}.npy", "w+", kind, (*lead, *values.shape[1:])
                )
            opened[name].reshape(total, *values.shape[1:])[positions] = values

        for positions in _batches(arrays, copies, progress):
            pairs = [_copy(arrays, position, augmentation, seed) for position in positions]
            tensor = np.stack([image for image, _ in pairs])
            masks = np.stack([np.round(mask * 255).astype(np.uint8) for _, mask in pairs])
            keep("masks", positions, masks, np.uint8)
            for name, model in compiled.items():
                keep(name, positions, model.call({"image": tensor})["activations"], np.float16)

    def standard(self) -> Standard:
        """Of the pooled features of all copies, branches joined."""
        pooled = [
            np.stack([copy.astype(np.float32).mean(axis=(1, 2)) for copy in maps])
            for maps in self.maps.values()
        ]
        return Standard.of(np.concatenate(pooled, axis=-1))


def _batches(arrays: Arrays, copies: int, progress) -> Iterator[list[int]]:
    total = (copies + 1) * len(arrays.images)
    for start in progress(range(0, total, BATCH)):
        yield list(range(start, min(start + BATCH, total)))


def _copy(arrays: Arrays, position: int, augmentation: Augmentation, seed: int):
    """(image, mask) float32 in 0..1 of one position in [copies + 1, n]; copy 0 is unchanged."""
    copy, row = divmod(position, len(arrays.images))
    image = arrays.images[row].astype(np.float32) / 255.0
    mask = arrays.masks[row].astype(np.float32) / 255.0
    if not copy:
        return image, mask
    return augmentation(image, mask, np.random.default_rng((seed, copy, row)))


def head_network(
    spec: NetworkSpec, channels: tuple[int, ...], cells: tuple[int, ...]
) -> tuple[keras.Model, PooledHead]:
    """(standardised features [N, K] -> logits [N, L], its head) for branches of so many channels and grid
    cells."""
    head = make_head(spec, cells)
    features = keras.Input((sum(channels),), name="features")
    edges = np.cumsum(channels)[:-1].tolist()
    parts = keras.ops.split(features, edges, axis=-1) if edges else [features]
    return keras.Model(features, head(parts)[0]), head


def maps_network(
    spec: NetworkSpec, branches: tuple[dict, ...], standard: Standard
) -> tuple[keras.Model, PooledHead]:
    """({branch: maps [N, gh, gw, K]} -> the explain graph's outputs, its head).

    Maps are divided by their features' deviation and the head sees standardised features, so its heatmap is
    the one of the head that `fold` makes of it.
    """
    head = make_head(spec, tuple(b["grid"][0] * b["grid"][1] for b in branches))
    inputs, scaled, pooled, start = {}, {}, [], 0
    for branch in branches:
        name, width = branch["name"], branch["channels"]
        place = slice(start, start + width)
        deviation, mean = standard.deviation[place], standard.mean[place]
        inputs[name] = keras.Input((*branch["grid"], width), name=name)
        scaled[name] = keras.layers.Rescaling((1.0 / deviation).tolist(), name=f"{name}_scaled")(inputs[name])
        mean_map = keras.layers.GlobalAveragePooling2D(name=f"{name}_pool")(scaled[name])
        shift = (-mean / deviation).tolist()
        pooled.append(keras.layers.Rescaling(1.0, shift, name=f"{name}_centred")(mean_map))
        start += width
    logits, *weights = head(pooled)
    outputs = {"logits": logits}
    for branch, w in zip(branches, weights, strict=True):
        outputs[f"activations_{branch['name']}"] = scaled[branch["name"]]
        outputs[f"channel_weights_{branch['name']}"] = w
    return keras.Model(inputs, outputs), head


def fold(standard: Standard, head: PooledHead) -> None:
    """Move the standardisation into the head's first dense layer, so that it takes features as they come."""
    first = head.dense_layers()[0]
    kernel, bias = np.asarray(first.kernel), np.asarray(first.bias)
    first.bias.assign(bias - (standard.mean / standard.deviation) @ kernel)
    first.kernel.assign(kernel / standard.deviation[:, None])
