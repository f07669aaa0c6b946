"""DICOM files that lie, break or explode: one sentence each, bounded memory, nothing else ever comes out."""

import random
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from models.errors import BadInput
from models.study import Limits, Study, count_frames, deidentified, read_study
from tests.models.study.dicoms import (
    ULTRASOUND,
    compressed,
    dataset,
    deflated,
    dicom,
    element,
    grey,
    saved,
    squeezed,
)
from tests.models.study.test_bad_files import mutated

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "dicom"
HEAD = bytes(128) + b"DICM" + element(0x00020010, "UI", b"1.2.840.10008.1.2.1\0")


def refusal(data, **options):
    with pytest.raises(BadInput) as caught:
        read_study(data, "x.dcm", **options)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and "x.dcm" in sentence and len(sentence) < 250
    assert caught.value.__cause__ is None, "a traceback would quote the file"
    return sentence


def tampered(content, tag, value):
    """The file with the value of a US element overwritten."""
    at = content.index(struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, b"US", 2)) + 8
    return content[:at] + struct.pack("<H", value) + content[at + 2 :]


def nested(depth, undefined):
    """Sequences inside each other, of undefined or of stated length."""
    inside = b""
    for _ in range(depth):
        if undefined:
            head = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF)
            item, end = (
                struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF),
                struct.pack("<HHI", 0xFFFE, 0xE00D, 0),
            )
            inside = head + item + inside + end + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
        else:
            item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inside)) + inside
            inside = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, len(item)) + item
    return HEAD + element(0x00080060, "CS", b"MG") + inside


@cache
def bombs():
    jpeg_2000 = compressed(dataset(grey(64, 48), bits=12), JPEG2000Lossless)
    size = jpeg_2000.index(b"\xff\x4f\xff\x51") + 8
    huge = jpeg_2000[:size] + struct.pack(">II", 60_000, 60_000) + jpeg_2000[size + 8 :]
    tiles = jpeg_2000[: size + 16] + struct.pack(">II", 1, 1) + jpeg_2000[size + 24 :]
    rle = dataset(grey(64, 48), bits=12)
    rle.PixelData = encapsulate([struct.pack("<16I", 2, 64, 70, *[0] * 13) + b"\x81\0" * 500_000])
    jpeg = (GOLDEN / "jpeg_lossless_14bit.dcm").read_bytes()
    frame = jpeg.index(b"\xff\xc3") + 5
    one, small = element(0x00080060, "CS", b"MG"), dicom(grey(200, 250))
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 1_000_000
    return {
        "deflated zeros": deflated(squeezed(bytes(2**20), 96)),
        "deflated elements": deflated(squeezed(one * 100_000, 96)),
        "sequences 5,000 deep": nested(5000, True),
        "sequences of stated length 5,000 deep": nested(5000, False),
        "a million empty items": HEAD + element(0x00081140, "SQ", items),
        "a million elements": HEAD + one * 1_000_000,
        "60,000 x 60,000 in 100 KB": tampered(tampered(small, 0x00280010, 60_000), 0x00280011, 60_000),
        "a million frames": dicom(grey(200, 250), NumberOfFrames=1_000_000),
        "a hundred frames of one": dicom(grey(200, 250), NumberOfFrames=100),
        "JPEG 2000 of another size": huge,
        "JPEG 2000 of 3,072 tiles of nothing": tiles,
        "JPEG of another size": jpeg[:frame] + struct.pack(">HH", 60_000, 60_000) + jpeg[frame + 4 :],
        "JPEG without an end": jpeg[: jpeg.rindex(b"\xff\xd9")] + bytes(len(jpeg) - jpeg.rindex(b"\xff\xd9")),
        "RLE without end": saved(rle, RLELossless),
    }  # fmt: skip


