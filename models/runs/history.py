"""How a training went, epoch by epoch: `history.csv` in the form of Keras' CSVLogger, and what it tells.

Only NumPy is loaded here, so that a page may open it at no cost.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput

if TYPE_CHECKING:
    from models.runs.folder import Run

HISTORY_FILE = "history.csv"
MAX_BYTES = 32 << 20
MAX_ROWS = 200_000
MAX_COLUMNS = 500
_ALIASES = {"lr": "learning_rate", "acc": "accuracy", "val_acc": "val_accuracy"}
# Keras numbers the second metric object of a name: auc_1, val_auc_1.
_NUMBERED = re.compile(r"((?:val_)?(?:auc|accuracy|loss))_\d+")


@dataclass(frozen=True, eq=False)
class History:
    """n epochs in the order they were trained.

    epochs: int64 [n], increasing; epochs counted from 1, or the logger's own steps where these are not
    epochs. stages: n names, "" where the file names none. columns: metric -> float64 [n], NaN where blank.
    Metrics of the validation part begin with "val_". restarts: rows at which the file's own count begins
    again.
    """

    epochs: np.ndarray
    stages: tuple[str, ...]
    columns: dict[str, np.ndarray]
    restarts: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.epochs)

    def best(self, column: str = "val_loss", rows: slice = slice(None)) -> int:
        """The row (0 .. n-1) where the column is best: lowest for a loss or an error, else highest; the first
        of equals. BadInput where the column is absent or holds no number in these rows."""
        values = self.columns.get(column)
        if values is None or np.isnan(values[rows]).all():
            raise BadInput(f"The history has no figures of {column}: choose another metric.")
        least = any(word in column for word in ("loss", "error", "mse", "mae"))
        found = np.nanargmin(values[rows]) if least else np.nanargmax(values[rows])
        return int(found) + (rows.start or 0)

    def last_stage(self) -> slice:
        """Rows of the last stage: losses of different stages are different sums and cannot be compared."""
        start = len(self)
        while start and self.stages[start - 1] == self.stages[-1]:
            start -= 1
        return slice(start, len(self))

    def to_csv(self) -> str:
        """Keras CSVLogger's form, epochs counted from 0 as Keras does where they are consecutive."""
        sink = io.StringIO()
        writer = csv.writer(sink, lineterminator="\n")
        named = any(self.stages)
        writer.writerow(["epoch", *(["stage"] if named else []), *self.columns])
        first = 1 if np.array_equal(self.epochs, np.arange(1, len(self) + 1)) else 0
        for i, epoch in enumerate(self.epochs):
            figures = (values[i] for values in self.columns.values())
            cells = ["" if np.isnan(value) else repr(float(value)) for value in figures]
            writer.writerow([int(epoch) - first, *([self.stages[i]] if named else []), *cells])
        return sink.getvalue()


def read_history(source: Run | str | Path) -> History:
    """The history of a run, or of a CSV file in the form of Keras' CSVLogger.

    BadInput for a run that has none (a classifier fitted in one go) and for a file that cannot be read.
    """
    if isinstance(source, str | Path):
        path, name = Path(source), Path(source).name
    else:
        path, name = source.path(HISTORY_FILE), f"{HISTORY_FILE} of {source.id}"
        if path is None:
            raise BadInput(
                f"The run {source.id} has no history: it was fitted in one go or came without one."
            )
    return parse_history(read_limited(path, MAX_BYTES, "history"), name)


def parse_history(content: bytes, name: str) -> History:
    """A CSV of a figure a column and an epoch a row -> History; "," ";" or tab between the cells.

    BadInput, naming row and column, for what is not such a file.
    """
    try:
        text = content.decode("utf-8-sig")
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        header, *rows = [
            row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)
        ] or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"The history {name} is not a CSV in UTF-8 ({error}): save it as one.") from None
    header = [column.strip() for column in header]
    if len(header) < 2 or not rows:
        raise BadInput(
            f"The history {name} holds no epochs: give a CSV with an epoch a row below its header."
        )
    if len(rows) > MAX_ROWS or len(header) > MAX_COLUMNS:
        raise BadInput(
            f"The history {name} has {len(rows)} rows and {len(header)} columns: at most {MAX_ROWS} and "
            f"{MAX_COLUMNS} are read, so log once an epoch."
        )
    if twice := next((column for column in header if header.count(column) > 1), None):
        raise BadInput(f"The history {name} has two columns named {twice!r}: keep one of them.")
    table = _cells(header, rows, name)
    stages = table.pop("stage", [""] * len(rows))
    counted = table.pop("epoch", None)
    figures = {column: _figures(column, cells, name) for column, cells in table.items()}
    figures = {column: values for column, values in figures.items() if values is not None}
    if not figures:
        raise BadInput(
            f"The history {name} has no column of numbers: it needs loss or another figure an epoch."
        )
    written = _figures("epoch", counted, name) if counted else None
    return history_of(written, figures, tuple(stages))


def history_of(
    written: np.ndarray | None, figures: dict[str, np.ndarray], stages: tuple[str, ...] = ()
) -> History:
    """A History from the epochs or steps as they were logged (float [n], or None) and the figures."""
    n = len(next(iter(figures.values())))
    running = np.arange(1, n + 1, dtype=np.int64)
    epochs, restarts = running, ()
    # Beyond 2^53 a float counts no steps any more.
    countable = written is not None and bool((np.abs(written) < 2**53).all())
    if countable and (written == np.round(written)).all():
        steps = written.astype(np.int64)
        falls = np.flatnonzero(np.diff(steps) <= 0) + 1
        if len(falls):
            restarts = tuple(int(row) for row in falls)
        elif not (np.diff(steps) == 1).all():
            epochs = steps
        else:
            epochs = steps + 1 if steps[0] == 0 else steps
    named = {_canonical(name, figures): values for name, values in figures.items()}
    return History(epochs, stages or ("",) * n, named, restarts)


