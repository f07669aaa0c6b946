"""The stratified, grouped bootstrap of counts: what a resample makes of a histogram, without its cases.

A metric that follows from counts (of cases by class and score) needs no resampled cases, only resampled
counts. Cases that stand alone and share a cell are interchangeable, so their counts are drawn at once from a
multinomial distribution: the same distribution as drawing cases one by one, at a thousandth of the time. Only
groups of several cases are drawn as groups. Efron and Tibshirani 1993, chapter 8.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# A size that so many groups have is drawn by itself.
MANY = 200


@dataclass(frozen=True, eq=False)
class Resampled:
    """cells int [n]: where each case is counted; counts int32 [b, k]: the cases there in each resample."""

    cells: np.ndarray
    counts: np.ndarray

    @property
    def totals(self) -> np.ndarray:
        """The cases of each resample, int [b]: they vary where groups differ in size."""
        return self.counts.sum(axis=1)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums of values [n] in each cell, float [b, k]; a cell's mean stands for its cases."""
        cases = np.bincount(self.cells, minlength=self.counts.shape[1])
        return self.counts * (np.bincount(self.cells, values, len(cases)) / np.maximum(cases, 1))


def group_codes(groups: Sequence[str] | None, n: int) -> np.ndarray:
    """Groups [n] as integers from 0, in order of appearance; integers are taken as they are. A case of no
    group (None, or an empty name) is its own."""
    if groups is None:
        return np.arange(n)
    if isinstance(groups, np.ndarray) and groups.dtype.kind in "iu":
        return groups
    codes: dict[str, int] = {}
    names = groups.tolist() if isinstance(groups, np.ndarray) else groups
    found = [codes.setdefault(name, i) if name else i for i, name in enumerate(names)]
    # A name's code is the row of its first case, which no other name and no unnamed case can have.
    return np.array(found, dtype=np.int64)


def resampled_counts(
    cells: np.ndarray,
    n_cells: int,
    strata: np.ndarray,
    groups: np.ndarray | None = None,
    samples: int = 1000,
    seed: int = 0,
) -> "Resampled":
    """How many cases fall into each cell in each resample.

    cells int [n] in 0..n_cells-1; strata int [n], the cases' labels; groups int [n] (`group_codes`). Whole
    groups are drawn with replacement, as many as there are, within the groups that hold the same set of
    labels, as `intervals.resampled_weights` draws them. The same seed gives the same counts.
    """
    rng = np.random.default_rng(seed)
    counts = np.zeros((samples, n_cells), dtype=np.int32)
    if not len(cells):
        return Resampled(cells, counts)
    group_of = dense_codes(group_codes(groups, len(cells)))
    sizes = np.bincount(group_of)
    kinds = _kinds(np.asarray(strata), group_of, len(sizes))
    # By group, so that a group's cells lie side by side from its start on.
    order = np.argsort(group_of, kind="stable")
    layout = _Layout(np.asarray(cells)[order], sizes, np.cumsum(sizes) - sizes)
    for kind in range(int(kinds.max()) + 1):
        _add_stratum(counts, layout, np.flatnonzero(kinds == kind), rng)
    return Resampled(cells, counts)


def smoothed(counts: np.ndarray, present: np.ndarray, extra: float, seed: int = 0) -> np.ndarray:
    """Resampled counts [b, ...] with `extra` cases on average added to each cell where `present` [...] is
    true, as Jeffreys' prior adds half a case to both outcomes of a share.

    What no case showed is possible all the same, while resamples know only what was seen: of 25 + 66 cases
    with few errors their 95 % intervals hold the true F1 in 85 % of samples, with this in 95 %.
    """
    noise = np.random.default_rng(seed).poisson(extra, size=counts.shape)
    return counts + noise * present


