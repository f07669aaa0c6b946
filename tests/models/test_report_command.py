"""`python -m models report`: one file, whole or not at all."""

import json

import pytest

from models.__main__ import main
from models.reports.document import NOTICE
from tests.models.reports.reading import Page
from tests.pages.scored_run import write_scored_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_scored_run(tmp_path_factory.mktemp("runs"))


def test_a_runs_report_is_one_file_with_three_chapters(folder, tmp_path, capsys):
    out = tmp_path / "new" / "report.html"
    assert main(["report", str(folder), "--out", str(out), "--prevalence", "0.006", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["run"] == "scored" and told["file"] == str(out) and told["bytes"] == out.stat().st_size
    page = Page(out.read_text(encoding="utf-8"))
    assert not page.dangers() and not page.problems
    assert all(word in page.words for word in (NOTICE, "Model card", "Evaluation", "Training", "0.60 %"))
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]


def test_a_run_without_predictions_still_has_its_card(tmp_path, capsys):
    from tests.pages.tiny_run import write_tiny_run

    out = tmp_path / "report.html"
    assert main(["report", str(write_tiny_run(tmp_path / "runs")), "--out", str(out)]) == 0
    assert "came without predictions" in Page(out.read_text(encoding="utf-8")).words
    assert str(out) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--threshold", "1.5"], "A threshold of 1.5 cannot be"),
        (["--prevalence", "2"], "A prevalence of 2 cannot be"),
        (["--part", "train"], "no labelled case in the part 'train'"),
        (["--unit", "lesion"], "invalid choice"),
    ],
)
def test_what_cannot_be_had_is_refused_and_nothing_is_written(folder, tmp_path, capsys, options, sentence):
    assert main(["report", str(folder), "--out", str(tmp_path / "a.html"), *options]) == 2
    assert sentence.lower() in capsys.readouterr().err.lower()
    assert not list(tmp_path.iterdir())


def test_a_folder_is_no_file(folder, tmp_path, capsys):
    assert main(["report", str(folder), "--out", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err
