"""A case's report: the verdict, the pictures with their scale, and every number of its JSON document."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np

from models.reports import Figure, Table, Text, to_html
from models.runs.schema import Data, Interval
from tests.models.reports.reading import INJECTIONS, Page, shown
from tests.xai.fakes import CLASSES, BlockEngine, fake_run, study_of
from xai.explain import explain_study
from xai.report import LONGEST_SIDE, OF_A_PERSON, explanation_report
from xai.trust import Light
from xai.trust.light import card_of


def explained(name: str = "scan.png", size: tuple[int, int] = (50, 70), mask=None, words: str = "", **study):
    card = SimpleNamespace(
        prepare={},
        map_scale={"joint": 0.2, "coarse": 0.1, "fine": 0.05},
        synthetic=False,
        metrics={"test": {"auc": Interval(value=0.9, low=0.8, high=0.95, n=40)}},
        data=Data(name="blocks", licence=words or "CC0"),
        intended_use=words or "Tests.",
        limits=words,
    )
    pixels = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    run = fake_run(title=words or "Blocks", card=card)
    return explain_study(study_of(pixels, name, **study), run, BlockEngine(), mask=mask)


def parts(report, kind) -> list:
    return [part for section in report.sections for part in section.parts if isinstance(part, kind)]


def test_it_says_the_verdict_and_every_number():
    result = explained()
    report = explanation_report(result)
    first = parts(report, Text)[0].text
    assert first.startswith(f"The model says {result.reading.label}") and "Not a diagnosis" in first
    rows = [row for table in parts(report, Table) for row in table.rows]
    assert [(name, f"{p:.3f}") for name, p in result.reading.probabilities.items()] == rows[: len(CLASSES)]
    assert ("margin", f"{result.margin:+.3f}") in rows and ("Its digest", result.study.digest[:16]) in rows
    assert ("AUC", "0.90 (0.80 to 0.95)", 40) in rows
    of_parts = [float(row[1]) for row in rows if row[0] in ("coarse", "fine", "rest (no place in the image)")]
    assert len(of_parts) == 3 and abs(sum(of_parts) - result.margin) < 0.002


def test_its_pictures_are_the_image_and_every_map():
    figures = parts(explanation_report(explained()), Figure)
    assert [figure.caption.partition(",")[0] for figure in figures] == [
        "The image as stored.", "Joint map", "Coarse", "Fine",
    ]  # fmt: skip
    sizes = {cv2.imdecode(np.frombuffer(figure.png, np.uint8), 1).shape for figure in figures}
    assert sizes == {(50, 70, 3)}


def test_large_images_are_reduced_and_said_to_be():
    mask = np.zeros((100, 3 * LONGEST_SIDE), dtype=bool)
    mask[40:60, 30:90] = True
    report = explanation_report(explained(size=mask.shape, mask=mask))
    shapes = {cv2.imdecode(np.frombuffer(f.png, np.uint8), 1).shape[:2] for f in parts(report, Figure)}
    assert shapes == {(33, LONGEST_SIDE)}
    assert any("reduced" in part.text for part in parts(report, Text))
    assert any(row[0].startswith("Pointing game") for table in parts(report, Table) for row in table.rows)


def test_an_image_of_a_person_is_said_to_be_inside():
    assert OF_A_PERSON in [part.text for part in parts(explanation_report(explained()), Text)]
    phantom = parts(explanation_report(explained(synthetic=True)), Text)
    assert OF_A_PERSON not in [part.text for part in phantom]
    assert any("synthetic phantom" in part.text for part in phantom)


def test_doubts_stand_out():
    report = explanation_report(explained(), doubts=["Another modality."])
    assert Text("Another modality.", "warning") in parts(report, Text)


def test_a_strangers_words_do_nothing():
    hostile = INJECTIONS[1]
    page = Page(to_html(explanation_report(explained(name=hostile, words=hostile))))
    assert not page.dangers() and not page.problems
    assert page.words.count(shown(hostile)) >= 5


def test_the_trust_card_stands_before_the_pictures():
    light = Light("Blur test", "bad", "beats 0% of 16", "Blurring lowers nothing.", "How it was done.")
    card = card_of((light,), "joint", "grad-cam")
    report = explanation_report(explained(), card=card)
    titles = [section.title for section in report.sections]
    assert titles.index("How far the map can be trusted") < titles.index("Evidence for malignant")
    rows = [row for table in parts(report, Table) for row in table.rows]
    assert ("Blur test", "fails", "beats 0% of 16", "Blurring lowers nothing.") in rows
    assert any(text.kind == "warning" and "Do not read this map" in text.text for text in parts(report, Text))
    assert ("Explains", "malignant") in rows
    assert any(row[0] == "Method" and "Selvaraju" in row[1] for row in rows)
