"""Cross-validation and seeds: every case tested once, finished runs kept, foreign ones refused."""

import json

import pytest

from models.errors import BadInput
from models.evaluation.predictions import read_predictions
from models.runs import load_run
from tests.models.training.conftest import SMALL

pytest.importorskip("keras")
pytestmark = pytest.mark.tf

QUICK = (*SMALL[:2], "stages.0.epochs=1", "stages.0.batch=16")


@pytest.fixture(autouse=True)
def _heavy(monkeypatch):
    monkeypatch.setattr("models.training.finish.cost_of", lambda run: {})


@pytest.fixture(scope="module")
def done(manifest, recipe, tmp_path_factory):
    from models.training.folds import train_folds

    folder = tmp_path_factory.mktemp("folds")
    summary = train_folds(recipe, manifest, folder / "cv", folder / "work", QUICK, quiet=True, folds=3)
    return folder, summary


def test_every_case_is_tested_once_by_a_run_that_never_saw_it(done, manifest):
    folder, summary = done
    tested = []
    for name in summary["runs"]:
        run = load_run(folder / "cv" / name)
        predictions = read_predictions(run.folder / "predictions.csv", run.classes)
        part = set(predictions.part("test").case_ids)
        assert not part & set(predictions.part("train").case_ids)
        tested += sorted(part)
    assert len(tested) == len(set(tested)) == summary["n"] == 42


def test_the_summary_tells_pooled_figures_and_their_spread(done):
    folder, summary = done
    assert json.loads((folder / "cv" / "folds.json").read_text()) == summary
    values = [v for v in summary["each"]["auc"] if v is not None]
    assert len(summary["each"]["auc"]) == 3
    assert summary["spread"]["auc"]["mean"] == pytest.approx(sum(values) / len(values))
    assert summary["pooled"]["auc"]["n"] == 42


def test_finished_folds_are_kept_and_those_of_another_recipe_refused(done, manifest, recipe):
    from models.training.folds import train_folds

    folder, _ = done
    before = (folder / "cv" / "fold1" / "run.json").stat().st_mtime_ns
    train_folds(recipe, manifest, folder / "cv", folder / "work", QUICK, quiet=True, folds=3)
    assert (folder / "cv" / "fold1" / "run.json").stat().st_mtime_ns == before
    with pytest.raises(BadInput, match="another recipe or split"):
        train_folds(recipe, manifest, folder / "cv", folder / "work", (*QUICK, "seed=9"), quiet=True, folds=3)


def test_an_audit_pools_the_folds(done, manifest, capsys):
    from xai.__main__ import main

    folder, _ = done
    assert main(["audit", str(folder / "cv"), "--data", str(manifest), "--part", "test", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["n"] == 14  # a third of the phantoms is malignant
    assert main(["audit", str(folder / "cv"), "--data", str(manifest)]) == 2


def test_a_fold_is_evaluated_on_its_own_test_cases(done, manifest, capsys):
    from models.__main__ import main

    folder, summary = done
    sizes = []
    for name in summary["runs"]:
        run = load_run(folder / "cv" / name)
        command = ["evaluate", str(run.folder), "--data", str(manifest), "--part", "test", "--json"]
        assert main(command) == 0
        document = json.loads(capsys.readouterr().out)
        stored = run.card.metrics["test"]["brier"]
        assert document["metrics"]["brier"]["value"] == pytest.approx(stored.value, abs=1e-5)
        sizes.append(document["n"])
    assert sum(sizes) == 42


def test_seeds_share_the_test_cases(manifest, recipe, tmp_path):
    from models.training.folds import train_seeds

    summary = train_seeds(recipe, manifest, tmp_path / "s", tmp_path / "w", QUICK, quiet=True, seeds=2)
    assert summary["runs"] == ["seed1", "seed2"]
    assert summary["n"] == 6


def test_too_few_folds_are_refused(manifest, recipe, tmp_path):
    from models.training.folds import train_folds

    with pytest.raises(BadInput, match="--folds 1"):
        train_folds(recipe, manifest, tmp_path / "s", tmp_path / "w", QUICK, folds=1)
