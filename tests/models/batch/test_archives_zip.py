"""ZIP files: honest ones as zipfile reads them, and what a stranger may do to one."""

import io
import pickle
import random
import stat
import struct
import tracemalloc
import zipfile
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.batch.inputs import ArchiveLimits, unpacking
from models.batch.listing import folder_labels, list_inputs
from models.errors import BadInput
from models.study import Limits, read_mask
from tests.models.batch.packed import (
    deflated,
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


def test_a_corrupt_member_among_good_ones_is_one_row(tmp_path):
    archive = zipped(tmp_path / "x.zip", [(f"{i}.png", png(i)) for i in range(3)], zipfile.ZIP_STORED)
    data = bytearray(archive.read_bytes())
    data[data.index(png(1)) + 50] ^= 0xFF
    archive.write_bytes(data)
    first, second, third = outcomes(list_inputs([archive])).values()
    assert (first, third) == (png(0), png(2)) and "is damaged in its archive" in second


def test_what_swells_a_thousandfold_is_refused_by_its_header(tmp_path):
    blank = bytes(2 << 20)
    sentence = only(zipped(tmp_path / "x.zip", [("a.png", blank)]))
    assert "more than 1,000 times its size" in sentence
    # A small blank picture shrinks that much too.
    small = bytes(1 << 20)
    assert only(zipped(tmp_path / "y.zip", [("a.bmp", small)])) == small


@pytest.fixture(scope="module")
def swelling() -> bytes:
    """A stream of some kilobytes that inflates to 24 MiB."""
    return deflated(bytes(24 << 20))


@pytest.mark.parametrize("stated", [100, 1 << 20])
def test_what_holds_more_than_it_says_is_not_unpacked(tmp_path, swelling, stated):
    body = swelling
    head = local_header(b"a.png", len(body), stated, 0)
    listed = entry(b"a.png", len(body), stated, 0, 0)
    path = tmp_path / "x.zip"
    path.write_bytes(head + body + listed + end_record(1, len(listed), len(head + body)))
    (item,) = list_inputs([path])
    tracemalloc.start()
    try:
        assert "is damaged in its archive" in outcome(item)
        assert tracemalloc.get_traced_memory()[1] < stated + (4 << 20)
    finally:
        tracemalloc.stop()


def test_sizes_are_bounded_by_the_kind_of_file(tmp_path):
    limits = ArchiveLimits(files=Limits(max_bytes=1_000, max_dicom_bytes=2_000))
    noise = random.Random(0).randbytes
    dicom = bytes(128) + b"DICM" + noise(1_400)
    files = [
        ("a.png", noise(1_000)),
        ("b.png", noise(1_001)),
        ("c.dcm", dicom),
        ("d.dcm", dicom + noise(500)),
    ]
    a, b, c, d = outcomes(list_inputs([zipped(tmp_path / "x.zip", files)], limits=limits)).values()
    assert len(a) == 1_000 and c == dicom
    assert "the limit is 0.0 MiB" in b and "the limit is 0.0 MiB" in d


def _quoted_overlap(n: int) -> bytes:
    """A bomb after Fifield (2019): each member's first bytes are a stored block that quotes the next header,
    so that all share one kernel."""
    kernel = deflated(bytes(40 << 10))
    crc, size = zlib.crc32(bytes(40 << 10)), 40 << 10
    headers = [local_header(b"%d.png" % (n - 1), len(kernel), size, crc)]
    bodies, sizes, crcs = [kernel], [size], [crc]
    for i in reversed(range(n - 1)):
        quoted = headers[0]
        block = b"\0" + struct.pack("<HH", len(quoted), len(quoted) ^ 0xFFFF)
        bodies.insert(0, block + quoted + bodies[0])
        sizes.insert(0, sizes[0] + len(quoted))
        crcs.insert(0, zlib.crc32(quoted + bytes(size) if i == n - 2 else b""))
        headers.insert(0, local_header(b"%d.png" % i, len(bodies[0]), sizes[0], crcs[0]))
    data, offsets = b"", []
    for header, body in zip(headers, bodies, strict=True):
        offsets.append(len(data))
        data += header + (body[:5] if body is not kernel else body)
    listed = b"".join(entry(b"%d.png" % i, len(bodies[i]), sizes[i], crcs[i], offsets[i]) for i in range(n))
    return data + listed + end_record(n, len(listed), len(data))


def test_members_that_share_bytes_are_refused(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(_quoted_overlap(5))
    with zipfile.ZipFile(
        path
    ) as archive:  # the archive is what it is meant to be: each unpacks to the kernel
        assert archive.infolist()[3].file_size == (40 << 10) + len(local_header(b"4.png", 0, 0, 0))
    *quoting, kernel = outcomes(list_inputs([path])).values()
    assert len(quoting) == 4 and all("shares its bytes" in each for each in quoting)
    assert kernel == bytes(40 << 10)


def test_two_names_for_the_same_bytes_are_refused(tmp_path):
    body = deflated(png())
    head = local_header(b"a.png", len(body), len(png()), zlib.crc32(png()))
    listed = b"".join(entry(b"a.png", len(body), len(png()), zlib.crc32(png()), 0) for _ in range(3))
    path = tmp_path / "x.zip"
    path.write_bytes(head + body + listed + end_record(3, len(listed), len(head + body)))
    assert all("shares its bytes" in each for each in outcomes(list_inputs([path])).values())


def test_a_member_that_is_not_what_the_list_says_is_refused(tmp_path):
    body = deflated(png())
    head = local_header(b"b.png", len(body), len(png()), zlib.crc32(png()))
    listed = entry(b"a.png", len(body), len(png()), zlib.crc32(png()), 0)
    path = tmp_path / "x.zip"
    path.write_bytes(head + body + listed + end_record(1, len(listed), len(head + body)))
    assert "is not where its archive's list says" in only(path)


@pytest.mark.parametrize("kept", [0.35, 0.7, 0.98])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_cut_archive_gives_what_is_whole_and_one_row_about_the_rest(tmp_path, kept, streamed):
    class Pipe(io.BytesIO):
        """What cannot go back writes sizes after the data."""

        def seek(self, *_):
            raise OSError

        def seekable(self):
            return False

    sink = Pipe() if streamed else io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(10):
            archive.writestr(f"{i}.png", png(i, 40))
    data = sink.getvalue()
    path = tmp_path / "x.zip"
    path.write_bytes(data[: int(len(data) * kept)])
    found = outcomes(list_inputs([path]))
    *whole, rest = found.values()
    assert whole == [png(i, 40) for i in range(len(whole))]
    assert len(whole) == {0.35: 5, 0.7: 10, 0.98: 10}[kept] or abs(len(whole) - 10 * kept) < 5
    assert list(found)[-1] == "x.zip/(the rest of the archive)" and "cut short" in rest


def test_what_is_no_archive_any_more_is_refused_whole(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK\x03\x04" + bytes(500))
    with pytest.raises(BadInput, match="not a whole ZIP file"):
        list_inputs([path])


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


def test_too_many_members_are_refused_before_they_are_read(tmp_path):
    path = zipped(tmp_path / "x.zip", [(f"{i}.png", b"") for i in range(6)])
    with pytest.raises(BadInput, match="more than 5 files"):
        list_inputs([path], limits=ArchiveLimits(most_members=5))
    end64 = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 10_000_001, 10_000_001, 0, 4)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 4, 1)
    path.write_bytes(b"PK\x03\x04" + end64 + locator + end_record(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF))
    with pytest.raises(BadInput, match="more than 10,000,000 files"):
        list_inputs([path])


def test_a_divided_archive_is_refused(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK\x03\x04" + struct.pack("<4s4H2IH", b"PK\x05\x06", 3, 3, 1, 9, 46, 0, 0))
    with pytest.raises(BadInput, match="one part of a divided ZIP"):
        list_inputs([path])


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


def test_memory_does_not_grow_with_the_number_of_members(tmp_path):
    n, body, data, listed = 3_000, png(), io.BytesIO(), io.BytesIO()
    for i in range(n):
        name = b"folder/%06d.png" % i
        listed.write(entry(name, len(body), len(body), zlib.crc32(body), data.tell(), 0))
        data.write(local_header(name, len(body), len(body), zlib.crc32(body), 0) + body)
    path = tmp_path / "x.zip"
    path.write_bytes(data.getvalue() + listed.getvalue() + end_record(n, listed.tell(), data.tell()))
    tracemalloc.start()
    try:
        listing = list_inputs([path])
        assert listing.total == n == sum(1 for _ in listing)
        assert (
            tracemalloc.get_traced_memory()[1] < (1 << 20) + 100 * n
        )  # zipfile takes some 600 bytes a member
    finally:
        tracemalloc.stop()


def test_no_change_of_its_bytes_gets_further_than_a_sentence(tmp_path):
    files = [("a/1.png", png(1)), ("a/1_mask.png", png(255)), ("2.png", png(2, 30)), ("3.dcm", bytes(200))]
    path = zipped(tmp_path / "x.zip", files)
    whole, chance = path.read_bytes(), random.Random(6)
    for _ in range(250):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 8))):
            data[chance.randrange(len(data))] = chance.choice((0, 255, chance.randrange(256)))
        if chance.random() < 0.2:
            del data[chance.randrange(len(data)) :]
        path.write_bytes(data)
        try:
            for item in list_inputs([path]):
                outcome(item)
                if item.mask is not None:
                    outcome(type(item)("m", 0, "m", item.mask))
        except BadInput as refusal:
            assert str(refusal).endswith(".")


names = st.text(st.characters(exclude_categories=["C"], exclude_characters="/\\:"), min_size=1, max_size=12)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(names.filter(lambda n: n.strip(".")), st.binary(max_size=300), min_size=1, max_size=6))
def test_honest_archives_are_read_as_zipfile_reads_them(tmp_path, files):
    listed = [(f"d/x{name}.png", content) for name, content in files.items()]
    path = zipped(tmp_path / "x.zip", listed)
    with zipfile.ZipFile(path) as archive:
        expected = [archive.read(info) for info in archive.infolist()]
    items = list(list_inputs([path]))
    wanted = [content for content in expected if not unpacking.archive_inside(content)]
    assert [each for each in map(outcome, items) if isinstance(each, bytes)] == wanted
