"""The command line's contract: exit status, one sentence, one JSON document."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

import models.__main__ as command_line
from models.__main__ import main
from models.commands import list as list_command
from models.engines import open_engine
from models.runs import folder as folder_module
from models.runs import load_run
from tests.models.runs.tiny_run import write_tiny_run


@pytest.fixture(autouse=True)
def shelf(tmp_path, monkeypatch):
    """$LESIONLENS_RUNS with one good run, and nothing shipped."""
    root = tmp_path / "shelf"
    monkeypatch.setenv("LESIONLENS_RUNS", str(root))
    monkeypatch.delenv("LESIONLENS_DEBUG", raising=False)
    monkeypatch.setattr(folder_module, "ASSETS", tmp_path / "no_assets")
    write_tiny_run(root / "tiny")
    return root


@pytest.fixture
def manifest(tmp_path):
    """Six images of one flat grey each, one of them twice in the list and one file that is no image."""
    folder = tmp_path / "pack"
    folder.mkdir()
    rows = []
    for n, (grey, label) in enumerate(
        [
            (0, "benign"),
            (40, "normal"),
            (80, "benign"),
            (160, "malignant"),
            (220, "malignant"),
            (255, "malignant"),
        ]
    ):
        cv2.imwrite(str(folder / f"{n}.png"), np.full((8, 8), grey, np.uint8))
        rows.append((f"{n}.png", label, f"p{n}", ""))
    (folder / "broken.png").write_text("no image")
    rows += [("broken.png", "benign", "p7", ""), ("absent.png", "malignant", "p8", "")]
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label", "patient_id", "dup_group"])
        writer.writerows(rows)
    return folder / "manifest.csv"


def refused(capsys, *arguments) -> str:
    """The one sentence of a refusal."""
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and captured.err.endswith(".\n"), captured.err
    return captured.err


def document(capsys, *arguments):
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_list_has_the_contract_s_fields(capsys, shelf):
    (listed,) = document(capsys, "list")
    assert list(listed) == (
        [
            "id",
            "title",
            "modality",
            "classes",
            "network",
            "trunks",
            "data",
            "licence",
            "synthetic",
            "has_weights",
            "operating_points",
            "metrics",
        ]
    )
    run = load_run(shelf / "tiny")
    assert listed["id"] == "tiny" and listed["modality"] == "ultrasound" and listed["data"] == "nothing"
    assert listed["trunks"] == [branch.trunk for branch in run.branches]
    assert listed["operating_points"][0]["threshold"] == 0.4
    assert listed["metrics"]["test"]["auc"] == {"value": 1.0, "low": 0.9, "high": 1.0, "n": 2}


def test_a_damaged_run_is_told_on_stderr_and_does_not_break_the_list(capsys, shelf):
    write_tiny_run(shelf / "bad")
    (shelf / "bad" / "head.onnx").write_bytes(b"")
    assert main(["list", "--json"]) == 0
    captured = capsys.readouterr()
    assert [run["id"] for run in json.loads(captured.out)] == ["tiny"]
    assert captured.err.count("\n") == 1 and "bad was altered (head.onnx" in captured.err


def test_list_for_people(capsys):
    assert main(["list"]) == 0
    assert "tiny  ultrasound  hybrid   nothing  1.000 (0.900-1.000)  Tiny" in capsys.readouterr().out


def test_pack_and_import_go_round(capsys, shelf, tmp_path, monkeypatch):
    packed = document(capsys, "pack", "tiny", "--out", str(tmp_path / "out" / "tiny.zip"))
    assert packed["bytes"] == (tmp_path / "out" / "tiny.zip").stat().st_size
    digest = load_run(shelf / "tiny").digest
    assert packed["run_digest"] == digest
    monkeypatch.setenv("LESIONLENS_RUNS", str(tmp_path / "second"))
    first = document(capsys, "import", packed["file"])
    assert first == {
        "run": "tiny",
        "run_digest": digest,
        "folder": str(tmp_path / "second" / "tiny"),
        "already_there": False,
    }
    assert document(capsys, "import", str(shelf / "tiny"))["already_there"] is True
    assert [run["id"] for run in document(capsys, "list")] == ["tiny"]


def test_evaluate_scores_every_row_it_can_read(capsys, manifest, tmp_path, shelf):
    out = tmp_path / "results"
    report = document(capsys, "evaluate", "tiny", "--data", str(manifest), "--out", str(out))
    assert report["n"] == 6 and report["threshold"] == 0.4 and report["run"] == "tiny"
    assert [entry["file"] for entry in report["skipped"]] == ["broken.png", "absent.png"]
    assert all(entry["why"].endswith(".") for entry in report["skipped"])
    names = [
        "auc",
        "accuracy",
        "balanced_accuracy",
        "sensitivity",
        "specificity",
        "ppv",
        "npv",
        "f1",
        "kappa",
        "mcc",
        "brier",
        "ece",
    ]
    assert list(report["metrics"]) == names
    assert all({"value", "low", "high", "n"} <= set(metric) for metric in report["metrics"].values())
    engine = open_engine(load_run(shelf / "tiny"))
    with (out / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:5] == ["case_id", "patient_id", "group", "split", "label"]
    labels = ["other", "other", "other", "malignant", "malignant", "malignant"]
    assert [row["label"] for row in rows] == labels
    called = []
    for row, grey in zip(rows, (0, 40, 80, 160, 220, 255), strict=True):
        expected = engine.predict(np.full((1, 4, 4, 1), grey / 255, np.float32))
        assert float(row["p_malignant"]) == pytest.approx(expected.probabilities[0, 1], rel=1e-5)
        assert float(row["logit"]) == pytest.approx(expected.logits[0, 0], rel=1e-5)
        called.append("malignant" if expected.probabilities[0, 1] >= 0.4 else "other")
    right = sum(mine == theirs for mine, theirs in zip(called, labels, strict=True))
    assert report["metrics"]["accuracy"]["value"] == pytest.approx(right / 6)
    pairs = list(zip(labels, called, strict=True))
    counts = [
        [pairs.count((true, says)) for says in ("other", "malignant")] for true in ("other", "malignant")
    ]
    assert report["confusion"]["counts"] == counts


def test_a_map_changes_what_labels_mean(capsys, manifest):
    turned = document(
        capsys,
        "evaluate",
        "tiny",
        "--data",
        str(manifest),
        "--map",
        "malignant=other",
        "--map",
        "benign=malignant",
    )
    assert [sum(row) for row in turned["confusion"]["counts"]] == [4, 2]


def test_more_images_than_a_batch_give_the_same_as_one_by_one(capsys, manifest, monkeypatch):
    from models.engines import scoring

    whole = document(capsys, "evaluate", "tiny", "--data", str(manifest))
    monkeypatch.setattr(scoring, "BATCH", 1)
    single = document(capsys, "evaluate", "tiny", "--data", str(manifest))
    assert whole["confusion"] == single["confusion"]
    assert whole["metrics"]["brier"]["value"] == pytest.approx(single["metrics"]["brier"]["value"], rel=1e-5)


def test_nothing_readable_is_an_answer_without_numbers(capsys, manifest):
    for image in manifest.parent.glob("?.png"):
        image.unlink()
    report = document(capsys, "evaluate", "tiny", "--data", str(manifest))
    assert report["n"] == 0 and len(report["skipped"]) == 8
    assert report["metrics"]["auc"]["value"] is None and report["metrics"]["auc"]["why"]


def test_a_part_is_scored_alone(capsys, tmp_path, manifest):
    text = manifest.read_text().splitlines()
    rows = [f"{text[0]},split", *(f"{row},{'test' if n % 2 else 'train'}" for n, row in enumerate(text[1:]))]
    manifest.write_text("\n".join(rows))
    report = document(
        capsys, "evaluate", "tiny", "--data", str(manifest), "--part", "test", "--out", str(tmp_path)
    )
    assert report["n"] == 3
    with (tmp_path / "predictions.csv").open() as file:
        assert {row["split"] for row in csv.DictReader(file)} == {"test"}


def test_evaluate_for_people(capsys, manifest):
    assert main(["evaluate", "tiny", "--data", str(manifest)]) == 0
    out = capsys.readouterr().out
    assert "tiny on 6 cases" in out and "skipped broken.png" in out and "sensitivity" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "COMMAND"),
        (["fly"], "fly"),
        (["list", "--colour"], "--colour"),
        (["pack", "tiny"], "--out"),
        (["pack", "nope", "--out", "x.zip"], "There is no run 'nope'"),
        (["pack", "tiny", "--out", "."], "is a folder"),
        (["import", "nowhere.zip"], "There is nothing at nowhere.zip"),
        (["evaluate", "nope", "--data", "MANIFEST"], "a known id (tiny)"),
        (["evaluate", "tiny", "--data", "nowhere.csv"], "There is no manifest"),
        (["evaluate", "tiny", "--data", "MANIFEST", "--map", "malignant"], "--map"),
        (["evaluate", "tiny", "--data", "MANIFEST", "--map", "malignant=cancer"], "--map"),
        (["evaluate", "tiny", "--data", "MANIFEST", "--engine", "abacus"], "There is no engine 'abacus'"),
        (["evaluate", "tiny", "--data", "MANIFEST", "--out", "MANIFEST"], "cannot be written"),
    ],
)
def test_bad_input_is_one_sentence_and_status_two(capsys, manifest, arguments, says):
    arguments = [str(manifest) if word == "MANIFEST" else word for word in arguments]
    assert says in refused(capsys, *arguments)


def test_an_unknown_label_is_refused_before_anything_is_scored(capsys, manifest):
    manifest.write_text("file,label\n0.png,cyst\n")
    assert "cyst" in refused(capsys, "evaluate", "tiny", "--data", str(manifest))


def test_a_damaged_run_is_refused(capsys, shelf, manifest):
    (shelf / "tiny" / "recipe.toml").write_text("altered")
    assert "was altered (recipe.toml" in refused(capsys, "evaluate", "tiny", "--data", str(manifest))


def test_a_fault_of_ours_is_one_line_and_status_one(capsys, monkeypatch):
    def fail():
        raise KeyError("a\nb")

    monkeypatch.setattr(list_command, "list_runs", fail)
    assert main(["list", "--json"]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and "KeyError" in captured.err
    monkeypatch.setenv("LESIONLENS_DEBUG", "1")
    assert main(["list"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_command_that_this_version_lacks_is_refused_like_any_other(capsys, monkeypatch):
    monkeypatch.setitem(command_line.COMMANDS, "compare", "not_written_yet")
    assert "compare" in refused(capsys, "compare")


def test_the_process_itself(shelf):
    """As a shell sees it; and a list imports nothing heavy."""
    environment = os.environ | {"PYTHONPATH": os.getcwd(), "LESIONLENS_RUNS": str(shelf)}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "models", "list", "--json"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0 and "tiny" in [run["id"] for run in json.loads(done.stdout)]
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert not imported & {
        "tensorflow",
        "keras",
        "pandas",
        "scipy",
        "sklearn",
        "cv2",
        "openvino",
        "streamlit",
    }
    done = subprocess.run(
        [sys.executable, "-m", "models", "pack", "nope", "--out", "x"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
