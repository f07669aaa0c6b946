"""Suites from the command line: selection, order, skipping, going on after a refusal. Nothing is trained."""

import csv
import json
import sys
from types import ModuleType, SimpleNamespace

import pytest

from models.__main__ import main
from models.data.manifest import read_manifest
from models.errors import BadInput
from models.recipes.recipe import load_recipe, recipe_digest, recipe_file
from models.recipes.suites import fitting, modalities, suite_recipes, training_order
from models.runs import write_run
from tests.models.runs.tiny_run import tiny_files

HISTOPATHOLOGY = [
    f"portal-histopathology-{network}-{way}"
    for network in ("densenet121", "resnet50", "vgg16")
    for way in ("progressive", "unfrozen")
]


def pack(folder, modality="", labels=("benign", "malignant")):
    """A manifest of three files that nobody opens."""
    folder.mkdir(parents=True)
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label", "modality"])
        writer.writerows((f"{folder.name}_{n}.png", labels[n % len(labels)], modality) for n in range(3))
    return folder / "manifest.csv"


@pytest.fixture
def data(tmp_path):
    return {kind: pack(tmp_path / f"{kind}_pack") for kind in ("ultrasound", "mammography", "histopathology")}


def finished_run(folder, name, changes=(), manifest=None):
    """A run folder as the training of that recipe leaves it."""
    card, files = tiny_files()
    card |= {"id": folder.name, "recipe_digest": recipe_digest(load_recipe(name, changes)[1])}
    if manifest:
        card["data"] = card["data"] | {"manifest_digest": read_manifest(manifest).digest}
    return write_run(folder, card, files)


@pytest.fixture
def trainings(monkeypatch, tmp_path):
    """The calls that a stand-in for train() gets; `refuse` maps a recipe to what it raises."""
    calls, refuse = [], {}

    def train(path, manifests, out, work, changes, quiet):
        calls.append(
            SimpleNamespace(id=path.stem, data=manifests, out=out, work=work, changes=changes, quiet=quiet)
        )
        if path.stem in refuse:
            raise refuse[path.stem]
        one = manifests[0] if isinstance(manifests, list) else manifests
        return finished_run(out, path.stem, changes, one)

    module = ModuleType("models.training.train")
    module.train = train
    monkeypatch.setitem(sys.modules, "models.training.train", module)
    monkeypatch.chdir(tmp_path)
    return SimpleNamespace(calls=calls, refuse=refuse)


def trained(trainings):
    return [call.id for call in trainings.calls]


def test_only_recipes_of_the_manifest_s_modality_are_taken(trainings, data, capsys):
    assert main(["train", "--suite", "portal", "--data", str(data["histopathology"]), "--json"]) == 0
    captured = capsys.readouterr()
    assert trained(trainings) == HISTOPATHOLOGY
    entries = json.loads(captured.out)
    assert len(entries) == 18
    left_out = [entry for entry in entries if entry["status"] == "left out"]
    assert len(left_out) == 12
    assert left_out[0]["why"] == "it is for mammography and the data are histopathology"
    assert trainings.calls[0].work.as_posix() == f"work/{HISTOPATHOLOGY[0]}"
    assert trainings.calls[0].out.as_posix() == f"work/runs/{HISTOPATHOLOGY[0]}"


def test_of_several_manifests_each_recipe_gets_its_own(trainings, data):
    given = [word for path in data.values() for word in ("--data", str(path))]
    assert main(["train", "--suite", "portal", *given]) == 0
    assert len(trainings.calls) == 18
    for call in trainings.calls:
        assert call.data == data[call.id.split("-")[1]]


def test_a_mixed_recipe_gets_all_manifests_and_refuses_one_modality(trainings, data, capsys):
    both = ["--data", str(data["mammography"]), "--data", str(data["ultrasound"])]
    assert main(["train", "--suite", "merged", *both]) == 0
    assert len(trainings.calls) == 4
    assert trainings.calls[0].data == [data["mammography"], data["ultrasound"]]
    assert main(["train", "--suite", "merged", *both[:2], "--out", "other"]) == 2
    assert len(trainings.calls) == 4
    assert "No recipe of the suite merged fits the data" in capsys.readouterr().err


def test_what_is_done_is_skipped(trainings, data, capsys):
    command = ["train", "--suite", "portal", "--data", str(data["histopathology"])]
    finished_run(
        data["ultrasound"].parent.parent / "work/runs" / HISTOPATHOLOGY[1],
        HISTOPATHOLOGY[1],
        manifest=data["histopathology"],
    )
    assert main(command) == 0
    assert trained(trainings) == [HISTOPATHOLOGY[0], *HISTOPATHOLOGY[2:]]
    assert f"{HISTOPATHOLOGY[1]} is done and skipped." in capsys.readouterr().err
    assert main(command) == 0
    assert len(trainings.calls) == 5


