"""DICOM to `Study`: hand-worked windows, a second reader's pixels, every way pixels are stored."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels import apply_windowing, convert_color_space
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from models.errors import BadInput
from models.study import Limits, Window, count_frames, read_study
from models.study.dicom.header import Header, layout
from models.study.dicom.pixels import decode_frame
from models.study.dicom.reading import admitted
from tests.models.study.dicoms import (
    ULTRASOUND,
    ULTRASOUND_FRAMES,
    compressed,
    dataset,
    dicom,
    grey,
    saved,
)

GOLDEN = Path(__file__).parents[2] / "golden"
REAL = Path(__file__).parents[4] / "shared" / "data" / "dicom"
SECOND_READER = json.loads((GOLDEN / "dicom.json").read_text())
FOUR = np.array([[0, 1, 2, 3]], np.uint16)


def shown(content, **options):
    """float64 [H, W] 0..1 of a grey study."""
    study = read_study(content, "x.dcm", **options)
    return study.samples[..., 0] / study.depth_max


def stored(path):
    elements = admitted(path.read_bytes(), path.name, Limits())
    return decode_frame(elements, layout(Header(elements)), None, 0)


@pytest.mark.parametrize(
    ("window", "wanted"),
    [
        # PS3.3 C.11.2.1.2.1, note 3: c = 2048, w = 4096 shows 12 bits whole: black at 0, white at 4095.
        (Window(2048, 4096), {0: 0, 4095: 1, 2047.5: 0.5}),
        (Window(100, 1), {99: 0, 100: 1}),
        # ((x - (c - 0.5)) / (w - 1) + 0.5): (12 - 9.5) / 10 + 0.5.
        (Window(10, 11), {4: 0, 4.5: 0, 12: 0.75, 14.5: 1, 15: 1}),
        (Window(10, 10, "LINEAR_EXACT"), {5: 0, 12: 0.7, 15: 1, 40: 1}),
        # 1 / (1 + exp(-4 (x - c) / w)): at c + w the exponent is -4.
        (Window(10, 20, "SIGMOID"), {10: 0.5, 30: 1 / (1 + np.exp(-4)), -10: 1 / (1 + np.exp(4))}),
        (Window(0, 1e-3, "SIGMOID"), {-60000: 0, 60000: 1}),
    ],
)  # fmt: skip
def test_windows_by_the_standard(window, wanted):
    assert window.shown(np.array(list(wanted))) == pytest.approx(list(wanted.values()), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.floats(-3000, 9000), st.floats(1.5, 9000), st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]))
def test_windows_as_pydicom_has_them(centre, width, function):
    """An independent implementation, on the 12-bit values."""
    tags = Dataset()
    tags.BitsStored, tags.PixelRepresentation, tags.PhotometricInterpretation = 12, 0, "MONOCHROME2"
    tags.WindowCenter, tags.WindowWidth, tags.VOILUTFunction = f"{centre:.8g}", f"{width:.8g}", function
    values = np.arange(4096)
    window = Window(float(tags.WindowCenter), float(tags.WindowWidth), function)
    assert window.shown(values) == pytest.approx(apply_windowing(values, tags) / 4095, abs=1e-9)


@pytest.mark.parametrize("width", [0, -5, 0.5, float("nan"), float("inf"), 1e12])
def test_a_window_that_is_none(width):
    with pytest.raises(BadInput, match="window"):
        Window(10, width)


@pytest.mark.parametrize("path", sorted((GOLDEN / "dicom").glob("*.dcm")), ids=lambda path: path.stem)
def test_compressed_pixels_are_a_second_readers(path):
    """JPEG, JPEG lossless, JPEG-LS, JPEG 2000 and RLE as ITK's decoders read them."""
    values = stored(path).astype("<i4")
    assert list(values.shape) == SECOND_READER[path.name]["shape"]
    if "baseline" in path.stem:  # lossy decoders round as they like
        content = path.read_bytes()
        start = content.index(b"\xff\xd8\xff")
        assert np.abs(values - np.asarray(Image.open(io.BytesIO(content[start:])), int)).max() <= 1
    else:
        digest = hashlib.sha256(values.tobytes()).hexdigest()
        assert digest == SECOND_READER[path.name]["stored_sha256"]


