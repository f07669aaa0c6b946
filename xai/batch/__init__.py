"""Batches with explanations: what is done with every scored case, in which order cases are looked at, and
what leaves the program."""

from xai.batch.case import case_explanation
from xai.batch.pictures import find_file
from xai.batch.steps import (
    FamiliarityStep,
    HeatmapStep,
    MeasureStep,
    ThumbnailStep,
    batch_steps,
    check_stored,
)
from xai.batch.triage import ORDERS, order

__all__ = [
    "ORDERS",
    "FamiliarityStep",
    "HeatmapStep",
    "MeasureStep",
    "ThumbnailStep",
    "batch_steps",
    "case_explanation",
    "check_stored",
    "find_file",
    "order",
]
