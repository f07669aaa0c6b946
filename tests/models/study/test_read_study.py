"""Every kind of image file comes out as the same study."""

import hashlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from models.errors import BadInput
from models.study import Limits, Study, display_name, mask_for, read_mask, read_study

GREY = np.arange(6 * 8, dtype=np.uint8).reshape(6, 8) * 5
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)


def encode(image, form="PNG", **options):
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, bits, colour, rows, extra=b""):
    """A PNG written by hand, for the kinds Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = zlib.compress(rows)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + extra
        + png_chunk(b"IDAT", body)
        + png_chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "GIF"])
def test_grey_is_read_exactly(form):
    study = read_study(encode(GREY, form), "any.name")
    np.testing.assert_array_equal(study.samples, GREY[..., None])
    assert (study.depth_max, study.is_grey, study.height, study.width, study.channels) == (255, True, 6, 8, 1)
    assert study.notices == ()


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_colour_is_read_exactly(form):
    study = read_study(encode(COLOUR, form))
    np.testing.assert_array_equal(study.samples, COLOUR)
    np.testing.assert_array_equal(study.display(), COLOUR)
    assert study.name == "unnamed" and not study.is_grey


def test_jpeg_is_close():
    smooth = np.linspace(0, 255, 32 * 40).reshape(32, 40).astype(np.uint8)
    study = read_study(encode(smooth, "JPEG", quality=95))
    assert np.abs(study.samples[..., 0].astype(int) - smooth).max() < 6


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits"])
def test_compressed_tiff(compression):
    np.testing.assert_array_equal(read_study(encode(COLOUR, "TIFF", compression=compression)).samples, COLOUR)


def test_colour_file_of_a_grey_image_is_grey():
    assert read_study(encode(np.repeat(GREY[..., None], 3, axis=2))).channels == 1


@pytest.mark.parametrize(
    ("brightest", "depth_max", "dtype"),
    [(200, 255, np.uint8), (900, 1023, np.uint16), (4095, 4095, np.uint16), (60000, 65535, np.uint16)],
)
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_use_the_smallest_depth(form, brightest, depth_max, dtype):
    values = np.linspace(0, brightest, 48).astype(np.uint16).reshape(6, 8)
    study = read_study(encode(values, form))
    np.testing.assert_array_equal(study.samples[..., 0], values)
    assert study.depth_max == depth_max and study.samples.dtype == dtype
    assert f"{depth_max:,}" in study.notices[0]
    np.testing.assert_allclose(study.unit()[..., 0], values / depth_max, rtol=1e-6)
    np.testing.assert_array_equal(study.display()[..., 0], np.rint(values * 255.0 / depth_max))


def test_big_endian_and_inverted_sixteen_bit_tiff():
    values = np.array([[0, 300], [40000, 65535]], np.uint16)
    np.testing.assert_array_equal(read_study(_tiff16(values, "MM", 1)).samples[..., 0], values)
    # PhotometricInterpretation 0 (WhiteIsZero): a bright tissue is stored as a small number.
    np.testing.assert_array_equal(read_study(_tiff16(values, "II", 0)).samples[..., 0], 65535 - values)


def _tiff16(values, order, photometric):
    e = "<" if order == "II" else ">"
    body = values.astype(e + "u2").tobytes()
    height, width = values.shape
    fields = [(256, width), (257, height), (258, 16), (259, 1), (262, photometric), (273, 8), (277, 1)]
    fields += [(278, height), (279, len(body))]
    entries = b"".join(struct.pack(e + "HHIHH", tag, 3, 1, value, 0) for tag, value in fields)
    head = order.encode() + struct.pack(e + "HI", 42, 8 + len(body))
    return head + body + struct.pack(e + "H", len(fields)) + entries + struct.pack(e + "I", 0)


def test_int32_and_float_tiffs():
    study = read_study(encode(np.array([[0, 70000]], np.int32), "TIFF"))
    assert study.samples[..., 0].tolist() == [[0, 65535]] and "rescaled" in study.notices[0]
    study = read_study(encode(np.array([[0, 0.5, 1.0]], np.float32), "TIFF"))
    assert study.samples[..., 0].tolist() == [[0, 32768, 65535]] and study.depth_max == 65535
    study = read_study(encode(np.array([[-10.0, 0, 10.5]], np.float32), "TIFF"))
    assert study.samples[0, 0, 0] == 0 and study.samples[0, 2, 0] == 65535
    study = read_study(encode(np.full((2, 2), -3.5, np.float32), "TIFF"))
    assert (study.samples == 0).all()
    with pytest.raises(BadInput, match="not numbers"):
        read_study(encode(np.array([[np.nan, 1]], np.float32), "TIFF"))


def test_sixteen_bit_colour_says_that_depth_is_lost():
    row = b"\0" + struct.pack(">6H", 0x1234, 0x5678, 0x9ABC, 0, 0xFFFF, 0x8000)
    study = read_study(png(2, 1, 16, 2, row))
    assert study.samples.tolist() == [[[0x12, 0x56, 0x9A], [0, 255, 0x80]]]
    assert "16 bits a channel" in study.notices[0]


def test_one_bit_two_bits_palette_and_cmyk():
    bits = GREY > 100
    np.testing.assert_array_equal(read_study(encode(Image.fromarray(bits))).samples[..., 0], bits * 255)
    np.testing.assert_array_equal(
        read_study(encode(Image.fromarray(bits), "TIFF")).samples[..., 0], bits * 255
    )
    assert read_study(png(4, 1, 2, 0, b"\0\x1b")).samples[0, :, 0].tolist() == [0, 85, 170, 255]
    palette = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), "L").convert("P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 128, 255])
    assert read_study(encode(palette)).samples.tolist() == [
        [[0, 0, 0], [255, 0, 0]],
        [[0, 128, 255], [255, 0, 0]],
    ]
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    for form in ("TIFF", "JPEG"):
        red = read_study(encode(cmyk, form)).samples
        assert red.shape == (16, 16, 3) and red[..., 0].min() > 245 and red[..., 1:].max() < 10


def test_transparency_is_laid_on_black():
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[...] = (200, 100, 50, 255)
    rgba[0, 0, 3], rgba[0, 1, 3] = 0, 128
    samples = read_study(encode(rgba)).samples
    assert samples[0, 0].tolist() == [0, 0, 0] and samples[1, 1].tolist() == [200, 100, 50]
    assert np.abs(samples[0, 1].astype(int) - [100, 50, 25]).max() <= 1
    grey_alpha = Image.merge(
        "LA", [Image.new("L", (2, 1), 90), Image.fromarray(np.array([[0, 255]], np.uint8))]
    )
    assert read_study(encode(grey_alpha)).samples[0, :, 0].tolist() == [0, 90]
    # tRNS names a transparent grey of an 8- and of a 16-bit PNG, and a palette's transparent entry.
    assert read_study(encode(Image.fromarray(GREY), transparency=5)).samples[0, 1, 0] == 0
    keyed = png(2, 1, 16, 0, b"\0" + struct.pack(">HH", 700, 900), png_chunk(b"tRNS", struct.pack(">H", 900)))
    assert read_study(keyed).samples[0, :, 0].tolist() == [700, 0]
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P")
    palette.putpalette([9, 9, 9, 255, 255, 255])
    assert read_study(encode(palette, transparency=1)).samples[0, :, 0].tolist() == [9, 0]
    with pytest.raises(BadInput, match="transparent everywhere"):
        read_study(encode(np.zeros((2, 2, 4), np.uint8)))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(form, orientation):
    """Pictures of the eight orientations, as the EXIF standard (CIPA DC-008, 4.6.5) draws them."""
    upright = np.zeros((16, 32), np.uint8)
    upright[:8, :16] = 255
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    study = read_study(encode(np.ascontiguousarray(stored), form, exif=exif))
    assert study.samples.shape == (16, 32, 1)
    assert np.abs(study.samples[..., 0].astype(int) - upright).max() < 10
    assert len(study.notices) == (orientation != 1)


def test_of_several_frames_the_first_is_used():
    frames = [
        Image.fromarray(GREY),
        Image.fromarray(255 - GREY),
        Image.fromarray(GREY.T.copy().reshape(6, 8)),
    ]
    for form, word in (("PNG", "frames"), ("GIF", "frames"), ("TIFF", "pages"), ("MPO", "pictures")):
        study = read_study(encode(frames[0], form, save_all=True, append_images=frames[1:]))
        assert np.abs(study.samples[..., 0].astype(int) - GREY).max() < 12
        assert f"the first of 3 {word}" in study.notices[0]


def test_the_name_does_not_decide_the_format(tmp_path):
    path = tmp_path / "actually_png.jpg"
    path.write_bytes(encode(GREY))
    study = read_study(path)
    assert study.name == "actually_png.jpg"
    assert study.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_study(str(path), "other.bmp").name == "other.bmp"


def test_a_study_cannot_be_changed_and_keeps_what_it_was_told():
    study = read_study(encode(GREY), modality="ultrasound", synthetic=True)
    assert isinstance(study, Study) and study.synthetic and study.modality == "ultrasound"
    with pytest.raises(ValueError):
        study.samples[0, 0, 0] = 1
    with pytest.raises(BadInput, match="ultrasound, mammography, histopathology"):
        read_study(encode(GREY), modality="x-ray")


def test_grey_is_luminance():
    study = read_study(encode(np.full((1, 1, 3), (255, 0, 51), np.uint8)))
    np.testing.assert_allclose(study.grey(), [[0.299 + 0.114 * 0.2]], rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\patients\\doe.png", "doe.png"),
        ("a\x00b\nc\x1b[31m.png", "ab c[31m.png"),
        ("gnp.\u202etxt.png", "gnp.txt.png"),
        ("folder/", "folder"),
        ("..", "unnamed"),
        ("", "unnamed"),
        (None, "unnamed"),
        ("\ud800.png", ".png"),
    ],
)
def test_display_names(given, shown):
    assert display_name(given) == shown


def test_long_names_keep_their_ending():
    shown = display_name("x" * 500 + ".tiff")
    assert len(shown) == 80 and shown.endswith("\N{HORIZONTAL ELLIPSIS}.tiff")


def test_masks():
    lesion = GREY > 100
    for image in (
        lesion,
        lesion * np.uint8(1),
        lesion * np.uint16(300),
        np.stack([lesion * np.uint8(255)] * 3, 2),
    ):
        np.testing.assert_array_equal(read_mask(encode(np.ascontiguousarray(image))), lesion)
    alpha = np.dstack([np.full((6, 8, 3), 255, np.uint8), lesion * np.uint8(255)])
    np.testing.assert_array_equal(read_mask(encode(alpha)), lesion)
    palette = Image.fromarray(lesion.astype(np.uint8)).convert("P")
    palette.putpalette([0, 0, 0, 0, 0, 128])
    np.testing.assert_array_equal(read_mask(encode(palette)), lesion)
    blocky = np.zeros((32, 32), bool)
    blocky[8:23, 5:20] = True
    np.testing.assert_array_equal(read_mask(encode(blocky * np.uint8(255), "JPEG", quality=60)), blocky)


def test_a_mask_must_fit_and_mark_something():
    study = read_study(encode(GREY))
    mask = read_mask(encode(GREY))
    assert mask_for(study, mask) is mask
    with pytest.raises(BadInput, match=r"6 x 8 pixels and the image 8 x 6"):
        mask_for(study, mask.T)
    with pytest.raises(BadInput, match="no lesion"):
        read_mask(encode(np.zeros((4, 4), np.uint8)), "empty.png")


def test_limits_are_the_callers():
    with pytest.raises(BadInput, match="limit"):
        read_study(encode(GREY), limits=Limits(max_pixels=40))
    with pytest.raises(BadInput, match="limit"):
        read_study(encode(GREY), limits=Limits(max_bytes=40))
    with pytest.raises(BadInput, match="more than 1 frames"):
        read_study(
            encode(GREY, "GIF", save_all=True, append_images=[Image.fromarray(255 - GREY)]),
            limits=Limits(max_frames=1),
        )
