"""Recipes are checked before anything is trained, and say in one sentence what is wrong."""

import tomllib

import pytest

from models.errors import BadInput
from models.recipes.recipe import load_recipe, shipped_recipes, strategy

MINIMAL = """
id = "tiny"
title = "Tiny"
[data]
name = "phantoms"
modality = "ultrasound"
classes = ["other", "malignant"]
positive = "malignant"
licence = "CC0"
citation = "none"
[network]
backbones = ["compact"]
[start]
compact = "none"
[[stages]]
name = "fit"
epochs = 1
rate = 1e-3
"""


def recipe_file(tmp_path, text=MINIMAL):
    path = tmp_path / "tiny.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", shipped_recipes(), ids=lambda p: p.stem)
def test_shipped_recipes_are_valid_and_named_after_their_file(path):
    recipe, _ = load_recipe(path)
    assert recipe.id == path.stem
    assert recipe.data.licence and recipe.data.citation


def test_set_changes_one_place_and_the_recipe_s_text_says_so(tmp_path):
    recipe, text = load_recipe(recipe_file(tmp_path), ("stages.0.epochs=7", "network.units=[8, 4]"))
    assert recipe.stages[0].epochs == 7
    assert recipe.network.units == (8, 4)
    told = tomllib.loads(text)
    assert (told["stages"][0]["epochs"], told["network"]["units"]) == (7, [8, 4])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("stages.0.epochs=0", "stages.0.epochs"),
        ("data.positive=benign", "not one of the classes"),
        ("start.resnet50=none", "not among the backbones"),
        ("stages.0.kind=distil", "teacher"),
        ("nonsense=1", "a key that no recipe has, nonsense"),
        ("data.colour=1", "a key that no recipe has, data.colour"),
        ("data.classes=['malignant', 'other']", "positive one comes last"),
        ("data.leave_out=['Other']", "leave_out names"),
        ("start.compact=nil", "none of none, imagenet"),
        ("stages.9.epochs=1", "no such place"),
        ("epochs", "has no value"),
        ("data.label_map={benign = 'harmless'}", "not classes"),
    ],
)
def test_a_wrong_place_is_named(tmp_path, change, words):
    with pytest.raises(BadInput, match=words):
        load_recipe(recipe_file(tmp_path), (change,))


def test_text_that_is_no_toml_is_refused(tmp_path):
    with pytest.raises(BadInput, match="TOML"):
        load_recipe(recipe_file(tmp_path, "id = "))


def test_an_unknown_recipe_lists_the_shipped_ones():
    with pytest.raises(BadInput, match="busi-hybrid"):
        load_recipe("no-such-recipe")


def test_a_label_that_is_left_out_takes_no_part(tmp_path):
    data = load_recipe(recipe_file(tmp_path), ("data.leave_out=['normal']",))[0].data
    assert not data.takes("Normal ") and data.takes("malignant")


def test_the_split_s_seed_is_the_weights_unless_it_is_named(tmp_path):
    path = recipe_file(tmp_path)
    assert load_recipe(path, ("seed=5",))[0].seed_of_split == 5
    assert load_recipe(path, ("seed=5", "split_seed=0"))[0].seed_of_split == 0


def test_permuted_labels_are_told_in_the_strategy_and_cannot_be_guided(tmp_path):
    path = recipe_file(tmp_path)
    recipe, _ = load_recipe(path, ("data.permute_labels=true",))
    assert strategy(recipe) == "all weights, AdamW, permuted labels"
    assert "permuted" not in strategy(load_recipe(path)[0])
    with pytest.raises(BadInput, match="permuted labels have no lesions"):
        load_recipe(path, ("data.permute_labels=true", "stages.0.guide=1.0"))


def test_the_laboratory_s_trainings_differ_in_what_they_are_for_alone():
    """One network, schedule and split; the shortcut run differs from the lesion run in its images only."""
    recipes = {
        name: load_recipe(f"lab-{name}")[0] for name in ("lesion", "lesion-seed2", "shortcut", "shuffled")
    }
    told = {"id", "title", "limits"}

    def apart(first: str, second: str) -> set[str]:
        ours, theirs = recipes[first].model_dump(), recipes[second].model_dump()
        return {key for key in ours if ours[key] != theirs[key]} - told

    assert apart("lesion", "lesion-seed2") == {"seed"}
    assert apart("lesion", "shortcut") == {"data"}
    assert apart("lesion", "shuffled") == {"data", "network", "stages", "augment", "weight_decay"}
    assert {recipe.seed_of_split for recipe in recipes.values()} == {1}
    assert [name for name, recipe in recipes.items() if recipe.data.permute_labels] == ["shuffled"]
