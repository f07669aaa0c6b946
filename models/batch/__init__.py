"""Many studies: listed, read, scored and kept, in this process or on Ray."""

from models.batch.item import FAILED, OK, REFUSED, STATUSES, UNREADABLE, Item, Row, Score
from models.batch.job import BatchFault, BatchJob, Cancelled
from models.batch.plan import BatchPlan
from models.batch.progress import Progress
from models.batch.results import Batch, BatchRun, read_batch
from models.batch.scoring import Scorer
from models.batch.step import ScoredCase, Step

__all__ = [
    "FAILED",
    "OK",
    "REFUSED",
    "STATUSES",
    "UNREADABLE",
    "Batch",
    "BatchFault",
    "BatchJob",
    "BatchPlan",
    "BatchRun",
    "Cancelled",
    "Item",
    "Progress",
    "Row",
    "Score",
    "ScoredCase",
    "Scorer",
    "Step",
    "read_batch",
]
