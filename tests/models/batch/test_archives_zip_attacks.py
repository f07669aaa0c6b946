"""ZIP files that are damaged, cut, forged or meant to fill the memory."""

import io
import random
import struct
import tracemalloc
import zipfile
import zlib

import pytest

from models.batch.inputs import ArchiveLimits
from models.batch.listing import list_inputs
from models.errors import BadInput
from models.study import Limits
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


def _listing_peak(path, n: int) -> int:
    """Bytes at the most while an archive of n members is opened and listed."""
    body, data, listed = png(), io.BytesIO(), io.BytesIO()
    for i in range(n):
        name = b"folder/%06d.png" % i
        listed.write(entry(name, len(body), len(body), zlib.crc32(body), data.tell(), 0))
        data.write(local_header(name, len(body), len(body), zlib.crc32(body), 0) + body)
    path.write_bytes(data.getvalue() + listed.getvalue() + end_record(n, listed.tell(), data.tell()))
    del data, listed
    tracemalloc.start()
    try:
        listing = list_inputs([path])
        assert listing.total == n == sum(1 for _ in listing)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_hardly_grows_with_the_number_of_members(tmp_path):
    few, many = (_listing_peak(tmp_path / "x.zip", n) for n in (200, 1_200))
    assert many - few < 150 * 1_000  # zipfile takes some 600 bytes a member


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
