"""What a file or folder is, told by its content."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from models.runs.history import read_limited
from models.runs.importing.files import MAX_FILE_BYTES
from models.runs.importing.logs import ZIP, is_zip_of_run
from models.runs.importing.mapping import guess_mapping
from models.runs.importing.table import read_table
from models.runs.importing.tensorboard import is_event_file
from models.runs.importing.wandb import is_wandb
from models.runs.unpacking import refuse_endless_list

Kind = Literal["run", "predictions", "log"]
"""run: a packed run or a run folder. log: a history in any form that `read_log` takes. predictions: a table
with a case a row."""


def kind_of(source: bytes | str | Path, name: str = "") -> Kind:
    """What it is, see `Kind`. BadInput for what cannot be read as a table and is nothing else."""
    if not isinstance(source, bytes):
        path = Path(source)
        name = name or path.name
        if path.is_dir():
            return "run" if (path / "run.json").exists() else "log"
        source = read_limited(path, MAX_FILE_BYTES, "file")
    if source.startswith(ZIP):
        refuse_endless_list(source, name)
        return "run" if is_zip_of_run(source) else "log"
    if name.casefold().endswith(".zip"):
        return "run"  # a damaged one: whoever opens it says so
    if is_event_file(name):
        return "log"
    table = read_table(source, name)
    guess = guess_mapping(table)
    if guess.label and (guess.score or guess.probabilities):
        return "predictions"
    logged = any("loss" in column.casefold() or column.casefold() == "epoch" for column in table.columns)
    return "log" if logged or is_wandb(table) else "predictions"
