"""Saliency and SmoothGrad: how strongly the target depends on each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xai.methods.gradient.tape import BATCH, gradients_of, strongest
from xai.methods.perturbation import in_batches
from xai.methods.request import Watch

if TYPE_CHECKING:
    from models.engines.tensorflow import TensorFlowEngine
    from xai.methods.target import Target

SMOOTH_SAMPLES = 25
SMOOTH_NOISE = 0.15


def saliency(
    engine: TensorFlowEngine, tensor: np.ndarray, target: Target, classes: Sequence[str]
) -> np.ndarray:
    """float32 [h, w] >= 0, logit per unit of shade: the magnitude of the gradient, the channels' largest.

    Simonyan et al., "Deep Inside Convolutional Networks: Visualising Image Classification Models and Saliency
    Maps", ICLR Workshop 2014, section 3. tensor: float32 [1, h, w, C].
    """
    return strongest(gradients_of(engine, tensor, target, classes)[0])


def smoothgrad(
    engine: TensorFlowEngine,
    tensor: np.ndarray,
    target: Target,
    classes: Sequence[str],
    samples: int = SMOOTH_SAMPLES,
    noise: float = SMOOTH_NOISE,
    seed: int = 0,
    watch: Watch | None = None,
) -> np.ndarray:
    """float32 [h, w] >= 0, logit per unit of shade: the magnitude of the gradient averaged over noisy images.

    Smilkov et al., "SmoothGrad: removing noise by adding noise", arXiv:1706.03825, 2017: signed gradients are
    averaged, the magnitude is taken at the end (tf-keras-vis takes it before). noise: the deviation of the
    Gaussian noise as a share of the image's range of shades (10 to 20 % in the paper); samples: of images
    (about 50 in the paper, of which little is gained over 25). The same seed gives the same map.
    """
    rng = np.random.default_rng(seed)
    spread = noise * float(np.ptp(tensor))
    total = np.zeros(tensor.shape[1:])
    for part in in_batches(samples, watch, BATCH):
        shape = (part.stop - part.start, *tensor.shape[1:])
        noisy = tensor + spread * rng.standard_normal(shape, dtype=np.float32)
        total += gradients_of(engine, noisy, target, classes).sum(axis=0, dtype=np.float64)
    return strongest(total / samples)
