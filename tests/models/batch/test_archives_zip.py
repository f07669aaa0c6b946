"""ZIP files as zipfile reads them: names, masks, labels, and members that are refused."""

import io
import pickle
import stat
import struct
import tarfile
import zipfile
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.batch.inputs import unpacking
from models.batch.listing import folder_labels, list_inputs
from models.errors import BadInput
from models.study import read_mask
from tests.models.batch.packed import (
    end_record,
    entry,
    local_header,
    only,
    outcome,
    outcomes,
    png,
    zipped,
)


def test_members_are_items_with_keys_below_the_archive(tmp_path):
    files = [("b/2.png", png(2)), ("a/1.png", png(1)), ("3.png", png(3))]
    listing = list_inputs([zipped(tmp_path / "scans.zip", files)])
    assert listing.total == 3
    assert listing.title == "scans.zip"
    assert [item.key for item in listing] == ["scans.zip/b/2.png", "scans.zip/a/1.png", "scans.zip/3.png"]
    assert [(item.index, item.name) for item in listing] == [(0, "2.png"), (1, "1.png"), (2, "3.png")]
    assert [pickle.loads(pickle.dumps(item)).load() for item in listing] == [png(2), png(1), png(3)]


def _link(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (kind | 0o644) << 16
    return info


REFUSED = {
    "../../etc/x.png": "leads out of the archive",
    "a/../../x.png": "leads out of the archive",
    "/etc/x.png": "leads out of the archive",
    "C:\\x.png": "leads out of the archive",
    "c:x.png": "leads out of the archive",
    "\\\\host\\share\\x.png": "leads out of the archive",
    "..\\x.png": "leads out of the archive",
    "inner.zip": "an archive inside the archive",
    "inner.tar.gz": "an archive inside the archive",
    "slide.svs": "a whole slide inside an archive",
    "a" * 5_000 + ".png": "too long to be honest",
}


def test_each_dishonest_name_is_a_row_and_the_others_go_on(tmp_path):
    files = [("first.png", png()), *((name, png()) for name in REFUSED), ("last.png", png())]
    items = list(list_inputs([zipped(tmp_path / "x.zip", files)]))
    assert [item.why == "" for item in items] == [True, *(False for _ in REFUSED), True]
    for item, sentence in zip(items[1:-1], REFUSED.values(), strict=True):
        assert sentence in item.why
        assert item.why.endswith(".") and len(item.name) <= 80 and len(item.why) < 220
        assert outcome(item) == item.why


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [(stat.S_IFLNK, "is a link"), (stat.S_IFIFO, "neither a file"), (stat.S_IFCHR, "neither a file")],
)
def test_links_and_devices_are_refused(tmp_path, kind, sentence):
    archive = zipped(tmp_path / "x.zip", [(_link("x.png", kind), b"/etc/passwd")])
    assert sentence in only(archive)


def test_encrypted_members_are_refused(tmp_path):
    archive = zipped(tmp_path / "x.zip", [("a.png", png()), ("b.png", png(1))])
    data = bytearray(archive.read_bytes())
    data[6] |= 1  # the first member's own header, and its place in the list
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    first, second = outcomes(list_inputs([archive])).values()
    assert "is encrypted" in first and second == png(1)


def test_other_methods_are_refused(tmp_path):
    assert "compressed in a way" in only(zipped(tmp_path / "x.zip", [("a.png", png())], zipfile.ZIP_BZIP2))
    assert only(zipped(tmp_path / "y.zip", [("a.png", png())], zipfile.ZIP_STORED)) == png()


def test_an_archive_under_an_image_name_is_told_by_its_content(tmp_path):
    inner = zipped(tmp_path / "inner.zip", [("a.png", png())]).read_bytes()
    assert "an archive inside the archive" in only(zipped(tmp_path / "x.zip", [("a.png", inner)]))
    # A DICOM whose preamble looks like a ZIP file is a DICOM.
    dicom = inner[:128].ljust(128, b"\0") + b"DICM" + bytes(600)
    assert only(zipped(tmp_path / "y.zip", [("a.dcm", dicom)])) == dicom


