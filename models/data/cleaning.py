"""A manifest without the files that cannot be used, and the reasons."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from models.data.fingerprints import fingerprints
from models.data.manifest import Manifest


@dataclass(frozen=True)
class LeftOut:
    """A file that was left out. what: "image" (the case is out) or "mask" (the case stays without it)."""

    case_id: str
    file: str
    row: int
    what: str
    why: str


def clean(
    manifest: Manifest, cache: Path | None = None, quiet: bool = True
) -> tuple[Manifest, list[LeftOut]]:
    """The manifest without unreadable or missing images, and without unusable masks; what was left out.

    Digest and split stay those of the whole manifest. cache: see `fingerprints`.
    """
    kept, out, report = [], [], []
    for case, record in zip(
        manifest.cases, fingerprints(manifest, cache=cache, quiet=quiet).records, strict=True
    ):
        file = case.columns.get("file", case.file.name)
        if not record.readable:
            out.append(case)
            report.append(LeftOut(case.case_id, file, case.row, "image", record.why))
            continue
        if record.mask_why:
            name = case.columns.get("mask_file", case.mask_file.name)
            report.append(LeftOut(case.case_id, name, case.row, "mask", f"{file}: {record.mask_why}"))
            case = replace(case, mask_file=None)
        kept.append(case)
    return replace(manifest, cases=tuple(kept), left_out=(*manifest.left_out, *out)), report


def write_left_out(report: Sequence[LeftOut], path: str | Path) -> None:
    """The report as CSV (case_id, file, row, what, why): whole or not at all."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", newline="", encoding="utf-8") as sink:
        table = csv.DictWriter(sink, list(LeftOut.__dataclass_fields__), lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(entry) for entry in report)
    temporary.replace(path)
