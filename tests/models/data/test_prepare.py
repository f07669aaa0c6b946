"""Crops and tiles: geometry by hand, labels by the rule, patients and splits carried over."""

import csv

import numpy as np
import pytest

from models.data.audit import leakage_of
from models.data.manifest import read_manifest
from models.data.merging import merge
from models.data.prepare import masks_from_annotations, prepare
from models.data.splits import split_for
from models.errors import BadInput
from models.recipes.recipe import Prepare
from models.study import read_mask, read_study
from tests.models.data.packs import simple_pack, texture, write_pack

ROI = Prepare(cut="roi", margin=0.5)
TILES = Prepare(cut="tiles", size=32, stride=32)


def rectangle(top, left, bottom, right, height=40, width=56):
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return mask


@pytest.fixture
def masked(tmp_path):
    """Four cases: a mask, a mask at the corner, a box, and nothing at all."""
    rows = [
        {"file": "a.png", "label": "benign", "patient_id": "p1", "mask": rectangle(10, 20, 20, 40)},
        {"file": "b.png", "label": "malignant", "patient_id": "p1", "mask": rectangle(0, 0, 4, 8)},
        {"file": "c.png", "label": "benign", "patient_id": "p2"},
        {"file": "d.png", "label": "normal", "patient_id": "p3"},
    ]
    rows[2] |= {"box_x0": 10, "box_y0": 12, "box_x1": 19, "box_y1": 21, "dup_group": "g"}
    for i, row in enumerate(rows):
        row |= {"image": texture(i), "split": ("train", "train", "validation", "test")[i]}
    return write_pack(tmp_path / "ultrasound_tiny", rows)


def test_a_crop_is_the_lesion_with_its_margin(masked, tmp_path):
    cut = prepare(masked, ROI, tmp_path / "cut")
    assert [case.case_id for case in cut.cases] == ["a@10,5", "b@0,0", "c@5,7"]
    first, corner, boxed = cut.cases
    # 20 x 10 pixels with half of that on each side.
    crop = read_study(first.file).samples[..., 0]
    np.testing.assert_array_equal(crop, texture(0)[5:25, 10:50])
    np.testing.assert_array_equal(read_mask(first.mask_file), rectangle(5, 10, 15, 30, 20, 40))
    assert read_study(corner.file).samples.shape == (6, 12, 1)
    assert read_study(boxed.file).samples.shape == (20, 20, 1) and boxed.mask_file is None
    assert [case.label for case in cut.cases] == ["benign", "malignant", "benign"]
    assert [case.patient_id for case in cut.cases] == ["p1", "p1", "p2"]
    assert boxed.columns["dup_group"] == "g" and boxed.modality == "ultrasound"
    assert split_for(cut).parts == {"a@10,5": "train", "b@0,0": "train", "c@5,7": "validation"}


def test_cutting_again_writes_nothing_and_other_settings_go_elsewhere(masked, tmp_path):
    first = prepare(masked, ROI, tmp_path / "cut")
    before = first.path.stat().st_mtime_ns
    again = prepare(masked, ROI, tmp_path / "cut")
    assert (again.path, again.digest, again.path.stat().st_mtime_ns) == (first.path, first.digest, before)
    other = prepare(masked, Prepare(cut="roi", margin=0.0), tmp_path / "cut")
    assert other.path != first.path
    assert len(list((tmp_path / "cut").iterdir())) == 2  # no drafts are left
    assert prepare(masked, Prepare(), tmp_path / "cut") is masked


def test_a_failure_leaves_nothing_behind(masked, tmp_path):
    masked.cases[1].file.write_bytes(b"no image")
    with pytest.raises(BadInput, match=r"b\.png \(row 3 of the manifest\)"):
        prepare(masked, ROI, tmp_path / "cut")
    assert list((tmp_path / "cut").iterdir()) == []


def test_a_mask_of_another_size_names_its_file(tmp_path):
    pack = write_pack(
        tmp_path / "pack",
        [{"file": "a.png", "label": "x", "image": texture(1), "mask": rectangle(1, 1, 5, 5, 10, 10)}],
    )
    with pytest.raises(BadInput, match=r"a\.png \(row 2 of the manifest\): The mask is 10 x 10 pixels"):
        prepare(pack, ROI, tmp_path / "cut")


def test_a_pack_without_lesions_cannot_be_cropped(tmp_path):
    with pytest.raises(BadInput, match=r"needs masks, boxes or an annotations\.csv"):
        prepare(simple_pack(tmp_path / "pack"), ROI, tmp_path / "cut")


@pytest.fixture
def films(tmp_path):
    """Films of 96 x 128 pixels, the right 32 columns background, with circles in an annotations.csv."""
    film = np.clip(texture(3, 96, 128), 60, 255)
    film[:, 96:] = 0
    names = {"m": "malignant", "n": "normal", "u": "benign", "both": "malignant", "off": "malignant"}
    rows = [
        {"file": f"{name}.png", "label": label, "patient_or_case_id": f"w{i // 2}", "image": film}
        for i, (name, label) in enumerate(names.items())
    ]
    pack = write_pack(tmp_path / "mammography_tiny", rows)
    lines = [
        # centre in the tile at 0,0; reaches into the tile to its right
        ("m.png", "M", 28, 16, 8),
        ("n.png", "NORM", "", "", ""),
        ("u.png", "B", "", "", ""),
        ("both.png", "M", 16, 16, 6),
        ("both.png", "B", 80, 80, 6),
        ("off.png", "M", 112, 16, 6),
    ]
    with (tmp_path / "mammography_tiny" / "annotations.csv").open("w", newline="") as sink:
        table = csv.writer(sink)
        table.writerow(["file", "severity", "center_x", "center_y", "radius"])
        table.writerows(lines)
    return pack


