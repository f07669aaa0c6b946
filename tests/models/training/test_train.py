"""Training end to end on a few phantoms: a run comes out, a kill loses nothing, a head alone can be
trained."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import csv
import json

import numpy as np
import pytest

from models.data.phantoms import write_phantoms
from models.errors import BadInput
from models.runs import load_run
from tests.models.training.conftest import SMALL

pytest.importorskip("keras")
pytestmark = [pytest.mark.tf, pytest.mark.usefixtures("unmeasured_cost")]


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_run_holds_what_a_reader_needs(trained):
    card = trained.card
    assert (card.id, card.synthetic, card.network) == ("tiny", True, "compact")
    assert set(card.metrics) == {"validation", "test"}
    assert card.metrics["test"]["auc"].n == card.data.n_test == 6
    assert card.calibration.method == "platt"
    assert [p.name for p in card.operating_points] == ["youden", "sensitivity_95"]
    assert set(card.map_scale) == {"compact", "joint"}
    history = rows(trained.folder / "history.csv")
    assert [row["epoch"] for row in history] == ["0", "1", "2"]
    assert {row["split"] for row in rows(trained.folder / "predictions.csv")} == {
        "train",
        "validation",
        "test",
    }


def test_stored_predictions_are_those_of_the_shipped_files(trained, manifest):
    """Scored again by hand from the files: the same probabilities, so card and weights belong together."""
    from models.data.manifest import read_manifest
    from models.engines import open_engine
    from models.study import read_study

    stored = {row["case_id"]: float(row["p_malignant"]) for row in rows(trained.folder / "predictions.csv")}
    engine = open_engine(trained, "onnx")
    for case in read_manifest(manifest).cases[:5]:
        scores = engine.predict(trained.inputs.tensor(read_study(case.file)).tensor)
        assert scores.probabilities[0, 1] == pytest.approx(stored[case.case_id], abs=1e-6)


def test_a_killed_training_continues_to_the_same_weights(manifest, recipe, trained, tmp_path, monkeypatch):
    """Interrupted in the middle of the second epoch and started again: history and predictions as
    undisturbed."""
    from models.training import loop
    from models.training.train import train

    class Killed(BaseException):
        pass

    real = loop._run_epoch

    def killed_in_the_second(plan, progress, epoch, losses):
        row = real(plan, progress, epoch, losses)
        if epoch == 1:
            raise Killed
        return row

    monkeypatch.setattr(loop, "_run_epoch", killed_in_the_second)
    with pytest.raises(Killed):
        train(recipe, manifest, tmp_path / "tiny", tmp_path / "work", SMALL, quiet=True)
    assert len(rows(tmp_path / "work" / "history.csv")) == 1
    assert not (tmp_path / "tiny").exists()
    monkeypatch.setattr(loop, "_run_epoch", real)
    resumed = train(recipe, manifest, tmp_path / "tiny", tmp_path / "work", SMALL, quiet=True)
    columns = ("epoch", "stage", "learning_rate")
    whole = rows(trained.folder / "history.csv")
    again = rows(resumed.folder / "history.csv")
    assert [[r[c] for c in columns] for r in again] == [[r[c] for c in columns] for r in whole]
    losses = [[float(r["loss"]) for r in table] for table in (whole, again)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=5e-3)


def test_a_head_is_trained_on_another_runs_trunk(manifest, recipe, trained, tmp_path):
    """The trunk is the same file, the head is new, and the run explains itself: contributions + rest =
    margin."""
    from models.engines import open_engine
    from models.training.train import train

    changes = (
        f"start.compact='run:{trained.folder}'",
        "id='headed'",
        "network.units=[4]",
        "copies=1",
        *SMALL,
    )
    headed = train(recipe, manifest, tmp_path / "headed", tmp_path / "work", changes, quiet=True)
    assert headed.branches[0].trunk == trained.branches[0].trunk
    assert headed.card.head.units == (4,)
    out = open_engine(headed, "onnx").explain(np.full((1, 64, 64, 1), 0.4, np.float32))
    assert out.branches[0].weights.shape == (1, 2, 128)
    assert len(rows(headed.folder / "history.csv")) == 3


def test_checkpoints_of_another_recipe_are_not_continued(manifest, recipe, tmp_path):
    from models.training.train import train

    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "training.txt").write_text("another\n")
    with pytest.raises(BadInput, match="another recipe or manifest"):
        train(recipe, manifest, tmp_path / "tiny", tmp_path / "work", SMALL, quiet=True)


def test_a_loss_that_is_no_number_is_a_sentence_and_keeps_what_was_done(manifest, recipe, tmp_path):
    from models.training.train import train

    with pytest.raises(BadInput, match="no longer a number"):
        train(recipe, manifest, tmp_path / "t", tmp_path / "w", (*SMALL, "stages.0.rate=1e30"), quiet=True)
    assert not (tmp_path / "t").exists()


def test_labels_the_recipe_does_not_know_are_refused(recipe, tmp_path):
    from models.training.train import train

    path = tmp_path / "manifest.csv"
    path.write_text("file,label\n" + "".join(f"{i}.png,odd\n" for i in range(9)))
    with pytest.raises(BadInput, match="odd"):
        train(recipe, path, tmp_path / "t", tmp_path / "w", SMALL, quiet=True)


def test_the_card_is_json_anyone_can_read(trained):
    card = json.loads((trained.folder / "run.json").read_text())
    assert load_run(trained.folder).digest == trained.digest
    assert card["training"]["epochs"] == 3
    assert card["versions"]["backend"] == "tensorflow"


def test_branches_share_the_joint_maps_colours_by_area():
    """14x14 cells at 0.5 logits each are 98 logits over the image; 7x7 cells carry that at 2.0 each."""
    from models.training.finish import branch_scales

    scales = branch_scales(0.5, 196, {"fine": 196, "coarse": 49})
    assert scales == {"joint": 0.5, "fine": 0.5, "coarse": 2.0}


def test_a_picture_in_two_parts_stops_the_training_unless_the_recipe_says_what_to_do(
    manifest, recipe, tmp_path, capsys
):
    """The manifest's own split puts one file, under two names, into training and test."""
    from models.training.train import train

    with open(manifest, newline="") as file:
        given = list(csv.DictReader(file))
    path = tmp_path / "manifest.csv"
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, ["file", "label", "split"])
        writer.writeheader()
        for i, row in enumerate(given):
            part = "train" if i < 24 else "validation" if i < 33 else "test"
            writer.writerow(
                {"file": str(manifest.parent / row["file"]), "label": row["label"], "split": part}
            )
        copy = tmp_path / "copy.png"
        copy.write_bytes((manifest.parent / given[0]["file"]).read_bytes())
        writer.writerow({"file": str(copy), "label": given[0]["label"], "split": "test"})
    quick = (*SMALL[:2], "stages.0.epochs=1")
    with pytest.raises(BadInput, match=r"1 pairs? leak.*leave_out"):
        train(recipe, path, tmp_path / "t", tmp_path / "w", quick, quiet=True)
    run = train(recipe, path, tmp_path / "t", tmp_path / "w", (*quick, "leakage='leave_out'"), quiet=True)
    assert (run.card.data.n_train, run.card.data.n_test) == (23, 10)
    assert "left out" in capsys.readouterr().err


