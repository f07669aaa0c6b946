"""TAR and TAR.GZ: honest ones as tarfile reads them, and what a stranger may do to one."""

import gzip
import io
import pickle
import random
import tarfile
import tracemalloc

import pytest

from models.batch.inputs import ArchiveLimits
from models.batch.labels import read_labels
from models.batch.listing import folder_labels, list_inputs
from models.errors import BadInput
from models.study import Limits
from tests.models.batch.packed import outcome, outcomes, png, tarred

MODES = pytest.mark.parametrize("mode", ["w", "w:gz"], ids=["tar", "tar.gz"])
REST = "x.tar/(the rest of the archive)"


def rewritten(path, change):
    """The archive with its plain TAR bytes changed."""
    data = path.read_bytes()
    packed = data.startswith(b"\x1f\x8b")
    plain = bytearray(gzip.decompress(data) if packed else data)
    changed = change(plain)
    plain = plain if changed is None else changed
    path.write_bytes(gzip.compress(bytes(plain)) if packed else bytes(plain))
    return path


def checked(block: bytes) -> bytes:
    """A header with its checksum made right."""
    block = bytearray(block)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@MODES
def test_members_are_items_whatever_the_archive_is_called(tmp_path, mode):
    files = [("b/2.png", png(2)), ("./a/1.png", png(1)), ("3.png", png(3))]
    listing = list_inputs([tarred(tmp_path / "scans.bin", files, mode)])
    assert listing.total == 3
    assert [item.key for item in listing] == ["scans.bin/b/2.png", "scans.bin/a/1.png", "scans.bin/3.png"]
    assert [pickle.loads(pickle.dumps(item)).load() for item in listing] == [png(2), png(1), png(3)]
    left = list(listing.items(skip={"scans.bin/b/2.png"}))
    assert [(item.index, item.load()) for item in left] == [(1, png(1)), (2, png(3))]


@MODES
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
def test_long_and_foreign_names_are_read_as_tarfile_reads_them(tmp_path, mode, form):
    names = [
        "d" * 90 + "/" + "x" * 250 + ".png",
        "größe.png",
        "\udcff\udcfe.png",
        "p" * 99 + "/" + "y" * 60 + ".png",
    ]
    listing = list_inputs(
        [tarred(tmp_path / "x.tar", [(name, png(i)) for i, name in enumerate(names)], mode, form)]
    )
    assert [item.load() for item in listing] == [png(i) for i in range(4)]
    items = list(listing)
    assert items[1].key == "x.tar/größe.png" and items[2].key == "x.tar/%ff%fe.png"
    assert len({item.key for item in items}) == 4 and all(len(item.name) <= 80 for item in items)
    assert items[3].key.endswith("y" * 50 + ".png")


def _special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry


@MODES
def test_dishonest_members_are_rows_and_the_others_go_on(tmp_path, mode):
    refused = {
        "../x.png": "leads out of the archive",
        "/etc/x.png": "leads out of the archive",
        "C:/x.png": "leads out of the archive",
        "a/../../x.png": "leads out of the archive",
        "inner.zip": "an archive inside the archive",
        "slide.svs": "a whole slide",
        "n" * 5_000 + ".png": "too long to be honest",
        _special("soft.png", tarfile.SYMTYPE, "/etc/passwd"): "is a link",
        _special("hard.png", tarfile.LNKTYPE, "first.png"): "is a link",
        _special("pipe.png", tarfile.FIFOTYPE): "neither a file",
        _special("device.png", tarfile.CHRTYPE): "neither a file",
    }
    files = [("first.png", png()), *((name, png()) for name in refused), ("folder/last.png", png(1))]
    files.insert(3, (_special("folder", tarfile.DIRTYPE), b""))
    listing = list_inputs([tarred(tmp_path / "x.tar", files, mode)])
    first, *between, last = outcomes(listing).values()
    assert (first, last) == (png(), png(1))
    for why, sentence in zip(between, refused.values(), strict=True):
        assert sentence in why and len(why) < 220
    assert listing.total == 2 + len(refused)


@MODES
def test_double_names_masks_and_folders_of_classes(tmp_path, mode):
    files = [
        ("benign/1.png", png(1)),
        ("benign/1_mask.png", png(255)),
        ("malignant/1.png", png(2)),
        ("malignant/1.png", png(3)),
        ("__MACOSX/malignant/._1.png", b"x"),
        ("masks/malignant/1.png", png(254)),
    ]
    listing = folder_labels(list_inputs([tarred(tmp_path / "x.tar", files, mode)]), {"benign", "malignant"})
    assert [item.key for item in listing] == [
        "x.tar/benign/1.png", "x.tar/malignant/1.png", "x.tar/malignant/1.png (2)",
    ]  # fmt: skip
    assert [item.label for item in listing] == ["benign", "malignant", "malignant"]
    assert [item.mask() for item in listing] == [png(255), png(254), png(254)]
    assert listing.notices == ["1 hidden or system file of x.tar was passed over."]


