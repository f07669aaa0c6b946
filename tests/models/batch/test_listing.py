"""Folders, files, manifests and several inputs at once as one listing."""

import os
import pickle
import stat

import pytest

from models.batch.inputs import folders
from models.batch.labels import known_labels, read_labels
from models.batch.listing import folder_labels, list_inputs
from models.errors import BadInput
from tests.models.batch.packed import outcome, outcomes, png, tarred, zipped


def tree(root, *names):
    """Files of these names, each with a content of its own."""
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
    return root


def keys(listing):
    return [item.key for item in listing]


def test_a_folder_is_listed_recursively_in_order_and_the_same_each_time(tmp_path):
    root = tree(tmp_path / "scans", "b.png", "a/2.png", "a/1.png", "c/d/e/3.dcm")
    listing = list_inputs([root])
    assert keys(listing) == ["a/1.png", "a/2.png", "b.png", "c/d/e/3.dcm"] == keys(listing)
    assert [item.index for item in listing] == [0, 1, 2, 3]
    assert listing.total == 4 and listing.title == "scans" and not listing.notices
    assert [pickle.loads(pickle.dumps(item)).load() for item in listing][2] == root / "b.png"
    again = pickle.loads(pickle.dumps(listing))
    assert keys(again) == keys(listing)
    left = list(listing.items(skip={"a/1.png", "b.png"}))
    assert [(item.key, item.index) for item in left] == [("a/2.png", 1), ("c/d/e/3.dcm", 3)]


def test_a_relative_folder_is_read_from_elsewhere(tmp_path, monkeypatch):
    tree(tmp_path / "scans", "a.png", "a_mask.png")
    monkeypatch.chdir(tmp_path)
    (item,) = list_inputs(["scans"])
    monkeypatch.chdir("/")
    assert outcome(item) == png(0) and item.mask().read_bytes() == png(1)


def test_hidden_and_system_files_are_passed_over_and_counted(tmp_path):
    root = tree(
        tmp_path, "a.png", ".hidden.png", ".git/x.png", "Thumbs.db", "sub/desktop.ini", "@eaDir/t.png"
    )
    listing = list_inputs([root])
    assert keys(listing) == ["a.png"]
    assert listing.notices == [f"5 hidden or system files or folders of {tmp_path.name} were passed over."]


def test_links_stay_inside(tmp_path):
    root = tree(tmp_path / "in", "a.png", "sub/b.png")
    tree(tmp_path / "out", "secret.png")
    (root / "c.png").symlink_to(root / "a.png")
    (root / "d.png").symlink_to(tmp_path / "out" / "secret.png")
    (root / "e").symlink_to(tmp_path / "out")
    (root / "f").symlink_to(root)  # a circle
    (root / "g.png").symlink_to(root / "gone.png")
    (root / "sub" / "h.png").symlink_to("../../in-other/x.png")
    listing = list_inputs([root])
    found = outcomes(listing)
    assert found["a.png"] == found["c.png"] == png(0)
    for key in ("d.png", "e", "sub/h.png"):
        assert "leads out of the folder" in found[key]
    assert "leads nowhere" in found["g.png"]
    assert len(found) == 7 and "1 links to folders" in listing.notices[0]


def test_what_is_no_image_file_is_a_row(tmp_path):
    root = tree(tmp_path, "a.zip", "slide.NDPI", "b.png", "scan.mrxs", "scan/Data0001.dat")
    os.mkfifo(root / "pipe.png")
    found = outcomes(list_inputs([root]))
    assert "an archive inside the folder: give it as an input" in found["a.zip"]
    assert "is a whole slide: open it with python -m xai slide or the Slide view" in found["slide.NDPI"]
    assert "whole slide" in found["scan.mrxs"] and "scan/Data0001.dat" not in found
    assert "neither a file nor a folder" in found["pipe.png"]
    assert found["b.png"] == png(2)


