"""What is known of each case besides its prediction: `cases.csv`, for subgroups and filters.

A row a case: `case_id`, then any of COLUMNS. Nothing else is ever copied from a manifest: no name, no date,
no free text, no other number that could lead back to a woman.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput

if TYPE_CHECKING:
    from models.data.lesions import Annotation
    from models.data.manifest import Case, Manifest
    from models.evaluation import Predictions
    from models.runs.folder import Run

CASES_FILE = "cases.csv"
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "label": (),
    "modality": (),
    "laterality": ("side", "image_laterality"),
    "view": ("view_position",),
    "density": ("breast_density", "tissue"),
    "birads": ("bi_rads", "bi-rads", "birads_category"),
    "abnormality": (),
    "pathology": (),
    "finding": (),
    "margin": (),
    "shape": (),
    "orientation": (),
    "posterior": (),
    "geometry": (),
    "n_lesions": ("n_masks",),
    "lesion_size": ("mask_area_fraction", "area_fraction"),
    "quality_flags": (),
    "scanner": ("scanner_model",),
    "manufacturer": (),
    "site": ("centre", "center", "hospital"),
    "age_group": (),
    "fold": (),
}
"""Column of cases.csv -> other names that manifests give it. label: as the manifest writes it, before it is
mapped to a class. lesion_size: share (0..1) of the image that the lesions' mask covers. age_group: ten years,
"90+" at the end. fold: the member of a pooled run (`models.runs.schema.Member`) that was tested on the
case."""
NUMERIC = ("n_lesions", "lesion_size")
MOST_VALUES = 50
"""A column of words with more distinct values is free text or an identifier, and is left out."""
MOST_CHARACTERS = 60
AGES = ("age", "patient_age")


@dataclass(frozen=True, eq=False)
class CaseTable:
    """case_ids: n names, each once. columns: name of COLUMNS -> n values as text, "" where not known."""

    case_ids: tuple[str, ...]
    columns: dict[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        if any(len(values) != len(self.case_ids) for values in self.columns.values()):
            raise BadInput("The columns of the case table have different lengths: write the run again.")

    def __len__(self) -> int:
        return len(self.case_ids)

    def of(self, predictions: Predictions) -> dict[str, np.ndarray]:
        """Column -> str [n], in the order of the predictions' cases; "" for a case that is not listed."""
        wanted = predictions.case_ids.tolist()
        rows = slice(len(self))
        if tuple(wanted) != self.case_ids:
            place = {case_id: i for i, case_id in enumerate(self.case_ids)}
            rows = np.array([place.get(case_id, -1) for case_id in wanted], dtype=np.int64)
        return {name: np.array([*values, ""], dtype=str)[rows] for name, values in self.columns.items()}

    def with_column(self, name: str, values: Sequence[str]) -> CaseTable:
        """The table with one column more (or replaced); BadInput for a name that is not one of COLUMNS."""
        if name not in COLUMNS:
            raise BadInput(f"A case table has no column {name!r}: use one of {', '.join(COLUMNS)}.")
        return CaseTable(self.case_ids, self.columns | {name: tuple(map(str, values))})

    def to_csv(self) -> str:
        """The text of cases.csv."""
        sink = io.StringIO()
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["case_id", *self.columns])
        writer.writerows(zip(self.case_ids, *self.columns.values(), strict=True))
        return sink.getvalue()


def read_cases(run: Run) -> CaseTable | None:
    """The run's cases.csv, or None where it has none. Columns other than COLUMNS are passed over.

    BadInput for a file that is no CSV with a case_id in every row, each once.
    """
    path = run.path(CASES_FILE)
    if path is None:
        return None
    from models.runs.importing.table import read_table

    problem = f"The {CASES_FILE} of the run {run.id} cannot be used"
    try:
        table = read_table(path)
    except BadInput as refusal:
        raise BadInput(f"{problem} ({str(refusal).partition(':')[0]}): write the run again.") from None
    if "case_id" not in table.columns:
        raise BadInput(f"{problem} (no column case_id): write the run again.")
    ids = tuple(table.column("case_id"))
    if len(set(ids)) != len(ids) or "" in ids:
        raise BadInput(f"{problem} (a case is listed twice or has no name): write the run again.")
    return CaseTable(ids, {name: tuple(table.column(name)) for name in table.columns if name in COLUMNS})


