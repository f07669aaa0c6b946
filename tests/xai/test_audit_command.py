"""`python -m xai audit` on a run of a few numbers: population, figures, refusals, keeping the measures."""

import csv
import hashlib
import json

import cv2
import numpy as np
import pytest

from models.runs import load_run, write_run
from tests.models.runs.tiny_run import write_tiny_run
from xai.__main__ import main
from xai.audit import MEASURES


@pytest.fixture
def run(tmp_path):
    return write_tiny_run(tmp_path / "runs" / "tiny").folder


@pytest.fixture
def manifest(tmp_path):
    """Four malignant cases with masks, one other with one, one malignant without, all in the test part."""
    rows = ["file,label,mask_file,split"]
    for index in range(6):
        scan = np.random.default_rng(index).integers(0, 256, (40, 60), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"s{index}.png"), scan)
        lesion = np.zeros((40, 60), np.uint8)
        lesion[5 + index : 20, 10:40] = 255
        cv2.imwrite(str(tmp_path / f"m{index}.png"), lesion)
        label = "other" if index == 4 else "malignant"
        rows.append(f"s{index}.png,{label},{'' if index == 5 else f'm{index}.png'},test")
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def audit(capsys, *arguments):
    status = main(["audit", *map(str, arguments)])
    out, err = capsys.readouterr()
    return status, out, err


def test_the_headline_is_the_positive_class_with_masks(run, manifest, capsys):
    status, out, _ = audit(capsys, run, "--data", manifest, "--json")
    fields = json.loads(out)
    assert status == 0 and fields["n"] == 4
    assert set(fields["methods"]["grad-cam"]) == set(MEASURES)
    assert fields["by_class"]["other"]["iou"]["n"] == 1
    iou = {name: figures["iou"]["value"] for name, figures in fields["baselines"].items()}
    assert set(iou) == {"centre", "random", "ceiling"} and iou["ceiling"] > iou["random"]
    assert sum(entry["iou"]["n"] for entry in fields["by_size"]) == 4
    for figures in (
        fields["methods"]["grad-cam"],
        *fields["baselines"].values(),
        *fields["branches"].values(),
    ):
        assert all(f["low"] <= f["value"] <= f["high"] and f["n"] == 4 for f in figures.values())


def test_the_figures_are_the_means_of_explain(run, manifest, tmp_path, capsys):
    """Case by case through the other command: the same numbers, averaged by hand."""
    fields = json.loads(audit(capsys, run, "--data", manifest, "--json")[1])
    singles = []
    for index in range(4):
        scan, mask = tmp_path / f"s{index}.png", tmp_path / f"m{index}.png"
        main(["explain", str(run), str(scan), "--mask", str(mask), "--out", str(tmp_path / "o"), "--json"])
        singles.append(json.loads(capsys.readouterr().out)[0]["measures"])
    for name in ("iou", "energy", "dice"):
        mean = np.mean([single[name]["value"] for single in singles])
        assert fields["methods"]["grad-cam"][name]["value"] == pytest.approx(mean, abs=1e-6)


def test_a_limit_takes_the_first_cases(run, manifest, capsys):
    assert json.loads(audit(capsys, run, "--data", manifest, "--limit", 2, "--json")[1])["n"] == 2


def test_measures_are_kept_with_the_run_on_its_own_test_cases_only(run, manifest, capsys):
    status, _, err = audit(capsys, run, "--data", manifest, "--part", "test", "--store")
    assert status == 2 and "own test cases" in err
    stored = load_run(run)
    card = stored.card.model_dump(mode="json")
    card["data"]["manifest_digest"] = hashlib.sha256(manifest.read_bytes()).hexdigest()
    names = [p.relative_to(run).as_posix() for p in run.rglob("*.onnx")]
    write_run(run, card, {n: run / n for n in {*stored.card.files, *names}})
    before = load_run(run).digest
    assert audit(capsys, run, "--data", manifest, "--part", "test", "--store")[0] == 0
    after = load_run(run)
    assert after.digest != before and after.card.metrics["test"]["pointing"].n == 4
    with open(after.path("xai.csv"), newline="") as file:
        assert [row["case_id"] for row in csv.DictReader(file)] == ["s0", "s1", "s2", "s3", "s4"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--limit", "0"], "1 or more"),
        (["--method", "tea-leaves"], "tea-leaves"),
        (["--part", "test", "--store", "--limit", "1"], "own test cases|whole test part"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(run, manifest, capsys, arguments, words):
    status, out, err = audit(capsys, run, "--data", manifest, *arguments)
    assert status == 2 and out == "" and len(err.strip().splitlines()) == 1
    assert any(word in err for word in words.split("|"))


def test_a_manifest_without_masks_is_refused(run, tmp_path, capsys):
    path = tmp_path / "bare.csv"
    path.write_text("file,label\na.png,malignant\n")
    status, _, err = audit(capsys, run, "--data", path)
    assert status == 2 and "mask" in err


def test_a_mask_of_another_size_is_skipped_with_its_reason(run, manifest, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "m0.png"), np.full((8, 8), 255, np.uint8))
    fields = json.loads(audit(capsys, run, "--data", manifest, "--json")[1])
    assert fields["n"] == 3 and "8" in fields["skipped"][0]["why"]