@MODES
def test_a_cut_archive_gives_what_is_whole_and_one_row_about_the_rest(tmp_path, mode):
    files = [(f"{i}.png", random.Random(i).randbytes(700)) for i in range(6)]
    path = tarred(tmp_path / "x.tar", files, mode)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * (0.3 if mode == "w" else 0.6))])
    found = outcomes(list_inputs([path]))
    *members, (key, rest) = found.items()
    assert key == REST and "cut short" in rest
    assert all(each == files[i][1] or "cut short" in each for i, (_, each) in enumerate(members))
    assert 1 <= sum(isinstance(each, bytes) for _, each in members) < 6


@MODES
def test_a_header_that_is_none_ends_the_list_with_a_row(tmp_path, mode):
    path = tarred(tmp_path / "x.tar", [(f"{i}.png", png(i)) for i in range(3)], mode)
    rewritten(path, lambda plain: plain.__setitem__(slice(1024, 1030), b"broken"))
    assert list(outcomes(list_inputs([path]))) == ["x.tar/0.png", REST]


@MODES
def test_an_archive_without_its_end_is_said_to_be_cut(tmp_path, mode):
    path = rewritten(tarred(tmp_path / "x.tar", [("0.png", png())], mode), lambda plain: plain[:1024])
    assert list(outcomes(list_inputs([path]))) == ["x.tar/0.png", REST]


@MODES
@pytest.mark.parametrize("size", [b"-0000000001\0", b"\xff" * 12, b"\x80" + b"\xff" * 11, b"77777777777\0"])
def test_a_size_that_cannot_be_neither_loops_nor_fills_the_memory(tmp_path, mode, size):
    def lie(plain):
        plain[124:136] = size
        plain[:512] = checked(bytes(plain[:512]))

    path = rewritten(tarred(tmp_path / "x.tar", [("0.png", png()), ("1.png", png())], mode), lie)
    try:
        found = outcomes(list_inputs([path]))
    except BadInput as refusal:
        assert "TAR" in str(refusal)
    else:
        assert list(found)[-1] == REST and not any(isinstance(each, bytes) for each in found.values())


@MODES
def test_an_extended_header_without_end_is_not_read(tmp_path, mode):
    path = tmp_path / "x.tar"
    huge = _special("././@LongLink", b"L")
    huge.size = 24 << 20
    plain = io.BytesIO()
    plain.write(huge.tobuf(tarfile.GNU_FORMAT) + bytes(huge.size))
    with tarfile.open(fileobj=plain, mode="w|") as archive:
        entry = tarfile.TarInfo("0.png")
        entry.size = len(png())
        archive.addfile(entry, io.BytesIO(png()))
    data = plain.getvalue()
    path.write_bytes(data if mode == "w" else gzip.compress(data, 1))
    del data, plain
    tracemalloc.start()
    try:
        found = list(outcomes(list_inputs([path])).values())
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert "too long to be honest" in found[0]


def test_pax_records_are_taken_by_their_own_length(tmp_path):
    entry = tarfile.TarInfo("short.png")
    entry.pax_headers = {"path": "in/pax=and\nmore.png", "size": str(len(png()))}
    assert list(outcomes(list_inputs([tarred(tmp_path / "x.tar", [(entry, png())])]))) == [
        "x.tar/in/pax=and%0amore.png"
    ]
    for bad in (b"99 path=x\n", b"0 path=x\n", b"-5 path=x\n", b"9 pathxx\n", b"10 size=-1\n"):
        header = _special("pax", b"x")
        header.size = len(bad)
        data = header.tobuf(tarfile.USTAR_FORMAT) + bad.ljust(512, b"\0")
        path = tmp_path / "y.tar"
        path.write_bytes(data + tarred(tmp_path / "z.tar", [("a.png", png())]).read_bytes())
        with pytest.raises(BadInput, match="not a whole TAR"):
            list_inputs([path])


def test_a_gzip_that_swells_a_thousandfold_ends_with_a_row(tmp_path):
    entry = tarfile.TarInfo("1.png")
    entry.size = 6 << 20
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(entry, io.BytesIO(bytes(entry.size)))
    found = outcomes(list_inputs([path]))
    assert "more than 1,000 times its size" in list(found.values())[-1]
    assert not any(isinstance(each, bytes) for each in found.values())


def test_a_wrong_checksum_of_the_whole_is_said(tmp_path):
    path = tarred(tmp_path / "x.tar", [("0.png", png())], "w:gz")
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(data)
    assert list(outcomes(list_inputs([path]))) == ["x.tar/0.png", REST]


