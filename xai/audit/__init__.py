"""How well a run's maps find the lesions of a manifest whose outlines are known.

Headline population: cases of the positive class with a mask, that class's joint map, native geometry.
Reading, network, maps and measures are those of `python -m xai explain`. `AuditJob` measures, `document` puts
it into figures, `store` keeps both with the run, `read_table` and `read_audit` read them again.
"""

from xai.audit.cases import AuditedCase, Questions
from xai.audit.document import MEASURES, SIZES, document
from xai.audit.faithful import Faithfulness
from xai.audit.figures import figures, paired_difference, rank_methods
from xai.audit.job import Audit, AuditJob, running
from xai.audit.pooling import pooled
from xai.audit.store import read_audit, store
from xai.audit.table import MeasureTable, case_groups, read_table

__all__ = [
    "MEASURES",
    "SIZES",
    "Audit",
    "AuditJob",
    "AuditedCase",
    "Faithfulness",
    "MeasureTable",
    "Questions",
    "case_groups",
    "document",
    "figures",
    "paired_difference",
    "pooled",
    "rank_methods",
    "read_audit",
    "read_table",
    "running",
    "store",
]
