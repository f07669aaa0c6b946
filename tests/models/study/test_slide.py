"""Whole slides against pictures that are known to the pixel, and files that are none."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from models.errors import BadInput
from models.study import SlideLimits, open_slide, slide_format
from tests.models.slides.small_slides import GLASS, PINK, PURPLE, aperio, flat_tiff, picture, slide


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return slide(tmp_path_factory.mktemp("slides") / "a.tif")


def test_a_region_is_the_pictures_pixels(drawn):
    with open_slide(drawn) as found:
        assert (found.width, found.height, found.mpp, found.vendor) == (1200, 900, 0.5, "generic-tiff")
        pixels = found.region(500, 250, 200, 100)
    assert pixels.dtype == np.uint8 and pixels.shape == (100, 200, 3)
    # JPEG of quality 95, halved chroma: a few steps off at the edges, none within.
    apart = np.abs(pixels.astype(int) - picture()[250:350, 500:700])
    assert apart[60:, :80].max() <= 2 and apart.mean() < 2


def test_a_region_at_another_scale_is_the_average(drawn):
    with open_slide(drawn) as found:
        # 2 micrometres of pixels of 0.5: each is the mean of 4 x 4; pink to the left of 600, purple beyond.
        pixels = found.region(536, 400, 32, 32, mpp=2.0).astype(int)
    assert pixels.shape == (32, 32, 3)
    assert np.abs(pixels[:, :8] - PINK).max() <= 4 and np.abs(pixels[:, 24:] - PURPLE).max() <= 4
    # The picture without a pyramid, averaged, is the same.
    wanted = picture()[400:528, 536:664].reshape(32, 4, 32, 4, 3).mean(axis=(1, 3))
    assert np.abs(pixels - wanted).mean() < 2


def test_outside_the_slide_is_white(drawn):
    with open_slide(drawn) as found:
        pixels = found.region(-20, -20, 40, 40)
    assert (pixels[:20, :20] == 255).all() and np.abs(pixels[25:, 25:].astype(int) - GLASS).max() <= 2


def test_a_thumbnail_is_the_whole_slide_whatever_its_block(drawn):
    with open_slide(drawn) as found:
        small, odd = found.thumbnail(300), found.thumbnail(257)
    assert small.shape == (225, 300, 3) and odd.shape == (193, 257, 3)
    wanted = picture().reshape(225, 4, 300, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - wanted).mean() < 1.5


def test_every_level_is_the_one_before_averaged(drawn):
    with open_slide(drawn) as found:
        assert [(level.width, level.height) for level in found.levels] == [
            (1200, 900), (600, 450), (300, 225), (150, 112),
        ]  # fmt: skip
        pixels = found.region(0, 0, 300, 225, level=2)
    wanted = picture().reshape(225, 4, 300, 4, 3).mean(axis=(1, 3))
    assert np.abs(pixels - wanted).mean() < 1.5


def test_the_written_file_is_read_by_others_too(drawn):
    with tifffile.TiffFile(drawn) as other:
        page = other.pages[0]
        assert other.is_bigtiff and page.shape == (900, 1200, 3) and page.tile == (256, 256)
        assert page.tags["XResolution"].value == (20_000_000, 1000)  # 20,000 pixels a centimetre
        at, count = page.dataoffsets[6], page.databytecounts[6]  # second row, second of five columns
        content = drawn.read_bytes()[at : at + count]
    tile = np.asarray(Image.open(io.BytesIO(content)))
    assert np.abs(tile.astype(int) - picture()[256:512, 256:512]).mean() < 2


def test_what_a_slide_is_is_told_by_its_content(tmp_path, drawn):
    text = tmp_path / "a.svs"
    text.write_text("not a slide")
    plain = tmp_path / "plain.tif"
    Image.fromarray(picture()).save(plain)
    assert slide_format(drawn) == "generic-tiff"
    assert slide_format(text) is None and slide_format(plain) is None and slide_format(tmp_path) is None
    assert slide_format(tmp_path / "missing.svs") is None
    # Tiled, but no pyramid and small: an image like any other.
    assert slide_format(flat_tiff(tmp_path / "flat.tif", picture())) is None
    with pytest.raises(BadInput, match="not a whole-slide image"):
        open_slide(text)


def test_nothing_of_a_person_is_read(tmp_path):
    with open_slide(aperio(tmp_path / "DOE_JANE.svs")) as found:
        assert (found.vendor, found.objective) == ("aperio", 20.0) and found.mpp == pytest.approx(0.499)
        told = repr(
            {key: value for key, value in vars(found).items() if key not in ("name", "_path", "_handle")}
        )
        assert "DOE" not in told and "DOE" not in found.title and "1970" not in told
        assert np.abs(found.region(300, 400, 8, 8).astype(int) - PINK).max() <= 2


def test_a_scale_that_cannot_be_true_is_none(tmp_path):
    # 72 dots an inch, a printer's default, would be 353 micrometres a pixel.
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as sink:
        inch = {"tile": (64, 64), "photometric": "rgb", "resolution": (72, 72), "resolutionunit": "INCH"}
        sink.write(picture(), **inch)
        sink.write(picture()[::2, ::2], subfiletype=1, **inch)
    with open_slide(path) as found:
        assert found.mpp is None and len(found.levels) == 2
        with pytest.raises(BadInput, match="--mpp"):
            found.region(0, 0, 10, 10, mpp=1.0)
    with open_slide(slide(tmp_path / "b.tif", mpp=None), mpp=0.25) as found:
        assert found.mpp == 0.25 and found.mpp_given
    for wrong in (0.0, -1.0, 1000.0, float("nan")):
        with pytest.raises(BadInput, match="no slide's scale"):
            open_slide(tmp_path / "b.tif", mpp=wrong)


def test_a_slide_cut_short_is_refused(tmp_path, drawn):
    content = drawn.read_bytes()
    short = tmp_path / "short.tif"
    for size in (len(content) - 40, len(content) // 2, 20, 0):
        short.write_bytes(content[:size])
        with pytest.raises(BadInput):
            open_slide(short)


def test_one_damaged_tile_leaves_the_others_readable(tmp_path, drawn):
    content = bytearray(drawn.read_bytes())
    with tifffile.TiffFile(drawn) as other:
        at, count = other.pages[0].dataoffsets[6], other.pages[0].databytecounts[6]
    content[at : at + count] = bytes(count)
    damaged = tmp_path / "damaged.tif"
    damaged.write_bytes(content)
    with open_slide(damaged) as found:
        for _ in range(2):
            with pytest.raises(BadInput, match="damaged"):
                found.region(300, 300, 50, 50)
            assert found.holes == 0
            assert np.abs(found.region(640, 600, 50, 50).astype(int) - PURPLE).max() <= 3

        small = found.thumbnail(900)  # of the damaged level
        assert found.holes > 0 and (small[200:380, 200:380] == 255).all(axis=2).mean() > 0.9
        assert np.abs(small[460:500, 500:700].astype(int) - PURPLE).max() <= 8


def test_limits_hold_before_a_pixel_is_read(tmp_path, drawn):
    with pytest.raises(BadInput, match="the limit is 1,000 a side"):
        open_slide(drawn, SlideLimits(max_side=1000))
    with pytest.raises(BadInput, match="tiles of more than 128"):
        open_slide(drawn, SlideLimits(max_tile=128))
    with (
        open_slide(drawn, SlideLimits(max_region=10_000)) as found,
        pytest.raises(BadInput, match="too large"),
    ):
        found.region(0, 0, 400, 400)
    with open_slide(drawn, SlideLimits(max_thumbnail_source=1000)) as found, pytest.raises(BadInput):
        found.thumbnail(1200)


def test_a_header_that_promises_too_much_is_refused(tmp_path, drawn):
    content = bytearray(drawn.read_bytes())
    with tifffile.TiffFile(drawn) as other:
        tags = other.pages[0].tags
        places = {name: tags[name].valueoffset for name in ("ImageWidth", "ImageLength", "TileWidth")}
    for name, value in (("ImageWidth", 4_000_000_000), ("TileWidth", 65_536)):
        changed = bytearray(content)
        struct.pack_into("<I", changed, places[name], value)
        path = tmp_path / f"{name}.tif"
        path.write_bytes(changed)
        with pytest.raises(BadInput):
            open_slide(path).region(0, 0, 10, 10)


def test_mutated_slides_are_refused_or_read_and_never_crash(tmp_path, drawn):
    content, rng, path = drawn.read_bytes(), np.random.default_rng(3), tmp_path / "m.tif"
    directories = content.rfind(struct.pack("<HH", 254, 4))  # where the last directory begins
    for _ in range(25):
        changed = bytearray(content)
        for at in rng.integers(min(directories, len(content)) - 3000, len(content), 6):
            changed[at] = rng.integers(256)
        path.write_bytes(changed)
        try:
            with open_slide(path, SlideLimits(max_side=100_000)) as found:
                found.region(0, 0, 64, 64)
                found.thumbnail(64)
        except BadInput:
            continue
