"""The results of a batch in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.batch import FAILED, OK, REFUSED, UNREADABLE

if TYPE_CHECKING:
    from pages.ui.batch.columns import BatchRun, Results

AS_GIVEN = "given"
#: Order -> name in the picker, and what it says of the rows below it.
TITLES = {
    "suspicious": "Most suspicious first",
    "uncertain": "Most uncertain first",
    "disagreement": "Most disagreement first",
    "unfamiliar": "Least like the training data",
    AS_GIVEN: "As given",
}
ORDER_SAID = {
    "suspicious": "the most probable first",
    "uncertain": "the nearest to another verdict first",
    "disagreement": "those the runs differ on first",
    "unfamiliar": "the least like the training data first",
    AS_GIVEN: "in the order they were given",
}
ORDER_HELP = (
    "Suspicious: by the probability of the class that must not be missed. Uncertain: nearest to the run's "
    "operating point. Disagreement: verdicts that differ between runs first, then probabilities far apart. "
    "Least like the training data: there the run's probability means least."
)
STATUSES = {
    OK: "scored",
    UNREADABLE: "unreadable",
    REFUSED: "refused",
    FAILED: "failed in the program",
}
#: Level of xai.guards.familiar -> word.
UNLIKE = {"good": "usual", "doubt": "at the edge", "bad": "unlike"}
DOUBTED = {"doubt": "at the edge of the training data", "bad": "unlike the training data"}
REFUSED_BY_RUN = "not for this run"


def orders(results: Results, run_id: str) -> dict[str, str]:
    """Title -> order: those by which these rows can be ordered."""
    possible = {
        "disagreement": len(results.runs) > 1,
        "unfamiliar": bool(np.isfinite(results.percentile(run_id)).any()),
    }
    return {title: order for order, title in TITLES.items() if possible.get(order, True)}


def share(count: int, of: int) -> str:
    """ "33 %"; a dash of nothing."""
    return percent(count / of) if of else "-"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def span(low: float, high: float) -> str:
    """ "60 to 74 %"."""
    return f"{100 * low:.0f} to {100 * high:.0f} %"


def rule(run: BatchRun) -> str:
    """When the run calls an image positive."""
    return f"at {run.threshold:.3f} and above" if len(run.classes) == 2 else "the most probable class"


def at(run: BatchRun) -> str:
    """The same, short."""
    return f"threshold {run.threshold:.3f}" if len(run.classes) == 2 else "most probable"


def left_out(counts: dict[str, int]) -> str:
    """ "12 unreadable, 4 refused"; "" where every row was scored."""
    kinds = [f"{count:,} {STATUSES.get(status, status)}" for status, count in counts.items() if status != OK]
    return ", ".join(kinds)


def agreement(results: Results) -> tuple[int, int]:
    """How many of the rows that several runs scored have one verdict, and how many those are."""
    found = results.disagreement()
    several = found.answers > 1
    return int((several & ~found.differ).sum()), int(several.sum())


def on_lesion(pointing: float, iou: float) -> str:
    """ "hit, IoU 0.66"; "" where there is no mask."""
    if np.isnan(pointing):
        return ""
    return ("hit" if pointing else "miss") + (f", IoU {iou:.2f}" if np.isfinite(iou) else "")


def side(laterality: str, view: str) -> str:
    """ "L MLO"; "" where neither is known."""
    return " ".join(part for part in (laterality, view) if part)
