"""Pictures a batch keeps of its cases: their names, how they are written, and how they are found again."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np

from xai.export import safe_part

HEATMAPS, THUMBNAILS, MEASURES = "heatmaps", "thumbnails", "measures"
#: The longer side of a thumbnail, in pixels.
THUMBNAIL_SIDE = 128
_LONGEST_SLUG = 40
_JPEG_QUALITY = 85
_OURS = re.compile(rf"({HEATMAPS}|{THUMBNAILS}|{MEASURES})(/[A-Za-z0-9_][A-Za-z0-9._-]*){{1,2}}", re.ASCII)
_REFUSED_INK, _REFUSED_GROUND = (235, 235, 235), (70, 70, 70)


def file_name(index: int, key: str, name: str = "", suffix: str = ".png") -> str:
    """A name of our own for what belongs to a case: its place, what is harmless of the file's name, and some
    digits of its key's digest, so that no two cases of a batch ever share one."""
    stem = safe_part(name.rpartition("/")[2].rpartition(".")[0] or name)[:_LONGEST_SLUG].strip("._-")
    parts = (f"{index:06d}", stem, sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:8])
    return "-".join(filter(None, parts)) + suffix


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there, on the disk when this returns. OSError as the system gives
    it, a full disk too; nothing is left behind then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("wb") as sink:
            sink.write(content)
            sink.flush()
            os.fsync(sink.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def find_file(folder: Path, relative: object) -> Path | None:
    """Where a file that a row names is; None where it is gone, or where the name is none that a step gives.

    A batch's table may come from a stranger: what it names is opened only below the batch's own folders, and
    never through a link.
    """
    if not isinstance(relative, str) or not _OURS.fullmatch(relative):
        return None
    path = folder / relative
    links = any(part.is_symlink() for part in (path, *path.parents[: relative.count("/")]))
    return path if not links and path.is_file() else None


def png(rgb: np.ndarray) -> bytes:
    """A uint8 RGB picture [H, W, 3] as PNG: nothing but the pixels', the same bytes for the same pixels.

    Quickest of what OpenCV offers at nearly the size of its best: half of the time of `xai.export.png_bytes`.
    """
    import cv2

    settings = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG]
    return _encoded(".png", rgb, settings)


def jpeg(pixels: np.ndarray) -> bytes:
    """A uint8 picture [H, W, 1 or 3] as JPEG, for thumbnails alone."""
    import cv2

    return _encoded(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])


def refused_picture(rgb: np.ndarray, words: str) -> np.ndarray:
    """The image without any map, uint8 RGB, under a bar that says why: a picture that is passed on alone must
    not look like one of an image without findings."""
    import cv2

    width = rgb.shape[1]
    height = max(14, round(max(rgb.shape[:2]) / 18))
    bar = np.full((height, width, 3), _REFUSED_GROUND, np.uint8)
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 1.0
    (across, up), _ = cv2.getTextSize(words, font, size, 1)
    size = min(0.6 * height / up, 0.96 * width / across)
    if size * up >= 5:  # below that nobody reads it: the bar alone says that something is off
        (across, up), _ = cv2.getTextSize(words, font, size, 1)
        place = (max(0, (width - across) // 2), (height + up) // 2)
        cv2.putText(bar, words, place, font, size, _REFUSED_INK, 1, cv2.LINE_AA)
    return np.concatenate([rgb, bar])


def _encoded(kind: str, pixels: np.ndarray, settings: list[int]) -> bytes:
    import cv2

    turned = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.shape[2] == 3 else pixels
    done, content = cv2.imencode(kind, turned, settings)
    if not done:
        raise RuntimeError(f"OpenCV did not encode a picture of shape {pixels.shape}.")
    return content.tobytes()
