"""Files that lie, break or explode: one sentence each, bounded memory, nothing else ever comes out."""

import functools
import io
import os
import random
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.errors import BadInput
from models.study import Limits, Study, read_mask, read_study
from models.study.structure import _png_bytes

# Pillow's remarks on damage; the program silences them itself, pytest brings them back.
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")

PICTURE = np.random.default_rng(0).integers(0, 256, (24, 31, 3), dtype=np.uint8)
ROOT = Path(__file__).parents[3]


def encode(image, form="PNG", **options):
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, *chunks):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def deflated_zeros(megabytes):
    squeeze = zlib.compressobj(9)
    block = bytes(2**20)
    return b"".join(squeeze.compress(block) for _ in range(megabytes)) + squeeze.flush()


def tiff(fields, body=b"", entry_type=4):
    """A little-endian TIFF: fields {tag: value or (count, offset)}; the body starts at byte 8."""
    entries = b"".join(
        struct.pack("<HHII", tag, entry_type, *(value if isinstance(value, tuple) else (1, value)))
        for tag, value in sorted(fields.items())
    )
    return (
        b"II*\0"
        + struct.pack("<I", 8 + len(body))
        + body
        + struct.pack("<H", len(fields))
        + entries
        + bytes(4)
    )


def refusal(data, name="scan.png", **options):
    with pytest.raises(BadInput) as caught:
        read_study(data, name, **options)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and name in sentence and len(sentence) < 250
    return sentence


def test_empty_text_and_foreign_files():
    assert "is empty" in refusal(b"")
    assert "is not an image" in refusal(b"patient,age\n1,55\n")
    assert "PDF" in refusal(b"%PDF-1.7\n...")
    assert "WebP" in refusal(encode(PICTURE, "WEBP"))
    assert "ZIP" in refusal(b"PK\x03\x04" + bytes(60))
    assert "is not an image" in refusal(b"\0" * 1000)


def test_formats_off_the_list_are_never_tried():
    """EPS would start Ghostscript; PPM, ICO and the like are not needed."""
    for data in (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"P5 2 2 255 \0\0\0\0",
        encode(PICTURE, "ICO"),
    ):
        assert "is not an image" in refusal(data)


def test_a_dicom_of_nothing_is_named():
    assert "DICOM" in refusal(bytes(128) + b"DICM" + bytes(100), "view.dcm")
    with pytest.raises(BadInput, match="DICOM"):
        read_mask(bytes(128) + b"DICM" + bytes(100), "view.dcm")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF", "GIF"])
def test_truncated_files_are_refused(form):
    data = encode(PICTURE, form)
    for kept in (len(data) // 3, len(data) // 2, len(data) * 9 // 10):
        assert form in refusal(data[:kept], "cut.img")


def test_header_of_too_many_pixels():
    for data in (
        png(60_000, 60_000, chunk(b"IDAT", deflated_zeros(1))),
        png(10_000, 9_000, chunk(b"IDAT", deflated_zeros(1))),
        png(1_000_000, 1, chunk(b"IDAT", deflated_zeros(1))),
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 9999, 0, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0),
        tiff({256: 60_000, 257: 60_000, 258: 8, 259: 1, 262: 1, 273: 8, 278: 60_000, 279: 4}, b"abcd"),
    ):
        assert "pixels" in refusal(data)


def test_mask_refusals_name_the_mask():
    with pytest.raises(BadInput, match=r"mask\.png"):
        read_mask(encode(np.zeros((3, 3), np.uint8)), "mask.png")
    with pytest.raises(BadInput, match="damaged"):
        read_mask(encode(PICTURE, "JPEG")[:200], "mask.jpg")


def test_paths_that_hold_no_file(tmp_path):
    for path, why in ((tmp_path / "no.png", "no file"), (tmp_path, "folder"), ("bad\0name.png", "could not")):
        with pytest.raises(BadInput, match=why):
            read_study(path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput, match="not a regular file"):
        read_study(tmp_path / "pipe")
    sparse = tmp_path / "huge.png"
    with sparse.open("wb") as file:
        file.truncate(3 * 2**30)
    with pytest.raises(BadInput, match="MiB"):
        read_study(sparse)


@functools.cache
def bombs():
    frame_control = struct.pack(">IIIIIHHBB", 0, 64, 64, 0, 0, 1, 1, 0, 0)
    zeros = deflated_zeros(200)
    jpeg = encode(PICTURE, "JPEG", progressive=True)
    scan = jpeg.index(b"\xff\xda")
    next_scan = jpeg.index(b"\xff\xda", scan + 2)
    empty_scan = jpeg[scan : scan + 2 + int.from_bytes(jpeg[scan + 2 : scan + 4], "big")]
    base = {256: 64, 257: 64, 258: 8, 262: 1}
    table = np.full(2_000_000, 8, "<u4").tobytes()
    return {
        "a small header over gigabytes": png(64, 64, chunk(b"IDAT", zeros)),
        "a text of gigabytes": png(64, 64, chunk(b"zTXt", b"k\0\0" + zeros), chunk(b"IDAT", b"")),
        "a colour profile of gigabytes": png(64, 64, chunk(b"iCCP", b"k\0\0" + zeros), chunk(b"IDAT", b"")),
        "too many chunks": png(64, 64, *[chunk(b"prVt", b"")] * 100_000),
        "billions of frames": png(
            64, 64, chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)), chunk(b"fcTL", frame_control)
        ),
        "a thousand scans": jpeg[:next_scan] + empty_scan * 1000 + b"\xff\xd9",
        "a million strips": tiff({**base, 259: 1, 278: 1, 273: (2_000_000, 8), 279: (2_000_000, 8)}, table),
        "one huge tile": tiff({**base, 259: 8, 322: 32_752, 323: 32_752, 324: 8, 325: 9}, b"x" * 9),
        "a table at a single place, many times": tiff(
            {**base, **{tag: (2_000_000, 8) for tag in range(40_000, 40_500)}}, table, entry_type=4
        ),
    }


