"""Trust, driven without a browser: its numbers by hand, its address, and what it refuses."""

import re
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from models.runs import load_run
from pages.ui.trust import cases, methods, pair, sanity
from pages.ui.trust.asking import Look
from pages.ui.trust.audited import audited, graded, in_size
from pages.ui.trust.report import audit_report, pair_report
from pages.ui.trust.tables import whole_table
from tests.pages.audited_run import FINDING, IOU, audited_cases, write_audited_run
from tests.pages.conftest import ROOT
from tests.pages.scored_run import made_up, write_scored_run
from xai.audit import read_audit, read_table

TRUST = "pages/6_Trust.py"
LOOK = Look("grad-cam", "joint", "malignant", "iou")
METHODS = {"grad-cam": IOU, "layercam": [value / 2 for value in IOU], "hirescam": IOU}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("trust") / "runs"
    write_audited_run(runs)
    write_audited_run(runs, "better", iou={"grad-cam": [min(1.0, value + 0.1) for value in IOU]})
    write_audited_run(runs, "many", iou=METHODS, head={"kind": "pooled"})
    write_audited_run(runs, "old", old=True)
    write_audited_run(runs, "broken", document=False)
    (runs / "broken" / "xai.csv").write_text("no,audit\n1,2\n")
    write_scored_run(runs, "never")
    write_audited_run(runs, "elsewhere", classes=("other", "malignant"))
    table = (runs / "elsewhere" / "xai.csv").read_text().replace("case ", "image ")
    (runs / "elsewhere" / "xai.csv").write_text(table)
    for name in ("broken", "elsewhere"):
        _sign(runs / name)
    return runs