def test_tiles_take_their_label_by_the_lesion_in_them(films, tmp_path):
    cut = prepare(films, TILES, tmp_path / "cut")
    labels = {name: {} for name in ("m", "n", "u", "both", "off")}
    for case in cut.cases:
        name, place = case.case_id.split("@")
        labels[name][tuple(map(int, place.split(",")))] = case.label
    grid = {(x, y) for x in (0, 32, 64) for y in (0, 32, 64)}
    # The tile at 32,0 touches the lesion without holding enough of it: its truth is not known.
    assert labels["m"] == {place: "normal" for place in grid - {(32, 0)}} | {(0, 0): "malignant"}
    assert labels["n"] == {place: "normal" for place in grid}
    assert labels["u"] == {}  # a lesion somewhere, nobody says where
    assert labels["both"] == {place: "normal" for place in grid - {(64, 64)}} | {(0, 0): "malignant"}
    assert labels["off"] == {place: "normal" for place in grid}  # its lesion lies in the background


def test_tiles_keep_patients_and_masks(films, tmp_path):
    cut = prepare(films, TILES, tmp_path / "cut")
    (lesion,) = [case for case in cut.cases if case.case_id == "m@0,0"]
    mask = read_mask(lesion.mask_file)
    rows, columns = np.ogrid[:32, :32]
    np.testing.assert_array_equal(mask, (columns - 28) ** 2 + (rows - 16) ** 2 <= 64)
    assert {c.patient_id for c in cut.cases if c.case_id.startswith("m@")} == {"w0"}
    groups = {c.case_id.split("@")[0]: c.group for c in cut.cases}
    assert groups["m"] == groups["n"] != groups["both"]
    assert not any(case.contradictory for case in cut.cases)
    assert sum(case.mask_file is not None for case in cut.cases) == 2


def test_half_of_a_lesion_or_of_a_tile_is_enough(tmp_path):
    film = np.full((64, 64), 120, np.uint8)
    # Centre of mass at column 31.5, in the left tile; half of the area in each.
    pack = write_pack(
        tmp_path / "pack",
        [{"file": "a.png", "label": "malignant", "image": film, "mask": rectangle(4, 24, 12, 40, 64, 64)}],
    )
    labels = {case.case_id: case.label for case in prepare(pack, TILES, tmp_path / "cut").cases}
    assert labels == {
        "a@0,0": "malignant",
        "a@32,0": "malignant",
        "a@0,32": "normal",
        "a@32,32": "normal",
    }


def test_tiles_reach_the_edges_of_films_that_the_stride_does_not_divide(tmp_path):
    pack = write_pack(
        tmp_path / "pack", [{"file": "a.png", "label": "normal", "image": np.full((70, 32), 99, np.uint8)}]
    )
    cut = prepare(pack, TILES, tmp_path / "cut")
    assert [case.case_id for case in cut.cases] == ["a@0,0", "a@0,32", "a@0,38"]


def test_overlapping_tiles_are_no_leakage(films, tmp_path):
    cut = prepare(films, Prepare(cut="tiles", size=32, stride=16), tmp_path / "cut")
    # Five copies of one film: of the whole films, those of different women leak; the tiles add nothing.
    split = split_for(cut)
    names = {leak.a for leak in leakage_of(cut, split)} | {leak.b for leak in leakage_of(cut, split)}
    assert names <= {"m.png", "n.png", "u.png", "both.png", "off.png"}


def test_merged_manifests_are_cut_pack_by_pack(masked, films, tmp_path):
    merged = merge([masked, films])
    cut = prepare(merged, ROI, tmp_path / "cut")
    assert {case.modality for case in cut.cases} == {"ultrasound", "mammography"}
    assert len(cut.cases) == 3 + 3
    own = split_for(masked).parts
    parts = split_for(cut).parts
    (name,) = {i.split("/")[0] for i in parts if "ultrasound" in i}
    assert parts[f"{name}/a@10,5"] == own["a"] and parts[f"{name}/c@5,7"] == own["c"]


def test_masks_are_drawn_from_annotations(films, tmp_path):
    drawn = masks_from_annotations(films, tmp_path / "masks")
    by_id = drawn.by_id()
    assert by_id["n"].mask_file is None and by_id["u"].mask_file is None
    mask = read_mask(by_id["both"].mask_file)
    rows, columns = np.ogrid[:96, :128]
    np.testing.assert_array_equal(mask, (columns - 16) ** 2 + (rows - 16) ** 2 <= 36)
    assert by_id["both"].file == films.by_id()["both"].file
    assert masks_from_annotations(films, tmp_path / "masks").cases == drawn.cases


def test_annotations_that_are_none_are_refused(films, tmp_path):
    path = films.path.parent / "annotations.csv"
    path.write_text("file,center_x,center_y,radius\nm.png,12,zwölf,4\n", encoding="utf-8")
    with pytest.raises(BadInput, match=r"Row 2 of annotations\.csv has '12 zwölf 4'"):
        prepare(films, TILES, tmp_path / "cut")
    path.write_text("image,x\nm.png,1\n")
    with pytest.raises(BadInput, match="no column 'file'"):
        prepare(films, TILES, tmp_path / "cut")


def test_what_was_cut_reads_as_any_manifest(films, tmp_path):
    cut = prepare(films, TILES, tmp_path / "cut")
    read = read_manifest(cut.path)
    assert read.digest == cut.digest and [c.label for c in read.cases] == [c.label for c in cut.cases]
    assert not read.missing
