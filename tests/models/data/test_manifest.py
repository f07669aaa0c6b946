"""Manifests: what is read, how cases are joined into groups, and what is refused with which words."""

import hashlib
from pathlib import Path

import pytest

from models.data.manifest import class_of, parse_label_map, read_manifest
from models.errors import BadInput

CLASSES = ("other", "malignant")
LABEL_MAP = {"benign": "other", "normal": "other", "malignant": "malignant"}


def manifest_of(folder: Path, text: str | bytes, name: str = "manifest.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_manifest(path)


def test_reads_rows_with_paths_relative_to_the_manifest_and_keeps_other_columns(tmp_path):
    text = (
        "file,label,mask_file,patient_or_case_id,modality,split,tissue\n"
        'images/a b.png,benign,masks/a.png,p1,ultrasound,train,"dense, fatty"\n'
        "images/c.png,malignant,,,,,\n"
    )
    manifest = manifest_of(tmp_path, text)
    first, second = manifest.cases
    assert (first.case_id, first.label, first.patient_id, first.row) == ("a b", "benign", "p1", 2)
    assert first.file == tmp_path / "images/a b.png"
    assert first.mask_file == tmp_path / "masks/a.png"
    assert (first.modality, first.split, first.columns["tissue"]) == ("ultrasound", "train", "dense, fatty")
    assert (second.mask_file, second.modality, second.split) == (None, None, None)
    assert second.patient_id == "c", "a case without a patient id stands for itself"
    assert manifest.digest == hashlib.sha256(text.encode()).hexdigest()
    assert manifest.labels() == ("benign", "malignant")
    assert manifest.name == tmp_path.name
    assert manifest.by_id()["c"] is second


def test_names_the_files_that_are_not_there(tmp_path):
    (tmp_path / "here.png").touch()
    manifest = manifest_of(tmp_path, "file,label\nhere.png,x\ngone.png,x\n")
    assert [case.case_id for case in manifest.missing] == ["gone"]


def test_a_folder_stands_for_its_manifest_and_a_byte_order_mark_is_no_part_of_the_header(tmp_path):
    manifest_of(tmp_path, b"\xef\xbb\xbffile,label\r\na.png,x\r\n\r\n")
    assert [case.case_id for case in read_manifest(tmp_path).cases] == ["a"]


def test_a_manifest_of_another_file_name_is_called_by_it(tmp_path):
    assert manifest_of(tmp_path, "file,label\na.png,x\n", "fold_1.csv").name == "fold_1"


@pytest.mark.parametrize(
    ("files", "ids"),
    [
        (["u/a.png", "v/b.png"], ["a", "b"]),
        (["u/a.png", "v/a.png"], ["u/a", "v/a"]),
        (["u/a.png", "u/a.jpg", "b.png"], ["u/a.png", "u/a.jpg", "b.png"]),
    ],
)
def test_case_ids_are_as_short_as_tells_the_files_apart(tmp_path, files, ids):
    manifest = manifest_of(tmp_path, "file,label\n" + "".join(f"{file},x\n" for file in files))
    assert [case.case_id for case in manifest.cases] == ids


def test_given_case_ids_come_first(tmp_path):
    manifest = manifest_of(tmp_path, "file,label,case_id\na.png,x,one\nb.png,x,\n")
    assert [case.case_id for case in manifest.cases] == ["one", "b"]


def test_groups_join_patients_and_duplicates_through_chains(tmp_path):
    rows = ["a,p1,", "b,p1,d1", "c,p2,d1", "d,p2,", "e,p3,", "f,,d2", "g,,d2", "h,,", "i,d2,"]
    text = "file,label,patient_id,dup_group\n" + "".join(
        f"{name}.png,x,{patient},{duplicates}\n" for name, patient, duplicates in (r.split(",") for r in rows)
    )
    groups = {case.case_id: case.group for case in manifest_of(tmp_path, text).cases}
    joined = {}
    for case_id, group in groups.items():
        joined.setdefault(group, set()).add(case_id)
    # `i` is a patient named as a group of duplicates is: they have nothing to do with each other.
    assert sorted(map(sorted, joined.values())) == [["a", "b", "c", "d"], ["e"], ["f", "g"], ["h"], ["i"]]


def test_group_names_do_not_depend_on_the_order_of_rows(tmp_path):
    header = "file,label,patient_id,dup_group\n"
    rows = ["a.png,x,p1,d9\n", "b.png,x,p2,d9\n", "c.png,x,p2,d1\n", "d.png,x,p5,\n"]
    forward = {c.case_id: c.group for c in manifest_of(tmp_path, header + "".join(rows)).cases}
    backward = {c.case_id: c.group for c in manifest_of(tmp_path, header + "".join(rows[::-1])).cases}
    assert forward == backward


def test_contradictions_are_the_manifest_s_word_or_else_what_its_duplicates_show(tmp_path):
    said = manifest_of(
        tmp_path, "file,label,dup_group,dup_label_conflict\na.png,x,d1,1\nb.png,y,d1,0\nc.png,x,,\n"
    )
    assert [case.contradictory for case in said.cases] == [True, False, False]
    shown = manifest_of(tmp_path, "file,label,dup_group\na.png,x,d1\nb.png,y,d1\nc.png,x,d2\nd.png,x,d2\n")
    assert [case.contradictory for case in shown.cases] == [True, True, False, False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["column 'file'", "nothing"]),
        ("image,label\na.png,x\n", ["column 'file'", "image, label"]),
        ("file;label\na.png;x\n", ["column 'file'", "file;label"]),
        ("file,class\na.png,x\n", ["column 'label'"]),
        ("file,label\n", ["lists no images"]),
        ("file,label\n,,\n\n", ["lists no images"]),
        ("file,label,file\na.png,x,b.png\n", ["two columns", "'file'"]),
        ("file,label\na.png,x\n,y\n", ["Row 3", "no file"]),
        ("file,label\na.png,x,y\n", ["Row 2", "3 cells under 2 columns"]),
        ("file,label\na.png,x\nb.png,x\na.png,x\n", ["Rows 2 and 4", "'a.png'"]),
        ("file,label,case_id\na.png,x,1\nb.png,x,1\n", ["Rows 2 and 3", "'1'"]),
        (b"file,label\n\xff\xfe.png,x\n", ["UTF-8"]),
        (b"file,label\na\0.png,x\n", ["zero byte"]),
    ],
)
def test_refuses_in_one_sentence(tmp_path, text, words):
    with pytest.raises(BadInput) as refusal:
        manifest_of(tmp_path, text)
    sentence = str(refusal.value)
    assert all(word in sentence for word in [*words, "manifest.csv"]), sentence
    assert "\n" not in sentence


