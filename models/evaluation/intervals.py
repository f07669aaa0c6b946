"""95 % intervals: the stratified, grouped bootstrap, and score intervals where resampling sees no spread."""

from collections.abc import Iterator, Sequence

import numpy as np

Z95 = 1.959963984540054
# Cells of the weights held at once: bounds memory to some tens of MB whatever the number of cases.
_BLOCK = 2_000_000


def resampled_weights(
    labels: np.ndarray, groups: Sequence[str] | None, resamples: int = 2000, seed: int = 0
) -> Iterator[np.ndarray]:
    """How often each case is drawn, float64 [b, n] a block of resamples, `resamples` rows in all.

    Whole groups (patient, duplicate group) are drawn with replacement, as many as there are, within the
    groups that hold the same set of labels: every resample has every label that the cases have. Without
    groups every case is its own. Efron and Tibshirani 1993, chapter 8; the same seed gives the same weights.
    """
    labels = np.asarray(labels)
    group_of = group_index(groups, len(labels))
    holds = np.zeros((group_of.max(initial=-1) + 1, labels.max(initial=-1) + 1), dtype=bool)
    holds[group_of, labels] = True
    strata = [np.flatnonzero((holds == kind).all(axis=1)) for kind in np.unique(holds, axis=0)]
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // max(1, len(labels)))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn = np.zeros((size, len(holds)))
        for members in strata:
            picks = rng.integers(len(members), size=(size, len(members)))
            flat = picks + len(members) * np.arange(size)[:, None]
            counts = np.bincount(flat.ravel(), minlength=size * len(members))
            drawn[:, members] = counts.reshape(size, len(members))
        yield drawn[:, group_of]


def group_index(groups: Sequence[str] | None, n: int) -> np.ndarray:
    """Groups [n] as indices 0..G-1; a case of no group (None, or an empty name) is its own. Integers are
    taken for such indices."""
    if groups is None:
        return np.arange(n)
    if isinstance(groups, np.ndarray) and groups.dtype.kind in "iu":
        return groups
    named = [f"group {group}" if str(group) else f"case {i}" for i, group in enumerate(groups)]
    return np.unique(named, return_inverse=True)[1].reshape(-1) if named else np.arange(0)


def percentile_interval(values: np.ndarray, value: float) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile of resampled values, widened to hold the value itself; NaNs are left
    out."""
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, [0.025, 0.975]) if len(values) else (value, value)
    return float(min(low, value)), float(max(high, value))


def wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's score interval (1927) of a share of n independent cases; n need not be whole."""
    centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    return float(min(share, max(0.0, centre - half))), float(max(share, min(1.0, centre + half)))


def effective_n(hits: np.ndarray, groups: np.ndarray) -> float:
    """How many independent cases the grouped ones are worth for their share of hits (bool [n]; groups int
    [n]).

    n over the design effect, the grouped variance of the share by that of independent cases (Rao and Scott
    1992, Biometrics 48:577); at most n, and the number of groups where no variance can be seen (no hit, or
    hits alone).
    """
    n, share = len(hits), hits.mean()
    totals, sizes = np.bincount(groups, weights=hits), np.bincount(groups)
    count = int((sizes > 0).sum())
    if count == n:
        return float(n)
    if share in (0, 1) or count < 2:
        return float(count)
    grouped = count / (count - 1) * ((totals - share * sizes) ** 2).sum() / n**2
    return float(n / max(1.0, grouped / (share * (1 - share) / n)))


def newcombe_auc(value: float, positives: int, negatives: int, z: float = Z95) -> tuple[float, float]:
    """The interval of an AUC that needs no more than the numbers of cases: Newcombe 2006 (Statistics in
    Medicine 25:559), method 5, the areas whose standard error (Hanley and McNeil's) reaches the value in z
    times."""
    mean = (positives + negatives) / 2

    def reaches(area: float) -> bool:
        spread = 1 + (mean - 1) * ((1 - area) / (2 - area) + area / (1 + area))
        return abs(value - area) <= z * np.sqrt(area * (1 - area) / (positives * negatives) * spread)

    def end(outside: float) -> float:
        inside = value
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if reaches(middle) else (inside, middle)
        return inside

    return end(0.0), end(1.0)
