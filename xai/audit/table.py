"""The table of an audit, `xai.csv`: a row a case, method and map, and what is read from it.

Columns: case_id, label, probability, lesion_share, lesions, method, map, one a measure (empty where it was
not measured, hits as 0 and 1), cautions. `map` is "joint" or a branch's name; a baseline's row has no method
and the map "centre", "random" or "ceiling". A run of one branch has its map once, as "joint". Tables written
before methods were compared have no columns `lesions`, `method` and `map`: their rows are Grad-CAM's joint
maps.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput

if TYPE_CHECKING:
    from models.runs import Run

TABLE_FILE = "xai.csv"
GRAD_CAM = "grad-cam"
JOINT = "joint"
BASELINES = ("centre", "random", "ceiling")
# Facts about a case or a row; every other column is a measure.
FACTS = ("case_id", "label", "probability", "lesion_share", "lesions", "method", "map", "cautions")
_TRUTHS = {"True": 1.0, "False": 0.0}
_DIGITS = 6


@dataclass(frozen=True, eq=False)
class MeasureTable:
    """Columns of one length n, a row a (case, method, map).

    case_ids, labels, methods, maps, cautions: str [n]; `cautions` holds the kinds of the map's warnings with
    spaces between. labels: the class whose map was measured, the case's own. probabilities: float64 [n], of
    that class. lesion_shares: float64 [n] in 0..1, the part of the image that is lesion. lesions: float64
    [n], connected lesions of the mask (NaN in old tables). measures: name -> float64 [n], NaN where not
    measured.
    """

    case_ids: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    lesion_shares: np.ndarray
    lesions: np.ndarray
    methods: np.ndarray
    maps: np.ndarray
    cautions: np.ndarray
    measures: Mapping[str, np.ndarray] = field(repr=False)

    def __len__(self) -> int:
        return len(self.case_ids)

    def of(self, method: str = GRAD_CAM, map: str = JOINT, label: str | None = None) -> MeasureTable:
        """The rows of one method and map, a row a case, of one class where `label` is given.

        map: "joint", a branch's name, or a baseline's name, which has no method.
        """
        method = "" if map in BASELINES else method
        rows = (self.methods == method) & (self.maps == map)
        return self.take(rows if label is None else rows & (self.labels == label))

    def take(self, rows: np.ndarray) -> MeasureTable:
        """The rows that a bool [n] or an index array picks."""
        columns = [getattr(self, name)[rows] for name in _COLUMNS]
        return MeasureTable(*columns, {name: values[rows] for name, values in self.measures.items()})

    @property
    def method_names(self) -> tuple[str, ...]:
        """Methods with rows, in their order."""
        return tuple(name for name in dict.fromkeys(self.methods.tolist()) if name)

    @property
    def map_names(self) -> tuple[str, ...]:
        """ "joint" and branches with rows, in their order; baselines are not among them."""
        rows = self.methods != ""
        return tuple(dict.fromkeys(self.maps[rows].tolist()))

    def caution_kinds(self) -> list[tuple[str, ...]]:
        """Each row's warnings as kinds."""
        return [tuple(text.split()) for text in self.cautions.tolist()]

    def to_csv(self) -> str:
        """The content of `xai.csv`; numbers to six significant digits."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        names = list(self.measures)
        writer.writerow([*FACTS[:-1], *names, FACTS[-1]])
        columns = [
            self.case_ids, self.labels, _written(self.probabilities), _written(self.lesion_shares),
            _written(self.lesions), self.methods, self.maps,
            *(_written(self.measures[name]) for name in names), self.cautions,
        ]  # fmt: skip
        writer.writerows(zip(*columns, strict=True))
        return text.getvalue()


_COLUMNS = (
    "case_ids", "labels", "probabilities", "lesion_shares", "lesions", "methods", "maps", "cautions",
)  # fmt: skip


def table_of(rows: Iterable[Mapping[str, object]], measures: Sequence[str]) -> MeasureTable:
    """A table of rows that have FACTS as keys and, where measured, `measures`."""
    rows = list(rows)

    def text(name: str) -> np.ndarray:
        return np.array([str(row.get(name, "")) for row in rows], dtype=str)

    def numbers(name: str) -> np.ndarray:
        return np.array([_number(row.get(name)) for row in rows], dtype=np.float64)

    return MeasureTable(
        text("case_id"), text("label"), numbers("probability"), numbers("lesion_share"), numbers("lesions"),
        text("method"), text("map"), text("cautions"), {name: numbers(name) for name in measures},
    )  # fmt: skip


def read_table(run: Run) -> MeasureTable | None:
    """The table stored with a run; None where none was. BadInput for one that is none of ours."""
    path = run.path(TABLE_FILE)
    return None if path is None else parse_table(path.read_bytes(), f"{TABLE_FILE} of the run {run.id}")


def parse_table(content: bytes, where: str = TABLE_FILE) -> MeasureTable:
    """The bytes of an `xai.csv`, of today's form or of the old one. BadInput, beginning with `where`, for
    what cannot be read."""
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        header = next(reader, [])
        rows = [row for row in reader if row]
    except (UnicodeDecodeError, csv.Error):
        raise BadInput(f"{where} is not a CSV file: store the audit again.") from None
    if not {"case_id", "label"} <= set(header) or len(set(header)) != len(header):
        raise BadInput(f"{where} has not the columns of an audit: store the audit again.")
    old = not {"method", "map"} <= set(header)
    own = {"method": GRAD_CAM, "map": JOINT} if old else {}
    found = []
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise BadInput(f"{where} has {len(row)} fields in row {number} and {len(header)} in its header.")
        found.append(dict(zip(header, row, strict=True)) | own)
    try:
        return table_of(found, [name for name in header if name not in FACTS])
    except ValueError as error:
        raise BadInput(f"{where} holds text where a number belongs ({error}).") from None


def case_groups(run: Run) -> dict[str, str]:
    """Case id -> group (patient, duplicates) as the run's predictions tell; intervals count groups, not
    cases. Empty for a run without predictions."""
    from models.evaluation.predictions import read_predictions

    path = run.path("predictions.csv")
    if path is None:
        return {}
    predictions = read_predictions(path, run.classes)
    return dict(zip(predictions.case_ids.tolist(), predictions.groups.tolist(), strict=True))


def _number(value: object) -> float:
    if value is None or value == "":
        return float("nan")
    number = _TRUTHS[value] if value in _TRUTHS else float(value)
    return number if np.isfinite(number) else float("nan")


def _written(values: np.ndarray) -> list[str]:
    return ["" if np.isnan(v) else f"{v:.{_DIGITS}g}" for v in values.tolist()]
