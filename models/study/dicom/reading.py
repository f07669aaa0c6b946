"""A DICOM file -> `Study`: one frame, windowed, with what is known of its geometry."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from models.errors import BadInput
from models.study.dicom import facts as told
from models.study.dicom.elements import Elements, Unreadable, walk
from models.study.dicom.facts import DicomFacts
from models.study.dicom.header import Header, layout
from models.study.dicom.names import safe_name, without
from models.study.dicom.pixels import GREY, Layout, check_layout, decode_frame, title
from models.study.dicom.windows import WHITE, LookupTable, Window, stretched
from models.study.limits import Limits
from models.study.study import Study

_BLOCK = 4 * 1024 * 1024
_DIRECTORY = "1.2.840.10008.1.3.10"


def read_dicom(
    data: bytes, name: str, limits: Limits, *, modality: str | None, synthetic: bool, frame: int,
    window: Window | None,
) -> Study:  # fmt: skip
    """One frame as it is shown. name: for display; it is replaced where it holds something of the person.

    samples: of grey images uint16, 65535 white, after modality LUT, window (or VOI LUT) and photometric
    interpretation; of 8 bits without a window uint8 as stored. Colour: RGB. BadInput for what cannot be read.
    """
    elements = admitted(data, name, limits)
    shown = safe_name(name, elements)
    try:
        header = Header(elements, frame)
        plan = layout(header)
        if (header.words("SOPClassUID") or [""])[0] == _DIRECTORY:
            raise Unreadable("is a DICOMDIR, a disc's table of contents", "open the files it lists")
        check_layout(plan, elements, limits)
        if not 0 <= frame < plan.frames:
            raise BadInput(
                f'"{shown}" has {plan.frames:,} frames, numbered from 1: there is no frame {frame + 1:,}.'
            )
        stored = decode_frame(elements, plan, header.palette, frame)
    except Unreadable as why:
        sentence = f'"{shown}" {why}'
    else:
        return _study(data, elements, header, plan, stored, shown, modality, synthetic, frame, window)
    raise BadInput(sentence)


def admitted(data: bytes, name: str, limits: Limits) -> Elements:
    """The file's elements that are kept. BadInput where the file cannot be walked; it does not tell of the
    person either."""
    try:
        return walk(data, limits.max_dicom_bytes)
    except Unreadable as why:
        sentence = f'"{safe_name(name, why.found) if why.found else name}" {why}'
    raise BadInput(sentence)


def told_before(data: bytes, limits: Limits) -> Elements | None:
    """As `admitted`; of a file that is damaged, what stands before the damage, None for nothing."""
    try:
        return walk(data, limits.max_dicom_bytes)
    except Unreadable as why:
        return why.found


@dataclass(frozen=True, eq=False)
class _Shown:
    samples: np.ndarray
    depth_max: int
    window: Window | None
    shown_by: str
    value_range: tuple[float, float]
    notices: tuple[str, ...] = ()


def _study(
    data: bytes, elements: Elements, header: Header, plan: Layout, stored: np.ndarray, name: str,
    modality: str | None, synthetic: bool, frame: int, window: Window | None,
) -> Study:  # fmt: skip
    windows, tables = told.windows_of(header), header.tables("VOILUTSequence")
    grey, clean = plan.photometric in GREY, without(elements)
    code, view = told.modality_code(header)[0], told.view_of(header)
    shown = (_grey if grey else _colour)(stored, header, plan, windows, tables, window)
    spacing, origin = told.spacing_of(header, (plan.rows, plan.columns))
    laterality, burned_in = told.laterality_of(header), header.code("BurnedInAnnotation")
    facts = DicomFacts(
        modality=code if code in told.KNOWN_CODES else clean(code or "") or None,
        photometric=plan.photometric,
        transfer_syntax=title(elements.transfer_syntax),
        bits_stored=plan.stored,
        windows=tuple(replace(one, name=clean(one.name)) for one in windows) if grey else (),
        window=shown.window and replace(shown.window, name=clean(shown.window.name)),
        shown_by=clean(shown.shown_by) or "VOI LUT",
        voi_luts=tuple(clean(table.name) or f"table {i}" for i, table in enumerate(tables, 1)),
        value_range=shown.value_range,
        burned_in=burned_in if burned_in in ("YES", "NO") else None,
        spacing_from=origin,
        orientation=told.orientation_of(header),
        manufacturer=clean((header.words("Manufacturer") or [""])[0]) or None,
        model=clean((header.words("ManufacturerModelName") or [""])[0]) or None,
        for_processing=header.code("PresentationIntentType") == "FOR PROCESSING",
    )
    samples = np.ascontiguousarray(shown.samples)
    samples.flags.writeable = False
    return Study(
        samples=samples,
        depth_max=shown.depth_max,
        name=name,
        digest=_digest(data, frame, window if grey else None),
        modality=modality or told.modality_of(code),
        spacing_mm=spacing,
        view=view if view in told.KNOWN_VIEWS else clean(view or "") or None,
        laterality=laterality,
        synthetic=synthetic,
        notices=told.notices(header, plan, frame, facts, laterality) + shown.notices,
        frames=plan.frames,
        frame=frame,
        dicom=facts,
    )


def _digest(data: bytes, frame: int, window: Window | None) -> str:
    """sha256 of the file; of that, the frame and the chosen window where either is not the file's first."""
    digest = hashlib.sha256(data).hexdigest()
    if frame == 0 and window is None:
        return digest
    chosen = None if window is None else (window.centre, window.width, window.function)
    return hashlib.sha256(f"{digest} frame {frame} window {chosen}".encode()).hexdigest()