def test_refuses_a_manifest_that_is_not_there_or_is_no_file(tmp_path):
    with pytest.raises(BadInput, match=r"no manifest at .*nowhere\.csv"):
        read_manifest(tmp_path / "nowhere.csv")
    (tmp_path / "manifest.csv").mkdir()
    with pytest.raises(BadInput, match="cannot be read"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("benign", "other"),
        ("normal", "other"),
        ("malignant", "malignant"),
        ("Malignant ", "malignant"),
        ("other", "other"),
    ],
)
def test_labels_become_classes(label, name):
    assert class_of(label, LABEL_MAP, CLASSES) == name


def test_letter_case_counts_where_both_are_mapped():
    mapping = {"B": "other", "b": "malignant"}
    assert class_of("B", mapping, CLASSES) == "other"
    assert class_of("b", mapping, CLASSES) == "malignant"


def test_an_unknown_label_is_refused_with_row_classes_and_the_way_out():
    with pytest.raises(BadInput) as refusal:
        class_of("cyst", LABEL_MAP, CLASSES, row=17)
    for word in ("'cyst'", "row 17", "other, malignant", "--map cyst=other"):
        assert word in str(refusal.value)
    with pytest.raises(BadInput, match="row 3 of the manifest is empty"):
        class_of("", LABEL_MAP, CLASSES, row=3)
    with pytest.raises(BadInput, match=r"'cyst'.*'fluid'.*other, malignant"):
        class_of("cyst", {"cyst": "fluid"}, CLASSES)


def test_map_options():
    assert parse_label_map(["benign=other", " a=b = malignant"], CLASSES) == {
        "benign": "other",
        "a=b": "malignant",
    }
    for pair, words in (
        ("benign", "not understood"),
        ("=other", "not understood"),
        ("benign=good", "no class"),
    ):
        with pytest.raises(BadInput, match=words):
            parse_label_map([pair], CLASSES)
