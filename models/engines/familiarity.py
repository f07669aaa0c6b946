"""How far an image lies from those a run was trained on, by what its network makes of it.

A classifier answers whatever it is shown. What its trunks publish anyway, the pooled activations, tell an
image that is like the training images from one that is not: their distribution over the training cases is
kept with the run (`features.npz`), as a mean and a few directions, and no image can be drawn from it.

Distance, in two parts of equal say:

- pooled activations: Mahalanobis distance (Lee et al., "A simple unified framework for detecting
  out-of-distribution samples and adversarial attacks", NeurIPS 2018) under one Gaussian with the covariance
  of probabilistic PCA (Tipping and Bishop, J. R. Stat. Soc. B 61 (1999) 611): the first directions with their
  own variances, all others with one. What the other directions hold is the reconstruction error that tells
  the unseen best (Ndiour, Ahuja and Tickoo, arXiv 2012.04250);
- a few plain facts of the picture (`FACTS`), Mahalanobis likewise. A network turns colours into grey and
  crops into squares before its trunks see them; these facts are taken where they are still there.

The scale is set by held-out cases: the distance has no meaning but its rank among theirs.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput
from models.runs.schema import FEATURES_FILE

if TYPE_CHECKING:
    from models.data.manifest import Case
    from models.engines import Engine, Explained
    from models.inputs import Prepared
    from models.runs import Run
    from models.study import Study

MAX_FILE_BYTES = 1 << 20
DIRECTIONS = 32
FACTS = (
    *("5 %", "25 %", "median", "75 %", "95 %"),
    *("black", "white"),
    *("finest detail", "fine detail", "middle detail", "coarse detail", "large forms"),
    *("fine streaks", "coarse streaks"),
    *("fine sparseness", "coarse sparseness"),
    *("top", "bottom", "centre"),
    *("symmetry", "colour", "shape"),
)
"""What `picture_facts` gives, in its order."""
_BATCH = 16
_BLACK, _WHITE, _COLOURED = 0.04, 0.9, 0.1
# A channel that hardly moved in training counts as if it had moved by this share of the usual.
_LEAST_SPREAD = 0.1


@dataclass(frozen=True, eq=False)
class Familiarity:
    """The distribution of a run's training cases, and how far its held-out cases lie from it.

    D pooled activations, P facts, q directions. Arrays are half precision in the file and float64 here.
    """

    mean: np.ndarray
    """[D] of the pooled activations."""
    spread: np.ndarray
    """[D] > 0: their standard deviations."""
    directions: np.ndarray
    """[q, D]: orthonormal rows in units of `spread`, most variance first."""
    variances: np.ndarray
    """[q + 1]: along the directions, and along every other one."""
    fact_mean: np.ndarray
    """[P]"""
    fact_whitening: np.ndarray
    """[P, P]: facts less their mean, times this, have unit covariance."""
    typical: np.ndarray
    """[2]: median squared distance of the held-out cases by activations and by facts."""
    held_out: np.ndarray
    """[m]: distances of the held-out cases, ascending."""

    def __len__(self) -> int:
        """Held-out cases."""
        return len(self.held_out)

    def distance(self, explained: Explained, facts: np.ndarray) -> np.ndarray:
        """Distances float64 [N] >= 0 of the images of an engine's answer. facts: [N, P] of `picture_facts`.

        About 1 for a usual image of the run's own data.
        """
        return self.distance_of(describe(explained, facts))

    def distance_of(self, rows: np.ndarray) -> np.ndarray:
        """The same from rows [N, D + P] of `describe`."""
        return np.sqrt((self.parts_of(rows) / self.typical).mean(axis=1))

    def parts_of(self, rows: np.ndarray) -> np.ndarray:
        """Squared distances [N, 2] by activations and by facts, not yet on one scale."""
        rows = np.asarray(rows, np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self.mean) + len(self.fact_mean):
            raise ValueError(
                f"expected rows of {len(self.mean)} + {len(self.fact_mean)} numbers, got {rows.shape}"
            )
        away = (rows[:, : len(self.mean)] - self.mean) / self.spread
        along = away @ self.directions.T
        rest = np.maximum((away**2).sum(axis=1) - (along**2).sum(axis=1), 0)
        features = (along**2 / self.variances[:-1]).sum(axis=1) + rest / self.variances[-1]
        facts = ((rows[:, len(self.mean) :] - self.fact_mean) @ self.fact_whitening) ** 2
        return np.stack([features, facts.sum(axis=1)], axis=1)

    def percentile(self, distance: float) -> float:
        """Percentage 0..100 of the held-out cases that lie nearer than an image at this distance."""
        return 100.0 * float(np.searchsorted(self.held_out, distance, side="left")) / len(self.held_out)

    def to_bytes(self) -> bytes:
        """The content of `features.npz`, the same bytes for the same numbers."""
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry in fields(self):
                member = io.BytesIO()
                np.save(member, _stored(entry.name, getattr(self, entry.name)), allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{entry.name}.npy"), member.getvalue())
        return sink.getvalue()


def fit_familiarity(training: np.ndarray, held_out: np.ndarray, facts: int = len(FACTS)) -> Familiarity:
    """From rows of `describe`: training [n, D + P], held_out [m, D + P], the last `facts` columns the facts.

    ValueError with fewer than 3 training or 1 held-out case. The parameters are rounded to what the file
    keeps before the held-out cases are measured, so a stored Familiarity gives the very same percentiles.
    """
    training, held_out = np.asarray(training, np.float64), np.asarray(held_out, np.float64)
    if len(training) < 3 or len(held_out) < 1:
        raise ValueError(f"{len(training)} training and {len(held_out)} held-out cases are too few")
    split = training.shape[1] - facts
    mean = _half(training[:, :split].mean(axis=0))
    spread = training[:, :split].std(axis=0)
    spread = _half(np.maximum(spread, max(_LEAST_SPREAD * spread.mean(), 1e-4)))
    away = (training[:, :split] - mean) / spread
    _, singular, rows = np.linalg.svd(away, full_matrices=False)
    variances = singular**2 / len(training)
    q = min(DIRECTIONS, len(training) - 2, split - 1)
    others = max(float(variances[q:].sum()) / (split - q), 1e-6)
    fact_mean = training[:, split:].mean(axis=0)
    draft = Familiarity(
        mean=mean,
        spread=spread,
        directions=_half(rows[:q]),
        variances=np.append(np.maximum(variances[:q], others), others),
        fact_mean=fact_mean,
        fact_whitening=_whitening(training[:, split:] - fact_mean),
        typical=np.ones(2),
        held_out=np.zeros(1),
    )
    typical = np.maximum(np.median(draft.parts_of(held_out), axis=0), 1e-9)
    scaled = Familiarity(**{**vars(draft), "typical": typical})
    return Familiarity(**{**vars(scaled), "held_out": np.sort(scaled.distance_of(held_out))})


def describe(explained: Explained, facts: np.ndarray) -> np.ndarray:
    """float32 [N, D + P]: pooled activations of every branch in the run's order, then the facts [N, P]."""
    pooled = [branch.activations.mean(axis=(1, 2), dtype=np.float32) for branch in explained.branches]
    return np.concatenate([*pooled, np.asarray(facts, np.float32)], axis=1)


