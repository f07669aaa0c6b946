"""Files on their way into the spool of a batch: named, labelled, de-identified, and refused with a reason."""

import errno
import json

import numpy as np
import pytest

from models.errors import BadInput
from models.study import read_study
from pages.ui.batch import intake, keeping, receiving
from pages.ui.batch.inside import table_inside
from pages.ui.batch.intake import take_in
from pages.ui.batch.orders import Order, Phantoms, read_order
from pages.ui.batch.places import find_place, new_id, place_of
from pages.ui.batch.receiving import Given
from pages.ui.batch.spool import HEAD, SpoolListing, SpoolWriter
from tests.models.study.dicoms import PERSON, dataset, saved
from tests.pages.batch.given import BRIGHT, DARK, MASK, Upload, encrypted, ordered, tiny, zipped


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    monkeypatch.setenv("LESIONLENS_WORK", str(tmp_path / "work"))
    return tmp_path / "work"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("runs"))


def taken(run, *images, labels=None, masks=(), folder=False, **options):
    """The spool of these files, and where it lies."""
    place, order = ordered(Given(images, labels, masks, folder), run, **options)
    take_in(place.folder.parent, order, [run], lambda done, total: None)
    return place, SpoolListing(place.spool)


def told(listing):
    return [(item.key, item.label, item.mask is not None, item.why) for item in listing]


def test_an_archive_becomes_numbered_files_with_labels_and_masks(run) -> None:
    archive = zipped(
        {
            "malignant/a.png": DARK,
            "malignant/a_mask.png": MASK,
            "other/b.png": BRIGHT,
            "__MACOSX/._b.png": b"x",
        }
    )
    place, listing = taken(run, Upload("Quandt Ottilie.zip", archive))
    assert told(listing) == [("malignant/a.png", "malignant", True, ""), ("other/b.png", "other", False, "")]
    assert listing.total == 2 and listing.has_labels and listing.has_masks
    assert listing.title == "1 archive" and "Quandt" not in str(listing.notices)
    # The uploads are gone, and what is kept has no name of theirs.
    home = place.folder.parent
    assert not (home / "incoming").exists()
    assert sorted(f.name for f in (place.spool / "files").rglob("*.*") if f.is_file()) == []
    assert oct(home.stat().st_mode & 0o077) == "0o0" or home.parent.stat().st_mode
    # A row gives its image again, and its mask.
    assert (
        np.array_equal(read_study(place.load(0).content).samples, read_study(DARK).samples)
        and place.load(0).name == "a.png"
    )
    assert place.mask(0).content == MASK and place.mask(1) is None
    with pytest.raises(BadInput, match="is not kept here"):
        place.load(2)


def test_a_person_leaves_neither_name_nor_number_in_any_file(run) -> None:
    image = saved(dataset(np.arange(120, dtype="uint16").reshape(12, 10), **PERSON, ImageLaterality="L"))
    files = {
        "Quandt_Ottilie/IM1.dcm": image,
        "b/HB-99471-X.dcm": image,
        "b/ct1.dcm": image,
    }
    place, listing = taken(run, Upload("x.zip", zipped(files)))
    keys = [item.key for item in listing]
    assert keys[2] == "b/ct1.dcm" and keys[0].startswith("dicom-") and keys[1] == f"{keys[0]} (2)"
    assert listing.notices == ["2 DICOM files had a name that identifies a person: it was replaced."]
    kept = b"".join(f.read_bytes() for f in place.folder.parent.rglob("*") if f.is_file())
    for word in (b"Quandt", b"Ottilie", b"99471", b"5512093", b"20230914", b"Zwergenstein"):
        assert word not in kept
    assert read_study(place.load(0).content).laterality == "L"


def test_a_file_that_is_refused_at_the_door_is_not_named_after_the_person(run) -> None:
    image = saved(dataset(np.arange(120, dtype="uint16").reshape(12, 10), **PERSON))
    cut = image[: image.index(b"\x28\x00\x10\x00") + 9]
    _, listing = taken(run, Upload("Quandt/ottilie.dcm", cut), Upload("one.png", DARK))
    item = next(item for item in listing if item.why)
    assert item.key.startswith("dicom-") and "cut short" in item.why
    assert not [word for word in ("Quandt", "ottilie") if word.lower() in f"{item}".lower()]