@pytest.mark.parametrize("kind", bombs())
def test_bombs_are_refused_in_little_memory(kind):
    data = bombs()[kind]
    tracemalloc.start()
    try:
        refusal(data, "bomb.img")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * 2**20, f"{peak / 2**20:.0f} MiB in Python objects"


def test_bombs_leave_the_process_small(tmp_path):
    """Decoders allocate outside Python: the whole process is measured."""
    for i, data in enumerate(bombs().values()):
        (tmp_path / f"{i}.img").write_bytes(data)
    program = (
        "import resource, sys, pathlib\n"
        "from models.errors import BadInput\n"
        "from models.study import read_study\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try:\n"
        "        read_study(path)\n"
        "    except BadInput:\n"
        "        continue\n"
        "    sys.exit('read: ' + path.name)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert int(done.stdout) / 1024 < 128, f"{int(done.stdout) / 1024:.0f} MiB"


def seeds():
    grey16 = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100
    exif = Image.Exif()
    exif[0x0112] = 6

    def frames():
        return [Image.fromarray(PICTURE[::-1].copy())]

    palette = Image.fromarray(PICTURE).quantize(16)
    return [
        encode(PICTURE),
        encode(grey16),
        encode(palette, transparency=3),
        encode(Image.fromarray(PICTURE).convert("RGBA"), save_all=True, append_images=frames()),
        encode(PICTURE, "JPEG", exif=exif),
        encode(PICTURE, "JPEG", progressive=True),
        encode(Image.fromarray(PICTURE).convert("CMYK"), "JPEG"),
        encode(PICTURE, "MPO", save_all=True, append_images=frames()),
        encode(PICTURE, "BMP"),
        encode(palette, "BMP"),
        encode(PICTURE, "TIFF", exif=exif),
        encode(grey16, "TIFF", compression="tiff_lzw"),
        encode(PICTURE, "TIFF", compression="jpeg"),
        encode(PICTURE, "TIFF", compression="tiff_deflate", save_all=True, append_images=frames()),
        encode(Image.fromarray(PICTURE[..., 0] > 99), "TIFF", compression="group4"),
        encode(palette, "GIF", save_all=True, append_images=frames()),
    ]


def mutated(data, chance):
    data = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 4, 16])):
        # Half of the damage goes into the first bytes, where the sizes are.
        at = chance.randrange(min(len(data), 200) if chance.random() < 0.5 else len(data))
        kind = chance.random()
        if kind < 0.5:
            data[at] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        elif kind < 0.7:
            data[at : at + 4] = chance.choice(
                [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\1\0\0"]
            )
        elif kind < 0.85:
            del data[at : at + chance.randrange(1, 40)]
        else:
            data[at:at] = bytes(data[: chance.randrange(1, 60)])
        if not data:
            return b"\0"
    return bytes(data)


def test_damaged_files_give_a_study_or_a_sentence(capfd):
    chance = random.Random(20260417)
    limits = Limits(max_pixels=2_000_000)
    outcomes = {Study: 0, BadInput: 0}
    for seed in seeds():
        assert isinstance(read_study(seed, limits=limits), Study)
        for _ in range(40):
            data = mutated(seed, chance)
            try:
                study = read_study(data, "fuzzed", limits=limits)
            except BadInput as error:
                assert str(error).endswith(".") and "\n" not in str(error)
                outcomes[BadInput] += 1
                continue
            outcomes[Study] += 1
            assert study.samples.dtype in (np.uint8, np.uint16) and study.channels in (1, 3)
            assert study.samples.max() <= study.depth_max and study.height * study.width <= limits.max_pixels
            assert study.display().dtype == np.uint8
    assert min(outcomes.values()) > 50
    assert capfd.readouterr().err == ""


def test_interlaced_scan_lines_are_counted():
    """8 x 8 grey in seven passes of 1, 1, 2, 4, 8, 16 and 32 pixels on 1, 1, 1, 2, 2, 4 and 4 lines."""
    assert _png_bytes(8, 8, 8, 0, 0, 0, 1) == 64 + 15
    assert _png_bytes(1, 1, 8, 0, 0, 0, 1) == 2
    assert _png_bytes(10, 3, 16, 6, 0, 0, 0) == 3 * (1 + 80)
    assert _png_bytes(9, 2, 1, 3, 0, 0, 0) == 2 * (1 + 2)
