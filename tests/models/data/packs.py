"""Small packs of pictures that differ, written for a test."""

import csv
from pathlib import Path

import cv2
import numpy as np

from models.data.manifest import Manifest, read_manifest


def texture(seed: int, height: int = 40, width: int = 56) -> np.ndarray:
    """uint8 [height, width]: smooth blobs, unlike those of any other seed."""
    cells = np.random.default_rng(seed).random((5, 7)).astype(np.float32)
    grown = cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(grown * 200 + 20, 0, 255).astype(np.uint8)


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)


def write_pack(folder: Path, rows: list[dict]) -> Manifest:
    """manifest.csv with these rows. A row's "image" is its array, or None for no file; "mask" likewise."""
    columns = sorted({key for row in rows for key in row} - {"image", "mask"} | {"file", "label"})
    for row in rows:
        if row.get("image") is not None:
            save(folder / row["file"], row["image"])
        if row.get("mask") is not None:
            row["mask_file"] = row.get("mask_file") or f"masks/{Path(row['file']).stem}.png"
            save(folder / row["mask_file"], row["mask"].astype(np.uint8) * 255)
            columns = sorted({*columns, "mask_file"})
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "manifest.csv").open("w", newline="") as sink:
        table = csv.DictWriter(sink, columns, restval="", extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)
    return read_manifest(folder)


def simple_pack(folder: Path, n: int = 6, labels: tuple[str, ...] = ("benign", "malignant")) -> Manifest:
    """n different pictures, labels in turn, a patient each."""
    seed = sum(folder.name.encode()) * 1000
    return write_pack(
        folder,
        [
            {
                "file": f"{i}.png",
                "label": labels[i % len(labels)],
                "patient_id": f"p{i}",
                "image": texture(seed + i),
            }
            for i in range(n)
        ],
    )