def test_a_merged_set_has_results_by_modality_and_keeps_each_packs_test_cases(manifest, recipe, tmp_path):
    from models.data.manifest import read_manifest
    from models.data.splits import split_for
    from models.training.train import train

    films = write_phantoms("mammography", 42, 3, tmp_path / "films")
    changes = (*SMALL[:2], "stages.0.epochs=1", "data.modality='mixed'", "leakage='leave_out'")
    run = train(recipe, [manifest, films], tmp_path / "t", tmp_path / "w", changes, quiet=True)
    assert {"test", "test/ultrasound", "test/mammography"} <= set(run.card.metrics)
    tested = [r["case_id"] for r in rows(run.folder / "predictions.csv") if r["split"] == "test"]
    alone = read_manifest(manifest)
    for case in split_for(alone).cases(alone, "test"):
        assert any(name.endswith(case.case_id) for name in tested)


def test_labels_that_are_left_out_take_no_part(manifest, recipe, tmp_path):
    from models.training.train import train

    changes = (
        *SMALL[:2],
        "stages.0.epochs=1",
        "data.classes=['benign', 'malignant']",
        "data.label_map={}",
        "data.leave_out=['normal']",
    )
    run = train(recipe, manifest, tmp_path / "t", tmp_path / "w", changes, quiet=True)
    assert run.card.data.n_train + run.card.data.n_validation + run.card.data.n_test == 28


