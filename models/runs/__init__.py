"""The run folder: what a training leaves behind and everything else opens."""

from models.runs.folder import Listing, Run, Skipped, find_run, list_runs, load_run, run_roots
from models.runs.packing import Imported, import_run, pack_run
from models.runs.schema import Member, RunCard
from models.runs.writer import rewrite_run, without_weights, write_atomically, write_run

__all__ = [
    "Imported",
    "Listing",
    "Member",
    "Run",
    "RunCard",
    "Skipped",
    "find_run",
    "import_run",
    "list_runs",
    "load_run",
    "pack_run",
    "rewrite_run",
    "run_roots",
    "without_weights",
    "write_atomically",
    "write_run",
]
