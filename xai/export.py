"""What leaves the program: overlay pictures without metadata, and a JSON document with every number.

Files are written under a hidden name and then renamed, so that a reader never sees half of one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models import __version__
from models.errors import BadInput
from xai.methods import DEFAULT_METHOD
from xai.overlay import DEFAULT_COLOURS, DEFAULT_OPACITY, draw_overlay

if TYPE_CHECKING:
    from models.study import Study
    from xai.explain import CaseExplanation
    from xai.heatmap import Heatmap
    from xai.measures import Localisation

MEASURES = ("pointing", "iou", "dice", "energy", "average_precision")
LONGEST_PART = 60
NO_MASK = "No lesion mask was given with this image."


def document(
    result: CaseExplanation,
    image: str | None = None,
    files: Sequence[str] = (),
    start_seconds: float | None = None,
    decode_seconds: float | None = None,
) -> dict[str, Any]:
    """One case of `xai explain`, ready for `to_json`; shape and meaning are fixed by
    tests/xai/test_export.py.

    image: what to call the image, its display name by default. files: what was written for it.
    seconds.start: process start until the first image is opened; seconds.decode: file to network input;
    None where nobody measured it. laterality, view, spacing_mm ([row, column]) and frame (from 1, of a file
    of several) are None where they are not known. against: the class a contrastive map holds `class`
    against, else None.
    why_no_contributions: a sentence where they and the rest are None. relative: the map has no fixed scale,
    its colours are shares of its own maximum. Every float is finite or None.
    """
    reading, run = result.reading, result.run
    decode = None if decode_seconds is None else decode_seconds + reading.prepare_seconds
    seconds = {
        "start": start_seconds,
        "decode": decode,
        "engine": reading.engine_seconds,
        "heatmap": result.heatmap_seconds,
    }
    return {
        "image": image or result.study.name,
        **stated(result.study),
        "label": reading.label,
        "probabilities": {name: _number(p) for name, p in reading.probabilities.items()},
        "threshold": _number(reading.threshold),
        "class": result.label,
        "against": result.against,
        "method": result.method,
        "layer": result.layer,
        "masks": result.masks,
        "seed": result.seed,
        "maps": [_map_entry(heatmap) for heatmap in result.heatmaps],
        "joint": _joint_entry(result.joint),
        "rest": _number(result.rest),
        "margin": _number(result.margin),
        "head": reading.explained.head,
        "why_no_contributions": result.why_no_contributions,
        "measures": measures_entry(result.measures),
        "warnings": [asdict(caution) for caution in result.cautions],
        "notices": list(reading.notices),
        "synthetic": bool(result.study.synthetic or run.card.synthetic),
        "seconds": {name: _number(value) for name, value in seconds.items()},
        "engine": reading.explained.engine,
        "run": run.id,
        "run_digest": run.digest,
        "version": __version__,
        "files": list(files),
    }


def stated(study: Study) -> dict[str, Any]:
    """What an export says of the image itself, and nothing else that its file held."""
    return {
        "laterality": study.laterality,
        "view": study.view,
        "spacing_mm": None if study.spacing_mm is None else list(study.spacing_mm),
        "frame": study.frame + 1 if study.frames > 1 else None,
    }


def measures_entry(measures: Localisation | None) -> dict[str, dict[str, Any]]:
    """Measure -> {"value", "low", "high", "n"} with a "why" where there is no mask; pointing is 1.0 or
    0.0."""
    if measures is None:
        return {name: {"value": None, "low": None, "high": None, "n": 0, "why": NO_MASK} for name in MEASURES}
    values = asdict(measures)
    # One case has no interval.
    return {name: {"value": float(values[name]), "low": None, "high": None, "n": 1} for name in MEASURES}


def to_json(content: Any) -> str:
    """One JSON document with a newline at the end; NaN would not be JSON and is refused (ValueError).

    ASCII alone: a file name may hold what a terminal's encoding, or UTF-8 itself, cannot.
    """
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def png_bytes(rgb: np.ndarray) -> bytes:
    """A uint8 RGB image [H, W, 3] as PNG with no chunk but the pixels': no time, text, profile or
    resolution."""
    import cv2

    done, encoded = cv2.imencode(
        ".png", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_PNG_COMPRESSION, 3]
    )
    if not done:
        raise RuntimeError(f"OpenCV did not encode an image of shape {rgb.shape}.")
    return encoded.tobytes()


def overlay_png(
    result: CaseExplanation,
    heatmap: Heatmap | None = None,
    opacity: float = DEFAULT_OPACITY,
    colours: str = DEFAULT_COLOURS,
) -> bytes:
    """The overlay of one of the result's heatmaps (the joint one by default) at native size, mask
    outlined."""
    display = result.study.display()
    return png_bytes(draw_overlay(display, heatmap or result.joint, opacity, colours, result.mask))


def file_stem(result: CaseExplanation) -> str:
    """A file name without ending that is safe everywhere and the same for the same question only.

    The image's name, side and view where they are known, eight digits of its content (two images of one name
    don't meet), the run, the class and whatever else was asked.
    """
    name, study = Path(result.study.name).stem, result.study
    parts = (name, study.laterality, study.view, study.digest[:8], result.run.id, _question(result))
    return "-".join(filter(None, (safe_part(part) for part in parts if part)))


def _question(result: CaseExplanation) -> str:
    """The class and, where they are not the usual ones, the rest of the question; long ones cut and told
    apart by their digest."""
    asked = [result.label]
    asked += [f"not-{result.against}"] if result.against else []
    asked += [result.method.replace("+", "p")] if result.method != DEFAULT_METHOD else []
    asked += [result.layer] if result.layer else []
    asked += [f"masks{result.masks}"] if result.masks else []
    asked += [f"seed{result.seed}"] if result.seed else []
    text = "-".join(map(safe_part, asked))
    return text if len(text) <= LONGEST_PART else f"{text[:45]}-{sha256(text.encode()).hexdigest()[:12]}"


def safe_part(text: str) -> str:
    """At most 60 of the letters A-Z, a-z, digits, dot, dash and underscore, not starting or ending with a
    dot."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:LONGEST_PART].strip("._-")


