"""A data set small enough to read: its manifest lists the cases of a scored run, four of them with images."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from tests.pages.pictures import bright, dark_disc, png


def write_data_pack(root: Path, cases: int = 60) -> str:
    """Write root/pack (manifest.csv and images of cases 0 to 3, of which 0 and 2 have a lesion); its digest.

    Case 1 and 3 have a mask in which nothing is drawn, as data sets keep them for normal images.
    """
    folder = root / "pack"
    folder.mkdir(parents=True)
    lines = ["case_id,file,label,mask_file,modality"]
    for i in range(cases):
        lines.append(f"case {i},{i}.png,made up,{i}_mask.png,ultrasound")
        image, mask = dark_disc() if i % 2 == 0 else (bright(), np.zeros((96, 96), np.uint8))
        if i < 4:
            (folder / f"{i}.png").write_bytes(png(image))
            (folder / f"{i}_mask.png").write_bytes(png(mask))
    content = ("\n".join(lines) + "\n").encode()
    (folder / "manifest.csv").write_bytes(content)
    return hashlib.sha256(content).hexdigest()
