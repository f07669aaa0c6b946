"""What is known of an image's side, view and size, in words: always all of it, "not stated" where missing."""

from __future__ import annotations

from models.study import Study, Window

NOT_STATED = "not stated"
SIDES = {"L": "left", "R": "right", "B": "both"}
_SPACING_FROM = {
    "PixelSpacing": "as the file states it",
    "ImagerPixelSpacing / magnification": "at the detector, divided by the magnification",
    "ultrasound region": "of its ultrasound region",
}
_BURNED_IN = {"YES": "the file says that there is some", "NO": "the file says that there is none"}
#: What the page says of the window, beside its control.
WINDOW_NOTE = "Changes the picture alone: runs and exports see the file's first window."


def stated(study: Study) -> list[tuple[str, str]]:
    """(name, value) of what stands beside every image."""
    dicom = study.dicom
    rows = [
        ("Laterality", SIDES.get(study.laterality or "", NOT_STATED)),
        ("View", study.view or NOT_STATED),
        ("Pixel spacing", spacing(study)),
        ("Photometric", NOT_STATED if dicom is None else f"{dicom.photometric}, {dicom.bits_stored} bit"),
    ]
    if dicom is not None:
        rows.append(("Orientation", dicom.orientation or NOT_STATED))
        rows.append(("Pixels", dicom.transfer_syntax))
    return rows


def spacing(study: Study) -> str:
    """ "0.0941 mm (where from)", both sides where they differ."""
    if study.spacing_mm is None:
        return NOT_STATED
    row, column = (f"{side:.3g}" for side in study.spacing_mm)
    size = f"{row} mm" if row == column else f"{row} x {column} mm"
    origin = _SPACING_FROM.get((study.dicom and study.dicom.spacing_from) or "", "")
    return f"{size} ({origin})" if origin else size


def burned_in(study: Study) -> str:
    """Of text in the pixels, on every page that shows a DICOM; "" of other files."""
    if study.dicom is None:
        return ""
    said = _BURNED_IN.get(study.dicom.burned_in or "", "the file does not say whether there is any")
    return (
        f"Text burned into the pixels is not removed ({said}). Of the header only what describes the image "
        "is read; names, dates and numbers of a person are dropped."
    )


def marker(study: Study) -> str:
    """ "R CC" for a caption; the sides and views that are known."""
    return " ".join(filter(None, (study.laterality, study.view)))


def picture_caption(study: Study, window: Window | None) -> str:
    """The bare image's caption: how it is shown, and which breast and view it is."""
    if study.dicom is None:
        return "Image as stored"
    how = study.dicom.shown_by if window is None else f"window {window_name(window)}"
    return ", ".join(filter(None, (marker(study), how)))


def window_name(window: Window) -> str:
    """ "NORMAL, 2065 / 900": centre and width."""
    size = f"{window.centre:g} / {window.width:g}"
    return f"{window.name}, {size}" if window.name else size