@pytest.mark.skipif(not REAL.is_dir(), reason="the real mammograms are not at hand")
@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("mg_ge_cc_r_jpegll_12bit.dcm", ("R", "CC", 0.0940909, "MONOCHROME2", "NO", ())),
        (
            "mg_hologic_stereo_scout_l_monochrome1.dcm",
            ("L", "CC", 0.975039, "MONOCHROME1", "NO", ("detector's",)),
        ),
        (
            "mg_hologic_cc_r_jpeg2000_16bit_no_modality.dcm",
            ("R", "CC", None, "MONOCHROME1", None, ("does not say its modality",)),
        ),
        pytest.param(
            "mg_ge_xccl_r_jpegll_12bit.dcm", ("R", "XCCL", 0.0940909, "MONOCHROME2", "NO", ()),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "mg_ge_cc_l_jpegll_12bit_large.dcm", ("L", "CC", 0.0940909, "MONOCHROME2", "NO", ()),
            marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip
def test_real_mammograms_are_a_second_readers(name, facts):
    laterality, view, spacing, photometric, burned_in, notices = facts
    wanted = SECOND_READER[name]
    digest = hashlib.sha256(stored(REAL / name).astype("<i4").tobytes()).hexdigest()
    assert digest == wanted["stored_sha256"]
    study = read_study(REAL / name)
    display = study.samples[::4, ::4, 0] / study.depth_max
    half, middle = (side // 2 for side in display.shape)
    quarters = [
        display[:half, :middle],
        display[:half, middle:],
        display[half:, :middle],
        display[half:, middle:],
    ]
    assert [part.mean() for part in quarters] == pytest.approx(wanted["shown_quarters"], abs=2e-5)
    percentiles = np.percentile(display, [5, 25, 50, 75, 95, 99])
    assert percentiles == pytest.approx(wanted["shown_percentiles"], abs=2e-5)
    assert (study.laterality, study.view, study.modality) == (laterality, view, "mammography")
    assert (study.spacing_mm or (None,))[0] == (spacing and pytest.approx(spacing, rel=1e-5))
    assert (study.dicom.photometric, study.dicom.burned_in) == (photometric, burned_in)
    assert len(study.notices) == len(notices)
    assert all(part in notice for part, notice in zip(notices, study.notices, strict=True))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_every_depth_and_sign(bits, signed, photometric):
    """A window over the whole range is a straight line from black to white, or back."""
    top = 2**bits - 1
    values = grey(16, 16, top, "int64") - (2 ** (bits - 1) if signed else 0)
    kind = ("int" if signed else "uint") + ("8" if bits == 8 else "16")
    low = values.min()
    content = dicom(
        values.astype(kind), bits=bits, PhotometricInterpretation=photometric,
        WindowCenter=low + (top + 1) / 2, WindowWidth=top + 1,
    )  # fmt: skip
    line = (values - low) / top
    wanted = 1 - line if photometric == "MONOCHROME1" else line
    assert shown(content) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_byte_orders_and_deflate(syntax):
    study = read_study(dicom(grey(), syntax, bits=12), "x.dcm")
    assert np.array_equal(study.samples, read_study(dicom(grey(), bits=12), "x.dcm").samples)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, "1.2.840.10008.1.2.1"])
def test_without_a_preamble(syntax):
    made = dataset(grey(), bits=12, SpecificCharacterSet="ISO_IR 100")
    whole = saved(made, syntax)
    bare = whole[132:]
    group_length = 12 + int.from_bytes(bare[8:12], "little")
    for content in (bare, bare[group_length:]):
        assert np.array_equal(read_study(content, "x").samples, read_study(whole, "x").samples)


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
@pytest.mark.parametrize("planar", [0, 1])
def test_colour(photometric, planar):
    rgb = np.random.default_rng(3).integers(60, 200, (6, 8, 3), dtype=np.uint8)
    rgb[0, 0] = 255, 0, 0
    stored_as = rgb
    if photometric != "RGB":
        stored_as = convert_color_space(rgb, "RGB", photometric)
    made = dataset(stored_as, SOPClassUID=ULTRASOUND, Modality="US", PhotometricInterpretation=photometric)
    if planar:
        made.PlanarConfiguration, made.PixelData = 1, stored_as.transpose(2, 0, 1).tobytes()
    study = read_study(saved(made), "x.dcm")
    assert study.samples.shape == (6, 8, 3) and study.modality == "ultrasound" and study.depth_max == 255
    assert np.abs(study.samples.astype(int) - rgb).max() <= 2


