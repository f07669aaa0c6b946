"""Folds, merged and cleaned manifests: nobody is lost, doubled or parted."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.cleaning import clean, write_left_out
from models.data.manifest import Manifest
from models.data.merging import merge, split_of_pieces, whole_images
from models.data.splits import PARTS, make_folds, make_split, split_for
from models.errors import BadInput
from tests.models.data.packs import simple_pack, texture, write_pack
from tests.models.data.test_splits import case, manifest_of, packs, singles


@settings(max_examples=40, deadline=None)
@given(packs(), st.integers(3, 6), st.integers(0, 5))
def test_each_usable_case_is_tested_once_and_no_group_is_parted(manifest, folds, seed):
    usable = {c.case_id for c in manifest.cases if not c.contradictory}
    groups = {c.group for c in manifest.cases if not c.contradictory}
    if len(groups) < folds:
        with pytest.raises(BadInput, match="give fewer folds"):
            make_folds(manifest, folds, seed)
        return
    splits = make_folds(manifest, folds, seed)
    tested = [case_id for split in splits for case_id in split.ids("test")]
    assert sorted(tested) == sorted(usable)
    for split, following in zip(splits, splits[1:] + splits[:1], strict=True):
        assert split.leaks(manifest) == ()
        assert set(split.parts) == usable
        assert split.ids("validation") == following.ids("test")
    assert make_folds(replace(manifest, cases=manifest.cases[::-1]), folds, seed) == splits


def test_folds_are_stratified_and_named():
    manifest = singles(a=50, b=25)
    splits = make_folds(manifest, 5, 3)
    assert [split.counts(manifest)["test"] for split in splits] == [{"a": 10, "b": 5}] * 5
    assert splits[1].id == "pack-fold1of5-seed3-00000000"
    assert make_folds(manifest, 5, 4)[0].parts != splits[0].parts


def test_two_folds_leave_nothing_to_train_on():
    with pytest.raises(BadInput, match="at least 3"):
        make_folds(singles(a=10), 2)


def test_a_merged_manifest_keeps_packs_apart_and_their_splits(tmp_path):
    first = simple_pack(tmp_path / "ultrasound_one", 12)
    second = simple_pack(tmp_path / "mammography_two", 12)
    merged = merge([first, second])
    assert merged.name == "ultrasound_one+mammography_two"
    assert merged.cases[0].case_id == "ultrasound_one/0" and merged.cases[12].case_id == "mammography_two/0"
    assert merged.cases[0].group != merged.cases[12].group
    assert [c.modality for c in merged.cases] == ["ultrasound"] * 12 + ["mammography"] * 12
    assert merged.cases[12].columns["file"] == "mammography_two/0.png"
    assert merge([second, first]).digest == merged.digest != first.digest
    split = split_for(merged, 1)
    for pack in (first, second):
        own = {f"{pack.name}/{case_id}": part for case_id, part in split_for(pack, 1).parts.items()}
        assert own == {i: part for i, part in split.parts.items() if i.startswith(pack.name)}
    folds = make_folds(merged, 3, 1)
    assert sorted(i for fold in folds for i in fold.ids("test")) == sorted(c.case_id for c in merged.cases)


def test_merging_one_or_none_or_one_twice(tmp_path):
    pack = simple_pack(tmp_path / "pack")
    assert merge([pack]) is pack
    with pytest.raises(BadInput, match="at least one"):
        merge([])
    with pytest.raises(BadInput, match="given twice"):
        merge([pack, pack])


def test_packs_of_one_name_are_numbered(tmp_path):
    merged = merge([simple_pack(tmp_path / "a" / "pack", 4), simple_pack(tmp_path / "b" / "pack", 5)])
    assert {c.case_id.split("/")[0] for c in merged.cases} == {"pack", "pack-2"}


def test_clean_leaves_bad_files_out_and_keeps_the_split(tmp_path):
    rows = [{"file": f"{i}.png", "label": "ab"[i % 2], "image": texture(i), "mask": None} for i in range(12)]
    rows[2]["image"] = None
    rows[3]["mask"] = texture(3, 10, 10) > 0
    rows[4]["mask"] = texture(4) > 100
    manifest = write_pack(tmp_path / "pack", rows)
    (tmp_path / "pack" / "5.png").write_bytes(b"no image")
    cleaned, report = clean(manifest, cache=tmp_path / "kept")
    assert [c.case_id for c in cleaned.cases] == [str(i) for i in range(12) if i not in (2, 5)]
    assert [(entry.file, entry.what) for entry in report] == [
        ("2.png", "image"), ("masks/3.png", "mask"), ("5.png", "image"),
    ]  # fmt: skip
    assert "no file" in report[0].why and "is not an image" in report[2].why
    assert report[1].why.startswith("3.png: The mask is 10 x 10 pixels and the image 56 x 40")
    by_id = cleaned.by_id()
    assert by_id["3"].mask_file is None and by_id["4"].mask_file is not None
    assert cleaned.digest == manifest.digest
    assert split_for(cleaned, 1) == make_split(manifest, 1)
    write_left_out(report, tmp_path / "left_out.csv")
    assert (tmp_path / "left_out.csv").read_text().splitlines()[0] == "case_id,file,row,what,why"
    # A second look takes what the first one kept, and sees a file that was mended since.
    (tmp_path / "pack" / "2.png").write_bytes((tmp_path / "pack" / "0.png").read_bytes())
    assert "2" in clean(manifest, cache=tmp_path / "kept")[0].by_id()
    (next((tmp_path / "kept").iterdir())).write_bytes(b"damaged")
    assert len(clean(manifest, cache=tmp_path / "kept")[0].cases) == 11


def test_cleaning_a_merged_manifest_does_not_bring_cases_back(tmp_path):
    merged = merge([simple_pack(tmp_path / "one", 8), simple_pack(tmp_path / "two", 8)])
    fewer = replace(merged, cases=tuple(c for c in merged.cases if c.label == "benign"))
    cleaned, report = clean(fewer)
    assert report == [] and cleaned.cases == fewer.cases
    assert split_for(cleaned) == split_for(merged)


def test_pieces_follow_the_split_of_their_images():
    whole = manifest_of([case(str(i), "a", str(i)) for i in range(6)])
    pieces = Manifest(
        Path("pack-tiles/manifest.csv"),
        "1" * 64,
        tuple(
            replace(case(f"{i}@{x}", "a", str(i)), columns={"source_case": str(i)})
            for i in range(6)
            for x in (0, 1)
        ),
        source=whole,
    )
    own, cut = split_for(whole), split_for(pieces)
    assert cut.parts == {f"{i}@{x}": own.parts[str(i)] for i in range(6) for x in (0, 1)}
    assert cut.manifest_digest == "1" * 64
    back, split = whole_images(pieces, cut)
    assert back is whole and split.parts == own.parts
    assert split_of_pieces(pieces, own).parts == cut.parts
    assert whole_images(whole, own) == (whole, own)
    fold = make_folds(pieces, 3)[0]
    assert {i.split("@")[0] for i in fold.ids("test")} == set(make_folds(whole, 3)[0].ids("test"))
    assert {part for part in fold.parts.values()} == set(PARTS)
