"""`python -m xai audit` on a run of a few numbers: population, figures, refusals, keeping the measures."""

import hashlib
import json

import cv2
import numpy as np
import pytest

from models.runs import load_run, write_run
from tests.models.runs.tiny_run import write_tiny_run
from tests.xai.audit_cases import write_cases
from xai.__main__ import main
from xai.audit import MEASURES, figures, read_audit, read_table
from xai.audit import job as job_module
from xai.audit.table import parse_table


@pytest.fixture
def run(tmp_path):
    return write_tiny_run(tmp_path / "runs" / "tiny").folder


@pytest.fixture
def manifest(tmp_path):
    return write_cases(tmp_path)


def audit(capsys, *arguments):
    status = main(["audit", *map(str, arguments)])
    out, err = capsys.readouterr()
    return status, out, err


def test_the_headline_is_the_positive_class_with_masks(run, manifest, capsys):
    status, out, _ = audit(capsys, run, "--data", manifest, "--json")
    fields = json.loads(out)
    assert status == 0 and fields["n"] == 4
    assert set(fields["methods"]["grad-cam"]) > set(MEASURES)
    assert fields["by_class"]["other"]["iou"]["n"] == 1
    iou = {name: figures["iou"]["value"] for name, figures in fields["baselines"].items()}
    assert set(iou) == {"centre", "random", "ceiling"} and iou["ceiling"] > iou["random"]
    assert sum(entry["iou"]["n"] for entry in fields["by_size"]) == 4
    for found in (
        fields["methods"]["grad-cam"],
        *fields["baselines"].values(),
        *fields["branches"].values(),
    ):
        assert all(f["low"] <= f["value"] <= f["high"] and f["n"] == 4 for f in found.values() if f["n"])


def test_the_figures_are_the_means_of_explain(run, manifest, tmp_path, capsys):
    """Case by case through the other command: the same numbers, averaged by hand."""
    fields = json.loads(audit(capsys, run, "--data", manifest, "--no-randomisation", "--json")[1])
    singles = []
    for index in range(4):
        scan, mask = tmp_path / f"s{index}.png", tmp_path / f"m{index}.png"
        main(["explain", str(run), str(scan), "--mask", str(mask), "--out", str(tmp_path / "o"), "--json"])
        singles.append(json.loads(capsys.readouterr().out)[0]["measures"])
    for name in ("iou", "energy", "dice"):
        mean = np.mean([single[name]["value"] for single in singles])
        assert fields["methods"]["grad-cam"][name]["value"] == pytest.approx(mean, abs=1e-6)


def test_a_limit_takes_the_first_cases(run, manifest, capsys):
    assert (
        json.loads(audit(capsys, run, "--data", manifest, "--limit", 2, "--no-randomisation", "--json")[1])[
            "n"
        ]
        == 2
    )


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
    assert read_table(after).of().case_ids.tolist() == ["s0", "s1", "s2", "s3", "s4"]
    assert read_audit(after)["methods"]["grad-cam"]["pointing"]["n"] == 4
    stated = after.card.metrics["test"]["iou"].value
    assert figures(read_table(after).of(label="malignant"))["iou"]["value"] == pytest.approx(stated, abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--limit", "0"], "1 or more"),
        (["--method", "tea-leaves"], "tea-leaves"),
        (["--part", "test", "--store", "--limit", "1"], "own test cases|whole test part"),
        (["--method", "tf-keras-vis/score-cam"], "choose score-cam"),
        (["--resume"], "--out"),
        (["--baseline", "blur"], "--faithfulness"),
        (["--faithfulness", "--baseline", "paint"], "paint"),
        (["--store-in", "tiny"], "give --store"),
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
    fields = json.loads(audit(capsys, run, "--data", manifest, "--no-randomisation", "--json")[1])
    assert fields["n"] == 3 and "8" in fields["skipped"][0]["why"]


def test_a_mask_without_a_lesion_is_skipped_with_its_reason(run, manifest, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "m1.png"), np.zeros((40, 60), np.uint8))
    fields = json.loads(audit(capsys, run, "--data", manifest, "--no-randomisation", "--json")[1])
    assert fields["n"] == 3 and "no lesion" in fields["skipped"][0]["why"]


