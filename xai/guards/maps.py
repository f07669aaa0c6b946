"""When a heatmap must not be taken as evidence, said in words for the person who reads the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai.heatmap import Heatmap

PADDING_SHARE = 0.25
BORDER_SHARE = 0.5


@dataclass(frozen=True)
class Caution:
    """kind: "blank", "saturated", "padding" or "border". sentence: what is wrong and what it means."""

    kind: str
    sentence: str


def judge(heatmap: Heatmap) -> tuple[Caution, ...]:
    """Every reason not to take this heatmap at face value; empty where none of the guards is set off.

    A blank map gets that one caution: the others speak of places, and it has none.
    """
    if heatmap.blank:
        return (Caution("blank", _blank_sentence(heatmap)),)
    cautions = []
    if heatmap.saturated:
        cautions.append(
            Caution(
                "saturated",
                "More than half of the image is at the top of the colour range, so the colours do not tell "
                "where the evidence is strongest: do not read this heatmap as a place.",
            )
        )
    padding = padding_share(heatmap)
    if padding > PADDING_SHARE:
        cautions.append(
            Caution(
                "padding",
                f"{padding:.0%} of the evidence lies in the empty margin added around the image, where "
                "there is no tissue: the heatmap is not to be trusted here.",
            )
        )
    if hugs_border(heatmap):
        cautions.append(
            Caution(
                "border",
                f"The peak and {border_share(heatmap):.0%} of the evidence lie along the edge of the image, "
                "where labels, rulers and probe contact are found: check that the model looks at tissue.",
            )
        )
    return tuple(cautions)


def padding_share(heatmap: Heatmap) -> float:
    """Share 0..1 of the positive evidence that lies in padding, each cell split by how much of it is
    image."""
    total = float(heatmap.evidence.sum())
    return float((heatmap.evidence * (1.0 - heatmap.content_share)).sum()) / total if total > 0 else 0.0


def border_share(heatmap: Heatmap) -> float:
    """Share 0..1 of the image's positive evidence in the outermost ring of cells that hold any image."""
    on_image = heatmap.evidence * heatmap.content_share
    total = float(on_image.sum())
    return float(on_image[_ring(heatmap)].sum()) / total if total > 0 else 0.0


def hugs_border(heatmap: Heatmap) -> bool:
    """True where the peak lies in the outermost ring of content cells and over half of the evidence with it.

    On a small grid the ring alone can be over half of the image; evidence spread evenly hugs nothing, so the
    ring must also hold more than its share of the area. Without cells inside the ring the question is void.
    """
    ring, share = _ring(heatmap), heatmap.content_share
    if not (share[~ring] > 0).any():
        return False
    # Cells off the image compete for nothing: -1 is below every rectified value.
    peak = np.where(share > 0, heatmap.evidence, -1.0).argmax()
    even = float(share[ring].sum()) / float(share.sum())
    return bool(ring.flat[peak]) and border_share(heatmap) > max(BORDER_SHARE, even)


def _ring(heatmap: Heatmap) -> np.ndarray:
    """bool [gh, gw]: the first and last row and column of cells that hold image."""
    share = heatmap.content_share
    rows, columns = np.flatnonzero(share.any(axis=1)), np.flatnonzero(share.any(axis=0))
    ring = np.zeros(share.shape, dtype=bool)
    ring[rows[[0, -1]]] = True
    ring[:, columns[[0, -1]]] = True
    return ring & (share > 0)


def _blank_sentence(heatmap: Heatmap) -> str:
    label = heatmap.map.label
    if not np.isfinite(heatmap.map.values).all():
        return (
            f"The heatmap of “{label}” holds values that are not numbers and is not drawn: "
            "the computation failed on this image."
        )
    if heatmap.constant:
        return (
            f"The heatmap of “{label}” has the same value everywhere and is not drawn: "
            "it sets no part of the image apart."
        )
    return (
        f"The heatmap of “{label}” is blank: no place in this image gave the model evidence for that class, "
        "so there is nothing to show."
    )