def test_a_finished_run_of_another_recipe_or_of_other_data_is_refused(trainings, data, capsys, tmp_path):
    runs = tmp_path / "work" / "runs"
    finished_run(runs / HISTOPATHOLOGY[0], HISTOPATHOLOGY[0], ("seed=7",), data["histopathology"])
    finished_run(runs / HISTOPATHOLOGY[2], HISTOPATHOLOGY[2], (), data["ultrasound"])
    command = ["train", "--suite", "portal", "--data", str(data["histopathology"]), "--json"]
    assert main(command) == 2
    captured = capsys.readouterr()
    why = {e["id"]: e["why"] for e in json.loads(captured.out) if e["status"] == "refused"}
    assert "a finished run of another recipe; remove that folder" in why.pop(HISTOPATHOLOGY[0])
    assert "a finished run on other data" in why.pop(HISTOPATHOLOGY[2])
    assert not why and len(trainings.calls) == 4


def test_a_damaged_run_folder_is_refused_and_the_others_go_on(trainings, data, tmp_path):
    folder = tmp_path / "work" / "runs" / HISTOPATHOLOGY[0]
    finished_run(folder, HISTOPATHOLOGY[0], (), data["histopathology"])
    (folder / "history.csv").write_text("cut")
    assert main(["train", "--suite", "portal", "--data", str(data["histopathology"])]) == 2
    assert trained(trainings) == HISTOPATHOLOGY[1:]


def test_a_refusal_is_one_line_and_the_suite_goes_on(trainings, data, capsys):
    trainings.refuse |= {
        HISTOPATHOLOGY[0]: BadInput("The labels do not fit; correct them."),
        HISTOPATHOLOGY[3]: Exception("URL fetch failure on https://weights: None -- unknown host"),
    }
    assert main(["train", "--suite", "portal", "--data", str(data["histopathology"])]) == 2
    captured = capsys.readouterr()
    assert trained(trainings) == HISTOPATHOLOGY
    told = [line for line in captured.err.splitlines() if "left out" not in line]
    assert told[0] == f"{HISTOPATHOLOGY[0]} refused: The labels do not fit; correct them."
    assert "could not be fetched" in told[1] and "--start none" in told[1]
    assert told[2] == f"2 recipes of the suite were refused: {HISTOPATHOLOGY[0]}, {HISTOPATHOLOGY[3]}."
    assert len(captured.out.splitlines()) == 4


def test_a_killed_suite_goes_on_where_it_was(trainings, data):
    command = ["train", "--suite", "portal", "--data", str(data["histopathology"])]
    trainings.refuse[HISTOPATHOLOGY[2]] = KeyboardInterrupt()
    assert main(command) == 130
    trainings.refuse.clear()
    assert main(command) == 0
    assert trained(trainings) == [*HISTOPATHOLOGY[:3], *HISTOPATHOLOGY[2:]]


def test_a_full_disk_ends_the_suite(trainings, data, capsys):
    trainings.refuse[HISTOPATHOLOGY[0]] = OSError(28, "No space left on device", "last.npz")
    assert main(["train", "--suite", "portal", "--data", str(data["histopathology"])]) == 2
    assert len(trainings.calls) == 1
    assert "No space left on device: last.npz" in capsys.readouterr().err


def test_start_none_changes_every_backbone_and_keeps_runs(trainings, data, tmp_path):
    given = ["--data", str(data["mammography"]), "--start", "none"]
    assert main(["train", "hybrid-densenet121-resnet50", *given]) == 0
    (call,) = trainings.calls
    assert call.changes == ('start.densenet121="none"', 'start.resnet50="none"')
    assert load_recipe(call.id, call.changes)[0].start == {"densenet121": "none", "resnet50": "none"}
    assert main(["train", "busi-hybrid", *given, "--set", "seed=3"]) == 0
    assert trainings.calls[1].changes == ("seed=3",)


def test_an_unknown_start_is_refused_before_anything_is_trained(trainings, data, capsys):
    assert main(["train", "merged-customcnn", "--data", str(data["ultrasound"]), "--start", "nil"]) == 2
    assert "none of none, imagenet" in capsys.readouterr().err and not trainings.calls


def test_one_recipe_takes_the_data_it_is_given(trainings, data):
    pair = [data["ultrasound"], data["histopathology"]]
    assert main(["train", "busi-squeezenet", "--data", str(pair[0]), "--data", str(pair[1])]) == 0
    assert trainings.calls[0].data == pair
    assert main(["train", "busi-squeezenet", "--data", str(pair[1]), "--out", "here", "--work", "w"]) == 0
    assert (trainings.calls[1].data, trainings.calls[1].work.as_posix()) == (pair[1], "w/here")