def test_bombs_are_refused_in_little_memory(tmp_path):
    """Decoders allocate outside Python: the whole process is measured."""
    for i, data in enumerate(bombs().values()):
        (tmp_path / f"{i}.dcm").write_bytes(data)
    program = (
        "import resource, sys, pathlib\n"
        "from models.errors import BadInput\n"
        "from models.study import Limits, read_study\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try:\n"
        "        read_study(path, limits=Limits(max_dicom_bytes=64 * 2**20))\n"
        "    except BadInput:\n"
        "        continue\n"
        "    sys.exit('read: ' + path.name)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert int(done.stdout) / 1024 < 256, f"{int(done.stdout) / 1024:.0f} MiB"


def test_the_sentences_say_what_is_wrong():
    directory = dataset(grey(), SOPClassUID="1.2.840.10008.1.3.10")
    empty = dataset(grey())
    del empty.PixelData
    whole = dicom(grey(64, 48), bits=12)
    packed = compressed(dataset(grey(64, 48), bits=12), JPEG2000Lossless)
    assert "DICOMDIR" in refusal(saved(directory))
    del directory.PixelData
    assert "DICOMDIR" in refusal(saved(directory))
    assert "without pixels" in refusal(saved(empty))
    assert "cut short" in refusal(whole[:-500])
    assert "damaged" in refusal(packed[:-40])
    assert "fewer pixels" in refusal(tampered(whole, 0x00280010, 640))
    assert "inflates to more" in refusal(bombs()["deflated zeros"], limits=Limits(max_dicom_bytes=64 * 2**20))
    assert "nests sequences" in refusal(bombs()["sequences 5,000 deep"])
    assert "how many pixels" in refusal(tampered(whole, 0x00280010, 0))
    assert "8 to 16 bits" in refusal(tampered(whole, 0x00280100, 32))
    assert "8 to 16 bits" in refusal(tampered(whole, 0x00280101, 17))
    assert "photometric" in refusal(dicom(grey(), PhotometricInterpretation="HSV"))
    assert "samples" in refusal(dicom(grey(), PhotometricInterpretation="RGB"))
    assert "another size" in refusal(bombs()["JPEG of another size"])
    assert "colour table" in refusal(
        dicom(grey(top=255, dtype="uint8"), PhotometricInterpretation="PALETTE COLOR")
    )
    video = dataset(grey())
    video.PixelData = encapsulate([b"\0\0\1\xba" + bytes(60)])
    assert "video" in refusal(saved(video, "1.2.840.10008.1.2.4.100"))
    assert "floating-point" in refusal(
        HEAD + element(0x00080060, "CS", b"MG") + element(0x7FE00008, "UN", bytes(16))
    )
    assert "MiB" in refusal(whole, limits=Limits(max_dicom_bytes=1000))


def test_a_dicom_may_be_larger_than_other_files():
    content = dicom(grey(64, 48), bits=12)
    assert isinstance(read_study(content, "x.dcm", limits=Limits(max_bytes=100)), Study)


@pytest.mark.parametrize(
    "value",
    [b"", b"abc\\7 ", b"-1\\-1 ", b"1e999\\1 ", b"nan\\nan ", b"\xff\xfe\\" * 9, b"1\\2\\3\\4 "],
)
def test_invalid_values_are_as_if_they_were_not_there(value):
    """In front of the image's own tags stands rubbish: it is read all the same, at full range."""
    content = dicom(grey(), bits=12)
    at = content.index(struct.pack("<HH", 0x0028, 0x0100))
    tags = {
        0x00280030: "DS", 0x00281050: "DS", 0x00281051: "DS", 0x00281052: "DS", 0x00281053: "DS",
        0x00281055: "LO", 0x00281056: "CS", 0x00283010: "SQ", 0x00185101: "CS", 0x00200062: "CS",
        0x00280301: "CS", 0x00186011: "SQ", 0x00280120: "US", 0x52009229: "SQ",
    }  # fmt: skip
    for tag, vr in tags.items():
        broken = content[:at] + element(tag, vr if vr != "SQ" else "UN", value) + content[at:]
        study = read_study(broken, "x.dcm")
        assert study.samples.shape == (12, 10, 1) and study.laterality is None
        assert study.spacing_mm is None or study.spacing_mm == (1, 2)


@cache
def seeds():
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    frames = np.stack([grey(20, 16)] * 3)
    return [
        dicom(grey(20, 16), bits=12, PatientName="A^B", WindowCenter=[9, 8], WindowWidth=[500, 300]),
        dicom(grey(20, 16, 255, "uint8"), ImplicitVRLittleEndian),
        dicom(grey(20, 16), ExplicitVRBigEndian),
        dicom(frames, DeflatedExplicitVRLittleEndian),
        dicom(rgb, SOPClassUID=ULTRASOUND),
        compressed(dataset(frames), RLELossless),
        compressed(dataset(grey(64, 48), bits=12), JPEG2000Lossless),
        compressed(dataset(rgb, SOPClassUID=ULTRASOUND), JPEG2000Lossless),
        *(path.read_bytes() for path in sorted(GOLDEN.glob("*.dcm"))),
    ]


def touched(data, chance):
    """A few bytes changed: the header stays readable more often than not."""
    out = bytearray(data)
    first = 132 if chance.random() < 0.5 else len(out) * 2 // 3
    for _ in range(chance.randint(1, 4)):
        out[chance.randrange(first, len(out))] = chance.choice([0, 1, 2, 127, 128, 255])
    return bytes(out)


def test_damaged_files_give_a_study_or_a_sentence(capfd):
    chance, limits = random.Random(20260611), Limits(max_pixels=2_000_000)
    outcomes = {Study: 0, BadInput: 0}
    for number in range(200):
        seed = seeds()[number % len(seeds())]
        data = (touched if number % 3 else mutated)(seed, chance)
        data = seed[:132] + data[132:]
        try:
            study = read_study(data, "fuzzed.dcm", limits=limits)
        except BadInput as refused:
            assert str(refused).endswith(".") and "\n" not in str(refused) and refused.__cause__ is None
            outcomes[BadInput] += 1
        else:
            outcomes[Study] += 1
            assert study.samples.dtype in (np.uint8, np.uint16) and study.channels in (1, 3)
            assert study.samples.max() <= study.depth_max and study.height * study.width <= limits.max_pixels
        for cheap in (
            lambda data=data: deidentified(data, "x.dcm"),
            lambda data=data: count_frames(data, "x.dcm"),
        ):
            try:
                cheap()
            except BadInput as refused:
                assert "\n" not in str(refused)
    assert min(outcomes.values()) > 40
    assert capfd.readouterr().err == ""


def test_frames_that_are_not_there_are_one_refusal(tmp_path):
    """A small file cannot make a batch of thousands of rows."""
    for made in (bombs()["a million frames"], bombs()["a hundred frames of one"]):
        (tmp_path / "x.dcm").write_bytes(made)
        assert count_frames(made, "x.dcm") == count_frames(tmp_path / "x.dcm") == 1
        with pytest.raises(BadInput):
            read_study(made, "x.dcm")


def test_what_inflates_like_no_image_is_refused_early():
    assert "1,000 times" in refusal(deflated(squeezed(bytes(2**20), 96)))
