"""A run and an engine small enough to read: cells are block averages, the logit is linear in them."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import numpy as np

from models.engines import Branch, Explained, Scores
from models.inputs import InputSpec, Placement
from models.study import Study
from xai.cam import GridMap
from xai.heatmap import Heatmap

SIDE = 32
CLASSES = ("other", "malignant")


def study_of(pixels: np.ndarray, name: str = "scan.png", **fields: object) -> Study:
    """A study of a uint8 image, [H, W] or [H, W, C]."""
    samples = pixels[..., None] if pixels.ndim == 2 else pixels
    return Study(samples, 255, name, hashlib.sha256(samples.tobytes()).hexdigest(), **fields)


def fake_run(**changes: object) -> SimpleNamespace:
    """What xai asks of models.runs.Run."""
    scale = changes.pop("map_scale", {"joint": 0.2, "coarse": 0.1, "fine": 0.05})
    fields = {
        "id": "tiny",
        "digest": "d" * 64,
        "classes": CLASSES,
        "positive": "malignant",
        "operating_point": SimpleNamespace(name="youden", threshold=0.4),
        "inputs": InputSpec(SIDE, SIDE, 1, "pad"),
        "has_weights": True,
        "branches": tuple(
            SimpleNamespace(name=name, backbone="blocks", target_layer=f"{name}_relu", channels=2)
            for name in ("coarse", "fine")
        ),
        "card": SimpleNamespace(map_scale=scale, synthetic=True, logits=1, head=None, prepare={}),
    }
    return SimpleNamespace(**(fields | changes))


class BlockEngine:
    """Two branches, 4x4 and 8x8 cells. Channels of a cell: its mean shade s, and relu(0.5 - s).

    logit = sum over branches of weights . pooled + bias; flipping the image flips every map.
    """

    name = "blocks 1.0"
    bias = -0.25

    def __init__(self, weights: dict[str, tuple[float, float]] | None = None, **gain: float) -> None:
        self.weights = weights or {"coarse": (-1.0, 6.0), "fine": (0.5, 3.0)}
        self.calls = 0
        self.run = fake_run()

    def predict(self, tensor: np.ndarray) -> Scores:
        explained = self.explain(tensor)
        return Scores(explained.logits, explained.probabilities)

    def explain(self, tensor: np.ndarray) -> Explained:
        self.calls += 1
        branches, logit = [], np.float64(self.bias)
        for name, cells in (("coarse", 4), ("fine", 8)):
            if name not in self.weights:
                continue
            size = SIDE // cells
            shade = tensor[..., 0].reshape(-1, cells, size, cells, size).mean(axis=(2, 4))
            activations = np.stack([shade, np.maximum(0.5 - shade, 0)], axis=-1).astype(np.float32)
            weights = np.array(self.weights[name])
            logit = logit + activations.mean(axis=(1, 2)) @ weights
            slopes = np.stack([-weights, weights])[None] / cells**2
            branches.append(Branch(name, f"{name}_relu", activations, slopes.astype(np.float32)))
        logits = np.atleast_1d(logit).astype(np.float32)[:, None]
        positive = 1 / (1 + np.exp(-logits.astype(np.float64)))
        return Explained(
            run_id="tiny",
            classes=CLASSES,
            logits=logits,
            probabilities=np.concatenate([1 - positive, positive], axis=1),
            margins=np.concatenate([-logits, logits], axis=1),
            branches=tuple(branches),
            engine=self.name,
        )


def grid_map(values: object, name: str = "joint", label: str = "malignant") -> GridMap:
    array = np.array(values, dtype=np.float32)
    return GridMap(array, name, f"{name}_relu", "grad-cam", label, float(array.sum()))


def heatmap_of(
    values: object, native: tuple[int, int] = (32, 32), scale: float = 1.0, fit: str = "pad"
) -> Heatmap:
    """A heatmap of these grid values on an image of `native` pixels in a 32 x 32 input."""
    return Heatmap(grid_map(values), Placement.fitting(native, (SIDE, SIDE), fit), scale)
