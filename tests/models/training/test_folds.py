"""Cross-validation and seeds: every case tested once, finished runs kept, foreign ones refused."""

import json

import pytest

from models.errors import BadInput
from models.evaluation.predictions import read_predictions
from models.runs import load_run
from models.runs.cases import read_cases
from tests.models.training.conftest import SMALL

pytest.importorskip("keras")

QUICK = (*SMALL[:2], "stages.0.epochs=1", "stages.0.batch=16")
# The fewest there may be: each costs a training.
FOLDS = 3

pytestmark = [pytest.mark.tf, pytest.mark.usefixtures("unmeasured_cost")]


@pytest.fixture(scope="module")
def done(manifest, recipe, tmp_path_factory):
    from models.training.folds import train_folds

    folder = tmp_path_factory.mktemp("folds")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.training.finish.cost_of", lambda run: {"parameters": 1})
        summary = train_folds(
            recipe, manifest, folder / "cv", folder / "work", QUICK, quiet=True, folds=FOLDS
        )
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
    assert len(summary["each"]["auc"]) == FOLDS
    assert summary["spread"]["auc"]["mean"] == pytest.approx(sum(values) / len(values))
    assert summary["pooled"]["auc"]["n"] == 42


def test_the_folds_are_one_run_too(done):
    folder, summary = done
    run = load_run(folder / "cv" / summary["run"])
    assert run.id == f"{summary['recipe']}-folds" and not run.has_weights
    assert [member.name for member in run.members] == summary["runs"]
    assert run.card.metrics["test"]["auc"].value == summary["pooled"]["auc"]["value"]
    pooled = read_predictions(run.path("predictions.csv"), run.classes)
    assert len(pooled) == 42 and set(read_cases(run).of(pooled)["fold"]) == set(summary["runs"])


def test_finished_folds_are_kept_and_those_of_another_recipe_refused(done, manifest, recipe):
    from models.training.folds import train_folds

    folder, _ = done
    before = (folder / "cv" / "fold1" / "run.json").stat().st_mtime_ns
    train_folds(recipe, manifest, folder / "cv", folder / "work", QUICK, quiet=True, folds=FOLDS)
    assert (folder / "cv" / "fold1" / "run.json").stat().st_mtime_ns == before
    with pytest.raises(BadInput, match="another recipe or split"):
        train_folds(
            recipe, manifest, folder / "cv", folder / "work", (*QUICK, "seed=9"), quiet=True, folds=FOLDS
        )


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


@pytest.mark.slow
def test_seeds_share_the_test_cases(manifest, recipe, tmp_path):
    from models.training.folds import train_seeds

    summary = train_seeds(recipe, manifest, tmp_path / "s", tmp_path / "w", QUICK, quiet=True, seeds=2)
    assert summary["runs"] == ["seed1", "seed2"]
    assert summary["n"] == 6
    run = load_run(tmp_path / "s" / summary["run"])
    pooled = read_predictions(run.path("predictions.csv"), run.classes)
    own = [read_predictions(run.member_predictions(name), run.classes) for name in summary["runs"]]
    assert [member.kind for member in run.members] == ["seed", "seed"]
    mean = (own[0].probabilities + own[1].probabilities) / 2
    assert pooled.probabilities == pytest.approx(mean) and "fold" not in read_cases(run).columns


def test_too_few_folds_are_refused(manifest, recipe, tmp_path):
    from models.training.folds import train_folds

    with pytest.raises(BadInput, match="--folds 1"):
        train_folds(recipe, manifest, tmp_path / "s", tmp_path / "w", QUICK, folds=1)
