"""Geometry of a DICOM: spacing, areas, side, view, orientation; hand-worked."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from models.study import read_study
from models.study.dicom.facts import contradiction
from tests.models.study.dicoms import ULTRASOUND, ULTRASOUND_FRAMES, dataset, dicom, grey, saved

IMAGER, FACTOR = "ImagerPixelSpacing", "EstimatedRadiographicMagnificationFactor"
CORRECTED = "ImagerPixelSpacing / magnification"


def items(**tags):
    made = Dataset()
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return Sequence([made])


@pytest.mark.parametrize(
    ("tags", "spacing", "origin"),
    [
        ({"PixelSpacing": [0.2, 0.1]}, (0.2, 0.1), "PixelSpacing"),
        ({IMAGER: [0.1, 0.1], FACTOR: 1.25}, (0.08, 0.08), CORRECTED),
        ({IMAGER: [0.1, 0.1]}, (0.1, 0.1), CORRECTED),
        # Pixel Spacing that repeats the detector's is not calibrated.
        ({"PixelSpacing": [0.1, 0.1], IMAGER: [0.1, 0.1], FACTOR: 2}, (0.05, 0.05), CORRECTED),
        ({"PixelSpacing": [0.08, 0.08], IMAGER: [0.1, 0.1], FACTOR: 1.25}, (0.08, 0.08), "PixelSpacing"),
        ({"PixelSpacing": [0, 0]}, None, None),
        ({"PixelSpacing": [-1, 1]}, None, None),
        ({IMAGER: [0.1, 0.1], FACTOR: 0}, (0.1, 0.1), CORRECTED),
        ({}, None, None),
    ],
)  # fmt: skip
def test_spacing(tags, spacing, origin):
    study = read_study(dicom(grey(), bits=12, **tags), "x.dcm")
    assert study.spacing_mm == (None if spacing is None else pytest.approx(spacing))
    assert study.dicom.spacing_from == origin
    wanted = None if spacing is None else pytest.approx(50 * spacing[0] * spacing[1])
    assert study.area_mm2(50) == wanted


def region(x0=0, x1=9, y0=0, y1=11, unit=3, delta=0.02, kind=1):
    """Of a 10 x 12 image; delta in centimetres."""
    return items(
        RegionSpatialFormat=kind, RegionLocationMinX0=x0, RegionLocationMaxX1=x1, RegionLocationMinY0=y0,
        RegionLocationMaxY1=y1, PhysicalUnitsXDirection=unit, PhysicalUnitsYDirection=unit,
        PhysicalDeltaX=delta, PhysicalDeltaY=-2 * delta,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("regions", "spacing"),
    [
        (region(), (0.4, 0.2)),
        (region(unit=4), None),  # seconds: a Doppler trace
        (region(kind=3), None),
        (region(x1=2, y1=2), None),  # 9 of 120 pixels
        (Sequence([*region(), *region(delta=0.05)]), None),  # two scales
        (Sequence([*region(), *region(x1=2, kind=3, delta=0.5)]), (0.4, 0.2)),
    ],
)
def test_ultrasound_regions(regions, spacing):
    content = dicom(
        grey(12, 10, 255, "uint8"), SOPClassUID=ULTRASOUND, Modality="US", SequenceOfUltrasoundRegions=regions
    )
    study = read_study(content, "x.dcm")
    assert study.spacing_mm == (None if spacing is None else pytest.approx(spacing))
    assert study.modality == "ultrasound"


@pytest.mark.parametrize(
    ("side", "orientation", "wanted"),
    [
        ("L", "A\\R", False), ("R", "P\\L", False), ("L", "A\\F", False), ("R", "P\\FL", False),
        ("R", "A\\R", True), ("L", "P\\L", True), ("L", "P\\F", True), ("R", "A\\FR", True),
        ("L", "P\\R", False), ("B", "P\\L", False), (None, "P\\L", False), ("L", None, False),
        ("L", "F\\A", False),
    ],
)  # fmt: skip
def test_a_side_and_an_orientation_that_contradict(side, orientation, wanted):
    assert contradiction(side, orientation) is wanted


def test_side_and_view():
    coded = items(CodeValue="R-10226", CodingSchemeDesignator="SRT")
    study = read_study(dicom(grey(), bits=12, Laterality="R", ViewCodeSequence=coded), "x.dcm")
    assert (study.laterality, study.view) == ("R", "MLO")
    both = read_study(
        dicom(grey(), bits=12, Laterality="R", ImageLaterality="B", ViewPosition="xccl"), "x.dcm"
    )
    assert (both.laterality, both.view) == ("B", "XCCL")
    odd = read_study(dicom(grey(), bits=12, ImageLaterality="Q", ViewPosition="<b>!"), "x.dcm")
    assert (odd.laterality, odd.view) == (None, None)


@pytest.mark.parametrize(
    ("tags", "modality", "notice"),
    [
        ({"Modality": "US"}, "ultrasound", ""),
        ({"Modality": None}, "mammography", "taken as MG"),
        ({"Modality": None, "SOPClassUID": ULTRASOUND}, "ultrasound", "taken as US"),
        ({"Modality": None, "SOPClassUID": "1.2.3"}, None, "does not say its modality"),
        ({"Modality": "CT"}, None, "No run is made"),
        ({"PresentationIntentType": "FOR PROCESSING"}, "mammography", "raw detector values"),
        ({"BurnedInAnnotation": "YES"}, "mammography", "not removed"),
    ],
)
def test_modality_and_what_must_be_known(tags, modality, notice):
    study = read_study(dicom(grey(), bits=12, WindowCenter=2000, WindowWidth=4000, **tags), "x.dcm")
    assert study.modality == modality
    assert len(study.notices) == bool(notice) and notice in " ".join(study.notices)


def test_functional_groups_of_a_frame():
    """As breast tomosynthesis keeps them: shared spacing and side, a window for each frame."""
    made = dataset(
        np.stack([grey()] * 2), bits=12, SOPClassUID=ULTRASOUND_FRAMES, WindowCenter=1, WindowWidth=2
    )
    made.SharedFunctionalGroupsSequence = items(
        PixelMeasuresSequence=items(PixelSpacing=[0.1, 0.1], SliceThickness=1),
        FrameAnatomySequence=items(FrameLaterality="R"),
    )
    frames = []
    for centre in (700, 3000):
        frames += items(FrameVOILUTSequence=items(WindowCenter=centre, WindowWidth=1000))
    made.PerFrameFunctionalGroupsSequence = Sequence(frames)
    for number, centre in enumerate((700, 3000)):
        study = read_study(saved(made), "x.dcm", frame=number)
        assert (
            study.dicom.window.centre == centre and study.spacing_mm == (0.1, 0.1) and study.laterality == "R"
        )
