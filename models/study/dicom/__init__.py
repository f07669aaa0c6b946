"""DICOM: mammography and ultrasound as hospitals have them, of which little more than the image is read."""

from models.study.dicom.facts import DicomFacts
from models.study.dicom.windows import Window

__all__ = ["DicomFacts", "Window"]