def test_all_frames_share_the_bytes_of_their_file(run) -> None:
    clip = saved(dataset(np.arange(480, dtype="uint16").reshape(4, 12, 10)))
    place, listing = taken(run, Upload("clip.dcm", clip), Upload("one.png", DARK), frames="all")
    assert [(item.key, item.frame) for item in listing] == [
        ("clip.dcm#1", 0), ("clip.dcm#2", 1), ("clip.dcm#3", 2), ("clip.dcm#4", 3), ("one.png", 0),
    ]  # fmt: skip
    assert len([f for f in (place.spool / "files").rglob("*") if f.is_file()]) == 2
    assert place.load(3).frame == 3


def test_a_folder_and_a_table_of_labels(run) -> None:
    images = [Upload("scan/b/2.png", BRIGHT), Upload("scan/a/1.png", DARK), Upload("scan/.DS_Store", b"x")]
    table = Upload("labels.csv", b"file,label,patient_id\na/1.png,malignant,P1\n2.png,benign,P2\n")
    masks = [Upload("1_mask.png", MASK), Upload("9.png", MASK)]
    _, listing = taken(run, *images, labels=table, masks=masks, folder=True)
    assert told(listing) == [("b/2.png", "benign", False, ""), ("a/1.png", "malignant", True, "")]
    assert [item.patient_id for item in listing] == ["P2", "P1"]
    assert listing.notices[0] == "1 hidden or system file of the files given was passed over."
    assert any("1 mask that you gave belong" in sentence for sentence in listing.notices)
    # A table among the files that were dropped is the labels, and no image.
    dropped = Given([images[1], Upload("labels.csv", b"file,label\n1.png,malignant\n")])
    assert dropped.table.name == "labels.csv" and len(dropped.pictures) == 1


@pytest.mark.parametrize("more", [(), ("b.zip", "c.png")])
def test_a_table_of_labels_inside_a_zip_labels_its_images_and_is_none(run, more) -> None:
    table = b"file,label\n1.png,malignant\n2.png,other\n"
    first = Upload("a.zip", zipped({"x/1.png": DARK, "x/2.png": BRIGHT, "x/labels.csv": table}))
    files = [Upload(name, zipped({"3.png": DARK}) if name == "b.zip" else DARK) for name in more]
    found = table_inside([*files, first], folder=False)
    _, listing = taken(run, *files, first, labels=found)
    told_labels = {item.key.rpartition("/")[2]: item.label for item in listing}
    assert told_labels == {"1.png": "malignant", "2.png": "other"} | dict.fromkeys(
        ["3.png", "c.png"] if more else [], ""
    )
    assert listing.total == len(told_labels) and not any(item.why for item in listing)


def test_what_is_no_single_table_of_labels_is_left_alone() -> None:
    table, notes = b"file,label\na.png,other\n", b"who,when\nme,today\n"
    assert (
        table_inside([Upload("s/l.csv", table), Upload("s/notes.csv", notes)], folder=True).name == "s/l.csv"
    )
    assert table_inside([Upload("s/l.csv", table), Upload("s/m.csv", table)], folder=True) is None
    both = Upload("a.zip", zipped({"l.csv": table, "m.csv": table}))
    locked = Upload("a.zip", encrypted({"l.csv": table}))
    torn = Upload("a.zip", zipped({"l.csv": table})[:40])
    beside = [Upload("a.zip", zipped({"l.csv": table})), Upload("m.csv", notes)]
    for files in ([both], [locked], [torn], beside, [Upload("a.zip", zipped({"n.csv": notes}))], []):
        assert table_inside(files, folder=False) is None


def test_folders_that_are_no_classes_are_told_without_their_names(run) -> None:
    files = {"malignant/a.png": DARK, "other/b.png": BRIGHT, "Quandt Ottilie/c.png": BRIGHT}
    _, listing = taken(run, Upload("x.zip", zipped(files)))
    assert listing.notices == [intake.NOT_ALL_CLASSES] and not listing.has_labels


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"a.zip": encrypted({"a.png": DARK})}, "is encrypted"),
        ({"a.zip": zipped({"inner.zip": zipped({"a.png": DARK})})}, "is an archive inside the archive"),
        ({"a.zip": zipped({"../a.png": DARK})}, "leads out of the archive"),
    ],
)
def test_what_cannot_be_taken_in_is_a_row_with_its_reason(run, files, why) -> None:
    _, listing = taken(run, *(Upload(name, content) for name, content in files.items()))
    (row,) = told(listing)
    assert why in row[3]