def test_long_and_double_names_have_a_key_of_their_own(tmp_path):
    long = "x" * 300
    names = [f"{long}1.png", f"{long}2.png", "a.png", "a.png", "a.png", "a.png (2)"]
    with pytest.warns(UserWarning, match="Duplicate"):
        archive = zipped(tmp_path / "x.zip", [(name, png(i)) for i, name in enumerate(names)])
    listing = list_inputs([archive])
    found = outcomes(listing)
    assert list(found.values()) == [png(i) for i in range(6)]
    assert list(found)[2:] == ["x.zip/a.png", "x.zip/a.png (2)", "x.zip/a.png (3)", "x.zip/a.png (2) (2)"]
    assert all(len(key) < 220 for key in found) and all(len(item.name) <= 80 for item in listing)
    assert list(outcomes(listing)) == list(found)


def test_an_archive_without_images_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"There is no image in x\.zip"):
        list_inputs([zipped(tmp_path / "x.zip", [])])
    with pytest.raises(BadInput, match="There is no image"):
        list_inputs([zipped(tmp_path / "y.zip", [("folder/", b""), ("__MACOSX/._a.png", b"x")])])


def test_an_empty_member_is_a_row_for_the_reader(tmp_path):
    assert only(zipped(tmp_path / "x.zip", [("a.png", b"")])) == b""


def test_what_systems_leave_behind_is_passed_over_and_counted(tmp_path):
    files = [
        ("__MACOSX/._a.png", b"x"),
        ("._b.png", b"x"),
        (".DS_Store", b"x"),
        ("d/Thumbs.db", b"x"),
        ("a.png", png()),
    ]
    listing = list_inputs([zipped(tmp_path / "x.zip", files)])
    assert [item.key for item in listing] == ["x.zip/a.png"]
    assert listing.notices == ["4 hidden or system files of x.zip were passed over."]


def test_names_in_any_letters(tmp_path):
    body = png()
    names = ["größe.png".encode(), "größe2.png".encode("cp437"), b"\xff\xfe.png", b"a\x00b\n\x1b[31m.png"]
    flags = [0x800, 0, 0x800, 0]
    data, listed = b"", b""
    for name, flag in zip(names, flags, strict=True):
        listed += entry(name, len(body), len(body), zlib.crc32(body), len(data), 0, flag)
        data += local_header(name, len(body), len(body), zlib.crc32(body), 0, flag) + body
    path = tmp_path / "x.zip"
    path.write_bytes(data + listed + end_record(4, len(listed), len(data)))
    found = outcomes(list_inputs([path]))
    assert list(found) == [
        "x.zip/größe.png", "x.zip/größe2.png", "x.zip/%ff%fe.png", "x.zip/a%00b%0a%1b[31m.png",
    ]  # fmt: skip
    assert set(found.values()) == {body}


def test_zip64_and_something_before_the_archive(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive, archive.open("a.png", "w", force_zip64=True) as sink:
        sink.write(png())
    assert only(path) == png()
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    assert only(path) == png()
    # Every field of the end record and of the entry in its ZIP64 form.
    body, full = png(), 0xFFFFFFFF
    extra = struct.pack("<HHQQQ", 1, 24, len(body), len(body), 0)
    head = local_header(
        b"a.png", full, full, zlib.crc32(body), 0, 0, struct.pack("<HHQQ", 1, 16, len(body), len(body))
    )
    listed = entry(b"a.png", full, full, zlib.crc32(body), full, 0, 0, extra)
    at = len(head + body)
    end64 = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, len(listed), at)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, at + len(listed), 1)
    path.write_bytes(head + body + listed + end64 + locator + end_record(0xFFFF, full, full))
    assert zipfile.ZipFile(path).read("a.png") == body
    assert only(path) == body