def quantile_cells(values: np.ndarray, cells: int = 256) -> np.ndarray:
    """A cell for each value [n], like values in one, about as many in each: few values keep one each."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, cells + 1)[1:-1]))
    return np.searchsorted(edges, values)


def dense_codes(codes: np.ndarray) -> np.ndarray:
    """Integers [n] as 0..G-1, each number the same, in the order of the codes."""
    codes = np.asarray(codes)
    if not len(codes) or codes.min() < 0 or codes.max() > 4 * len(codes):
        return np.unique(codes, return_inverse=True)[1].reshape(-1)
    used = np.zeros(int(codes.max()) + 1, dtype=bool)
    used[codes] = True
    return (np.cumsum(used) - 1)[codes]


@dataclass(frozen=True, eq=False)
class _Layout:
    """Cells [n] sorted by group; each group's size and start [G]."""

    cells: np.ndarray
    sizes: np.ndarray
    starts: np.ndarray

    def of(self, groups: np.ndarray) -> np.ndarray:
        """The cells of groups that have one size: int [groups, size]."""
        size = int(self.sizes[groups[0]]) if len(groups) else 0
        return self.cells[self.starts[groups][:, None] + np.arange(size)]


def _kinds(strata: np.ndarray, group_of: np.ndarray, n_groups: int) -> np.ndarray:
    """Which set of labels each group holds, int [n_groups]."""
    classes = int(strata.max()) + 1
    if classes > 60:  # more than an integer's bits
        holds = np.zeros((n_groups, classes), dtype=bool)
        holds[group_of, strata] = True
        return np.unique(holds, axis=0, return_inverse=True)[1].reshape(-1)
    held = np.zeros(n_groups, dtype=np.int64)
    for label in np.unique(strata).tolist():
        held[group_of[strata == label]] |= 1 << label
    return np.unique(held, return_inverse=True)[1].reshape(-1)


def _add_stratum(counts: np.ndarray, layout: _Layout, groups: np.ndarray, rng: np.random.Generator) -> None:
    """Draw one stratum's groups for every resample and add their cases to `counts` in place.

    Groups of one case are drawn as a histogram, sizes of many groups by looking their cells up, the others as
    weights of their cases; how many of each kind a resample has is drawn first.
    """
    samples, sizes = len(counts), layout.sizes[groups]
    common = [size for size in np.unique(sizes).tolist() if size == 1 or (sizes == size).sum() >= MANY]
    sets = [groups[sizes == size] for size in common]
    rare = groups[~np.isin(sizes, common)]
    shares = np.array([len(own) for own in (*sets, rare)]) / len(groups)
    drawn = rng.multinomial(len(groups), shares, size=samples)
    for size, own, taken in zip(common, sets, drawn.T, strict=False):
        cells = layout.of(own)
        if size == 1:
            histogram = np.bincount(cells[:, 0], minlength=counts.shape[1])
            filled = np.flatnonzero(histogram)
            counts[:, filled] += rng.multinomial(taken, histogram[filled] / len(own)).astype(np.int32)
            continue
        for row, number in zip(counts, taken.tolist(), strict=True):
            picked = cells.take(_picks(rng, len(own), number), axis=0)
            row += np.bincount(picked.ravel(), minlength=len(row)).astype(np.int32)
    if len(rare):
        _add_rare(counts, layout, rare, drawn[:, -1], rng)


def _picks(rng: np.random.Generator, below: int, size: int) -> np.ndarray:
    """`size` integers from 0 to below - 1, each as often to a part in 2^32 / below: twice as fast as
    `rng.integers`, which is most of a grouped resample's time."""
    raw = rng.bit_generator.random_raw((size + 1) // 2).view(np.uint32)[:size]
    return ((raw.astype(np.uint64) * np.uint64(below)) >> np.uint64(32)).astype(np.int64)


def _add_rare(
    counts: np.ndarray, layout: _Layout, groups: np.ndarray, taken: np.ndarray, rng: np.random.Generator
) -> None:
    cells = np.concatenate(
        [layout.cells[layout.starts[g] : layout.starts[g] + layout.sizes[g]] for g in groups]
    )
    number = np.repeat(np.arange(len(groups)), layout.sizes[groups])
    for row, size in zip(counts, taken.tolist(), strict=True):
        weights = np.bincount(_picks(rng, len(groups), size), minlength=len(groups)).take(number)
        row += np.bincount(cells, weights=weights, minlength=len(row)).astype(np.int32)
