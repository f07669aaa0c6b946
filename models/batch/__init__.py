"""Many studies: listed, read, scored and kept, in this process or on Ray."""

from models.batch.item import FAILED, OK, REFUSED, STATUSES, UNREADABLE, Item, Row, Score
from models.batch.step import ScoredCase, Step

__all__ = [
    "FAILED",
    "OK",
    "REFUSED",
    "STATUSES",
    "UNREADABLE",
    "Item",
    "Row",
    "Score",
    "ScoredCase",
    "Step",
]
