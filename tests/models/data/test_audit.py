"""The audit of a pack with one of every fault, each put there on purpose."""

import time

import numpy as np
import pytest

from models.data.audit import audit, leakage_of, without_leaks
from models.data.manifest import read_manifest
from models.data.merging import merge
from models.data.splits import split_for
from tests.models.data.packs import simple_pack, texture, write_pack

BIG = (120, 160)


def noisy(image, seed=7):
    return np.clip(image + np.random.default_rng(seed).normal(0, 3, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def faulty(tmp_path):
    pictures = {name: texture(i, *BIG) for i, name in enumerate("abcdefgh")}
    rows = [
        {"file": "a.png", "label": "benign", "split": "train"},
        {"file": "a_again.png", "label": "malignant", "split": "train", "image": pictures["a"]},
        {"file": "b.png", "label": "benign", "split": "train"},
        {"file": "b_next.png", "label": "benign", "split": "test", "image": noisy(pictures["b"])},
        {"file": "c.png", "label": "benign", "split": "train", "patient_id": "w1"},
        {"file": "d.png", "label": "malignant", "split": "validation", "patient_id": "w1"},
        {"file": "e.png", "label": "malignant", "split": "test", "mask": np.ones((10, 10))},
        {"file": "f.png", "label": "malignant", "split": "train", "mask": np.zeros(BIG)},
        {"file": "g.png", "label": "benign", "split": "train", "dup_group": "k"},
        {"file": "h.png", "label": "benign", "split": "test", "dup_group": "k"},
        {"file": "blank.png", "label": "benign", "split": "train", "image": np.full(BIG, 9, np.uint8)},
        {"file": "wide.png", "label": "benign", "split": "train", "image": texture(50, 300, 400)},
        {"file": "gone.png", "label": "benign", "split": "train", "image": None},
    ]
    for row in rows:
        row.setdefault("image", pictures.get(row["file"][0]))
    return write_pack(tmp_path / "ultrasound_faulty", rows)


def test_every_fault_is_found_once(faulty):
    found = audit(faulty, split_for(faulty))
    assert found.n == 13 and found.classes == {"benign": 9, "malignant": 4} and not found.ok
    assert [entry.file for entry in found.unreadable] == ["gone.png"]
    assert found.exact == (("a.png", "a_again.png"),)
    (near,) = found.near
    assert (near.a, near.b, near.kind) == ("b.png", "b_next.png", "near") and near.correlation > 0.97
    (contradiction,) = found.contradictory
    assert contradiction.files == ("a.png", "a_again.png") and not contradiction.marked
    assert contradiction.labels == ("benign", "malignant")
    assert {(leak.a, leak.b, leak.parts, leak.kind) for leak in found.leakage} == {
        ("b.png", "b_next.png", ("train", "test"), "near"),
        ("g.png", "h.png", ("train", "test"), "dup_group"),
    }
    assert found.patients_in_two_parts == ("w1",)
    assert [entry.file for entry in found.masks] == ["e.png", "f.png"]
    assert "10 x 10" in found.masks[0].why and "no lesion" in found.masks[1].why
    assert [entry.file for entry in found.unusual] == ["blank.png", "wide.png"]
    assert found.to_dict()["leakage"][0].keys() == {"a", "b", "parts", "kind"}


def test_a_sound_pack_is_sound(tmp_path):
    pack = simple_pack(tmp_path / "pack", 12)
    found = audit(pack, split_for(pack))
    assert found.ok
    assert not (found.near or found.exact or found.leakage or found.contradictory or found.burned_in)


def test_one_class_alone_and_no_split(tmp_path):
    pack = simple_pack(tmp_path / "pack", 2, ("benign",))
    found = audit(pack, None)
    assert found.classes == {"benign": 2} and not found.ok and found.leakage == ()


def test_contradictions_that_the_manifest_marks_are_no_fault(tmp_path):
    rows = [
        {"file": f"{i}.png", "label": "ab"[i % 2], "image": texture(i // 2 if i < 2 else i)}
        for i in range(12)
    ]
    rows[0]["dup_group"] = rows[1]["dup_group"] = "k"
    pack = write_pack(tmp_path / "pack", rows)
    found = audit(pack, split_for(pack))
    assert [(c.files, c.marked) for c in found.contradictory] == [(("0.png", "1.png"), True)]
    assert found.ok


def test_leaks_are_found_quickly_again_and_can_be_left_out(faulty, tmp_path):
    split = split_for(faulty)
    leaks = leakage_of(faulty, split, tmp_path / "kept")
    assert {leak.kind for leak in leaks} == {"near", "dup_group", "patient"}
    began = time.perf_counter()
    assert leakage_of(faulty, split, tmp_path / "kept") == leaks
    assert time.perf_counter() - began < 1
    mended = without_leaks(faulty, split, leaks)
    assert set(split.parts) - set(mended.parts) == {"b", "g", "c"}
    assert leakage_of(faulty, mended, tmp_path / "kept") == []
    assert mended.ids("test") == split.ids("test")


def test_a_copy_in_another_pack_leaks(tmp_path):
    first = simple_pack(tmp_path / "one", 20)
    own = split_for(first)
    taken = first.by_id()[own.ids("test")[0]]
    second_folder = tmp_path / "two"
    simple_pack(second_folder, 20)
    trained = split_for(read_manifest(second_folder)).ids("train")[0]
    (second_folder / f"{trained}.png").write_bytes(taken.file.read_bytes())
    merged = merge([first, read_manifest(second_folder)])
    (leak,) = leakage_of(merged, split_for(merged))
    assert {leak.a, leak.b} == {f"one/{taken.case_id}.png", f"two/{trained}.png"}
    assert leak.kind == "exact" and set(leak.parts) == {"train", "test"}
