"""Results that other tools left behind, as runs: predictions as a CSV, and logs of a training.

A file a source. An imported run has no weights; whatever needs none works on it. A public leaf: nothing here
loads TensorFlow, and pandas stays out of the command line.
"""

from models.runs.importing.facts import facts_from
from models.runs.importing.logs import Log, history_from, read_log
from models.runs.importing.mapping import NO_LABEL, Mapping, guess_mapping
from models.runs.importing.predictions import numbered_labels, predictions_from
from models.runs.importing.recognise import kind_of
from models.runs.importing.table import Table, read_table
from models.runs.importing.writing import free_id, write_imported

__all__ = [
    "NO_LABEL",
    "Log",
    "Mapping",
    "Table",
    "facts_from",
    "free_id",
    "guess_mapping",
    "history_from",
    "kind_of",
    "numbered_labels",
    "predictions_from",
    "read_log",
    "read_table",
    "write_imported",
]
