"""Bytes or a path -> `Study`."""

from __future__ import annotations

import hashlib

from models.errors import BadInput
from models.study.limits import Limits
from models.study.raster import open_raster
from models.study.samples import samples_of
from models.study.source import Source, display_name, name_of, read_bytes
from models.study.study import MODALITIES, Study


def read_study(
    source: Source,
    name: str | None = None,
    *,
    modality: str | None = None,
    synthetic: bool = False,
    limits: Limits | None = None,
) -> Study:
    """Read one image: the bytes of an upload, or a path.

    The format is told by content, never by name. EXIF orientation is applied, transparency laid on black, a
    colour file whose channels are equal returned as grey, and of several frames the first is read; what was
    changed or chosen is in `notices`. Raises BadInput, one sentence, for whatever is not a whole image.
    """
    if modality is not None and modality not in MODALITIES:
        known = ", ".join(MODALITIES)
        raise BadInput(f'"{display_name(modality)}" is not a modality of this program: use one of {known}.')
    limits = limits or Limits()
    shown = name_of(source, name)
    data = read_bytes(source, shown, limits)
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
