"""Six small ultrasound-like cases with masks on disk, and tables made by hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from xai.audit.table import MeasureTable, table_of


def write_cases(folder: Path) -> Path:
    """Four malignant cases with masks, one other with one, one malignant without, all in the test part; the
    manifest's path."""
    rows = ["file,label,mask_file,split"]
    for index in range(6):
        scan = np.random.default_rng(index).integers(0, 256, (40, 60), dtype=np.uint8)
        cv2.imwrite(str(folder / f"s{index}.png"), scan)
        lesion = np.zeros((40, 60), np.uint8)
        lesion[5 + index : 20, 10:40] = 255
        cv2.imwrite(str(folder / f"m{index}.png"), lesion)
        label = "other" if index == 4 else "malignant"
        rows.append(f"s{index}.png,{label},{'' if index == 5 else f'm{index}.png'},test")
    path = folder / "manifest.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def table_from(
    values: dict[str, list[float | None]],
    method: str = "grad-cam",
    map: str = "joint",
    cases: str = "abcdefghij",
    label: str = "malignant",
    lesions: int = 1,
) -> MeasureTable:
    """One method's map over as many cases as there are values; a measure a key."""
    count = len(next(iter(values.values())))
    rows = [
        {
            "case_id": cases[i], "label": label, "probability": 0.5, "lesion_share": 0.05, "lesions": lesions,
            "method": method, "map": map,
        }
        | {name: column[i] for name, column in values.items()}
        for i in range(count)
    ]  # fmt: skip
    return table_of(rows, list(values))


def joined(*tables: MeasureTable) -> MeasureTable:
    """Several tables with the same measures as one."""
    names = ("case_ids", "labels", "probabilities", "lesion_shares", "lesions", "methods", "maps", "cautions")
    columns = [np.concatenate([getattr(table, name) for table in tables]) for name in names]
    measures = {
        name: np.concatenate([table.measures[name] for table in tables]) for name in tables[0].measures
    }
    return MeasureTable(*columns, measures)