def test_a_tiff_too_large_for_a_picture_is_asked_whether_it_is_a_slide(tmp_path, monkeypatch):
    root = tree(tmp_path, "a.tif", "b.tif")
    os.truncate(root / "b.tif", 65 << 20)  # sparse: it takes no room
    asked = []
    monkeypatch.setattr(folders, "slide_format", lambda path: asked.append(path.name) or "generic-tiff")
    a, b = list_inputs([root])
    assert a.why == "" and "whole slide" in b.why and set(asked) == {"b.tif"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_a_row(tmp_path):
    root = tree(tmp_path, "a.png", "shut/b.png")
    (root / "shut").chmod(0)
    try:
        assert "cannot be read" in outcomes(list_inputs([root]))["shut"]
    finally:
        (root / "shut").chmod(stat.S_IRWXU)


def test_a_folder_that_goes_while_it_is_listed_is_a_row(tmp_path):
    root = tree(tmp_path, "a.png", "b/1.png")
    listing = list_inputs([root])
    (root / "b" / "1.png").unlink()
    items = listing.items()
    assert next(items).key == "a.png"
    (root / "b").rmdir()
    assert "cannot be read" in next(items).why


def test_names_that_are_no_text_can_be_written_down(tmp_path):
    for name in (
        b"gr\xf6\xdfe.png",
        b"a\nb.png",
        "\u202egnp.exe.png".encode(),
        "c\u2028d.png".encode(),
        b"gr%f6%dfe.png",
    ):
        (tmp_path / os.fsdecode(name)).write_bytes(png())
    listing = list_inputs([tmp_path])
    for item in listing:
        item.key.encode("utf-8")
        assert item.key.isprintable() and outcome(item) == png()
    assert len(set(keys(listing))) == 5
    assert {"a%0ab.png", "c%u2028d.png", "%u202egnp.exe.png"} <= set(keys(listing))


def test_masks_are_found_beside_and_in_folders_of_masks(tmp_path):
    names = [
        "images/benign/1.png", "masks/benign/1_mask.png", "2.png", "2_mask.png", "2_mask_1.png", "3.png",
        "masks/3.png", "4_mask.png", "masks/nobody.png", "x_mask.dcm",
    ]  # fmt: skip
    root = tree(tmp_path, *names)
    listing = list_inputs([root])
    items = {item.key: item for item in listing}
    assert list(items) == ["2.png", "3.png", "4_mask.png", "images/benign/1.png", "x_mask.dcm"]
    assert listing.has_masks
    assert items["images/benign/1.png"].mask() == root / "masks/benign/1_mask.png"
    assert items["3.png"].mask() == root / "masks/3.png"
    assert [each() for each in items["2.png"].mask.masks] == [root / "2_mask.png", root / "2_mask_1.png"]
    assert "its image is not beside it" in items["4_mask.png"].why and items["x_mask.dcm"].mask is None


def test_a_folder_of_nothing_but_masks_has_no_image(tmp_path):
    with pytest.raises(BadInput, match="There is no image in"):
        list_inputs([tree(tmp_path, "masks/1.png", "masks/2_mask.png")])


def test_files_given_one_by_one(tmp_path):
    root = tree(tmp_path, "a/1.png", "b/1.png", "a/1_mask.png", "b/2_mask.png")
    listing = list_inputs(sorted(root.rglob("*.png")))
    found = outcomes(listing)
    assert list(found) == ["1.png", "1.png (2)", "2_mask.png"]
    assert [item.mask and item.mask() for item in listing] == [root / "a/1_mask.png", None, None]
    assert "named like a mask" in found["2_mask.png"]


def test_several_inputs_have_keys_of_their_own(tmp_path):
    one, two = tree(tmp_path / "x" / "scans", "1.png"), tree(tmp_path / "y" / "scans", "1.png")
    archive = zipped(tmp_path / "more.zip", [("1.png", png(7))])
    plain = tmp_path / "1.png"
    plain.write_bytes(png(9))
    listing = list_inputs([one, plain, two, archive, tarred(tmp_path / "t.tar", [("1.png", png(8))])])
    assert keys(listing) == ["scans/1.png", "1.png", "scans (2)/1.png", "more.zip/1.png", "t.tar/1.png"]
    assert [item.index for item in listing] == list(range(5)) and listing.total == 5
    assert listing.title == "scans, files, scans and 2 more"


def test_a_manifest_gives_its_cases(tmp_path):
    tree(tmp_path, "images/1.png", "images/2.png", "m/1.png", "2.svs")
    (tmp_path / "manifest.csv").write_text(
        "case_id,file,label,mask_file,patient_id,modality\n"
        "one,images/1.png,benign,m/1.png,p1,ultrasound\ntwo,images/2.png,,,p2,\ngone,3.png,malignant,,p3,\n"
    )
    listing = list_inputs([tmp_path / "manifest.csv"])
    assert keys(listing) == ["one", "two", "gone"]
    assert listing.labels() == ("benign", "malignant") and listing.has_masks and listing.has_labels
    one, two, gone = listing
    assert (one.name, one.label, one.patient_id, one.modality) == ("1.png", "benign", "p1", "ultrasound")
    assert one.mask() == tmp_path / "m/1.png" and two.mask is None and two.label == ""
    assert gone.load() == tmp_path / "3.png"  # whoever reads it says that it is not there
    notice = list_inputs([tmp_path]).notices
    assert any("manifest.csv" in each and "give that file as the input" in each for each in notice)


def test_class_folders_are_labels_only_where_all_are_classes(tmp_path):
    known = known_labels({"benign": "other", "normal": "other"}, ["other", "malignant"])
    root = tree(tmp_path / "a", "benign/1.png", "Malignant/p1/2.png", "top.png")
    listing = folder_labels(list_inputs([root]), known)
    assert {item.key: item.label for item in listing} == {
        "Malignant/p1/2.png": "Malignant", "benign/1.png": "benign", "top.png": "",
    }  # fmt: skip
    assert listing.labels() == ("Malignant", "benign")
    # One folder alone is no choice between classes.
    alone = list_inputs([tree(tmp_path / "b", "benign/1.png", "2.png")])
    assert folder_labels(alone, known) is alone
    mixed = folder_labels(
        list_inputs([tree(tmp_path / "c", "benign/1.png", "malignant/2.png", "odd/3.png")]), known
    )
    assert not mixed.has_labels and "odd beside them could not" in mixed.notices[-1]
    below = folder_labels(list_inputs([tree(tmp_path / "d", "p1/benign/1.png", "p2/malignant/2.png")]), known)
    assert [item.label for item in below] == ["benign", "malignant"]
    # Folders given one by one.
    split = folder_labels(list_inputs([tmp_path / "a" / "benign", tmp_path / "a" / "Malignant"]), known)
    assert [(item.key, item.label) for item in split] == [
        ("benign/1.png", "benign"), ("Malignant/p1/2.png", "Malignant"),
    ]  # fmt: skip
    # A label file says more than folders.
    labels = read_labels(b"file,label\n1.png,malignant\n", "l.csv")
    told = list_inputs([root], labels=labels)
    assert folder_labels(told, known) is told


def test_all_frames_of_a_dicom_are_items_each(tmp_path, monkeypatch):
    from models import study

    root = tree(tmp_path / "in", "a.dcm", "b.dcm", "c.png", "d")
    counts = {"a.dcm": 3, "b.dcm": 1}

    def count_frames(source, name=None, *, limits=None):
        assert isinstance(source, bytes) or source.name == name
        if name == "d":
            raise BadInput("no DICOM")
        return counts[name]

    monkeypatch.setattr(study, "count_frames", count_frames)
    listing = list_inputs([root], frames="all")
    assert listing.total is None
    expected = [("a.dcm#1", 0), ("a.dcm#2", 1), ("a.dcm#3", 2), ("b.dcm", 0), ("c.png", 0), ("d", 0)]
    assert [(item.key, item.frame) for item in listing] == expected
    assert [item.index for item in listing] == list(range(6))
    left = list(listing.items(skip={"a.dcm#2", "b.dcm"}))
    assert [(item.key, item.index) for item in left] == [
        ("a.dcm#1", 0),
        ("a.dcm#3", 2),
        ("c.png", 4),
        ("d", 5),
    ]
    assert len(list_inputs([root], frames="first").total * "x") == 4
    archive = zipped(tmp_path / "x.zip", [("a.dcm", png(1)), ("c.png", png())])
    packed = list(list_inputs([archive], frames="all"))
    assert [item.key for item in packed] == ["x.zip/a.dcm#1", "x.zip/a.dcm#2", "x.zip/a.dcm#3", "x.zip/c.png"]
    assert packed[0].load() == png(1) and packed[0].load() is packed[2].load()
    assert list_inputs([zipped(tmp_path / "y.zip", [("c.png", png())])], frames="all").total == 1


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ([], "Nothing was given"),
        (["nowhere.png"], "no file or folder"),
        (["a\0b"], "cannot be read"),
        (["."], "There is no image"),
    ],
)
def test_inputs_that_are_not_there(tmp_path, monkeypatch, inputs, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=sentence):
        list_inputs(inputs)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(BadInput, match="There is no image in"):
        list_inputs([tmp_path])


def test_nothing_is_written_anywhere(tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    archive = zipped(tmp_path / "x.zip", [("../up.png", png()), ("a/b.png", png())])
    outcomes(
        list_inputs([archive, tarred(tmp_path / "y.tgz", [("../up.png", png()), ("c/d.png", png())], "w:gz")])
    )
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["work", "x.zip", "y.tgz"]


def test_results_of_a_batch_are_no_input(tmp_path):
    """Else a batch that is gone on with scores its own heatmaps."""
    (tmp_path / "a.png").write_bytes(b"x")
    results = tmp_path / "results" / "heatmaps"
    results.mkdir(parents=True)
    (results / "a.png").write_bytes(b"x")
    listing = list_inputs([tmp_path])
    assert [item.key for item in listing] == ["a.png", "results/heatmaps/a.png"]
    for name in ("batch.json", "journal.jsonl"):  # they come while it works
        (results.parent / name).write_bytes(b"")
    assert [item.key for item in listing] == ["a.png"]
    again = list_inputs([tmp_path])
    assert again.total == 1 and "results of a batch" in again.notices[0]
    with pytest.raises(BadInput, match="results of a batch"):
        list_inputs([results.parent])
