"""Splits: nothing leaks, labels keep their shares, the order of rows has no say; and the stored splits."""

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.manifest import Case, Manifest, read_manifest
from models.data.splits import PARTS, STORED, load_split, make_split, save_split, split_for, stored_split
from models.errors import BadInput


def case(case_id: str, label: str, group: str, contradictory: bool = False, split: str | None = None) -> Case:
    return Case(case_id, Path(case_id), label, None, group, group, None, split, contradictory, 2, {})


def manifest_of(cases: list[Case]) -> Manifest:
    return Manifest(Path("pack/manifest.csv"), "0" * 64, tuple(cases))


def singles(**labels: int) -> Manifest:
    return manifest_of(
        [case(f"{label}{i}", label, f"{label}{i}") for label, n in labels.items() for i in range(n)]
    )


@st.composite
def packs(draw) -> Manifest:
    sizes = draw(st.lists(st.integers(1, 6), min_size=3, max_size=60))
    labels = draw(st.sampled_from([("a", "b"), ("a", "b", "c"), ("a",)]))
    mixed = draw(st.booleans())
    rng = random.Random(draw(st.integers(0, 1000)))
    cases = []
    for g, size in enumerate(sizes):
        own = rng.choice(labels)
        for i in range(size):
            cases.append(case(f"{g}-{i}", rng.choice(labels) if mixed else own, f"g{g}", rng.random() < 0.05))
    return manifest_of(cases)


@settings(max_examples=60, deadline=None)
@given(packs(), st.integers(0, 5), st.randoms())
def test_groups_stay_whole_whatever_the_order_and_nothing_usable_is_lost(manifest, seed, rng):
    try:
        split = make_split(manifest, seed)
    except BadInput:
        assert len({c.group for c in manifest.cases if not c.contradictory}) < 3
        return
    assert split.leaks(manifest) == ()
    assert set(split.parts) == {c.case_id for c in manifest.cases if not c.contradictory}
    shuffled = list(manifest.cases)
    rng.shuffle(shuffled)
    assert make_split(manifest_of(shuffled), seed) == split


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 400), st.integers(3, 400), st.integers(3, 30), st.integers(0, 50))
def test_shares_of_every_label_are_within_a_case_where_groups_are_single(a, b, c, seed):
    manifest = singles(a=a, b=b, c=c)
    counts = make_split(manifest, seed).counts(manifest)
    for label, n in (("a", a), ("b", b), ("c", c)):
        for part, share in zip(PARTS, (0.7, 0.15, 0.15), strict=True):
            assert counts[part][label] >= 1
            assert abs(counts[part][label] - share * n) <= 1.5, (part, label, counts)


def test_unequal_patients_with_mixed_labels_still_come_out_balanced():
    rng = random.Random(3)
    cases = [
        case(f"{p}-{i}", "idc" if rng.random() < share else "non_idc", f"patient{p}")
        for p in range(120)
        for share in [rng.random()]
        for i in range(rng.randint(2, 60))
    ]
    manifest = manifest_of(cases)
    counts = make_split(manifest, 1).counts(manifest)
    shares = {part: n["idc"] / sum(n.values()) for part, n in counts.items()}
    assert max(shares.values()) - min(shares.values()) < 0.02
    for part, wanted in zip(PARTS, (0.7, 0.15, 0.15), strict=True):
        assert sum(counts[part].values()) / len(cases) == pytest.approx(wanted, abs=0.01)


def test_the_seed_decides():
    manifest = singles(a=60, b=30)
    assert make_split(manifest, 1) == make_split(manifest, 1)
    assert make_split(manifest, 1).parts != make_split(manifest, 2).parts


def test_contradictory_and_unlabelled_cases_are_in_no_part():
    cases = [case(str(i), "a", str(i)) for i in range(6)]
    manifest = manifest_of([*cases, case("twice", "a", "g", contradictory=True), case("unknown", "", "h")])
    split = make_split(manifest)
    assert set(split.parts) == {str(i) for i in range(6)}
    assert sorted(c.case_id for part in PARTS for c in split.cases(manifest, part)) == [
        str(i) for i in range(6)
    ]


def test_other_fractions_and_wrong_ones():
    manifest = singles(a=100)
    assert make_split(manifest, 1, (0.5, 0.25, 0.25)).counts(manifest) == {
        "train": {"a": 50},
        "validation": {"a": 25},
        "test": {"a": 25},
    }
    for fractions in ((0.5, 0.5), (0.8, 0.2, 0.0), (0.7, 0.2, 0.2)):
        with pytest.raises(BadInput, match="three shares of 1"):
            make_split(manifest, 1, fractions)


def test_too_few_groups_are_refused():
    with pytest.raises(BadInput, match="2 independent groups"):
        make_split(singles(a=2))


