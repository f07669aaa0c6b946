"""An audit as work: stopped and gone on with, one at a time, its journal, thresholds, how long it takes."""

import json

import numpy as np
import pytest

from models.data.manifest import read_manifest
from models.engines import open_engine
from models.errors import BadInput
from tests.models.runs.tiny_run import write_tiny_run
from tests.xai.audit_cases import write_cases
from xai.audit import AuditJob, document, running
from xai.audit import job as job_module
from xai.auditing import audited_cases
from xai.methods import Cancelled


class Interrupted(BaseException):
    """As Streamlit ends a script: nothing that `except Exception` sees."""


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    """(run, engine, cases, labels): five cases with masks."""
    folder = tmp_path_factory.mktemp("subject")
    run = write_tiny_run(folder / "tiny")
    pairs, _ = audited_cases(run, read_manifest(write_cases(folder)))
    return run, open_engine(run, "onnxruntime"), [case for case, _ in pairs], [label for _, label in pairs]


def job_of(subject, methods=("grad-cam",), faithfulness=False, watch=None, **others):
    return AuditJob(*subject, methods, faithfulness, watch, **({"randomisation": False} | others))


@pytest.fixture(scope="module")
def whole(subject):
    return job_of(subject, ("grad-cam", "layercam")).measure()


def stop_after(count, error=Cancelled):
    def watch(done, total):
        assert total == 5
        if done >= count:
            raise error

    return watch


def test_a_case_is_measured_by_every_method_branch_and_baseline(whole):
    table = whole.table()
    kinds = {("grad-cam", m) for m in ("joint", "a", "b")} | {("layercam", m) for m in ("joint", "a", "b")}
    kinds |= {("", baseline) for baseline in ("centre", "random", "ceiling")}
    assert set(zip(table.methods.tolist(), table.maps.tolist(), strict=True)) == kinds
    assert len(table) == 5 * len(kinds) and whole.complete
    ceiling, noise = table.of(map="ceiling").measures["iou"], table.of(map="random").measures["iou"]
    assert ceiling.mean() > noise.mean()
    on_marks = table.of().measures["heat_on_marks"]
    assert (np.isfinite(on_marks) == (table.of().labels == "malignant")).all()
    pairs = {(pair["kind"], *pair["between"]) for pair in document(whole)["agreement"]}
    assert pairs == {("methods", "grad-cam", "layercam"), ("branches", "a", "b")}


@pytest.mark.parametrize("error", [Cancelled, Interrupted])
def test_a_stopped_audit_keeps_what_is_done_and_goes_on(subject, whole, monkeypatch, error):
    decoded = []

    def decode(case, label, real=job_module.decode):
        decoded.append(case.case_id)
        return real(case, label)

    monkeypatch.setattr(job_module, "decode", decode)
    job = job_of(subject, ("grad-cam", "layercam"), watch=stop_after(2, error))
    with pytest.raises(error):
        job.measure()
    assert job.done == 2 and not job.audit.complete and running() is None
    kept = [case.case_id for case in job.audit.cases]
    decoded.clear()
    job.watch = None
    assert job.measure().table().to_csv() == whole.table().to_csv()
    assert sorted([*kept, *decoded]) == sorted(case.case_id for case in whole.cases) and job.finished


def test_cancel_from_elsewhere_stops_at_the_next_pass(subject):
    job = job_of(subject)
    job.watch = lambda done, total: job.cancel() if done == 1 else None
    with pytest.raises(Cancelled):
        job.measure()
    assert 1 <= job.done < 5
    job.watch = None
    assert job.measure().complete


def test_a_second_audit_is_refused_while_one_runs(subject):
    second, told = job_of(subject), []

    def watch(done, total):
        assert running() is first
        with pytest.raises(BadInput, match="An audit of tiny is running"):
            second.measure()
        told.append(done)

    first = job_of(subject, watch=watch)
    first.measure()
    assert told and running() is None
    assert second.measure().complete


def test_the_journal_carries_an_audit_over_to_another_process(subject, whole, tmp_path):
    path = tmp_path / "audit.jsonl"
    with pytest.raises(Cancelled):
        job_of(subject, ("grad-cam", "layercam"), watch=stop_after(3), journal=path).measure()
    # The process died while it wrote the third line of a case.
    text = path.read_text()
    path.write_text(text[: text.rindex('"marks"')])
    again = job_of(subject, ("grad-cam", "layercam"), journal=path, resume=True)
    assert again.done == 2
    assert document(again.measure()) == document(whole)
    finished = job_of(subject, ("grad-cam", "layercam"), journal=path, resume=True)
    assert finished.finished and finished.audit.table().to_csv() == whole.table().to_csv()
    with pytest.raises(BadInput, match="--resume"):
        job_of(subject, ("grad-cam", "layercam"), journal=path)
    with pytest.raises(BadInput, match="other choices"):
        job_of(subject, ("layercam",), journal=path, resume=True)


