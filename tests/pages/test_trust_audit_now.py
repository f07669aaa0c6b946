"""Audit now and the tour: audits in a thread on a tiny network, stopped, gone on with, and two at once."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from models.data.manifest import read_manifest
from models.engines import open_engine
from models.errors import BadInput
from models.runs import Run, load_run
from pages.ui.trust import jobs, laboratory, sources
from pages.ui.trust.jobs import CANCELLED, DONE, REFUSED, AuditJobs, Plan
from pages.ui.trust.sources import ALL, Source
from tests.pages.conftest import ROOT
from tests.pages.pictures import dark_disc, png
from tests.pages.tiny_run import write_tiny_run

TRUST = "pages/6_Trust.py"
CASES = 5


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """<folder>/runs with tiny runs (two of them as the laboratory's), <folder>/data with a small pack."""
    folder = tmp_path_factory.mktemp("audit-now")
    for name in ("tiny", laboratory.LESION, laboratory.SHORTCUT):
        write_tiny_run(folder / "runs", name)
    pack = folder / "data" / "pack"
    pack.mkdir(parents=True)
    image, mask = dark_disc()
    lines = ["file,label,mask_file,modality"]
    for i in range(CASES):
        (pack / f"{i}.png").write_bytes(png(image))
        (pack / f"{i}_mask.png").write_bytes(png(mask))
        lines.append(f"{i}.png,malignant,{i}_mask.png,ultrasound")
    (pack / "manifest.csv").write_text("\n".join(lines) + "\n")
    bare = folder / "data" / "bare"
    bare.mkdir()
    (bare / "manifest.csv").write_text("file,label\na.png,malignant\n")
    return folder


@pytest.fixture(autouse=True)
def these_alone(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("models.runs.folder.run_roots", "pages.ui.caches.run_roots"):
        monkeypatch.setattr(name, lambda: (world / "runs",))
    monkeypatch.setenv("LESIONLENS_DATA", str(world / "data"))
    st.cache_resource.clear()


@pytest.fixture
def run(world: Path) -> Run:
    return load_run(world / "runs" / "tiny")


@pytest.fixture
def source(world: Path) -> Source:
    return Source("pack", read_manifest(world / "data" / "pack"), ALL)


def open_now(**address: str) -> AppTest:
    page = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=60).switch_page(TRUST)
    page.query_params.update({"view": "Audit now", "run": "tiny"} | address)
    return page.run()


def said(page: AppTest) -> str:
    kinds = (page.markdown, page.caption, page.info, page.warning, page.error, page.success, page.subheader)
    return "\n".join(element.value for kind in kinds for element in kind)


class Gate:
    """Holds an audit after its first `after` cases until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        watch = jobs.PageAudit._watch

        def held(audit: jobs.PageAudit, done: int, total: int) -> None:
            if done == after and not self.open.is_set():
                self.reached.set()
                self.open.wait(30)
            watch(audit, done, total)

        monkeypatch.setattr(jobs.PageAudit, "_watch", held)


def test_an_audit_is_stopped_gone_on_with_and_does_nothing_twice(run, source, monkeypatch) -> None:
    gate, kept = Gate(monkeypatch, after=2), AuditJobs()
    engine = open_engine(run, "onnxruntime")
    audit = kept.start(Plan(run, source, ("grad-cam",)), engine)
    assert gate.reached.wait(30) and audit.busy and (audit.done, audit.total) == (2, CASES)
    # What is done can be looked at meanwhile, and nothing else is begun.
    assert len(audit.audit.cases) == 2 and len(audit.audit.table().of("grad-cam")) == 2
    with pytest.raises(BadInput, match="An audit of tiny is running: wait or cancel it"):
        kept.start(Plan(run, source, ("layercam",)), engine)
    other = AuditJobs().start(Plan(run, source, ("layercam",)), engine)  # of another visitor
    assert other.wait(30) and other.state == REFUSED and "is running: wait or cancel" in other.sentence
    audit.cancel()
    gate.open.set()
    assert audit.wait(30) and audit.state == CANCELLED and audit.done == 2
    first = audit.audit.cases[0]
    audit.start()
    assert audit.wait(60) and audit.state == DONE and audit.done == CASES
    assert audit.audit.cases[0] is first and audit.audit.complete
    kept.close()
    assert kept.audits == []


def test_what_is_drawn_for_an_audit_goes_with_it(run) -> None:
    kept = AuditJobs()
    drawn = Source(sources.PHANTOMS, None, ALL, "ultrasound", 3, 101, True)
    assert sources.strange_labels(run, drawn) == ["benign"]
    plan = Plan(run, replace(drawn, meanings=(("benign", "other"),)), ("grad-cam",))
    audit = kept.start(plan, open_engine(run, "onnxruntime"))
    assert audit.wait(60) and audit.state == DONE, audit.sentence
    files = [case.file for case in audit.cases.values()]
    assert files and all(file.is_file() and file.stem.startswith("usm_s101_") for file in files)
    kept.forget(audit)
    assert not any(file.exists() for file in files)


def test_cases_without_a_mask_are_refused_in_a_sentence(run, world: Path) -> None:
    kept = AuditJobs()
    bare = Source("bare", read_manifest(world / "data" / "bare"), ALL)
    audit = kept.start(Plan(run, bare, ("grad-cam",)), open_engine(run, "onnxruntime"))
    assert audit.wait(30) and audit.state == REFUSED
    assert audit.sentence.startswith("No case of bare, every case has a mask")
    masked, without = sources.with_masks()
    assert [each.name for each in masked] == ["pack"] and [each.name for each in without] == ["bare"]


def at_once(audit: jobs.PageAudit) -> None:
    """The work itself in place of a thread that does it."""
    audit._work()


def test_the_page_starts_an_audit_and_shows_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.PageAudit, "start", at_once)
    page = open_now(data="pack")
    assert "tiny on pack, every case" in said(page).replace("\\", "")
    page.button(key="start audit").click().run()
    assert not page.exception and all(error.icon == ":material/cancel:" for error in page.error)  # findings
    assert f"{CASES} cases of **malignant**" in said(page)
    assert page.button(key="start audit").disabled and page.button(key="start audit").label == "It is done"
    page.button(key="discard audit").click().run()
    assert "Measure a run's heatmaps here and now" in said(page)


def test_the_tour_goes_through_its_three_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laboratory, "TWINS", 1)
    monkeypatch.setattr(laboratory.numbers, "__defaults__", (1,))
    page = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=60).switch_page(TRUST)
    page.query_params.update({"view": "Tour"})
    page.run()
    assert "A score cannot tell them apart" in said(page) and not page.error and not page.exception
    page.button(key="next").click().run()
    assert "no audit is stored" in said(page) and not page.exception
    page.button(key="next").click().run()
    assert "of 1** malignant with the mark" in said(page) and not page.error and not page.exception


def test_twins_differ_by_the_mark_alone() -> None:
    twin = laboratory.draw_twin(laboratory.numbers(1)[0])
    changed = (twin.marked.samples != twin.plain.samples).any(axis=2)
    assert 0.001 < changed.mean() < 0.05 and not (changed & twin.mask).any()
    assert twin.plain.synthetic and twin.mask.any()
