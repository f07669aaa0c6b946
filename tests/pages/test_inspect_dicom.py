"""Inspect and Compare on DICOM files, driven without a browser."""

import json

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from models.study import read_study
from pages.ui.viewing import words
from tests.models.study.dicoms import PERSON, ULTRASOUND_FRAMES, dataset, dicom, saved
from tests.pages.pictures import dark_disc, png
from tests.pages.test_inspect import said

DISC = dark_disc()[0]


def mammogram(**tags):
    stated = {
        "ImageLaterality": "L", "ViewPosition": "MLO", "PixelSpacing": [0.5, 0.25],
        "PatientOrientation": ["A", "F"], "WindowCenter": [2000, 800], "WindowWidth": [4000, 300],
        "WindowCenterWidthExplanation": ["WIDE", "NARROW"], "BurnedInAnnotation": "YES", **tags,
    }  # fmt: skip
    return dicom(DISC.astype(np.uint16) * 16, bits=12, **{**PERSON, **stated})


def upload(app: AppTest, content: bytes, name: str = "view.dcm") -> AppTest:
    app.file_uploader[0].upload(name, content)
    return app.run()


def captions(app: AppTest) -> str:
    """What stands over the pictures."""
    specs = [json.loads(element.proto.spec) for element in app.get("plotly_chart")]
    return "; ".join(note["text"] for spec in specs for note in spec["layout"].get("annotations", []))


def bare_picture(app: AppTest) -> str:
    """The image as it is drawn, as a data address."""
    specs = [json.loads(element.proto.spec) for element in app.get("plotly_chart")]
    return next(spec["layout"]["images"][0]["source"] for spec in specs if spec["layout"].get("images"))


@pytest.fixture
def opened(inspect: AppTest) -> AppTest:
    return upload(inspect, mammogram())


def test_side_view_and_spacing_stand_beside_the_image(opened: AppTest) -> None:
    assert not opened.exception and not opened.error
    text = said(opened)
    for part in ("left", "MLO", "0\\.5 x 0\\.25 mm", "MONOCHROME2, 12 bit", "A\\\\F"):
        assert part in text, part
    assert "Text burned into the pixels is not removed (the file says that there is some)" in text
    assert "L MLO, window WIDE, 2000 / 4000" in captions(opened)
    assert not [value for value in PERSON.values() if value in text and len(value) > 1]


def test_areas_are_in_square_millimetres(opened: AppTest) -> None:
    """64 x 96 pixels of 0.5 x 0.25 mm are 768 mm²."""
    if opened.button(key="flip_heatmap").disabled:
        opened.button(key="show_anyway").click().run()
    opened.file_uploader[1].upload("mask.png", png(dark_disc()[1])).run()
    share = float((dark_disc()[1] > 0).mean())
    assert f"Lesion mask: {768 * share:,.0f} mm² ({100 * share:.1f} % of the image)" in said(opened)
    assert "Hot region (at least half of the map's maximum):" in said(opened)


def test_an_image_that_states_nothing_says_so(inspect: AppTest) -> None:
    upload(inspect, png(DISC), "plain.png")
    text = said(inspect)
    assert text.count("not stated") == 4 and "Text burned into" not in text
    if inspect.button(key="flip_heatmap").disabled:
        inspect.button(key="show_anyway").click().run()
    assert "No pixel spacing is stated" in said(inspect) and "mm²" not in said(inspect)


def test_the_window_changes_the_picture_alone(opened: AppTest) -> None:
    assert opened.selectbox(key="window").value == "WIDE, 2000 / 4000"
    assert opened.selectbox(key="window").options == [
        "WIDE, 2000 / 4000", "NARROW, 800 / 300", "Full range, 160 to 3200", "Centre and width",
    ]  # fmt: skip
    before, verdict = bare_picture(opened), [each.value for each in opened.subheader]
    opened.selectbox(key="window").select("NARROW, 800 / 300").run()
    assert not opened.exception and not opened.error
    assert [each.value for each in opened.subheader] == verdict
    assert bare_picture(opened) != before and "window NARROW, 800 / 300" in captions(opened)
    assert words.WINDOW_NOTE in said(opened)
    opened.selectbox(key="window").select("Centre and width").run()
    opened.number_input(key="centre").set_value(1234.0).run()
    assert "window 1234 / 4000" in captions(opened) and not opened.exception
    upload(opened, mammogram(ImageLaterality="R"), "other.dcm")
    assert opened.selectbox(key="window").value.startswith("WIDE") and "R MLO, window WIDE" in captions(
        opened
    )


def test_a_name_that_tells_is_not_shown(inspect: AppTest) -> None:
    upload(inspect, mammogram(), "Quandt_Ottilie_19510723.dcm")
    assert not inspect.exception
    shown = said(inspect) + captions(inspect)
    assert "Quandt" not in shown and "19510723" not in shown and "dicom-" in said(inspect)


def test_frames_are_chosen(inspect: AppTest) -> None:
    frames = np.stack([DISC, DISC[::-1], DISC[:, ::-1]])
    content = saved(dataset(frames, SOPClassUID=ULTRASOUND_FRAMES, Modality="US"))
    upload(inspect, content)
    assert inspect.number_input(key="frame").max == 3 and "frame 1 is used" in said(inspect)
    first = bare_picture(inspect)
    inspect.number_input(key="frame").set_value(3).run()
    assert "frame 3 is used" in said(inspect) and bare_picture(inspect) != first
    upload(inspect, mammogram(), "one.dcm")
    assert not [widget for widget in inspect.number_input if widget.key == "frame"] and not inspect.exception


def test_an_address_names_a_frame(inspect: AppTest) -> None:
    content = saved(dataset(np.stack([DISC, DISC[::-1]]), SOPClassUID=ULTRASOUND_FRAMES, Modality="US"))
    inspect.query_params["frame"] = "2"
    upload(inspect, content)
    assert inspect.number_input(key="frame").value == 2 and "frame 2 is used" in said(inspect)


@pytest.mark.parametrize("content", [mammogram()[:900], dicom(DISC)[:-100], bytes(128) + b"DICM" + bytes(20)])
def test_a_bad_file_is_a_sentence(inspect: AppTest, content: bytes) -> None:
    upload(inspect, content)
    assert len(inspect.error) == 1 and "view.dcm" in inspect.error[0].value and not inspect.exception


def test_compare_takes_dicom(home: AppTest) -> None:
    app = upload(home.switch_page("pages/2_Compare.py").run(), mammogram())
    assert not app.exception and not app.error
    assert (
        "MLO" in said(app)
        and "not removed" in said(app)
        and app.selectbox(key="window").value.startswith("WIDE")
    )


def test_words_of_an_image() -> None:
    study = read_study(
        mammogram(PixelSpacing=None, ImagerPixelSpacing=[0.1, 0.1], PatientOrientation=["P", "F"]), "x.dcm"
    )
    assert words.spacing(study) == "0.1 mm (at the detector, divided by the magnification)"
    assert any("mirrored" in notice for notice in study.notices)