def _colour(
    stored: np.ndarray, header: Header, plan: Layout, windows: object, tables: object, window: object
) -> _Shown:
    """RGB as it is; windows are for grey images alone (PS3.3 C.11.2.1.2)."""
    if np.array_equal(stored[..., 0], stored[..., 1]) and np.array_equal(stored[..., 0], stored[..., 2]):
        stored = stored[..., :1]
    if stored.dtype.itemsize == 1:
        return _Shown(stored.astype(np.uint8, copy=False), 255, None, "colour as stored", (0.0, 255.0))
    white = 65535 if plan.photometric == "PALETTE COLOR" else 2**plan.stored - 1
    deep = np.rint(np.minimum(stored, white) * (WHITE / white)).astype(np.uint16)
    return _Shown(deep, WHITE, None, "colour as stored", (0.0, float(white)))


def _grey(
    stored: np.ndarray, header: Header, plan: Layout, windows: tuple[Window, ...],
    tables: list[LookupTable], window: Window | None,
) -> _Shown:  # fmt: skip
    """Stored values through one table that holds the whole pipeline: modality LUT, VOI, photometric
    interpretation, padding (PS3.3 C.11, C.7.5.1.1.2). There are at most 65,536 values to compute it for."""
    every = _every_value(stored.dtype, plan)
    values = _modality_values(every, header)
    padding = _padding(every, header, plan)
    present = _present(stored)
    within = present & ~padding if (present & ~padding).any() else present
    low, high = float(values[within].min()), float(values[within].max())
    chosen = window or (windows[0] if windows else None)
    notices: tuple[str, ...] = ()
    if chosen is not None:
        unit, by = chosen.shown(values), "window"
    elif tables:
        unit, by = tables[0].shown(values), f"VOI LUT {tables[0].name}".strip()
    elif plan.stored <= 8 and not header.tables("ModalityLUTSequence"):
        depth = float(2**plan.stored - 1)
        unit, by = stretched(every.astype(np.float64) + (depth + 1) / 2 * plan.signed, 0, depth), "as stored"
    else:
        unit, by = stretched(values, low, high), "full range"
        notices = (
            f"The file states no window: shown from its lowest value, {low:g}, to its highest, {high:g}.",
        )
    if plan.photometric == "MONOCHROME1":
        unit = 1.0 - unit
    unit = np.where(padding, 0.0, unit)
    white = 255 if by == "as stored" else WHITE
    table = np.rint(unit * white).astype(np.uint8 if white == 255 else np.uint16)
    return _Shown(_through(table, stored)[..., None], white, chosen, by, (low, high), notices)


def _every_value(dtype: np.dtype, plan: Layout) -> np.ndarray:
    """int64: the stored value that each bit pattern of the array's type means."""
    patterns = np.arange(2 ** (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}")
    return patterns.view(dtype.newbyteorder("=")).astype(np.int64)


def _modality_values(every: np.ndarray, header: Header) -> np.ndarray:
    """float64: after Modality LUT or rescale (C.11.1); a slope of 0 is taken as none."""
    tables = header.tables("ModalityLUTSequence")
    if tables:
        return tables[0].looked_up(every).astype(np.float64)
    slope = header.number("RescaleSlope", 1.0) or 1.0
    return every * slope + (header.number("RescaleIntercept", 0.0) or 0.0)


def _padding(every: np.ndarray, header: Header, plan: Layout) -> np.ndarray:
    """bool: the stored values that stand for no image (C.7.5.1.1.2). The tag's own sign is often wrong, so
    bit patterns are compared."""
    bits = plan.allocated
    value = header.number("PixelPaddingValue")
    if value is None:
        return np.zeros(len(every), bool)
    limit = header.number("PixelPaddingRangeLimit", value)
    low, high = sorted(_as_stored(int(end), bits, plan.signed) for end in (value, limit))
    return (every >= low) & (every <= high)


def _as_stored(value: int, bits: int, signed: bool) -> int:
    value &= 2**bits - 1
    return value - 2**bits if signed and value >= 2 ** (bits - 1) else value


def _present(stored: np.ndarray) -> np.ndarray:
    """bool: which bit patterns occur."""
    found = np.zeros(2 ** (8 * stored.dtype.itemsize), bool)
    flat = _patterns(stored)
    for at in range(0, len(flat), _BLOCK):
        found[flat[at : at + _BLOCK]] = True
    return found


def _through(table: np.ndarray, stored: np.ndarray) -> np.ndarray:
    """The table's entry for each stored value, in blocks: an index array costs eight bytes a pixel."""
    flat, out = _patterns(stored), np.empty(stored.size, table.dtype)
    for at in range(0, len(flat), _BLOCK):
        np.take(table, flat[at : at + _BLOCK], out=out[at : at + _BLOCK], mode="clip")
    return out.reshape(stored.shape)


def _patterns(stored: np.ndarray) -> np.ndarray:
    native = np.ascontiguousarray(stored.astype(stored.dtype.newbyteorder("="), copy=False))
    return native.reshape(-1).view(f"u{stored.dtype.itemsize}")
