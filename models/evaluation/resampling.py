"""The stratified, grouped bootstrap of counts: what a resample makes of a histogram, without its cases.

A metric that follows from counts (of cases by class and score) needs no resampled cases, only resampled
counts. Cases that stand alone and share a cell are interchangeable, so their counts are drawn at once from a
multinomial distribution: the same distribution as drawing cases one by one, at a thousandth of the time. Only
groups of several cases are drawn as groups. Efron and Tibshirani 1993, chapter 8.
"""

from collections.abc import Sequence

import numpy as np


def group_codes(groups: Sequence[str] | None, n: int) -> np.ndarray:
    """Groups [n] as integers from 0, in order of appearance; integers are taken as they are. A case of no
    group (None, or an empty name) is its own."""
    if groups is None:
        return np.arange(n)
    if isinstance(groups, np.ndarray) and groups.dtype.kind in "iu":
        return groups
    codes: dict[str, int] = {}
    found = [codes.setdefault(name, i) if name else i for i, name in enumerate(map(str, groups))]
    # A name's code is the row of its first case, which no other name and no unnamed case can have.
    return np.array(found, dtype=np.int64)


def resampled_counts(
    cells: np.ndarray,
    n_cells: int,
    strata: np.ndarray,
    groups: np.ndarray | None = None,
    samples: int = 1000,
    seed: int = 0,
) -> np.ndarray:
    """How many cases fall into each cell, int64 [samples, n_cells], in each resample.

    cells int [n] in 0..n_cells-1; strata int [n], the cases' labels; groups int [n] (`group_codes`). Whole
    groups are drawn with replacement, as many as there are, within the groups that hold the same set of
    labels, as `intervals.resampled_weights` draws them. The same seed gives the same counts.
    """
    rng = np.random.default_rng(seed)
    counts = np.zeros((samples, n_cells), dtype=np.int64)
    codes = group_codes(groups, len(cells))
    present, group_of = np.unique(codes, return_inverse=True)
    sizes = np.bincount(group_of, minlength=len(present))
    kinds = _kinds(np.asarray(strata), group_of, len(present))
    for kind in np.unique(kinds):
        own = kinds == kind
        _add_stratum(counts, cells, group_of, own, sizes, rng)
    return counts


def _kinds(strata: np.ndarray, group_of: np.ndarray, n_groups: int) -> np.ndarray:
    """Which set of labels each group holds, int [n_groups]."""
    if not len(strata):
        return np.zeros(0, dtype=np.int64)
    holds = np.zeros((n_groups, int(strata.max()) + 1), dtype=bool)
    holds[group_of, strata] = True
    return np.unique(holds, axis=0, return_inverse=True)[1].reshape(-1)


def _add_stratum(
    counts: np.ndarray,
    cells: np.ndarray,
    group_of: np.ndarray,
    own: np.ndarray,
    sizes: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Draw one stratum's groups for every resample and add their cases to `counts` in place."""
    samples, total = len(counts), int(own.sum())
    single = (own & (sizes == 1))[group_of]
    n_single = int(single.sum())
    drawn_single = np.full(samples, total)
    several = own & (sizes > 1)
    n_several = total - n_single
    if n_several and n_single:
        drawn_single = rng.binomial(total, n_single / total, size=samples)
    elif n_several:
        drawn_single = np.zeros(samples, dtype=np.int64)
    if n_single:
        histogram = np.bincount(cells[single], minlength=counts.shape[1])
        filled = np.flatnonzero(histogram)
        counts[:, filled] += rng.multinomial(drawn_single, histogram[filled] / n_single)
    if not n_several:
        return
    number = np.cumsum(several) - 1
    members = several[group_of]
    group_of_member, cell_of_member = number[group_of[members]], cells[members]
    for row, taken in zip(counts, total - drawn_single, strict=True):
        picks = rng.integers(n_several, size=taken)
        weights = np.bincount(picks, minlength=n_several)[group_of_member]
        row += np.bincount(cell_of_member, weights=weights, minlength=len(row)).astype(np.int64)
