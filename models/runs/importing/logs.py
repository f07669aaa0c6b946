"""A log of a training, whatever tool wrote it, as a History."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from models.errors import BadInput
from models.runs.history import History, parse_history, read_limited
from models.runs.importing.files import MAX_FILE_BYTES, files_of
from models.runs.importing.mlflow import is_mlflow_file, run_of_mlflow
from models.runs.importing.names import metric_name
from models.runs.importing.table import read_table
from models.runs.importing.tensorboard import history_of_events, is_event_file
from models.runs.importing.wandb import history_of_wandb, is_wandb

ZIP = b"PK\x03\x04"


@dataclass(frozen=True, eq=False)
class Log:
    """A history, the tool that wrote it, and what that tool knew of the run: its name ("" where it has none)
    and its parameters."""

    history: History
    tool: str
    name: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


def history_from(source: bytes | str | Path, name: str = "") -> History:
    """The history alone: see `read_log`."""
    return read_log(source, name).history


def read_log(source: bytes | str | Path, name: str = "") -> Log:
    """Keras' CSVLogger, a W&B CSV export, a TensorBoard event file or folder, or an MLflow run folder.

    A folder may come as a zip file. source: a path, or the bytes of a file with its name. BadInput, one
    sentence, for what is none of these.
    """
    if not isinstance(source, bytes):
        path = Path(source)
        name = name or path.name
        if path.is_dir():
            return _of_files(files_of(path, name, _is_log), name)
        source = read_limited(path, MAX_FILE_BYTES, "log")
    name = name or "the log"
    if source.startswith(ZIP):
        return _of_files(files_of(source, name, _is_log), name)
    if is_event_file(name):
        return Log(history_of_events({name: source}, name), "TensorBoard")
    return _of_csv(source, name)


def is_zip_of_run(content: bytes) -> bool:
    """Whether a zip file holds a packed run (`run.json`)."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return any(PurePosixPath(entry).name == "run.json" for entry in archive.namelist()[:5000])
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, ValueError, OSError):
        return False


def _is_log(name: str) -> bool:
    return is_event_file(name) or is_mlflow_file(name)


def _of_files(files: dict[str, bytes], name: str) -> Log:
    """MLflow comes first: its artifacts may hold event files too."""
    if any("metrics" in PurePosixPath(file).parts[:-1] for file in files):
        history, run, parameters = run_of_mlflow(files, name)
        return Log(history, "MLflow", run, parameters)
    events = {file: content for file, content in files.items() if is_event_file(file)}
    if events:
        return Log(history_of_events(events, name), "TensorBoard")
    raise BadInput(
        f"{name} holds neither event files of TensorBoard nor the metrics of an MLflow run: "
        "give the folder of a run."
    )


def _of_csv(content: bytes, name: str) -> Log:
    table = read_table(content, name)
    if is_wandb(table):
        history, run = history_of_wandb(table)
        return Log(history, "W&B or a CSV with steps", run)
    return Log(_renamed(parse_history(content, name)), "Keras CSVLogger")


def _renamed(history: History) -> History:
    """Names of other tools ("train_loss", "valid_loss") as Keras has them, where that leaves no two alike."""
    names = {name: metric_name(name) or name for name in history.columns}
    if len(set(names.values())) < len(names):
        return history
    return replace(history, columns={names[name]: values for name, values in history.columns.items()})
