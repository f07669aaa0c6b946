"""`python -m models batch` from arguments to exit status, in this process."""

import csv
import hashlib
import json
import os
import shutil
import signal
from types import SimpleNamespace

import pytest

from models.__main__ import main
from models.commands.batch import _notices


@pytest.fixture(scope="module")
def labelled(pictures, tmp_path_factory):
    """Pictures in folders that are called as the labels: the darker half is malignant; one file is none."""
    root = tmp_path_factory.mktemp("labelled")
    for number, path in enumerate(pictures[:24]):
        folder = root / ("benign" if number < 12 else "malignant")
        folder.mkdir(exist_ok=True)
        shutil.copy(path, folder / path.name)
    (root / "malignant" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    return root


def batch(tiny, *arguments):
    return main(["batch", str(tiny.folder), *map(str, arguments), "--engine", "onnxruntime"])


def test_one_document_with_counts_metrics_and_what_was_skipped(tiny, labelled, tmp_path, capsys):
    out = tmp_path / "out"
    assert batch(tiny, labelled, "--out", out, "--map", "benign=other", "--json") == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert document["n"] == 25 and document["counts"] == {
        "ok": 24,
        "unreadable": 1,
        "refused": 0,
        "failed": 0,
    }
    assert document["run"] == "tiny" and document["runs"][0]["n"] == 24
    assert document["metrics"]["auc"]["value"] == 1.0
    assert [entry["file"] for entry in document["skipped"]] == ["malignant/torn.png"]
    with (out / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["other"] * 12 + ["malignant"] * 13
    assert rows[-1]["status"] == "unreadable" and rows[-1]["p_malignant"] == ""


def test_words_for_a_person_and_a_second_call(tiny, labelled, tmp_path, capsys):
    out = tmp_path / "out"
    assert batch(tiny, labelled / "benign", "--out", out) == 0
    assert "Research use only" in capsys.readouterr().out
    assert batch(tiny, labelled / "benign", "--out", out) == 2
    assert "--resume" in capsys.readouterr().err
    before = (out / "journal.jsonl").read_bytes()
    assert batch(tiny, labelled / "benign", "--out", out, "--resume") == 0
    assert (out / "journal.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--workers", "0"], "workers"),
        (["--with", "nobody"], "no run"),
        (["--with", "SELF"], "twice"),
        (["--engine", "abacus"], "no engine"),
        (["--map", "benign=purple"], "purple"),
    ],
)
def test_a_refusal_is_a_sentence_before_anything_is_written(
    tiny, labelled, tmp_path, capsys, arguments, words
):
    given = [str(tiny.folder) if word == "SELF" else word for word in arguments]
    status = main(["batch", str(tiny.folder), str(labelled), "--out", str(tmp_path / "out"), *given])
    told = capsys.readouterr().err
    assert status == 2 and words in told and told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_input_itself_is_no_folder_for_the_results(tiny, labelled, capsys):
    before = sorted(labelled.rglob("*"))
    assert batch(tiny, labelled, "--out", labelled / "benign" / "..") == 2
    assert "another folder" in capsys.readouterr().err and sorted(labelled.rglob("*")) == before


def test_labels_of_no_class_are_refused_before_anything_is_scored(tiny, labelled, tmp_path, capsys):
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\n00.png,blue\n02.png,malignant\n")
    out = tmp_path / "out"
    assert batch(tiny, labelled / "benign", "--out", out, "--labels", labels) == 2
    assert "blue" in capsys.readouterr().err and not out.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_is_done(tiny, labelled, tmp_path, capsys, monkeypatch, number):
    from models.batch.journal import Journal

    add, sent = Journal.add, []

    def interrupted(self, rows):
        add(self, rows)
        if not sent:  # a second one would end the process at once
            sent.append(os.kill(os.getpid(), number))

    monkeypatch.setattr(Journal, "add", interrupted)
    out = tmp_path / "out"
    assert batch(tiny, labelled, "--out", out, "--map", "benign=other") == 130
    assert "--resume" in capsys.readouterr().err
    monkeypatch.undo()
    done = (out / "predictions.csv").read_text().count("\n") - 1
    assert 8 <= done < 25
    assert batch(tiny, labelled, "--out", out, "--map", "benign=other", "--resume", "--json") == 0
    assert json.loads(capsys.readouterr().out)["n"] == 25


def test_a_run_says_that_it_was_trained_on_these_images(tmp_path):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("file,label\na.png,benign\n", encoding="utf-8")
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()

    def said(digest, *inputs):
        card = SimpleNamespace(prepare={}, data=SimpleNamespace(manifest_digest=digest))
        return list(_notices([SimpleNamespace(id="own", card=card)], inputs))

    assert "own was trained on some of these images" in said(digest, manifest)[0]
    assert said(digest, tmp_path) == said(digest, manifest)  # the folder it lies in
    assert not said("0" * 64, manifest) and not said(None, tmp_path / "nothing")