def case_table(manifest: Manifest, ids: Iterable[str]) -> CaseTable:
    """What the manifest knows of these cases, in their order: COLUMNS alone, those that say anything.

    A piece "case@x,y" that the manifest does not list takes the facts of its image. lesion_size comes from
    the manifest, else from the mask, else from the annotations.csv beside it; "" without a lesion, and where
    none of them can be read.
    """
    from models.data.merging import modality_of

    ids = tuple(ids)
    listed = {case.case_id: case for case in manifest.listed}
    cases = [listed.get(name) or listed.get(name.rpartition("@")[0]) for name in ids]
    annotations = _annotations(manifest)
    unsaid = next((case for case in cases if case is not None and not case.modality), None)
    packs_own = (unsaid and modality_of(unsaid, manifest)) or ""
    rows = [
        {}
        if case is None
        else _facts(case, annotations) | {"label": case.label, "modality": case.modality or packs_own}
        for case in cases
    ]
    columns = {name: tuple(row.get(name, "") for row in rows) for name in COLUMNS}
    return CaseTable(ids, {name: values for name, values in columns.items() if telling(name, values)})


def _facts(case: Case, annotations: Mapping[str, tuple[Annotation, ...]]) -> dict[str, str]:
    cells = {name.casefold(): value for name, value in case.columns.items()}
    facts = {}
    for name, others in COLUMNS.items():
        facts[name] = next((cells[key] for key in (name, *others) if cells.get(key)), "")
    if not facts["age_group"]:
        facts["age_group"] = next((age_group(cells[key]) for key in AGES if cells.get(key)), "")
    size = facts["lesion_size"]
    facts["lesion_size"] = _lesion_size(case, size, annotations)
    if size and not facts["lesion_size"] and facts["n_lesions"]:
        facts["n_lesions"] = "0"  # a mask file in which nothing is drawn was counted
    return facts


def age_group(age: str) -> str:
    """ "57" -> "50-59"; "90+" from 90 on, since so high an age can name a person; "" for what is no age."""
    try:
        years = float(age.upper().removesuffix("Y"))
    except ValueError:
        return ""
    if not 0 <= years < 130:
        return ""
    decade = int(years) // 10 * 10
    return "90+" if decade >= 90 else f"{decade}-{decade + 9}"


def _lesion_size(case: Case, written: str, annotations: Mapping[str, tuple[Annotation, ...]]) -> str:
    try:
        return share(written or _drawn_share(case, annotations))
    except BadInput:
        return ""


def share(written: str | float) -> str:
    """A share of an image as cases.csv writes it; "" for what is none in 0..1 or is 0."""
    try:
        value = float(written)
    except ValueError:
        return ""
    return f"{value:.5g}" if math.isfinite(value) and 0 < value <= 1 else ""


def _drawn_share(case: Case, annotations: Mapping[str, tuple[Annotation, ...]]) -> float:
    """Share of the image under its mask, else under the annotated lesions that the label speaks of."""
    from models.data.lesions import lesions_of
    from models.study import read_mask, read_study

    if case.mask_file is not None:
        return float(read_mask(case.mask_file).mean())
    # The manifest's own box is where to look, not an outline.
    if not annotations.get(case.columns.get("file", "")):
        return 0.0
    lesions, _ = lesions_of(case, read_study(case.file), annotations)
    masks = [lesion.mask for lesion in lesions if lesion.own]
    return float(np.any(masks, axis=0).mean()) if masks else 0.0


def _annotations(manifest: Manifest) -> dict[str, tuple[Annotation, ...]]:
    from models.data.lesions import read_annotations
    from models.data.merging import merged_id, pack_names

    if not manifest.packs:
        return read_annotations(manifest)
    return {
        merged_id(name, file): lesions
        for name, pack in zip(pack_names(manifest.packs), manifest.packs, strict=True)
        for file, lesions in read_annotations(pack).items()
    }


def telling(name: str, values: tuple[str, ...]) -> bool:
    """Whether the column says anything, and says it in a few short words or in numbers."""
    distinct = set(values) - {""}
    if not distinct:
        return False
    return name in NUMERIC or (
        len(distinct) <= MOST_VALUES and max(len(value) for value in distinct) <= MOST_CHARACTERS
    )
