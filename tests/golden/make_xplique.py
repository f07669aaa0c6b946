"""Deletion, insertion, average drop and increase in confidence by Xplique, to hold ours against. Not run by
the tests.

In an environment of its own (its TensorFlow is older than ours), from the repository's root:

    python3 -m venv ENV && ENV/bin/pip install xplique==2.0.2
    ENV/bin/python tests/golden/make_xplique.py

writes tests/golden/xplique.json. The network, images and maps are drawn by numpy from a fixed seed
(tests/golden/perturbed.py). Baselines: 0, the image's mean, and SciPy's Gaussian blur with a standard
deviation of a sixteenth of the side.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from scipy.ndimage import gaussian_filter
from xplique.metrics import AverageDropMetric, AverageIncreaseMetric, Deletion, Insertion

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.golden.perturbed import CLASSES, SIDE, STEPS, Perturbed, perturbed

OUT = Path(__file__).with_name("xplique.json")


def built(fixed: Perturbed) -> tf.keras.Model:
    """The network in Keras, "valid" convolution."""
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Input((SIDE, SIDE, 1)),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(CLASSES, use_bias=False, activation="softmax"),
        ]
    )
    model.set_weights([fixed.kernel, fixed.bias, fixed.dense])
    return model


def mean_of(images: np.ndarray) -> np.ndarray:
    return np.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape).astype(np.float32)


def blur_of(images: np.ndarray) -> np.ndarray:
    return gaussian_filter(images, (0, SIDE / 16, SIDE / 16, 0), mode="reflect").astype(np.float32)


def main() -> None:
    fixed, found = perturbed(), []
    model = built(fixed)
    baselines = {"black": 0.0, "mean": mean_of, "blur": blur_of}
    for image, heat, label in zip(fixed.images[:, None], fixed.maps[:, None], fixed.targets, strict=True):
        target = np.eye(CLASSES, dtype=np.float32)[[label]]
        entry = {"score": float(model(image)[0, label])}
        for kind, metric in (("deletion", Deletion), ("insertion", Insertion)):
            for name, baseline in baselines.items():
                curve = metric(model, image, target, baseline_mode=baseline, steps=STEPS)
                scores = curve.detailed_evaluate(heat)
                entry[f"{kind} {name}"] = {
                    "pixels": [int(n) for n in scores],
                    "values": [float(v) for v in scores.values()],
                    "area": float(curve.evaluate(heat)),
                }
        entry["average_drop"] = AverageDropMetric(model, image, target).evaluate(heat)
        entry["increase"] = AverageIncreaseMetric(model, image, target).evaluate(heat)
        found.append(entry)
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