def write_explanation(
    result: CaseExplanation,
    out: Path,
    start_seconds: float | None = None,
    decode_seconds: float | None = None,
) -> tuple[Path, ...]:
    """Write a case's pictures and its JSON document into the folder `out`, made if it is not there.

    Pictures: <stem>.png of the joint map and, of a hybrid, <stem>-<branch>.png a branch. The document names
    the files beside it without their folder. BadInput where the folder cannot be written.
    """
    stem = file_stem(result)
    pictures = {f"{stem}.png": result.joint}
    if len(result.heatmaps) > 1:
        pictures |= {f"{stem}-{safe_part(heatmap.map.name)}.png": heatmap for heatmap in result.heatmaps}
    names = [*pictures, f"{stem}.json"]
    fields = document(result, None, names, start_seconds, decode_seconds)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, heatmap in pictures.items():
            write_bytes(out / name, overlay_png(result, heatmap))
        write_bytes(out / names[-1], to_json(fields).encode())
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BadInput(
            f"Nothing can be written to {out} ({reason}): give a folder that can be written to."
        ) from None
    return tuple(out / name for name in names)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    from models.runs import write_atomically

    write_atomically(path, lambda temporary: _fill(temporary, content))


def _fill(temporary: Path, content: bytes) -> None:
    temporary.write_bytes(content)


def _map_entry(heatmap: Heatmap) -> dict[str, Any]:
    return {
        "layer": heatmap.map.layer,
        "branch": heatmap.map.name,
        "method": heatmap.map.method,
        **_joint_entry(heatmap),
        "contribution": _number(heatmap.map.contribution),
    }


def _joint_entry(heatmap: Heatmap) -> dict[str, Any]:
    return {
        "grid": list(heatmap.grid),
        "maximum": _number(heatmap.maximum),
        "minimum": _number(heatmap.minimum),
        "blank": heatmap.blank,
        "saturated": heatmap.saturated,
        "scale": _number(heatmap.scale),
        "relative": heatmap.relative,
        "unit": heatmap.map.unit,
    }


def _number(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
