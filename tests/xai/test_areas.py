"""How much of the image a map covers, and what exports say of a DICOM."""

import numpy as np
import pytest

from models.study import read_study
from tests.models.study.dicoms import PERSON, dicom, grey
from tests.xai.fakes import heatmap_of
from xai.export import stated
from xai.measures.areas import hot_share
from xai.report import area, image_facts


def test_the_hot_region_is_where_the_map_is_above_half():
    """Columns of a 32 x 32 grid from 1 to 32: those of 16 and more are 17 of 32."""
    ramp = np.tile(np.arange(1.0, 33.0), (32, 1))
    assert hot_share(heatmap_of(ramp)) == pytest.approx(17 / 32)
    assert hot_share(heatmap_of(ramp), level=0.25) == pytest.approx(25 / 32)
    assert hot_share(heatmap_of(-ramp)) == 0


def test_a_large_image_has_the_same_share():
    peak = np.zeros((8, 8))
    peak[2:4, 2:4] = 1
    small, large = (hot_share(heatmap_of(peak, native=(side, side))) for side in (512, 3000))
    assert large == pytest.approx(small, abs=1e-6) and 1 / 32 < small < 1 / 8


def test_exports_state_side_view_spacing_and_nothing_else():
    tags = {**PERSON, "ImageLaterality": "R", "ViewPosition": "CC", "PixelSpacing": [0.5, 0.2]}
    study = read_study(dicom(grey(), bits=12, **tags), "x.dcm")
    assert stated(study) == {"laterality": "R", "view": "CC", "spacing_mm": [0.5, 0.2], "frame": None}
    told = [("Laterality", "R"), ("View", "CC"), ("Pixel spacing", "0.5 x 0.2 mm")]
    assert image_facts(study) == told
    # 12 x 10 pixels of 0.1 mm2 are 12 mm2.
    assert area(study, 0.25) == "3 mm² (25.0 % of the image)"


def test_what_is_not_stated():
    study = read_study(dicom(np.stack([grey()] * 3), bits=12), "x.dcm", frame=1)
    assert stated(study) == {"laterality": None, "view": None, "spacing_mm": None, "frame": 2}
    assert [value for _, value in image_facts(study)] == ["not stated"] * 3 + ["2 of 3"]
    assert area(study, 0.25) == "25.0 % of the image"