def test_many_methods_are_measured_of_one_reading(run, manifest, tmp_path, capsys):
    out = tmp_path / "out"
    asked = ["--method", "layercam", "--method", "hirescam", "--no-randomisation", "--out", out, "--json"]
    status, text, _ = audit(capsys, run, "--data", manifest, *asked)
    fields = json.loads(text)
    assert status == 0 and list(fields["methods"]) == ["layercam", "hirescam"]
    # The headline's branches and classes are those of the first method.
    assert fields["by_class"]["malignant"]["iou"] == fields["methods"]["layercam"]["iou"]
    assert "Grad-CAM" in fields["same_maps"]["hirescam"] and "layercam" not in fields["same_maps"]
    assert json.loads((out / "xai.json").read_text()) == fields
    table = parse_table((out / "xai.csv").read_bytes())
    assert table.method_names == ("layercam", "hirescam") and table.map_names == ("joint", "a", "b")


def test_stored_stands_for_every_method_with_a_map_of_its_own(run, manifest, capsys):
    asked = ["--method", "stored", "--no-randomisation", "--limit", "1", "--json"]
    fields = json.loads(audit(capsys, run, "--data", manifest, *asked)[1])
    assert {"grad-cam", "layercam", "eigen-cam", "ablation-cam"} <= set(fields["methods"])
    assert not {"hirescam", "xgrad-cam", "rise"} & set(fields["methods"]) and not fields["same_maps"]


def test_an_interrupted_audit_keeps_what_is_done_and_resumes(run, manifest, tmp_path, capsys, monkeypatch):
    seen = []

    def interrupted(run, engine, decoded, *rest, real=job_module.measure_case):
        seen.append(decoded.case.case_id)
        if decoded.case.case_id == "s2" and seen.count("s2") == 1:
            raise KeyboardInterrupt
        return real(run, engine, decoded, *rest)

    monkeypatch.setattr(job_module, "measure_case", interrupted)
    asked = ["--data", manifest, "--out", tmp_path / "out", "--no-randomisation", "--json"]
    status, out, err = audit(capsys, run, *asked)
    assert status == 2 and "Cancelled after 2 of 5" in err and "--resume" in err
    assert json.loads(out)["cases"] == {"asked": 5, "measured": 2, "complete": False}
    status, out, err = audit(capsys, run, *asked)
    assert status == 2 and "--resume" in err and not out
    status, out, _ = audit(capsys, run, *asked, "--resume")
    assert status == 0 and json.loads(out)["cases"]["measured"] == 5
    assert seen.count("s0") == seen.count("s1") == 1


def test_the_folds_of_a_cross_validation_are_kept_by_their_pooled_run(tmp_path, manifest, capsys):
    """Two runs of a few numbers as folds, each tested on the cases of its own test part."""
    folds = tmp_path / "cv"
    cases = {"fold1": ["s0", "s1", "s4"], "fold2": ["s2", "s3", "s5"]}
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
    for name, tested in cases.items():
        predictions = "case_id,patient_id,group,split,label,p_other,p_malignant\n" + "".join(
            f"s{i},s{i},,{'test' if f's{i}' in tested else 'train'},malignant,0.5,0.5\n" for i in range(6)
        )
        run = write_tiny_run(folds / name)
        files = {file: run.folder / file for file in run.card.files} | {"predictions.csv": predictions}
        trunks = {f"trunks/{file.name}": file for file in (run.folder / "trunks").iterdir()}
        card = run.card.model_dump(mode="json")
        write_run(run.folder, card | {"data": {"name": "six", "manifest_digest": digest}}, files | trunks)
    (folds / "folds.json").write_text(json.dumps({"runs": list(cases)}))
    bare = card | {"id": "pooled", "branches": [], "map_scale": {}, "head": None}
    bare |= {"data": {"name": "six", "manifest_digest": digest}}
    member = {"kind": "fold", "threshold": 0.5, "n": 3, "metrics": {}}
    bare |= {"members": [{"name": name} | member for name in cases]}
    kept = {f"members/{name}.csv": predictions for name in cases} | {"predictions.csv": predictions}
    pooled = write_run(tmp_path / "pooled", bare, kept).folder
    asked = ["--data", manifest, "--part", "test"]
    status, _, err = audit(capsys, folds, *asked, "--store")
    assert status == 2 and "--store-in" in err
    status, out, err = audit(capsys, folds, *asked, "--store-in", pooled, "--no-randomisation", "--json")
    assert status == 0, err
    after = load_run(pooled)
    assert read_table(after).of().case_ids.tolist() == ["s0", "s1", "s4", "s2", "s3"]
    assert read_audit(after)["run"] == "pooled" and after.card.metrics["test"]["iou"].n == 4
    assert json.loads(out)["n"] == 4