def test_grey_that_is_stored_as_colour_is_grey():
    study = read_study(dicom(np.repeat(grey(top=255, dtype="uint8")[..., None], 3, -1)), "x.dcm")
    assert study.is_grey and np.array_equal(study.samples[..., 0], grey(top=255, dtype="uint8"))


def test_palette_colour():
    pixels = np.array([[0, 1], [2, 3]], np.uint8)
    tables = {}
    for channel, values in {
        "Red": [0, 65535, 0, 0],
        "Green": [0, 0, 65535, 0],
        "Blue": [0, 0, 0, 65535],
    }.items():
        tables[f"{channel}PaletteColorLookupTableDescriptor"] = [4, 0, 16]
        tables[f"{channel}PaletteColorLookupTableData"] = np.array(values, "<u2").tobytes()
    study = read_study(dicom(pixels, PhotometricInterpretation="PALETTE COLOR", **tables), "x.dcm")
    unit = study.unit()
    assert np.array_equal(unit, [[[0, 0, 0], [1, 0, 0]], [[0, 1, 0], [0, 0, 1]]])


def test_the_pipelines_order():
    """Stored 0..3; rescaled x * 2 - 1 = -1, 1, 3, 5; window 1 to 5 (exact); then turned over."""
    content = dicom(
        FOUR, PhotometricInterpretation="MONOCHROME1", RescaleSlope=2, RescaleIntercept=-1, WindowCenter=3,
        WindowWidth=4, VOILUTFunction="LINEAR_EXACT",
    )  # fmt: skip
    assert shown(content) == pytest.approx(np.array([[1, 1, 0.5, 0]]), abs=1e-5)
    assert read_study(content, "x.dcm").dicom.value_range == (-1, 5)


def lookup(values, first=0, bits=8, name="SOFT"):
    item = Dataset()
    item.add_new(0x00283002, "US", [len(values), first, bits])
    item.LUTExplanation = name
    item.add_new(0x00283006, "OW", np.array(values, "<u2").tobytes())
    return Sequence([item])


def test_lookup_tables():
    """Modality: 0..3 -> 10, 10, 20, 20 (first entry at 1); VOI: 10 -> 51, 20 -> 255 of 8 bits."""
    modality = lookup([10, 20], first=1, name="OD")
    voi = lookup([51] * 5 + [255] * 6, first=10)
    both = dicom(FOUR, ModalityLUTSequence=modality, VOILUTSequence=voi)
    assert shown(both) == pytest.approx(np.array([[0.2, 0.2, 1, 1]]), abs=1e-5)
    facts = read_study(both, "x.dcm").dicom
    assert facts.voi_luts == ("SOFT",) and facts.window is None and facts.shown_by == "VOI LUT SOFT"
    # A window is the first choice; the table stays one to be told.
    windowed = dicom(FOUR, VOILUTSequence=voi, WindowCenter=1.5, WindowWidth=3, VOILUTFunction="LINEAR_EXACT")
    assert shown(windowed) == pytest.approx(np.array([[0, 1 / 3, 2 / 3, 1]]), abs=1e-5)


def test_without_a_window_the_full_range_is_shown_and_noticed():
    study = read_study(dicom(np.array([[100, 200, 300]], np.uint16), bits=12), "x.dcm")
    assert (study.samples[..., 0] / 65535).round(4).tolist() == [[0, 0.5, 1]]
    assert any("no window" in notice for notice in study.notices)
    eight = read_study(dicom(np.array([[100, 200]], np.uint8)), "x.dcm")
    assert eight.samples[..., 0].tolist() == [[100, 200]] and eight.depth_max == 255