def test_a_gzip_of_something_else_and_other_archives_are_refused(tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(png()))
    with pytest.raises(BadInput, match="holds no whole TAR"):
        list_inputs([path])
    for mode in ("w:bz2", "w:xz"):
        with pytest.raises(BadInput, match="of a kind that is not read: give a ZIP"):
            list_inputs([tarred(tmp_path / "y.tar", [("0.png", png())], mode)])
    path.with_suffix(".tar").write_bytes(bytes(10_240))
    with pytest.raises(BadInput, match="There is no image"):
        list_inputs([path.with_suffix(".tar")])


@MODES
def test_sizes_and_numbers_are_bounded(tmp_path, mode):
    limits = ArchiveLimits(files=Limits(max_bytes=100, max_dicom_bytes=200), most_members=3)
    files = [(f"{size}.png", random.Random(0).randbytes(size)) for size in (100, 150, 250)]
    first, second, third = outcomes(
        list_inputs([tarred(tmp_path / "x.tar", files, mode)], limits=limits)
    ).values()
    assert len(first) == 100 and "the limit is" in second and "the limit is" in third
    path = tarred(tmp_path / "y.tar", [(f"{i}.png", b"") for i in range(4)], mode)
    with pytest.raises(BadInput, match="more than 3 files"):
        list_inputs([path], limits=limits)


@MODES
def test_a_file_with_holes_is_refused_and_what_follows_is_read(tmp_path, mode):
    sparse = bytearray(tarfile.TarInfo("0.png").tobuf(tarfile.GNU_FORMAT))
    sparse[156:157], sparse[482] = b"S", 1
    sparse[124:136] = b"%011o\0" % 512
    more = bytearray(512)
    more[504] = 1
    data = checked(bytes(sparse)) + bytes(more) + bytes(512) + bytes(512)
    data += tarred(tmp_path / "y.tar", [("1.png", png(1))]).read_bytes()
    path = tmp_path / "x.tar"
    path.write_bytes(data if mode == "w" else gzip.compress(data))
    first, second = outcomes(list_inputs([path])).values()
    assert "sparse" in first and second == png(1)


def test_a_large_tar_gz_is_not_counted_but_its_share_is_told(tmp_path):
    path = tarred(
        tmp_path / "x.tar", [(f"{i}.png", random.Random(i).randbytes(90_000)) for i in range(5)], "w:gz"
    )
    limits = ArchiveLimits(counted_bytes=1_000)
    listing = list_inputs([path], limits=limits)
    assert listing.total is None
    assert any("Masks inside x.tar are not used" in notice for notice in listing.notices)
    shares = []
    for item in listing:
        assert len(item.load()) == 90_000
        shares.append(listing.fraction())
    assert shares == sorted(shares) and 0 < shares[0] < 0.5 and listing.fraction() == 1.0
    # Labels have to be matched before anything is scored, so then it is read through.
    labelled = list_inputs([path], labels=read_labels(b"file,label\n2.png,benign\n", "l.csv"), limits=limits)
    assert labelled.total == 5 and [item.label for item in labelled] == ["", "", "benign", "", ""]


def test_masks_that_are_too_many_to_keep_are_said_to_be_unused(tmp_path):
    files = [("1.png", png()), ("1_mask.png", png(255)), ("2.png", png())]
    listing = list_inputs([tarred(tmp_path / "x.tar", files, "w:gz")], limits=ArchiveLimits(masks_kept=10))
    assert not listing.has_masks and [item.mask for item in listing] == [None, None]
    assert "too many to be kept" in listing.notices[0]


@MODES
def test_no_change_of_its_bytes_gets_further_than_a_sentence(tmp_path, mode):
    long = tarfile.TarInfo("x" * 150 + ".png")
    files = [("a/1.png", png(1)), ("a/1_mask.png", png(255)), (long, png(2)), ("3.dcm", bytes(600))]
    path = tarred(tmp_path / "x.tar", files)
    whole, chance = path.read_bytes()[:8192], random.Random(6)
    for _ in range(100):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 8))):
            at = chance.randrange(len(data))
            data[at] = chance.choice((0, 255, 0x37, chance.randrange(256)))
            if chance.random() < 0.7:  # a changed header counts only where its checksum is right
                start = at // 512 * 512
                data[start : start + 512] = checked(data[start : start + 512])
        packed = bytes(data) if mode == "w" else bytearray(gzip.compress(bytes(data), 1))
        if mode == "w:gz" and chance.random() < 0.5:
            packed[chance.randrange(len(packed))] ^= 1 << chance.randrange(8)
        path.write_bytes(packed)
        try:
            for item in list_inputs([path]):
                outcome(item)
                if item.mask is not None:
                    item.mask()
        except BadInput as refusal:
            assert str(refusal).endswith(".")
