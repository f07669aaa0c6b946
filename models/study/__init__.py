"""From the bytes of a file to a `Study`; the only room in which image files are decoded."""

from models.study.dicom import DicomFacts, Window
from models.study.limits import Limits
from models.study.mask import mask_for, read_mask
from models.study.reading import count_frames, deidentified, read_study, tells_of_person
from models.study.slide import Slide, SlideLimits, open_slide, slide_format
from models.study.source import display_name
from models.study.study import MODALITIES, Study

__all__ = [
    "MODALITIES",
    "DicomFacts",
    "Limits",
    "Slide",
    "SlideLimits",
    "Study",
    "Window",
    "count_frames",
    "deidentified",
    "display_name",
    "mask_for",
    "open_slide",
    "read_mask",
    "read_study",
    "slide_format",
    "tells_of_person",
]