def test_padding_is_black_and_out_of_the_range():
    values = np.array([[0, 3044, 1000, 2000]], np.uint16)
    for photometric, wanted in (("MONOCHROME2", [0, 0, 0.5, 1]), ("MONOCHROME1", [1, 0, 0.5, 0])):
        content = dicom(values, PhotometricInterpretation=photometric, PixelPaddingValue=3044)
        assert shown(content) == pytest.approx(np.array([wanted]), abs=1e-4)
    ranged = dicom(
        values, PixelPaddingValue=0, PixelPaddingRangeLimit=1000, PhotometricInterpretation="MONOCHROME1"
    )
    assert read_study(ranged, "x.dcm").dicom.value_range == (2000, 3044)
    made = dataset(np.array([[-2000, 5, 10]], np.int16))
    made.add_new(0x00280120, "US", 63536)  # -2000, with the wrong sign
    assert read_study(saved(made), "x.dcm").dicom.value_range == (5, 10)


def test_presets_are_kept_in_order_and_bad_ones_left_out():
    content = dicom(
        grey(), bits=12, WindowCenter=[2000, 2000, 900, 50], WindowWidth=[900, 900, 0, 10],
        VOILUTFunction="SIGMOID", WindowCenterWidthExplanation=["NORMAL", "AGAIN", "BROKEN", "NARROW"],
    )  # fmt: skip
    facts = read_study(content, "x.dcm").dicom
    assert [(w.centre, w.width, w.name) for w in facts.windows] == [
        (2000, 900, "NORMAL"), (2000, 900, "AGAIN"), (50, 10, "NARROW"),
    ]  # fmt: skip
    assert facts.window == facts.windows[0]


def test_a_chosen_window_shows_and_digests_differently():
    content = dicom(grey(), bits=12, WindowCenter=2048, WindowWidth=4096)
    first = read_study(content, "x.dcm")
    other = read_study(content, "x.dcm", window=Window(1000, 100))
    assert first.digest == hashlib.sha256(content).hexdigest() != other.digest
    assert other.dicom.window == Window(1000, 100) and not np.array_equal(first.samples, other.samples)
    assert other.digest == read_study(content, "x.dcm", window=Window(1000, 100)).digest


@pytest.mark.parametrize("packed", ["plain", RLELossless, JPEG2000Lossless])
def test_frames_one_by_one(packed):
    frames = np.stack([grey(64, 48, 4095) // (n + 1) for n in range(3)])
    made = dataset(
        frames, bits=12, SOPClassUID=ULTRASOUND_FRAMES, Modality="US", WindowCenter=2048, WindowWidth=4096
    )
    content = saved(made) if packed == "plain" else compressed(made, packed)
    assert count_frames(content, "x.dcm") == 3
    studies = [read_study(content, "x.dcm", frame=n) for n in range(3)]
    for number, study in enumerate(studies):
        assert (study.frames, study.frame) == (3, number)
        assert study.samples[..., 0] / 65535 == pytest.approx(frames[number] / 4095, abs=1e-5)
    assert len({study.digest for study in studies}) == 3 and "frame 2" in " ".join(studies[1].notices)
    with pytest.raises(BadInput, match="no frame 4"):
        read_study(content, "x.dcm", frame=3)


def test_frames_of_other_files(tmp_path):
    Image.new("L", (4, 4), 7).save(tmp_path / "x.png")
    assert count_frames(tmp_path / "x.png") == 1
    with pytest.raises(BadInput, match="no frame 2"):
        read_study(tmp_path / "x.png", frame=1)


@pytest.mark.parametrize("signed", [False, True])
def test_samples_that_stand_high_in_their_words(signed):
    """12 bits in 16 with High Bit 15, and something else in the four below."""
    values = np.array([[0, 1, 5, 100], [2047, 1000, 3, 7]]) - (1024 if signed else 0)
    words = ((values % 4096) << 4 | 9).astype("uint16")
    window = {"WindowCenter": 500, "WindowWidth": 4000, "VOILUTFunction": "LINEAR_EXACT"}
    made = dataset(words, bits=12, HighBit=15, PixelRepresentation=int(signed), **window)
    shown = read_study(saved(made), "x.dcm").samples[..., 0] / 65535
    assert shown == pytest.approx((values - 500) / 4000 + 0.5, abs=1e-5)