# A rise of one epoch, or within a twentieth of the loss, is noise.
_CLEAR_TURN = 3
_CLEAR_RISE = 0.05


def smoothed(values: np.ndarray, weight: float) -> np.ndarray:
    """Exponential moving average with the bias of its start taken out, as TensorBoard draws it.

    weight: 0 (nothing) to below 1. A NaN stays one and takes no part. Same shape as `values`, float64 [n].
    """
    if not 0 <= weight < 1:
        raise BadInput(f"A smoothing of {weight:g} is not possible: give 0 or more and less than 1.")
    if not weight:
        return np.array(values, np.float64)
    out, average, total = [], 0.0, 0.0
    for value in np.asarray(values, np.float64).tolist():  # Python's floats: ten times as fast here
        if value == value:
            average = weight * average + (1 - weight) * value
            total = weight * total + (1 - weight)
        out.append(average / total if value == value else value)
    return np.array(out, np.float64)


def remarks(history: History) -> tuple[str, ...]:
    """Sentences that a reader of the curves should not miss; of the last stage where there are several."""
    said = []
    if len(history) == 1:
        said.append("Only one epoch was trained: there is no curve to read.")
    if history.restarts:
        rows = ", ".join(str(row + 1) for row in history.restarts[:3])
        said.append(f"The count of epochs starts again at row {rows}: training was resumed or begun anew.")
    said += _broken(history)
    stage = history.last_stage()
    if "val_loss" not in history.columns:
        if not any(name.startswith("val_") for name in history.columns):
            said.append("No validation figures were logged: overfitting cannot be seen.")
    elif len(history) > 1 and not np.isnan(history.columns["val_loss"][stage]).all():
        said.append(_turn(history, stage))
    return tuple(said)


def _turn(history: History, stage: slice) -> str:
    """Where the validation loss was lowest, how long training went on, and what the other loss did then."""
    best = history.best("val_loss", stage)
    name = history.stages[-1]
    begin = f"In the stage {name}, validation loss" if name and stage.start else "Validation loss"
    after = len(history) - 1 - best
    epoch = int(history.epochs[best])
    if not after:
        return f"{begin} lowest at epoch {epoch}, the last: it may not have settled."
    said = f"{begin} lowest at epoch {epoch}, {after} epoch{'s' * (after > 1)} trained after it"
    if after >= _CLEAR_TURN and _parted(history, best):
        return f"{said} while the training loss went on falling: overfitting."
    return f"{said}."


def _parted(history: History, best: int) -> bool:
    """Whether validation loss ends clearly above its lowest and training loss below what it was then."""
    validation, training = history.columns["val_loss"], history.columns.get("loss")
    late = validation[-_CLEAR_TURN:]
    if training is None or np.isnan(late).any() or not training[-1] < training[best]:
        return False
    return bool(late.mean() > validation[best] + _CLEAR_RISE * abs(validation[best]))


def _broken(history: History) -> list[str]:
    """Figures that end in NaN though they began as numbers."""
    said = []
    for name in ("loss", "val_loss"):
        values = history.columns.get(name)
        if values is None or not np.isfinite(values).any() or np.isfinite(values[-1]):
            continue
        row = int(np.flatnonzero(np.isfinite(values))[-1]) + 1
        said.append(
            f"{_SPOKEN[name]} is no number from epoch {int(history.epochs[row])} on: the training broke down."
        )
    return said


_SPOKEN = {"loss": "Training loss", "val_loss": "Validation loss"}


def read_limited(path: Path, limit: int, what: str) -> bytes:
    """The file's bytes; BadInput where it is absent, unreadable or larger than `limit`."""
    try:
        with open(path, "rb") as stream:
            content = stream.read(limit + 1)
    except FileNotFoundError:
        raise BadInput(f"There is no {what} at {path}: check the path.") from None
    except OSError as error:
        raise BadInput(f"The {what} {path} cannot be read ({error.strerror}): check the file.") from None
    if len(content) > limit:
        raise BadInput(f"The {what} {path.name} is larger than {limit >> 20} MiB: give a smaller one.")
    return content


def _cells(header: list[str], rows: list[list[str]], name: str) -> dict[str, list[str]]:
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise BadInput(
                f"Row {number} of the history {name} has {len(row)} cells under {len(header)} columns: "
                "it was cut off or holds a comma; correct it."
            )
    return {column: [row[i].strip() for row in rows] for i, column in enumerate(header) if column}


def _figures(column: str, cells: list[str], name: str) -> np.ndarray | None:
    """float64 [n], blanks as NaN; None for a column that holds words or lists throughout."""
    out = np.full(len(cells), np.nan)
    wrong = None
    for i, cell in enumerate(cells):
        if cell.casefold() in ("", "na", "nan", "none", "null"):
            continue
        try:
            out[i] = float(cell)
        except ValueError:
            wrong = wrong or (i + 2, cell)
    if wrong and np.isnan(out).all():
        return None
    if wrong:
        raise BadInput(
            f"Row {wrong[0]} of the history {name} has {wrong[1][:40]!r} under {column}: it needs a number."
        )
    out[np.isinf(out)] = np.nan
    return out


def _canonical(name: str, taken: dict[str, np.ndarray]) -> str:
    """The name that the pages know: lr -> learning_rate, auc_1 -> auc, unless that is taken."""
    plain = name.strip().casefold() if name.strip().casefold() in ("auc", "val_auc") else name.strip()
    found = _NUMBERED.fullmatch(plain)
    wanted = _ALIASES.get(plain) or (found[1] if found else plain)
    return wanted if wanted not in taken or wanted == name else name