def _sign(folder: Path) -> None:
    """The digests of files that the test changed behind the writer's back."""
    import hashlib
    import json

    card = json.loads((folder / "run.json").read_text())
    for name in card["files"]:
        content = (folder / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        card["files"][name] = digest
    (folder / "run.json").write_text(json.dumps(card))


@pytest.fixture(autouse=True)
def these_runs_alone(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("models.runs.folder.run_roots", "pages.ui.caches.run_roots"):
        monkeypatch.setattr(name, lambda: (world,))
    monkeypatch.setenv("LESIONLENS_DATA", str(world.parent / "data"))
    st.cache_resource.clear()


def at(**address: str) -> AppTest:
    """Trust as somebody sees it who opens this link."""
    page = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=60).switch_page(TRUST)
    page.query_params.update(address)
    return page.run()


def said(page: AppTest) -> str:
    kinds = (page.markdown, page.caption, page.info, page.warning, page.error, page.success)
    return "\n".join(element.value for kind in kinds for element in kind)


def charts(page: AppTest) -> str:
    return "\n".join(chart.proto.alt for chart in page.get("plotly_chart"))


def of(run: str, world: Path):
    loaded = load_run(world / run)
    ids = made_up().case_ids.tolist()
    return audited(loaded, read_table(loaded), read_audit(loaded), ids)


def test_the_headline_is_the_mean_of_the_cases_beside_the_centre(world: Path) -> None:
    page = at(run="audited")
    assert not page.error[1:] and not page.exception
    assert page.query_params == {"run": "audited"}
    # IoU: (0.9 + 0.8 + 0.7 + 0.2 + 0.1 + 0) / 6; hits: 4 of 6.
    assert re.search(r"IoU 0\.45 \(0\.\d\d to 0\.\d\d\)", charts(page))
    assert "Pointing game 0.67 (0.30 to 0.90)" in charts(page)  # Wilson's interval of 4 in 6
    assert "6 cases of **malignant**" in said(page)
    assert "10 cases with outlined lesions: 6 malignant, 4 other" in said(page)
    # IoU less the centre's 0.1, case by case.
    assert "+0.35 (" in said(page) and "Better than guessing the middle" in said(page)


def test_what_the_audit_holds_against_the_maps_comes_first(world: Path) -> None:
    assert FINDING.rstrip(".") in at(run="audited").error[0].value.replace("\\", "")


def test_sizes_are_told_apart_at_their_borders(world: Path) -> None:
    table = of("audited", world).cases(LOOK)
    assert [int(in_size(table, name).sum()) for name in ("small", "medium", "large")] == [2, 2, 2]
    figures = of("audited", world).figures(LOOK, "large")
    assert figures["iou"]["value"] == pytest.approx((0.2 + 0.1) / 2) and figures["iou"]["n"] == 2


def test_another_class_and_measure_of_the_address_are_taken(world: Path) -> None:
    page = at(**{"run": "audited", "class": "other", "measure": "Energy inside", "by": "together"})
    assert "4 cases of **other**" in said(page)
    assert "which is not the finding the run looks for" in said(page)
    assert "Energy inside, case by case" in [head.value for head in page.subheader]


def test_the_surest_off_the_lesion_come_first(world: Path) -> None:
    table = of("audited", world).cases(LOOK)
    # 0.95 * (1 - 0.1), 0.9 * (1 - 0.2), then 0.8 * 0.3, 0.7 * 0.2, 0.1 * 1, 0.6 * 0.1.
    assert cases.in_order(table, "iou", cases.SURE).tolist() == [4, 3, 2, 1, 5, 0]
    assert cases.in_order(table, "iou", cases.WORST).tolist() == [5, 4, 3, 2, 1, 0]
    assert cases.in_order(table, "iou", cases.BEST).tolist() == [0, 1, 2, 3, 4, 5]


def test_a_case_in_the_address_opens_by_its_row_and_no_name_is_in_it(world: Path) -> None:
    row = made_up().case_ids.tolist().index(audited_cases("malignant")[4])
    page = at(run="audited", case=str(row))
    assert f"**Case {row}**" in said(page) and "IoU 0.10" in said(page)
    assert set(page.query_params) == {"run", "case"}
    # 5 cases are given at least 0.5; of them the peak of one is beside the lesion.
    assert "Of 5 cases given at least 0.5 for malignant, **1** have" in said(page)
    for strange in ("99999", "-1", "case 3", "²"):
        page = at(run="audited", tab="Cases", case=strange)
        assert "**Case " not in said(page) and not page.exception


def test_methods_are_ranked_and_the_same_map_is_told_not_ranked(world: Path) -> None:
    audit = of("many", world)
    order = methods.ranked(audit, LOOK, "iou")
    assert [name for name, _ in order] == ["grad-cam", "layercam"]
    ((name, less),) = methods.differences(audit, LOOK, "iou")
    assert name == "layercam" and less["value"] == pytest.approx(-0.225) and less["high"] < 0
    page = at(run="many", tab="Methods")
    assert "HiResCAM: on pooled features the same map as Grad-CAM; not ranked." in said(page)
    assert "Only Grad-CAM was measured" in said(at(run="audited", tab="Methods"))


def test_maps_that_stay_without_the_weights_are_told(world: Path) -> None:
    page = at(run="audited", tab="Sanity checks")
    assert "the maps hardly change: rank correlation 0.81" in said(page)
    assert [m for m in page.markdown if "failed" in m.value]
    assert "all layers: rank correlation 0.81" in charts(page)
    assert sanity.guard_rows({"cautions": {"blank": 1, "marks": 3}})[0] == (
        "lit on marks drawn into the image",
        3,
    )
    assert sanity.randomisation_verdict({"correlation": 0.2, "passed": True, "n": 8})[0] == "good"
    level, sentence = sanity.randomisation_verdict({"correlation": None, "why": "it was left out"})
    assert level == "unknown" and "it was left out" in sentence


def test_an_audit_of_before_is_shown_without_what_it_did_not_keep(world: Path) -> None:
    page = at(run="old")
    assert not page.error and not page.exception and "IoU 0.45" in charts(page)
    assert "stored without its document" in said(at(run="old", tab="Sanity checks"))


@pytest.mark.parametrize(
    ("run", "sentence"), [("never", "were never audited"), ("broken", "has not the columns")]
)
def test_without_an_audit_there_is_a_sentence(world: Path, run: str, sentence: str) -> None:
    page = at(run=run)
    assert sentence in said(page) and not page.exception


def test_two_runs_are_compared_on_their_shared_cases(world: Path) -> None:
    page = at(view="Two runs", first="better", second="audited")
    assert not page.error and not page.exception
    assert "on the **6 cases** of malignant" in said(page)
    found = pair.paired(of("better", world), of("audited", world), "malignant", "grad-cam", "iou")
    less = {name: rest for name, *_, rest in found.rows()}
    assert less["iou"]["value"] == pytest.approx(0.1) and less["pointing"]["value"] == 0
    assert "+0.10 (+0.10 to +0.10)" in said(page) and "do not tell the two apart" in said(page)
    assert "share no case" in said(at(view="Two runs", first="audited", second="elsewhere"))
    assert "Choose two different runs" in said(at(view="Two runs", first="old", second="old"))


def test_reports_and_tables_say_the_same_numbers(world: Path) -> None:
    audit = of("many", world)
    from models.reports import to_html

    text = to_html(audit_report(audit, LOOK))
    assert "0.45 (" in text and "LayerCAM" in text and FINDING in text and "Research use only" in text
    found = pair.paired(of("better", world), of("audited", world), "malignant", "grad-cam", "iou")
    assert "+0.10 (+0.10 to +0.10)" in to_html(pair_report(found))
    lines = whole_table(audit.table).decode("utf-8-sig").splitlines()
    assert len(lines) == len(audit.table) + 1 and lines[0].startswith("case_id,label,probability")


def test_lesions_found_are_a_share_of_the_lesions() -> None:
    from xai.audit.table import table_of

    rows = [{"case_id": name, "lesions": n, "lesions_hit": 1} for name, n in (("a", 2), ("b", 1), ("c", 4))]
    assert graded(table_of(rows, ["lesions_hit"]), "lesions_hit").tolist() == [0.5, 1.0, 0.25]


def test_the_tour_without_its_runs_is_a_sentence(world: Path) -> None:
    page = at(view="Tour")
    assert "lab-lesion and lab-shortcut" in said(page).replace("\\", "") and not page.exception
