"""The 58 published configurations: one recipe each, with the figures that were printed."""

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from models.recipes.recipe import load_recipe, shipped_recipes

ROOT = Path(__file__).resolve().parents[3]
TABLE = ROOT.parent / "shared" / "published.csv"
SUITES = {"merged": 4, "cross-modality": 34, "hybrid": 1, "portal": 18, "three-class": 1}
PACKS = {
    "ultrasound": {"benign", "malignant", "normal"},
    "mammography": {"benign", "malignant", "normal"},
    "mixed": {"benign", "malignant", "normal"},
    "histopathology": {"idc", "non_idc"},
}
FIGURES = ("accuracy", "precision", "sensitivity", "specificity", "f1", "auc", "kappa")
ALL = {path.stem: load_recipe(path)[0] for path in shipped_recipes()}
PUBLISHED = {name: recipe for name, recipe in ALL.items() if recipe.published}


def test_there_is_one_recipe_for_each_published_configuration():
    assert len(PUBLISHED) == 58
    assert Counter(recipe.suite for recipe in PUBLISHED.values()) == SUITES
    assert all(recipe.published.source and recipe.published.setting for recipe in PUBLISHED.values())


def test_ids_are_unique_and_files_lie_in_their_suite():
    assert len(ALL) == len(shipped_recipes())
    for path in shipped_recipes():
        assert ALL[path.stem].id == path.stem
        assert path.parent.name in (ALL[path.stem].suite, "recipes")


# Read off the publications' tables by eye.
@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("merged-customcnn", {"accuracy": 0.761, "precision": 0.698, "sensitivity": 0.768, "f1": 0.732}),
        (
            "cross-resnet50-svm",
            {
                "accuracy": 0.743,
                "precision": 0.758,
                "sensitivity": 0.763,
                "specificity": 0.721,
                "kappa": 0.484,
                "npv": 0.727,
            },
        ),
        (
            "cross-cnn17-e25-b64",
            {
                "accuracy": 0.964,
                "precision": 0.970,
                "sensitivity": 0.976,
                "specificity": 0.964,
                "auc": 0.9688,
                "kappa": 0.927,
                "npv": 0.973,
            },
        ),
        (
            "hybrid-densenet121-resnet50",
            {"accuracy": 0.9791, "precision": 0.98, "sensitivity": 0.98, "f1": 0.98},
        ),
        (
            "portal-mammography-vgg19-unfrozen",
            {"accuracy": 0.9672, "precision": 0.875, "sensitivity": 0.871, "f1": 0.873, "auc": 0.9889},
        ),
        ("three-class-resnet101", {"accuracy": 0.97}),
    ],
)
def test_the_printed_figures(name, figures):
    assert PUBLISHED[name].published.figures == figures


def test_the_frozen_suite_follows_the_paper():
    recipe = PUBLISHED["cross-mobilenetv2-logistic"]
    assert recipe.classical and recipe.network.head == "logistic" and recipe.stages == ()
    assert (recipe.input.height, recipe.input.width) == (300, 300)
    assert recipe.start == {"mobilenetv2": "imagenet"}


@pytest.mark.parametrize("optimiser", ["sgdm", "adam", "rmsprop"])
def test_transfer_learning_follows_the_paper(optimiser):
    (stage,) = PUBLISHED[f"cross-inceptionv3-{optimiser}"].stages
    assert (stage.epochs, stage.batch, stage.rate, stage.patience) == (30, 30, 0.001, 5)
    assert (stage.optimiser, stage.train) == (optimiser, "all")


def test_progressive_fine_tuning_trains_the_head_and_then_the_last_blocks():
    head, last = PUBLISHED["portal-ultrasound-resnet50-progressive"].stages
    assert (head.epochs, head.train, last.train) == (5, "head", "last")
    assert last.rate == pytest.approx(head.rate / 10)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_label_of_the_packs_has_its_place(name):
    data = PUBLISHED[name].data
    for label in PACKS[data.modality]:
        assert (data.label_map.get(label, label) in data.classes) == data.takes(label), label
    assert data.classes[-1] == data.positive or len(data.classes) > 2


@pytest.mark.parametrize("name", PUBLISHED)
def test_starts_are_imagenet_where_keras_has_the_weights(name):
    own = {"customcnn", "cnn17", "shufflenetv2"}
    recipe = PUBLISHED[name]
    assert recipe.start == {b: "none" if b in own else "imagenet" for b in recipe.network.backbones}


def _row_id(row: dict) -> str:
    """The id of the recipe for one line of the table."""
    backbone, _, how = row["network"].lower().partition("+")
    if row["system"] == "merged-modality comparison":
        return f"merged-{backbone}{'large' if backbone == 'mobilenetv3' else ''}"
    if row["system"] == "17-layer CNN":
        epochs, batch = re.search(r"(\d+) epochs; batch (\d+)", row["setting"]).groups()
        return f"cross-cnn17-e{epochs}-b{batch}"
    if row["system"] == "portal":
        way = "unfrozen" if row["setting"] == "initially unfrozen" else "progressive"
        return f"portal-{row['modality']}-{backbone}-{way}"
    if row["system"] == "hybrid":
        return "hybrid-densenet121-resnet50"
    if row["system"] == "ultrasound three-class":
        return "three-class-resnet101"
    classifier = {"lr": "logistic", "nb": "bayes"}.get(how, how)
    return f"cross-{backbone}-{classifier}"


@pytest.mark.skipif(not TABLE.is_file(), reason="the table of published figures is not beside this checkout")
def test_all_figures_equal_the_table_of_published_systems():
    with TABLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    printed = {}
    for row in rows:
        figures = {name: float(row[name]) for name in FIGURES if row[name]}
        if npv := re.match(r"NPV ([0-9.]+)", row["note"]):
            figures["npv"] = float(npv[1])
        printed[_row_id(row)] = (figures, row["test_cases"])
    assert len(printed) == len(rows) == 58
    assert {n: (r.published.figures, r.published.test_cases) for n, r in PUBLISHED.items()} == printed


@pytest.mark.tf
def test_every_backbone_is_known():
    from models.networks.backbones import BACKBONES

    if "cnn17" not in BACKBONES:
        pytest.skip("the backbones of the published systems are not there")
    assert {name for recipe in ALL.values() for name in recipe.network.backbones} <= set(BACKBONES)