def test_a_split_is_stored_and_read_as_it_was(tmp_path):
    manifest = singles(a=20, ü=10)
    split = make_split(manifest, 4)
    save_split(split, tmp_path / "pack.json")
    assert load_split(tmp_path / "pack.json") == split
    assert [path.name for path in tmp_path.iterdir()] == ["pack.json"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "not a stored split"),
        ("{", "not a stored split"),
        ('{"id": "x", "parts": {"train": ["a"]}}', "not a stored split"),
        (
            '{"id": "x", "seed": 1, "manifest": "m", "manifest_digest": "d", "fractions": [0.7, 0.15, 0.15],'
            ' "parts": {"train": ["a"], "validation": [], "test": ["a"]}}',
            "two parts",
        ),
    ],
)
def test_damaged_splits_are_refused(tmp_path, text, words):
    (tmp_path / "pack.json").write_text(text)
    with pytest.raises(BadInput, match=words):
        load_split(tmp_path / "pack.json")
    with pytest.raises(BadInput, match="no split at"):
        load_split(tmp_path / "other.json")


def test_a_manifest_s_own_split_comes_first_and_tells_of_its_leaks(tmp_path):
    names = ["train", "Training", "val", "validation", "test"]
    manifest = manifest_of([case(str(i), "a", f"g{i // 2}", split=name) for i, name in enumerate(names)])
    split = split_for(manifest)
    assert split.seed is None
    assert [len(split.ids(part)) for part in PARTS] == [2, 2, 1]
    assert split.leaks(manifest) == ()
    leaking = manifest_of([case("1", "a", "same", split="train"), case("2", "a", "same", split="test")])
    assert split_for(leaking).leaks(leaking) == ("same",)


def test_an_incomplete_own_split_is_passed_over():
    manifest = manifest_of([case(str(i), "a", str(i), split="train" if i else None) for i in range(10)])
    assert split_for(manifest) == make_split(manifest, 1)


def test_a_stored_split_is_found_by_digest_and_seed(tmp_path, monkeypatch):
    (tmp_path / "manifest.csv").write_text("file,label\n" + "".join(f"{i}.png,a\n" for i in range(9)))
    manifest = read_manifest(tmp_path / "manifest.csv")
    folder = tmp_path / "stored"
    folder.mkdir()
    monkeypatch.setattr("models.data.splits.STORED", folder)
    other = make_split(manifest, 1, (0.4, 0.3, 0.3))
    save_split(other, folder / "any-name.json")
    assert split_for(manifest) == other
    assert split_for(manifest, seed=2).seed == 2
    (tmp_path / "manifest.csv").write_text("file,label\n" + "".join(f"{i}.png,a\n" for i in range(8)))
    assert stored_split(read_manifest(tmp_path / "manifest.csv")) is None


# The stored splits, by what their case ids alone tell.


@pytest.mark.parametrize("path", sorted(STORED.glob("*.json")), ids=lambda path: path.stem)
def test_stored_splits_are_whole(path):
    split = load_split(path)
    assert (split.manifest, split.seed, split.fractions) == (path.stem, 1, (0.7, 0.15, 0.15))
    assert len(split.manifest_digest) == 64
    for part, wanted in zip(PARTS, split.fractions, strict=True):
        assert len(split.ids(part)) / len(split.parts) == pytest.approx(wanted, abs=0.01)


def test_the_ultrasound_split_keeps_the_share_of_malignant_and_leaves_contradictions_out():
    split = load_split(STORED / "ultrasound_busi.json")
    shares = [Counter(i.split()[0] for i in split.ids(p))["malignant"] / len(split.ids(p)) for p in PARTS]
    assert max(shares) - min(shares) < 0.02
    for twice in ("benign (433)", "malignant (145)", "malignant (51)", "malignant (93)", "normal (34)"):
        assert twice not in split.parts


def test_the_mammography_split_keeps_both_breasts_of_a_woman_together():
    parts = load_split(STORED / "mammography_mias.json").parts
    for case_id, part in parts.items():
        number = int(case_id.removeprefix("mdb"))
        pair = f"mdb{number + 1 if number % 2 else number - 1:03d}"
        assert parts.get(pair, part) == part


def test_the_histopathology_split_keeps_a_patient_s_patches_together():
    split = load_split(STORED / "histopathology_idc.json")
    patients = [{case_id.split("_")[0] for case_id in split.ids(part)} for part in PARTS]
    assert sum(map(len, patients)) == len(set().union(*patients)) == 225
    for part in PARTS:
        idc = sum(case_id.endswith("class1") for case_id in split.ids(part))
        assert idc / len(split.ids(part)) == pytest.approx(0.5, abs=0.01)
