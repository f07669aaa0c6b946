"""What a DICOM says of a person gets no further than the door."""

import io
import logging
import struct
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian, RLELossless

from models.errors import BadInput
from models.study import deidentified, read_study, tells_of_person
from models.study.dicom.tags import ALLOWED, DESCRIBING
from tests.models.study.dicoms import PERSON, compressed, dataset, dicom, element, grey, saved

REAL = Path(__file__).parents[4] / "shared" / "data" / "dicom"
# Everything of the invented person, in pieces that could stand alone.
TELLS = {
    "Quandt", "Ottilie", "HB-99471", "19510723", "071Y", "ACC5512093", "20230914", "101533", "Kurative",
    "Klinikum", "Zwergenstein", "Habakuk", "Tannhuber", "Zenzi", "MAMMO-KELLER", "8323329", "Rathaus",
    "SN-778812", "Geheim", "Nested",
}  # fmt: skip


def person(**tags):
    """A mammogram full of invented personal data: at the top, in sequences, in private elements."""
    made = dataset(grey(), bits=12, **{**PERSON, "WindowCenter": 2048, "WindowWidth": 4096, **tags})
    request = Dataset()
    request.RequestedProcedureDescription = "Nested Quandt"
    request.ReferencedStudySequence = Sequence([Dataset()])
    request.ReferencedStudySequence[0].ReferencedSOPInstanceUID = PERSON["StudyInstanceUID"]
    made.RequestAttributesSequence = Sequence([request])
    made.add_new(0x00091010, "LO", "Geheim")
    made.private_block(0x000B, "Geheim", create=True).add_new(1, "UN", b"Geheim Quandt")
    made.add_new(0x60003000, "OW", b"Geheim overlay!!")
    return made


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", ImplicitVRLittleEndian, RLELossless])
def test_only_the_allow_list_is_kept(syntax):
    made = person()
    content = compressed(made, syntax) if syntax == RLELossless else saved(made, syntax)
    kept, name = deidentified(content, "view.dcm")
    assert name == "view.dcm" and kept[:128] == bytes(128)
    assert not {tell for tell in TELLS if tell.encode() in kept}
    again = pydicom.dcmread(io.BytesIO(kept))
    own = {0x00120062, 0x00120063, 0x7FE00010}
    assert {int(item.tag) for item in again} <= ALLOWED | own
    assert again.PatientIdentityRemoved == "YES"
    meta = again.file_meta
    assert meta.TransferSyntaxUID == syntax and "8323329" not in str(meta)
    assert np.array_equal(again.pixel_array, grey())
    assert again.PixelData == pydicom.dcmread(io.BytesIO(content)).PixelData
    before, after = read_study(content, "a.dcm"), read_study(kept, "b.dcm")
    assert np.array_equal(before.samples, after.samples) and before.dicom.window == after.dicom.window


def test_what_stands_behind_the_pixels_is_cut_off():
    made = person()
    made.PixelData += b"Quandt behind the pixels"
    kept, _ = deidentified(saved(made), "x.dcm")
    assert b"Quandt" not in kept


@pytest.mark.parametrize(
    "name",
    [
        "QUANDT_Ottilie.dcm", "ottiliequandt-lcc.dcm", "quandt.dcm", "1951-07-23.dcm", "23071951_l.dcm",
        "hb 99471x.dcm", "acc5512093_1.dcm", "1.2.276.0.7230010.3.1.4.8323329.20413.dcm",
        "MG.1.2.276.0.7230010.3.1.2.8323329.20411", "20230914_cc.dcm", "zenzi.dcm", "scan Tannhuber.dcm",
        "sn778812b.dcm", "mammo_keller_2.dcm", "101533.dcm",
    ],
)  # fmt: skip
def test_a_name_that_tells_is_replaced(name):
    content = saved(person())
    _, kept = deidentified(content, name)
    study = read_study(content, name)
    assert kept == study.name and kept.startswith("dicom-") and kept.endswith(".dcm") and len(kept) == 18
    assert deidentified(content, "other ottilie.dcm")[1] == kept, "the same image has the same name"


@pytest.mark.parametrize("name", ["view.dcm", "l_cc.dcm", "IM0001", "case 17.dcm", "mammography 2.dcm"])
def test_other_names_stay(name):
    assert deidentified(saved(person()), name)[1] == name == read_study(saved(person()), name).name