def picture_facts(study: Study, prepared: Prepared) -> np.ndarray:
    """float32 [P] as `FACTS` names them, of a study and its tensor.

    Of the greys of the tensor's content, without padding: percentiles; shares of black and white; logarithms
    of the contrast in five octaves; of the ratio of changes downwards to changes across (streaks: ultrasound
    lies in layers) and of mean to root-mean-square detail (sparseness), both at two scales; how much brighter
    the top third, the bottom third and the centre are than the whole; correlation with the mirror image. Of
    the study: share of pixels whose channels differ by over a tenth; logarithm of width over height.
    """
    top, left, height, width = (round(side) for side in prepared.placement.box)
    grey = prepared.tensor[0, top : top + height, left : left + width].mean(axis=2)
    steps = [grey, *(_blurred(grey, sigma) for sigma in (1, 2, 4, 8))]
    bands = [finer - coarser for finer, coarser in pairwise(steps)]
    mean, third, side = grey.mean(), max(1, height // 3), width // 4
    middle = grey[height // 4 : height - height // 4, side : width - side]
    facts = [
        *np.percentile(grey, (5, 25, 50, 75, 95)),
        (grey <= _BLACK).mean(),
        (grey >= _WHITE).mean(),
        *(np.log(band.std() + 1e-3) for band in (*bands, steps[-1])),
        _streaks(grey),
        _streaks(steps[2]),
        _sparseness(bands[0]),
        _sparseness(bands[2]),
        grey[:third].mean() - mean,
        grey[-third:].mean() - mean,
        (middle.mean() if middle.size else mean) - mean,
        _symmetry(steps[-1]),
        _colour_share(study),
        np.log(study.width / study.height),
    ]
    return np.array(facts, np.float32)


def rows_of(engine: Engine, cases: Iterable[Case]) -> np.ndarray:
    """float32 [n, D + P] of `describe` for cases of a manifest, a batch of images in memory at a time."""
    from models.study import read_study

    rows, tensors, facts = [], [], []

    def flush() -> None:
        if tensors:
            rows.append(describe(engine.explain(np.concatenate(tensors)), np.stack(facts)))
            tensors.clear()
            facts.clear()

    for case in cases:
        study = read_study(case.file)
        prepared = engine.run.inputs.tensor(study)
        tensors.append(prepared.tensor)
        facts.append(picture_facts(study, prepared))
        if len(tensors) == _BATCH:
            flush()
    flush()
    return np.concatenate(rows)


def read_familiarity(run: Run) -> Familiarity | None:
    """What the run keeps of its training images; None for a run without it (imported, or of an older
    program).

    BadInput where the file is there and is not what it should be.
    """
    path = run.path(FEATURES_FILE)
    if path is None:
        return None
    damaged = BadInput(
        f"The {FEATURES_FILE} of the run {run.id} is not what this program writes: fetch the run again."
    )
    if path.stat().st_size > MAX_FILE_BYTES:
        raise damaged
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            found = Familiarity(**{e.name: stored[e.name].astype(np.float64) for e in fields(Familiarity)})
    except (OSError, ValueError, KeyError, MemoryError, zipfile.BadZipFile):
        raise damaged from None
    if not _fits(found, run):
        raise damaged
    return found


def _fits(found: Familiarity, run: Run) -> bool:
    """Whether every array has the shape the run's trunks ask for and every number is finite."""
    d, q, p = sum(branch.channels for branch in run.branches), len(found.directions), len(FACTS)
    wanted = {
        "mean": (d,),
        "spread": (d,),
        "directions": (q, d),
        "variances": (q + 1,),
        "fact_mean": (p,),
        "fact_whitening": (p, p),
        "typical": (2,),
    }
    shapes = all(getattr(found, name).shape == shape for name, shape in wanted.items())
    finite = all(np.isfinite(getattr(found, entry.name)).all() for entry in fields(found))
    ranked = found.held_out.ndim == 1 and len(found.held_out) > 0
    positive = all((getattr(found, name) > 0).all() for name in ("spread", "variances", "typical"))
    return shapes and finite and ranked and positive


def _stored(name: str, values: np.ndarray) -> np.ndarray:
    """Half precision for what is large; the few numbers that decide ranks stay single or double."""
    if name in ("mean", "spread", "directions"):
        return values.astype(np.float16)
    return values.astype(np.float64)


def _half(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float16).astype(np.float64)


def _whitening(away: np.ndarray) -> np.ndarray:
    """[P, P] from centred facts [n, P]; a fact that never changed counts by a floor of its own."""
    covariance = away.T @ away / len(away)
    floor = np.diag(np.full(len(covariance), 1e-4))
    values, vectors = np.linalg.eigh(covariance + floor)
    return vectors / np.sqrt(values)


def _blurred(grey: np.ndarray, sigma: float) -> np.ndarray:
    import cv2

    return cv2.GaussianBlur(grey, (0, 0), sigma)


def _streaks(grey: np.ndarray) -> float:
    down = np.abs(np.diff(grey, axis=0)).sum() / grey.size
    across = np.abs(np.diff(grey, axis=1)).sum() / grey.size
    return float(np.log((down + 1e-3) / (across + 1e-3)))


def _sparseness(band: np.ndarray) -> float:
    return float(np.log((np.abs(band).mean() + 1e-3) / (band.std() + 1e-3)))


def _symmetry(grey: np.ndarray) -> float:
    """Correlation of the picture with its mirror image, -1..1; 0 for one without any contrast."""
    away = grey - grey.mean()
    power = float((away**2).sum())
    return float((away * away[:, ::-1]).sum()) / power if power > 1e-9 else 0.0


def _colour_share(study: Study) -> float:
    if study.is_grey:
        return 0.0
    samples = study.samples[:: max(1, study.height // 256), :: max(1, study.width // 256)]
    return float((np.ptp(samples.astype(np.float32), axis=2) > _COLOURED * study.depth_max).mean())