def test_what_cannot_be_read_is_skipped_and_told(subject, tmp_path):
    run, engine, _, _ = subject
    pairs, _ = audited_cases(run, read_manifest(write_cases(tmp_path)))
    (tmp_path / "s1.png").write_bytes(b"no image")
    (tmp_path / "m2.png").write_bytes((tmp_path / "s3.png").read_bytes()[:40])
    cases, labels = [case for case, _ in pairs], [label for _, label in pairs]
    found = AuditJob(run, engine, cases, labels, randomisation=False).measure()
    assert found.complete and [entry["file"] for entry in found.skipped] == ["s1.png", "s2.png"]
    assert [case.case_id for case in found.cases] == ["s0", "s3", "s4"]


def test_the_threshold_is_tuned_on_other_cases(subject):
    run, engine, cases, labels = subject
    tuning = [(cases[0], labels[0]), (cases[1], labels[1])]
    found = AuditJob(run, engine, cases[2:], labels[2:], tuning=tuning, randomisation=False).measure()
    assert found.thresholds["grad-cam"].n == 2 and 0.05 <= found.thresholds["centre"].share <= 0.95
    assert np.isfinite(found.table().of().measures["iou_tuned"]).all()


def test_without_validation_cases_the_tuned_iou_says_why(whole):
    fields = document(whole)
    assert fields["thresholds"]["grad-cam"]["value"] is None
    assert "validation" in fields["thresholds"]["grad-cam"]["why"]
    assert fields["methods"]["grad-cam"].get("iou_tuned", {}).get("value") is None


def test_faithfulness_says_how_long_it_takes_and_counts_its_passes(subject):
    run, engine, cases, labels = subject
    images, told = [], []

    class Counting:
        name, run = engine.name, engine.run

        def explain(self, tensor):
            images.append(len(tensor))
            return engine.explain(tensor)

        def predict(self, tensor):
            images.append(len(tensor))
            return engine.predict(tensor)

    job = AuditJob(
        run, Counting(), cases[:2], labels[:2], faithfulness=True, randomisation=False, notice=told.append
    )
    found = job.measure()
    assert sum(images) == 2 * job.passes_a_case
    assert len(told) == 1 and f"{job.passes_a_case} passes" in told[0]
    joint, noise = found.table().of().measures, found.table().of(map="random").measures
    assert ((joint["deletion"] >= 0) & (joint["deletion"] <= 1)).all()
    assert (
        np.isfinite(noise["insertion"]).all()
        and np.isnan(found.table().of(map="centre").measures["deletion"]).all()
    )


def test_random_weights_are_part_of_every_audit_unless_left_out(subject, whole):
    run, engine, cases, labels = subject
    found = AuditJob(run, engine, cases, labels).measure().randomisation
    assert 0 <= found["low"] <= found["correlation"] <= found["high"] <= 1 and found["n"] >= 3
    assert found["passed"] == (found["correlation"] < 0.5) and len(found["stages"]) > 1
    assert (
        document(whole)["randomisation"]["correlation"] is None and "left out" in whole.randomisation["why"]
    )


def test_what_an_audit_cannot_do_is_refused_before_it_begins(subject):
    run, engine, cases, labels = subject
    bare = [(case, label) for case, label in zip(cases, labels, strict=True) if case.mask_file is None]
    with pytest.raises(BadInput, match="mask"):
        AuditJob(run, engine, [case for case, _ in bare], [label for _, label in bare])
    with pytest.raises(BadInput, match="one alone"):
        job_of(subject, ("tf-keras-vis/score-cam",))
    with pytest.raises(BadInput, match="tea-leaves"):
        job_of(subject, ("tea-leaves",))
    with pytest.raises(BadInput, match="0 masks"):
        job_of(subject, ("rise",), masks=0)
    with pytest.raises(BadInput, match="seed -1"):
        job_of(subject, seed=-1)


def test_a_case_survives_json(whole):
    case = whole.cases[0]
    again = type(case).from_dict(json.loads(json.dumps(case.to_dict())))
    assert again == case
