"""`python -m models audit-data`, and `evaluate` on several or cut manifests."""

import csv
import json

import numpy as np
import pytest

from models.__main__ import main
from models.runs import folder as folder_module
from models.runs import write_run
from tests.models.data.packs import simple_pack, texture, write_pack
from tests.models.runs.tiny_run import tiny_files


def document(capsys, *arguments):
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def leaking(tmp_path):
    rows = [
        {"file": f"{i}.png", "label": "ab"[i % 2], "image": texture(i), "split": "train"} for i in range(8)
    ]
    rows[6]["split"], rows[7]["split"] = "validation", "test"
    rows[7]["image"] = texture(5)
    return write_pack(tmp_path / "ultrasound_leaking", rows)


def test_the_document_has_the_contract_s_fields(capsys, leaking, tmp_path):
    out = tmp_path / "new" / "findings.csv"
    report = document(capsys, "audit-data", leaking.path, "--out", out)
    assert list(report) == [
        "manifest", "n", "unreadable", "exact", "near", "contradictory", "leakage", "patients_in_two_parts",
        "burned_in", "masks", "unusual", "classes", "ok",
    ]  # fmt: skip
    assert report["manifest"] == "ultrasound_leaking" and report["ok"] is False
    assert report["leakage"] == [{"a": "5.png", "b": "7.png", "parts": ["train", "test"], "kind": "exact"}]
    assert report["exact"] == [["5.png", "7.png"]]
    rows = list(csv.DictReader(out.open()))
    assert {"finding": "exact", "file": "5.png", "other": "7.png", "detail": ""} in rows


def test_people_are_told_what_to_do(capsys, leaking):
    assert main(["audit-data", str(leaking.path)]) == 0
    told = capsys.readouterr().out
    assert "ultrasound_leaking: 8 images (a 4, b 4)." in told
    assert "Leakage across the split: 1. Give both files the same dup_group" in told
    assert "5.png (train) and 7.png (test): exact" in told
    assert told.rstrip().endswith("Mend these before training.")


def test_a_sound_pack_and_several_at_once(capsys, tmp_path):
    first, second = simple_pack(tmp_path / "one", 8), simple_pack(tmp_path / "two", 8)
    assert main(["audit-data", str(first.path)]) == 0
    assert "Nothing has to be mended." in capsys.readouterr().out
    report = document(capsys, "audit-data", first.path, second.path)
    assert report["n"] == 16 and report["manifest"] == "one+two" and report["ok"]


def test_too_few_cases_for_a_split_are_audited_all_the_same(capsys, tmp_path):
    pack = simple_pack(tmp_path / "pack", 2)
    assert main(["audit-data", str(pack.path), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["n"] == 2
    assert "at least 3. Leakage was not looked for." in captured.err


def test_a_missing_manifest_is_refused_in_a_sentence(capsys, tmp_path):
    assert main(["audit-data", str(tmp_path / "none.csv")]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("There is no manifest at")


# Evaluate


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """$LESIONLENS_RUNS with the run "tiny" and the same run trained on crops."""
    root = tmp_path / "shelf"
    monkeypatch.setenv("LESIONLENS_RUNS", str(root))
    monkeypatch.setattr(folder_module, "ASSETS", tmp_path / "no_assets")
    card, files = tiny_files(("a", "b"), False)
    write_run(root / "tiny", card | {"id": "tiny"}, files)
    write_run(root / "crops", card | {"id": "crops", "prepare": {"cut": "roi", "margin": 0.0}}, files)
    return root


def test_several_packs_are_scored_as_one_and_each_modality_by_itself(capsys, shelf, tmp_path):
    packs = [simple_pack(tmp_path / name, 10) for name in ("ultrasound_x", "mammography_y")]
    report = document(capsys, "evaluate", "tiny", "--data", packs[0].path, "--data", packs[1].path)
    assert report["n"] == 20
    parts = report["by_modality"]
    assert list(parts) == ["mammography", "ultrasound"]
    for pack, name in zip(packs, ("ultrasound", "mammography"), strict=True):
        alone = document(capsys, "evaluate", "tiny", "--data", pack.path)
        assert "by_modality" not in alone
        assert parts[name]["n"] == alone["n"] == 10
        assert {k: m["value"] for k, m in parts[name]["metrics"].items()} == {
            k: m["value"] for k, m in alone["metrics"].items()
        }
    main(["evaluate", "tiny", "--data", str(packs[0].path), "--data", str(packs[1].path)])
    assert "  ultrasound: 10 cases, AUC " in capsys.readouterr().out


def test_a_run_on_crops_is_given_crops(capsys, shelf, tmp_path):
    """The lesion is bright and all around it dark, or the other way: only the crop tells."""
    rows = []
    for i in range(8):
        mask = np.zeros((40, 40), bool)
        mask[10:18, 20:28] = True
        image = np.where(mask, 255 * (i % 2), 255 * (1 - i % 2)).astype(np.uint8)
        rows.append(
            {"file": f"{i}.png", "label": ["benign", "malignant"][i % 2], "image": image, "mask": mask}
        )
    pack = write_pack(tmp_path / "pack", rows)
    (pack.path.parent / "0.png").write_bytes(b"no image")
    whole = document(capsys, "evaluate", "tiny", "--data", pack.path)
    out = tmp_path / "out"
    cut = document(capsys, "evaluate", "crops", "--data", pack.path, "--out", out)
    assert (whole["n"], cut["n"]) == (7, 7)
    assert [entry["file"] for entry in cut["skipped"]] == ["0.png"]
    assert cut["metrics"]["auc"]["value"] == 1.0 - whole["metrics"]["auc"]["value"]
    with (out / "predictions.csv").open() as source:
        assert next(row["case_id"] for row in csv.DictReader(source)) == "1@20,10"
