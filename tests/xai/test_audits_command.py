"""`python -m xai audits`: the table of what runs keep, and all of them measured from manifests at hand."""

import hashlib
import json

import pytest

from models.runs import load_run, write_run
from tests.models.runs.tiny_run import tiny_files
from tests.xai.audit_cases import write_cases
from xai.__main__ import main
from xai.audit.overview import markdown_table

OLD = "case_id,label,probability,lesion_share,pointing,iou,energy,average_precision,cautions\n" + "".join(
    f"{case},malignant,0.5,0.1,{hit},{iou},0.5,0.5,\n"
    for case, hit, iou in (("a", True, 0.25), ("b", True, 0.25), ("c", True, 0.25), ("d", False, 0.25))
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A root of data and of runs; two runs trained on the cases there, one on data that is not there."""
    (tmp_path / "data").mkdir()
    digest = hashlib.sha256(write_cases(tmp_path / "data").read_bytes()).hexdigest()
    card, files = tiny_files()
    for name, known in (("here", digest), ("elsewhere", "0" * 64)):
        own = card | {"id": name, "data": {"name": "six", "manifest_digest": known}}
        old = {"xai.csv": OLD} if name == "elsewhere" else {}
        write_run(tmp_path / "runs" / name, own, files | old)
    monkeypatch.setenv("LESIONLENS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LESIONLENS_RUNS", str(tmp_path / "runs"))
    return tmp_path


def test_the_table_by_hand(folder):
    """Wilson's interval of 3 in 4; four equal values have no spread; nothing was stored beside them."""
    line = markdown_table([load_run(folder / "runs" / "elsewhere")]).splitlines()[-1].replace("\u2013", "-")
    assert line == (
        "| `elsewhere` | 4 | 0.75 (0.30-0.95) | 0.25 (0.25-0.25) | 0.50 (0.50-0.50) | 0.50 (0.50-0.50) | "
        "- / - | - / - | - / - | - |"
    )


def test_a_run_without_an_audit_has_no_line(folder):
    assert len(markdown_table([load_run(folder / "runs" / "here")]).splitlines()) == 2


def test_all_are_measured_and_stored_from_the_manifests_at_hand(folder, capsys):
    assert main(["audits", "here", "elsewhere", "--measure", "--method", "grad-cam", "--json"]) == 2
    out, err = capsys.readouterr()
    assert "elsewhere" in err and "not at hand" in err
    (stored,) = json.loads(out)
    assert stored["run"] == "here" and stored["n"] == 4
    assert main(["audits", "here"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("| `here` | 4 |") and ("passed" in line or "failed" in line)
    assert line.count(" / ") == 3


def test_a_method_is_a_word_for_measuring(folder, capsys):
    assert main(["audits", "--method", "grad-cam"]) == 2
    assert "--measure" in capsys.readouterr().err