def test_masks_beside_their_image_and_in_a_folder_of_masks(tmp_path):
    files = [
        ("set/images/benign/1.jpg", png()),
        ("set/masks/benign/1_mask.png", png(255)),
        ("set/2.png", png()),
        ("set/2_mask.png", png(255)),
        ("set/2_mask_1.png", png(255)),
        ("set/3.png", png()),
        ("set/4_mask.png", png(255)),
        ("set/masks/5.png", png(255)),
    ]
    listing = list_inputs([zipped(tmp_path / "x.zip", files)])
    assert listing.has_masks
    one, two, three, stray = listing
    assert [item.name for item in (one, two, three, stray)] == ["1.jpg", "2.png", "3.png", "4_mask.png"]
    assert one.mask() == png(255) and three.mask is None
    assert read_mask(pickle.loads(pickle.dumps(two.mask))()).all()
    assert "named like a mask" in stray.why


def test_masks_in_a_folder_of_masks_that_are_of_no_image_are_said(tmp_path):
    files = [("scans/1.png", png(1)), ("masks/1.png", png(255)), ("masks/2_mask.png", png(255))]
    listing = list_inputs([zipped(tmp_path / "x.zip", files)])
    assert not listing.has_masks and [item.key for item in listing] == ["x.zip/scans/1.png"]
    assert listing.notices[0].startswith("2 masks of x.zip are of no image and left out")
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in (("images/1.png", png(1)), *files[1:]):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    assert list_inputs([path]).notices[0].startswith("1 mask of x.tar is of no image and left out")


def test_several_masks_of_one_image_are_united(tmp_path):
    import numpy as np
    from PIL import Image

    halves = []
    for columns in (slice(0, 1), slice(3, 4)):
        drawn = np.zeros((2, 4), np.uint8)
        drawn[:, columns] = 255
        held = io.BytesIO()
        Image.fromarray(drawn).save(held, "PNG")
        halves.append(held.getvalue())
    files = [("1.png", png()), ("1_mask.png", halves[0]), ("1_mask_1.png", halves[1])]
    (item,) = list_inputs([zipped(tmp_path / "x.zip", files)])
    assert read_mask(item.mask()).tolist() == [[True, False, False, True]] * 2


def test_what_is_skipped_is_not_unpacked_and_keeps_its_place(tmp_path, monkeypatch):
    listing = list_inputs([zipped(tmp_path / "x.zip", [(f"{i}.png", png(i)) for i in range(4)])])
    unpacked = []
    honest = unpacking.inflated_bytes
    monkeypatch.setattr(unpacking, "inflated_bytes", lambda *a: unpacked.append(a[3]) or honest(*a))
    left = list(listing.items(skip={"x.zip/0.png", "x.zip/2.png"}))
    assert [(item.key, item.index) for item in left] == [("x.zip/1.png", 1), ("x.zip/3.png", 3)]
    assert not unpacked
    assert left[1].load() == png(3) and unpacked == ["3.png"]


def test_class_folders_are_labels_also_below_one_that_holds_all(tmp_path):
    files = [(f"set/images/{label}/{i}.png", png()) for label in ("benign", "Malignant") for i in range(2)]
    archive = zipped(tmp_path / "x.zip", files)
    listing = folder_labels(list_inputs([archive]), {"benign", "malignant"})
    assert [item.label for item in listing] == ["benign", "benign", "Malignant", "Malignant"]


names = st.text(st.characters(exclude_categories=["C"], exclude_characters="/\\:"), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(names.filter(lambda n: n.strip(".")), st.binary(max_size=300), min_size=1, max_size=6))
def test_honest_archives_are_read_as_zipfile_reads_them(tmp_path, files):
    listed = [(f"d/x{name}.png", content) for name, content in files.items()]
    path = zipped(tmp_path / "x.zip", listed)
    with zipfile.ZipFile(path) as archive:
        expected = [archive.read(info) for info in archive.infolist()]
    items = list(list_inputs([path]))
    wanted = [content for content in expected if not unpacking.archive_inside(content)]
    assert [each for each in map(outcome, items) if isinstance(each, bytes)] == wanted