@pytest.mark.parametrize("option", ["folds", "seeds"])
def test_folds_and_seeds_are_handed_on(monkeypatch, trainings, data, capsys, option):
    calls = []

    def repeat(*given, **repeats):
        calls.append((given, repeats))
        auc = {"value": 0.75, "low": 0.5, "high": 1.0, "n": 3}
        return {"recipe": "r", "kind": option, "runs": ["1", "2"], "pooled": {"auc": auc}}

    module = ModuleType("models.training.folds")
    module.train_folds = module.train_seeds = repeat
    monkeypatch.setitem(sys.modules, "models.training.folds", module)
    command = ["train", "--suite", "three-class", "--data", str(data["ultrasound"]), f"--{option}", "5"]
    assert main(command) == 0
    ((given, repeats),) = calls
    assert repeats == {option: 5}
    assert given[0] == recipe_file("three-class-resnet101") and given[1] == data["ultrasound"]
    assert not trainings.calls
    told = f"test AUC of 2 {option} 0.750 (0.500 to 1.000), n 3; written to work/runs/three-class-resnet101"
    assert capsys.readouterr().out == f"three-class-resnet101: {told}\n"
    assert main([*command, "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["id"], entry["status"], entry["pooled"]["auc"]["n"]) == (
        "three-class-resnet101",
        "trained",
        3,
    )


def test_the_document_of_one_recipe(trainings, data, capsys):
    assert main(["train", "busi-squeezenet", "--data", str(data["ultrasound"]), "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert list(entry) == ["id", "status", "folder", "run_digest", "test"]
    assert entry["test"]["auc"] == {"value": 1.0, "low": 0.9, "high": 1.0, "n": 2}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--suite", "nowhere"],
            "There is no suite 'nowhere'; choose one of busi, busi-frozen, cross-modality",
        ),
        ([], "Give either a RECIPE or --suite"),
        (["busi-hybrid", "--suite", "busi"], "Give either a RECIPE or --suite"),
        (["busi-hybrid", "--folds", "1"], "is no number of repetitions"),
        (["busi-hybrid", "--folds", "3", "--seeds", "3"], "not allowed with"),
    ],
)
def test_what_cannot_be_trained_is_said(trainings, data, capsys, words, sentence):
    assert main(["train", *words, "--data", str(data["ultrasound"])]) == 2
    assert sentence in capsys.readouterr().err


def test_teachers_and_trunks_come_first():
    order = [recipe.id for recipe in training_order(suite_recipes("busi").values())]
    assert order.index("busi-squeezenet") < order.index("busi-resnet50") < order.index("busi-hybrid")


def test_the_modality_is_the_column_s_else_the_name_s(tmp_path):
    said = read_manifest(pack(tmp_path / "ultrasound_one", "Mammography"))
    assert modalities(said) == {"mammography"}
    assert modalities(read_manifest(pack(tmp_path / "my_histopathology"))) == {"histopathology"}
    assert modalities(read_manifest(pack(tmp_path / "mine"))) == set()


def test_a_manifest_of_unknown_modality_fits_where_there_is_no_doubt(tmp_path):
    unknown = read_manifest(pack(tmp_path / "mine"))
    recipe, _ = load_recipe("portal-ultrasound-vgg16-unfrozen")
    assert fitting(recipe, [unknown], guess=True) == ((unknown,), "")
    none, why = fitting(recipe, [unknown])
    assert none == () and "does not say its modality" in why


def test_the_list_of_recipes(capsys):
    assert main(["recipes", "--suite", "cross-modality", "--json"]) == 0
    entries = {entry["id"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert len(entries) == 34
    svm = entries["cross-resnet101-svm"]
    assert list(svm) == ["id", "suite", "network", "strategy", "data", "published"]
    assert (svm["network"], svm["strategy"]) == ("resnet101 (svm)", "frozen features + RBF SVM")
    assert svm["published"]["figures"]["auc"] == 0.9311
    assert svm["published"]["source"].startswith("CNN-Based Cross-Modality Fusion")
    assert entries["cross-resnet50-sgdm"]["strategy"] == "all weights, SGDM"
    assert entries["cross-cnn17-e25-b32"]["network"] == "cnn17 (flatten)"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("busi-densenet121", "distilled"),
        ("busi-hybrid", "head on stored features"),
        ("portal-mammography-vgg16-progressive", "progressive"),
        ("busi-squeezenet", "all weights, AdamW"),
    ],
)
def test_strategies_in_plain_words(capsys, name, words):
    assert main(["recipes", "--json"]) == 0
    entry = next(entry for entry in json.loads(capsys.readouterr().out) if entry["id"] == name)
    assert entry["strategy"] == words
    assert (entry["published"] is None) == name.startswith("busi")


def test_the_list_for_people_has_a_heading_a_suite(capsys):
    assert main(["recipes"]) == 0
    blocks = capsys.readouterr().out.split("\n\n")
    assert blocks[0].splitlines()[0] == "busi"
    portal = next(block for block in blocks if block.startswith("portal: Multi-Model Deep Learning"))
    rows = portal.splitlines()[1:]
    assert len(rows) == 18
    assert len({row.index("published accuracy") for row in rows}) == 1
