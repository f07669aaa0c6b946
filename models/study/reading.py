"""Bytes or a path -> `Study`."""

from __future__ import annotations

import hashlib
from pathlib import Path

from models.errors import BadInput
from models.study.dicom.elements import is_dicom
from models.study.dicom.windows import Window
from models.study.limits import Limits
from models.study.raster import open_raster
from models.study.samples import samples_of
from models.study.source import HEAD, Source, display_name, name_of, read_bytes, read_head
from models.study.stripping import stripped
from models.study.structure import image_format
from models.study.study import MODALITIES, Study


def read_study(
    source: Source,
    name: str | None = None,
    *,
    modality: str | None = None,
    synthetic: bool = False,
    limits: Limits | None = None,
    frame: int = 0,
    window: Window | None = None,
) -> Study:
    """Read one image: the bytes of an upload, or a path.

    The format is told by content, never by name. EXIF orientation is applied, transparency laid on black, a
    colour file whose channels are equal returned as grey, and of several frames the first is read; what was
    changed or chosen is in `notices`. frame (from 0) and window are for DICOM: without them its first frame
    in its first window. Raises BadInput, one sentence, for whatever is not a whole image.
    """
    if modality is not None and modality not in MODALITIES:
        known = ", ".join(MODALITIES)
        raise BadInput(f'"{display_name(modality)}" is not a modality of this program: use one of {known}.')
    limits = limits or Limits()
    shown = name_of(source, name)
    data = read_bytes(source, shown, limits)
    if is_dicom(data[:HEAD]) and (image_format(data) is None or data[128:132] == b"DICM"):
        from models.study.dicom.reading import read_dicom

        return read_dicom(
            data, shown, limits, modality=modality, synthetic=synthetic, frame=frame, window=window
        )
    if frame:
        raise BadInput(f'"{shown}" is no DICOM file of several frames: there is no frame {frame + 1:,}.')
    raster = open_raster(data, shown, limits)
    samples = samples_of(raster, shown)
    values = samples.values
    values.flags.writeable = False
    return Study(
        samples=values,
        depth_max=samples.depth_max,
        name=shown,
        digest=hashlib.sha256(data).hexdigest(),
        modality=modality,
        synthetic=synthetic,
        notices=raster.notices + samples.notices,
    )


def count_frames(source: Source, name: str | None = None, *, limits: Limits | None = None) -> int:
    """How many frames a file has that `read_study` can be asked for: 1 of all but DICOM. Only the header is
    read. BadInput where that cannot be."""
    from models.study.dicom.header import Header, layout
    from models.study.dicom.pixels import too_few_pixels
    from models.study.dicom.reading import admitted

    limits = limits or Limits()
    shown = name_of(source, name)
    data = read_head(source, shown, limits)
    if not is_dicom(data[:HEAD]) or (image_format(data) and data[128:132] != b"DICM"):
        return 1
    elements = admitted(data, shown, limits)
    plan = layout(Header(elements))
    whole = not isinstance(source, str | Path) or len(data) == Path(source).stat().st_size
    # Of more frames than are read, or than there are pixels for, there is not one: the file is refused once.
    if plan.frames > limits.max_frames or (whole and too_few_pixels(plan, elements)):
        return 1
    return max(1, plan.frames)


def tells_of_person(source: Source, text: str, *, limits: Limits | None = None) -> bool:
    """Whether a text, such as the path that a file is listed under, holds a name, date or number of a person
    that the file, a DICOM, states itself. False for all else, and where the file cannot be looked at."""
    from models.study.dicom.names import tells_of
    from models.study.dicom.reading import told_before

    limits = limits or Limits()
    try:
        data = read_head(source, "", limits)
    except BadInput:
        return False
    if not is_dicom(data[:HEAD]) or (image_format(data) and data[128:132] != b"DICM"):
        return False
    elements = told_before(data, limits)
    return elements is not None and tells_of(text, elements)


def deidentified(content: bytes, name: str, *, limits: Limits | None = None) -> tuple[bytes, str]:
    """What may be kept of an upload, and the name to keep it under.

    A DICOM becomes a minimal one: the elements of `dicom.tags.ALLOWED`, whole tags gone, the pixel data byte
    for byte, and a name without any value of a dropped element. Of a PNG and a JPEG the texts, EXIF and GPS
    are cut out and the orientation is kept (`stripping`). TIFF, GIF and BMP are given back as they are: what
    a TIFF says of itself cannot be cut out without moving its pixels. Text inside the pixels is not removed.
    BadInput for a DICOM that cannot be read as one.
    """
    limits = limits or Limits()
    shown = display_name(name)
    if is_dicom(content[:HEAD]) and (image_format(content) is None or content[128:132] == b"DICM"):
        from models.study.dicom.door import stripped_dicom

        return stripped_dicom(content, shown, limits)
    return stripped(content), name
