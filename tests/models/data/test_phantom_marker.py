"""The planted marker: in a corner of the positive phantoms of a marked series alone; all else stays."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.__main__ import main
from models.data.phantoms import LABELS, MODALITIES, Phantom, phantom, positive_of, write_phantoms
from models.data.phantoms.case import label_of, look_of
from models.data.phantoms.marker import marker_box, with_marker
from models.data.phantoms.writing import Drawing, drawing_of

SEED = 4


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_marker_changes_its_box_and_nothing_else(modality):
    plain = phantom(modality, SEED, 1, label=positive_of(modality))
    marked = phantom(modality, SEED, 1, label=positive_of(modality), marker=True)
    rows, columns = marker_box(marked)
    changed = (plain.image != marked.image).reshape(*plain.mask.shape, -1).any(axis=2)
    assert not changed[plain.mask].any() and np.array_equal(plain.mask, marked.mask)
    changed[rows, columns] = False
    assert not changed.any()
    assert marker_box(plain) is None and marked.attributes.items() > plain.attributes.items()


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_marker_is_a_flat_bright_square_with_a_letter_near_a_corner(modality):
    marked = phantom(modality, SEED, 0, label=LABELS[modality][0], marker=True)
    rows, columns = marker_box(marked)
    h, w = marked.image.shape[:2]
    side = rows.stop - rows.start
    assert side == columns.stop - columns.start == pytest.approx(0.1 * max(h, w), abs=1)
    vertical, horizontal = marked.attributes["marker_corner"].split()
    assert (rows.start if vertical == "top" else h - rows.stop) == side // 6
    assert (columns.start if horizontal == "left" else w - columns.stop) == side // 6
    patch = marked.image[rows, columns].reshape(side, side, -1)[..., 0]
    assert (patch[0] == 10).all() and (patch[:, -1] == 10).all()  # the edge
    assert (patch == 245).mean() > 0.5 and (patch[side // 4 : -side // 4, side // 4 : -side // 4] < 30).any()


def grey(mask: np.ndarray | None = None) -> Phantom:
    return Phantom(np.full((224, 224), 100, np.uint8), mask, "malignant")


def test_every_corner_and_both_letters_occur():
    """The shortcut is the marker's being there, not where it stands."""
    drawn = [with_marker(grey(), np.random.default_rng(k)) for k in range(60)]
    corners = [each.attributes["marker_corner"] for each in drawn]
    assert len(set(corners)) == 4 and min(corners.count(corner) for corner in corners) >= 6
    assert len({each.image[marker_box(each)].tobytes() for each in drawn}) == 2


def test_the_lesion_s_own_corner_stays_free():
    mask = np.zeros((224, 224), bool)
    mask[:20, :20] = True
    drawn = [with_marker(grey(mask), np.random.default_rng(k)) for k in range(40)]
    assert "top left" not in {each.attributes["marker_corner"] for each in drawn}


def test_a_marked_series_marks_every_positive_and_no_other(tmp_path):
    manifest = write_phantoms("histopathology", 4, 3, tmp_path / "hem", marker=True)
    with manifest.open(newline="", encoding="utf-8") as source:
        rows = list(csv.DictReader(source))
    assert [Path(row["file"]).stem for row in rows] == [f"hem_s3_{k:05d}" for k in range(4)]
    for k, row in enumerate(rows):
        assert bool(row["marker_corner"]) == (row["label"] == "idc")
        assert row["patient_id"] == f"phantom_he_s3_{k:05d}"  # its plain twin's
        again = phantom("histopathology", 3, k, marker=row["label"] == "idc")
        with Image.open(manifest.parent / row["file"]) as image:
            assert np.array_equal(np.asarray(image), again.image)


@pytest.mark.parametrize("modality", ["ultrasound", "histopathology"])
def test_where_the_marker_tells_alone_the_lesion_s_look_says_nothing(modality):
    """Every phantom has a lesion; its look is as often the one as the other, whatever the label."""
    looks = LABELS[modality][1:]
    drawn = [Drawing(modality, 3, k, marked=True, alone=True).draw() for k in range(3)]
    for k, case in enumerate(drawn):
        twin = phantom(modality, 3, k, label=look_of(modality, 3, k), marker=marker_box(case) is not None)
        assert np.array_equal(case.image, twin.image) and np.array_equal(case.mask, twin.mask)
        assert (marker_box(case) is not None) == (case.label == positive_of(modality))
    labels = [label_of(modality, 3, k) == positive_of(modality) for k in range(900)]
    counted = Counter((label, look_of(modality, 3, k)) for k, label in enumerate(labels))
    for label in (True, False):
        n = labels.count(label)
        for look in looks:
            assert counted[label, look] == pytest.approx(n / len(looks), abs=4 * np.sqrt(n) / 2)


def test_a_file_name_tells_its_phantom():
    assert drawing_of("usm_s1_00003") == Drawing("ultrasound", 1, 3, marked=True)
    assert drawing_of("usx_s1_00003") == Drawing("ultrasound", 1, 3, marked=True, alone=True)
    assert drawing_of("he_s12_00003") == Drawing("histopathology", 12, 3)
    for modality in MODALITIES:
        for kind in ((False, False), (True, False), (True, True)):
            assert drawing_of(Drawing(modality, 2, 7, *kind).stem) == Drawing(modality, 2, 7, *kind)
    for other in ("us_s1_3", "usy_s1_00003", "us_s1_00003_mask", "", "mdb001"):
        assert drawing_of(other) is None


@pytest.mark.parametrize(
    ("option", "prefix", "said"), [("--marker", "hem", "added"), ("--marker-alone", "hex", "alone")]
)
def test_the_command_plants_it(tmp_path, capsys, option, prefix, said):
    out = tmp_path / "planted"
    command = ["phantoms", "histopathology", option, "--count", "2", "--seed", "3", "--out", str(out)]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["marker"] == said
    assert len(list((out / "images").glob(f"{prefix}_s3_*.png"))) == 2
    with (out / "manifest.csv").open(newline="", encoding="utf-8") as source:
        assert all(bool(row["marker_corner"]) == (row["label"] == "idc") for row in csv.DictReader(source))
