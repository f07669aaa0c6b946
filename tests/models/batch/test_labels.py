"""Labels of a CSV: which row belongs to which image, and what is refused before anything is scored."""

import pytest

from models.batch.labels import check_labels, known_labels, read_labels
from models.batch.listing import list_inputs
from models.errors import BadInput
from tests.models.batch.packed import png, zipped

MAP, CLASSES = {"benign": "other", "normal": "other"}, ["other", "malignant"]


def labels_of(text: str, name: str = "labels.csv"):
    return read_labels(text.encode(), name)


def test_columns_under_the_usual_names():
    found = labels_of("Image Name;Diagnosis;Patient-ID;extra\na.png;benign;p1;x\nb.png;unknown;p2;y\n")
    assert [(row.file, row.label, row.patient_id, row.row) for row in found.rows] == [
        ("a.png", "benign", "p1", 2),
        ("b.png", "", "p2", 3),
    ]
    assert found.labels() == ("benign",)
    utf16 = read_labels("file\tlabel\na.png\tbenign\n".encode("utf-16"), "l.txt")
    assert utf16.find("a.png").label == "benign"


@pytest.mark.parametrize(
    ("row", "name", "matches"),
    [
        ("1.png", "x.zip/benign/1.png", True),
        ("benign/1.png", "x.zip/benign/1.png", True),
        ("malignant/1.png", "x.zip/benign/1.png", False),
        ("/data/of/mine/benign/1.png", "benign/1.png", True),
        ("C:\\data\\benign\\1.png", "benign/1.png", True),
        ("./benign//1.png", "benign/1.png", True),
        ("BENIGN/1.PNG", "benign/1.png", True),
        ("benign/1", "x/benign/1.png", True),
        ("1", "1.png", True),
        ("1.jpg", "1.png", False),
        ("11.png", "1.png", False),
        ("gro\u0308\u00dfe.png", "gr\u00f6\u00dfe.png", True),
    ],
)
def test_the_shorter_path_is_the_end_of_the_longer(row, name, matches):
    found = labels_of(f"file,label\n{row},benign\nother.png,malignant\n")
    assert (found.find(name) is not None) == matches


def test_an_end_that_two_rows_have_is_nobodys():
    found = labels_of("file,label\na/1.png,benign\nb/1.png,malignant\n")
    assert found.find("1.png") is None
    assert found.find("x/b/1.png").label == "malignant"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name_of,label\na.png,benign\n", "no column 'file' .found: name_of, label"),
        ("file,verdict\na.png,benign\n", "no column 'label'"),
        ("file,label\n,benign\n", "Row 2 of labels.csv names no file"),
        ("file,label\na.png,benign\n./A.png,malignant\n", "Rows 2 and 3 of labels.csv give two labels"),
        ("file,label\na.png,benign,more\n", "Row 2 of labels.csv has 3 cells"),
        ("", "is empty"),
        ("file,label\n", "no rows"),
        ("file,label\n,\n,\n", "no rows"),
        ("file,label\n\0,x\n", "zero bytes"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(text, sentence):
    with pytest.raises(BadInput, match=sentence):
        labels_of(text)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BadInput):
        read_labels(tmp_path / "none.csv")


def test_labels_reach_their_items(tmp_path):
    files = [("a/1.png", png()), ("a/2.png", png()), ("a/3.png", png()), ("m/1-outline.png", png(255))]
    archive = zipped(tmp_path / "x.zip", files)
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn" / "1-outline.png").write_bytes(png(255))
    table = tmp_path / "labels.csv"
    table.write_text(
        "file,label,patient_id,group,mask\n"
        "a/1.png,benign,p1,g1,drawn/1-outline.png\na/2.png,malignant,p2,,\nb/9.png,normal,,,\n"
    )
    listing = list_inputs([archive], labels=read_labels(table))
    assert listing.labels() == ("benign", "malignant") and listing.has_labels and listing.has_masks
    assert listing.notices == ["1 of the 3 files that labels.csv labels are not in x.zip: b/9.png."]
    # The mask is taken from beside the table; the archive has no file "drawn/1-outline.png".
    items = {item.name: item for item in listing}
    assert items["1.png"].mask() == tmp_path / "drawn/1-outline.png"
    assert (items["1.png"].label, items["1.png"].patient_id, items["1.png"].group) == ("benign", "p1", "g1")
    assert items["3.png"].label == ""
    (tmp_path / "drawn" / "1-outline.png").unlink()
    listing = list_inputs([archive], labels=read_labels(table))
    assert (
        not listing.has_masks and "1 of the masks that labels.csv names were not found" in listing.notices[1]
    )
    assert [item.mask for item in listing] == [None] * 4


def test_a_mask_that_a_row_names_is_no_image(tmp_path):
    (tmp_path / "1.png").write_bytes(png())
    (tmp_path / "outlines").mkdir()
    (tmp_path / "outlines" / "1.png").write_bytes(png(255))
    labels = read_labels(b"file,label,mask_file\n1.png,benign,outlines/1.png\n", "l.csv")
    assert labels.is_mask("in/outlines/1.png") is False  # it may as well be the image that the row labels
    labels = read_labels(b"file,label,mask_file\nimages/1.png,benign,outlines/1.png\n", "l.csv")
    assert labels.is_mask("in/outlines/1.png") and not labels.is_mask("in/images/1.png")


def test_labels_that_match_nothing_are_refused(tmp_path):
    archive = zipped(tmp_path / "x.zip", [("a/1.png", png())])
    with pytest.raises(
        BadInput, match=r'None of the 2 files that labels\.csv labels is in x\.zip .*"p/7\.png"'
    ):
        list_inputs([archive], labels=labels_of("file,label\np/7.png,benign\nq/8.png,benign\n"))


def test_a_row_that_means_two_files_is_refused(tmp_path):
    archive = zipped(tmp_path / "x.zip", [("a/1.png", png()), ("b/1.png", png(1))])
    with pytest.raises(
        BadInput, match=r"Row 2 of labels\.csv labels more than one file .*write the folder too"
    ):
        list_inputs([archive], labels=labels_of("file,label\n1.png,benign\n"))
    folder = tmp_path / "in"
    (folder / "x.zip" / "a").mkdir(parents=True)
    (folder / "x.zip" / "a" / "1.png").write_bytes(png())
    with pytest.raises(BadInput, match="labels more than one file"):
        list_inputs([archive, folder], labels=labels_of("file,label\na/1.png,benign\n"))


def test_unknown_classes_are_named_before_anything_is_scored(tmp_path):
    labels = labels_of("file,label\n1.png,Benign\n2.png,malignant\n3.png,cyst\n4.png,B4\n")
    with pytest.raises(
        BadInput, match=r"'cyst', 'B4' of labels\.csv are no classes .* other, malignant: .*'cyst=other'"
    ):
        check_labels(labels, MAP, CLASSES)
    check_labels(labels, MAP | {"cyst": "other", "B4": "malignant"}, CLASSES)
    check_labels(labels, MAP, CLASSES, leave_out=["cyst", "b4"])
    (tmp_path / "manifest.csv").write_text("file,label\n1.png,mass\n")
    with pytest.raises(BadInput, match="'mass' of"):
        check_labels(list_inputs([tmp_path / "manifest.csv"]), MAP, CLASSES)


def test_known_labels_are_classes_and_what_leads_to_them():
    assert known_labels(MAP, CLASSES) == {"benign", "normal", "other", "malignant"}