def test_mixed_precision_is_for_a_gpu_and_says_so_without_one(
    manifest, recipe, tmp_path, capsys, monkeypatch
):
    import keras

    from models.training import train as module

    quick = (*SMALL[:2], "stages.0.epochs=1", "mixed_precision=true")
    learn = module._train_network

    class Told(Exception):
        pass

    def stop(*_):
        assert keras.config.dtype_policy().name == "float32"
        raise Told

    monkeypatch.setattr(module, "gpu_at_hand", lambda: False)
    monkeypatch.setattr(module, "_train_network", stop)
    with pytest.raises(Told):
        module.train(recipe, manifest, tmp_path / "t", tmp_path / "w", quick, quiet=True)
    assert "single precision" in capsys.readouterr().err
    monkeypatch.setattr(module, "_train_network", learn)
    monkeypatch.setattr(module, "gpu_at_hand", lambda: True)
    run = module.train(recipe, manifest, tmp_path / "u", tmp_path / "v", quick, quiet=True)
    assert keras.config.dtype_policy().name == "float32"
    assert np.isfinite(run.card.metrics["test"]["brier"].value)


def test_a_stage_moves_all_weights_the_head_or_the_last_blocks():
    """Frozen layers take part in inference mode; `freeze` names some besides."""
    from models.networks.graph import NetworkSpec, build_network
    from models.recipes.recipe import Stage
    from models.training.plans import _freeze

    network = build_network(NetworkSpec(("compact",), (), 2, 1, 64, 64))
    for train, moving in (("head", {"head"}), ("all", None)):
        _freeze(network, Stage(name="s", epochs=1, rate=1e-3, train=train))
        trainable = {layer.name for layer in network.model.layers if layer.trainable and layer.weights}
        assert moving is None or trainable == moving
    _freeze(network, Stage(name="s", epochs=1, rate=1e-3, train="last"))
    trainable = {layer.name for layer in network.model.layers if layer.trainable and layer.weights}
    assert "head" in trainable
    assert "compact_stage1_conv" not in trainable
    assert any(name.startswith("compact_") for name in trainable)
    _freeze(network, Stage(name="s", epochs=1, rate=1e-3, freeze=("stage1",)))
    assert not network.model.get_layer("compact_stage1_conv").trainable
    assert network.model.get_layer("compact_stage2_conv").trainable


@pytest.mark.parametrize(
    ("name", "kind"), [("adamw", "AdamW"), ("adam", "Adam"), ("sgdm", "SGD"), ("rmsprop", "RMSprop")]
)
def test_optimisers_by_name(recipe, name, kind):
    from models.recipes.recipe import load_recipe
    from models.training.plans import optimiser

    loaded, _ = load_recipe(recipe, (f"stages.0.optimiser='{name}'",))
    made = optimiser(loaded, loaded.stages[0])
    assert type(made).__name__ == kind
    assert float(made.learning_rate) == pytest.approx(loaded.stages[0].rate)


def test_permuted_labels_are_for_the_training_alone(manifest, recipe, tmp_path, monkeypatch):
    """What learns sees the training cases' labels permuted; what is stored and measured has the true ones."""
    from models.training import train as module

    seen = {}

    def learn(recipe, parts, work, quiet):
        seen["taught"] = {name: part.labels for name, part in parts.items()}

    def finish(recipe, text, weights, manifest, split, parts, *rest):
        seen["kept"] = {name: part.labels for name, part in parts.items()}

    monkeypatch.setattr(module, "_train_network", learn)
    monkeypatch.setattr(module, "_finished", finish)
    changes = (*SMALL, "data.permute_labels=true")
    module.train(recipe, manifest, tmp_path / "run", tmp_path / "work", changes, quiet=True)
    taught, kept = seen["taught"], seen["kept"]
    assert sorted(taught["train"]) == sorted(kept["train"])
    assert (taught["train"] != kept["train"]).sum() >= 6  # of 30 with a third positive, 13 are expected
    assert all(np.array_equal(taught[name], kept[name]) for name in ("validation", "test"))
    first = taught["train"]
    module.train(recipe, manifest, tmp_path / "run", tmp_path / "again", changes, quiet=True)
    assert np.array_equal(seen["taught"]["train"], first)