def test_what_leads_to_nothing_is_a_sentence(run) -> None:
    with pytest.raises(BadInput, match="No images were given"):
        taken(run)
    with pytest.raises(BadInput, match="There is no image in the archive: give"):
        taken(run, Upload("a.zip", zipped({"__MACOSX/._a.png": b"x"})))
    with pytest.raises(BadInput, match="labels"):
        taken(run, Upload("a.png", DARK), labels=Upload("l.csv", b"file,label\nz.png,malignant\n"))


def test_too_much_is_refused_before_it_is_copied(run, work, monkeypatch) -> None:
    monkeypatch.setattr(receiving, "MOST_BYTES", 100)
    with pytest.raises(BadInput, match=r"the limit of one upload .*python -m xai batch"):
        taken(run, Upload("a.png", DARK))
    monkeypatch.setattr(keeping, "QUOTA_BYTES", 0)
    with pytest.raises(BadInput, match="would take more than"):
        keeping.make_room(10, ())
    with pytest.raises(BadInput, match="The disk for batches is full: these files need"):
        keeping.make_room(1 << 60, ())


def test_a_full_disk_is_a_sentence_and_what_is_left_can_be_taken_in_later(run, monkeypatch) -> None:
    place, order = ordered(Given([Upload(f"{n}.png", DARK) for n in range(3)]), run)
    home, store = place.folder.parent, SpoolWriter.store

    def full(writer, content, ending=""):
        if writer.count == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return store(writer, content, ending)

    monkeypatch.setattr(SpoolWriter, "store", full)
    with pytest.raises(BadInput, match="The disk for batches is full"):
        take_in(home, order, [run], lambda done, total: None)
    assert not (place.spool / HEAD).exists() and (home / "incoming").is_dir()
    with pytest.raises(BadInput, match="were not all taken in"):
        SpoolListing(place.spool)
    monkeypatch.setattr(SpoolWriter, "store", store)
    take_in(home, read_order(home), [run], lambda done, total: None)
    assert [item.key for item in SpoolListing(place.spool)] == ["0.png", "1.png", "2.png"]


def test_phantoms_are_drawn_with_their_truth(run) -> None:
    place = place_of(new_id())
    place.folder.parent.mkdir(parents=True)
    order = Order(Phantoms("ultrasound", 6, 5), ((run.id, run.digest),))
    watched = []
    take_in(place.folder.parent, order, [run], lambda done, total: watched.append((done, total)))
    listing = SpoolListing(place.spool)
    assert (listing.total, listing.labels, listing.masks) == (6, 6, 4) and watched[0] == (1, 6)
    assert place.load(0).synthetic and listing.notices == []
    assert str(place.spool) not in (place.spool / "spool.jsonl").read_text()


def test_batches_are_deleted_after_their_time_and_those_of_others_are_not(run, work) -> None:
    place, _ = ordered(Given([Upload("a.png", DARK)]), run)
    other = work / "march"
    other.mkdir()
    (other / "batch.json").write_text(json.dumps({}))
    later = place.folder.parent.stat().st_mtime + keeping.HOURS * 3600 + 5
    keeping.sweep({place.id}, later)
    assert find_place(place.id) == place
    keeping.sweep((), later - 60)
    assert find_place(place.id) is not None
    keeping.sweep((), later)
    assert find_place(place.id) is None and find_place("march").spool is None
    assert find_place("../work") is None and find_place("") is None


def test_an_order_is_read_again_as_it_was_written(run) -> None:
    place, order = ordered(
        Given([Upload("a.png", DARK)], masks=[Upload("a_mask.png", MASK)]), run, meanings=(("x", "other"),)
    )
    assert read_order(place.folder.parent) == order
    assert order.runs_of([run]) == [run]
    with pytest.raises(BadInput, match="is not at hand any more"):
        order.runs_of([])
    (place.folder.parent / "job.json").write_text("{}")
    with pytest.raises(BadInput, match="cannot be read any more"):
        read_order(place.folder.parent)


def test_the_door_says_what_a_disk_does() -> None:
    with pytest.raises(BadInput, match="may not be written"), intake.disk_sentences():
        raise PermissionError(errno.EACCES, "no")
    with pytest.raises(OSError), intake.disk_sentences():
        raise OSError(errno.EIO, "broken")