def test_names_in_other_scripts_and_accents():
    made = person(SpecificCharacterSet="ISO_IR 192", PatientName="Müller^Zoë=\u5c71\u7530^\u82b1\u5b50")
    for name in ("muller.dcm", "MÜLLER.dcm", "zoe_l.dcm", "\u5c71\u7530.dcm"):
        assert deidentified(saved(made), name)[1].startswith("dicom-"), name
    latin = person(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Zoë")
    assert deidentified(saved(latin), "müller.dcm")[1].startswith("dicom-")
    short = person(PatientName="Li^Na")
    assert deidentified(saved(short), "li.dcm")[1].startswith("dicom-")
    assert deidentified(saved(short), "clinic.dcm")[1] == "clinic.dcm"


def test_allowed_texts_that_tell_are_left_out():
    content = saved(person(Manufacturer="Quandt's own", WindowCenterWidthExplanation="For Ottilie"))
    facts = read_study(content, "x.dcm").dicom
    assert facts.manufacturer is None and facts.window.name == ""
    assert not [tell for tell in TELLS if tell in repr(read_study(content, "quandt.dcm"))]


def test_typed_texts_that_tell_are_neither_shown_nor_kept():
    """A view, a model or a modality is a word of the field, or it may be a name."""
    content = saved(person(ViewPosition="QUANDT", ManufacturerModelName="Ottilie", Modality="ZENZI"))
    study = read_study(content, "x.dcm")
    assert (study.view, study.dicom.model, study.dicom.modality) == (None, None, None)
    kept, _ = deidentified(content, "x.dcm")
    assert b"QUANDT" not in kept and b"Ottilie" not in kept
    # Whoever is called like a view does not take it away.
    assert read_study(saved(person(PatientName="Mlo^Cc", ViewPosition="MLO")), "x.dcm").view == "MLO"


def test_the_door_tells_of_a_path_and_of_damaged_files(tmp_path):
    content = saved(person(PatientName="Müller^Zoë"))
    for path in ("a/Zoe/IM1", "mueller/IM1", "x/HB-99471-X/1", "x/23.07.1951/IM1"):
        assert tells_of_person(content, path), path
    (tmp_path / "x").write_bytes(content)
    assert tells_of_person(tmp_path / "x", "zoe.dcm") and not tells_of_person(tmp_path / "x", "a/IM1.dcm")
    assert not tells_of_person(tmp_path / "none", "zoe.dcm") and not tells_of_person(b"", "zoe.dcm")
    cut = content[: content.index(struct.pack("<HH", 0x0028, 0x0010)) + 9]
    assert tells_of_person(cut, "zoe.dcm") and tells_of_person(content[:-30], "zoe.dcm")
    with pytest.raises(BadInput) as refused:
        read_study(cut, "zoe.dcm")
    assert "zoe" not in str(refused.value)


def test_nothing_is_said_aloud(caplog, capfd, recwarn):
    """Bad values make pydicom talk: warnings, log lines and exceptions that quote the file."""
    caplog.set_level(logging.DEBUG)
    warnings.simplefilter("always")
    bad = person()
    content = saved(bad)
    for tag, vr, value in (
        (0x00280030, "DS", b"Quandt\\Ottilie "), (0x00281050, "DS", b"Geheim"), (0x00280010, "IS", b"Zenzi "),
        (0x00185101, "CS", b"quandt ottilie lived here "), (0x00200062, "CS", b"Quandt"),
    ):  # fmt: skip
        start = content.index(struct.pack("<HH", 0x0028, 0x0002))
        broken = content[:start] + element(tag, vr, value) + content[start:]
        try:
            study = read_study(broken, "x.dcm")
            assert not [tell for tell in TELLS if tell in repr(study)]
        except BadInput as refusal:
            assert not [tell for tell in TELLS if tell in str(refusal)]
            assert refusal.__cause__ is None
    for kept in (400, 900, len(content) - 50):
        with pytest.raises(BadInput) as refused:
            read_study(content[:kept], "x.dcm")
        assert not [tell for tell in TELLS if tell in str(refused.value)] and refused.value.__cause__ is None
    said = caplog.text + "".join(capfd.readouterr()) + "".join(str(w.message) for w in recwarn)
    assert not [tell for tell in TELLS if tell in said]


def test_the_list_is_short_and_every_entry_has_a_reason():
    assert len(DESCRIBING) == 25 and all(": " in reason for reason in DESCRIBING.values())
    assert not [tag for tag in ALLOWED if tag >> 16 in (0x0010, 0x0032, 0x0038, 0x0040)]


def test_pictures_lose_their_words_and_keep_their_pixels():
    pixels = np.random.default_rng(1).integers(0, 256, (8, 12), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "Quandt Ottilie"
    exif.get_ifd(0x8825)[1] = "N"
    words = PngInfo()
    words.add_text("Comment", "Quandt")
    words.add_itxt("Title", "Ottilie")
    for form, options in (("JPEG", {"comment": b"Zenzi"}), ("PNG", {"pnginfo": words})):
        held = io.BytesIO()
        Image.fromarray(pixels).save(held, form, exif=exif, **options)
        kept, name = deidentified(held.getvalue(), "x.img")
        assert name == "x.img" and not [tell for tell in TELLS if tell.encode() in kept]
        assert b"Quandt" in held.getvalue()
        before, after = read_study(held.getvalue(), "x"), read_study(kept, "x")
        assert np.array_equal(before.samples, after.samples) and before.samples.shape[:2] == (12, 8)
    with pytest.raises(BadInput, match="damaged"):
        read_study(*deidentified(held.getvalue()[:60], "x.png"))


@pytest.mark.skipif(not REAL.is_dir(), reason="the real mammograms are not at hand")
def test_real_mammograms_lose_their_identifiers():
    path = REAL / "mg_hologic_stereo_scout_l_monochrome1.dcm"
    header = pydicom.dcmread(path)
    secrets = {str(header.PatientID), str(header.StudyInstanceUID), str(header.SOPInstanceUID)} - {""}
    kept, name = deidentified(path.read_bytes(), f"{header.PatientID}.dcm")
    assert secrets and not [secret for secret in secrets if secret.encode() in kept or secret in name]
    assert np.array_equal(read_study(kept, name).samples, read_study(path).samples)


def test_a_damaged_header_is_refused_at_the_door():
    content = dicom(grey())
    with pytest.raises(BadInput, match="cut short"):
        deidentified(content[: content.index(struct.pack("<HH", 0x0028, 0x0010)) + 9], "x.dcm")
