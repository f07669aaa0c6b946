"""`python -m xai batch`: one implementation with `python -m models batch`, and what it adds."""

import json

import numpy as np
import pytest

from models.batch import read_batch
from models.data.manifest import read_manifest
from models.engines import open_engine
from models.reports.document import NOTICE
from models.runs import write_run
from tests.models.reports.reading import Page
from tests.xai.batch.cases import asked, batch_of, row
from xai.__main__ import main
from xai.audit import AuditJob, document, read_audit, read_table
from xai.audit.figures import figures
from xai.auditing import audited_cases
from xai.batch.audited import audit_files, audit_of
from xai.batch.report import batch_report


def test_every_case_has_its_columns_and_its_pictures(done):
    rows = list(done.batch.rows())
    assert [one.status for one in rows] == ["ok"] * 6 + ["unreadable"]
    for one in rows[:6]:
        assert set(one.scores["two"].extra) == set(done.batch.run("two").columns)
        for score in one.scores.values():
            assert (done.batch.folder / score.extra["heatmap"]).read_bytes().startswith(b"\x89PNG")
            assert (done.batch.folder / score.extra["thumbnail"]).is_file()
    assert len(list((done.batch.folder / "thumbnails").iterdir())) == 6
    assert not list(done.batch.folder.rglob("*.part"))


def test_probabilities_are_those_of_models_batch(done, tmp_path, monkeypatch):
    monkeypatch.setattr("models.commands.batch.print_json", lambda document: None)
    from models.__main__ import main as models_main

    run = done.runs["two"]
    options = [str(run.folder), str(done.manifest), "--out", str(tmp_path / "out"), "--engine", "onnxruntime"]
    assert models_main(["batch", *options, "--json"]) == 0
    alone = read_batch(tmp_path / "out").predictions("two")
    np.testing.assert_array_equal(alone.probabilities, done.batch.predictions("two").probabilities)


def test_the_measures_are_those_of_an_audit(done):
    """The audit reads, scores and measures the same files on its own way."""
    run = done.runs["two"]
    cases, _ = audited_cases(run, read_manifest(done.manifest))
    job = AuditJob(
        run, open_engine(run, "onnxruntime"), [c for c, _ in cases], [label for _, label in cases],
        randomisation=False,
    )  # fmt: skip
    alone, found = job.measure(), audit_of(done.batch, run)
    assert len(found.cases) == 5 and found.complete
    assert found.table().to_csv() == alone.table().to_csv()
    told = json.loads(json.dumps(document(found)))
    assert done.document["measures"]["two"]["methods"] == told["methods"]
    assert done.document["measures"]["two"]["n"] == 4 and done.document["method"] == "grad-cam"


def test_a_run_keeps_them_as_an_audit(done, tmp_path):
    run = done.runs["two"]
    files = audit_files(done.batch, run, "kept")
    card = run.card.model_dump(mode="json") | {"id": "kept"}
    own = {name: run.folder / name for name in run.card.files}
    own |= {f"trunks/{path.name}": path for path in (run.folder / "trunks").glob("*.onnx")}
    kept = write_run(tmp_path / "kept", card, own | files)
    assert read_audit(kept)["run"] == "kept" and len(read_table(kept).of()) == 5
    told = figures(read_table(kept), audit_of(done.batch, run).groups)["iou"]["value"]
    by_class = read_audit(kept)["by_class"]
    shares = [by_class[name]["iou"] for name in run.classes]
    assert told == pytest.approx(sum(one["value"] * one["n"] for one in shares) / 5, abs=1e-6)


def test_labels_added_afterwards_count_only_where_their_class_was_measured(done):
    first, *_, other, _, _ = done.batch.rows()
    assert first.label == "malignant" and other.label == "other"
    changed = audit_of(done.batch, done.runs["two"], labels={first.key: "other", other.key: ""})
    assert {entry["file"]: entry["why"].split(":")[0] for entry in changed.skipped} == {
        first.key: "The map of malignant was measured, and it is labelled other",
        other.key: "It has no label, so its mask tells no class's map.",
    }
    assert audit_of(batch_of([row(0, two=0.3)], [asked("two")]), done.runs["two"]) is None
    assert audit_files(batch_of([row(0, two=0.3)], [asked("two")]), done.runs["two"]) == {}


def test_the_report_stands_alone_and_says_what_it_is_for(done):
    page = Page(done.report)
    assert not page.problems and not page.dangers()
    assert NOTICE in page.words and "broken" in page.words
    headings = ("What was scored", "Most suspicious images, by two", "Against the labels: one")
    headings += ("Heatmaps against the masks: two", "What was not scored", "Where this comes from")
    for heading in headings:
        assert heading in page.words
    assert done.report.count("data:image/jpeg") >= 6 and "data:image/png" not in done.report


def test_a_refused_map_is_a_reason_and_an_unfinished_batch_says_so(done):
    rows = list(done.batch.rows())
    refused = [
        row(0, "<b>x</b>", two=(0.9, dict(rows[0].scores["two"].extra) | {"cautions": "border blank"})),
        row(1, "plain", two=(0.2, dict(rows[1].scores["two"].extra) | {"cautions": ""})),
    ]
    batch = batch_of(refused, [asked("two")], done.batch.folder, complete=False, total=7)
    report = batch_report(batch, shown=2)
    text = str(report.sections[0].parts[0].text)
    assert text == "This batch is not finished: 2 of 7 images so far."
    first, second = report.sections[1].parts[1].rows
    assert first[0] == "<b>x</b>" and first[2] == "No map: blank" and second[2].kind == "image/jpeg"
    assert "blank: no place" in first[-1]


def test_a_batch_without_anything_scored_has_a_report():
    report = batch_report(batch_of([row(0, "a", why="It is empty.")]))
    assert "No image was scored." in report.sections[1].parts[0].text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--method", "rise"], "many times"),
        (["--method", "guess"], "no method"),
        (["--marks", "--no-heatmaps"], "leave --no-heatmaps out"),
        (["--report", "."], "is a folder"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_loaded(options, said, tmp_path, capsys):
    assert main(["batch", "no-such-run", "x.png", "--out", str(tmp_path / "out"), *options]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_without_heatmaps_there_are_columns_and_measures_by_another_method(done, tmp_path, monkeypatch):
    printed = []
    monkeypatch.setattr("models.commands.batch.print_json", printed.append)
    run, out = done.runs["one"], tmp_path / "out"
    options = [str(run.folder), str(done.manifest), "--out", str(out), "--engine", "onnxruntime", "--json"]
    assert main(["batch", *options, "--no-heatmaps", "--method", "layercam"]) == 0
    assert not {"heatmaps", "thumbnails"} & {path.name for path in out.iterdir()}
    score = next(read_batch(out).rows()).scores["one"]
    assert score.extra["familiar"] == "unknown" and "heatmap" not in score.extra
    told = printed[0]["measures"]["one"]["methods"]
    assert list(told) == ["layercam"] and told["layercam"]["iou"]["n"] == 4
