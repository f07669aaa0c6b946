"""Recipes told apart: by what they choose, not by what they write."""

import pytest

from models.errors import BadInput
from models.recipes.differences import MOST_CHARACTERS, choices, differences, shown_value

FIRST = """
id = "first-recipe"
title = "One"

[data]
name = "Pack"
modality = "ultrasound"
classes = ["other", "malignant"]
positive = "malignant"
licence = "CC0"
citation = "None"

[network]
backbones = ["compact"]
dropout = 0.2

[[stages]]
name = "warm"
epochs = 2
rate = 1e-3

[[stages]]
name = "finetune"
epochs = 9
rate = 3e-4
"""
SECOND = (
    FIRST.replace('"first-recipe"', '"second-recipe"')
    .replace("dropout = 0.2", "dropout = 0.2\nunits = []")
    .replace("epochs = 9", "epochs = 12\nbatch = 32")
    .replace('"warm"', '"distil"')
)


def test_a_default_that_is_written_out_is_no_difference():
    found = {item.key: item for item in differences(FIRST, SECOND)}
    assert found["network.units"].kind == "same"
    assert found["stages.finetune.batch"].kind == "same"
    assert found["stages.finetune.batch"].first.shown == "32 (default)"
    assert found["stages.finetune.batch"].second.shown == "32"


def test_changed_choices_come_first_words_last_and_what_is_the_same_at_the_end():
    found = [(item.kind, item.key) for item in differences(FIRST, SECOND)]
    unlike = [pair for pair in found if pair[0] != "same"]
    assert unlike == [
        ("changed", "stages"),
        ("changed", "stages.finetune.epochs"),
        ("only first", "stages.warm.epochs"),
        ("only first", "stages.warm.rate"),
        ("only second", "stages.distil.epochs"),
        ("only second", "stages.distil.rate"),
        ("changed", "id"),
    ]
    assert found[: len(unlike)] == unlike
    assert ("same", "network.dropout") in found


def test_a_recipe_does_not_differ_from_itself():
    assert {item.kind for item in differences(FIRST, FIRST)} == {"same"}


def test_choices_hold_defaults_and_stages_by_name():
    found = choices(FIRST)
    assert found["stages"].value == ["warm", "finetune"]
    assert found["stages.finetune.rate"].value == 3e-4
    assert found["seed"].shown == "1 (default)"
    assert list(found)[:2] == ["id", "title"]


def test_two_stages_of_one_name_stay_two():
    found = choices('[[stages]]\nname = "a"\nepochs = 1\n[[stages]]\nname = "a"\nepochs = 2\n')
    assert found["stages"].value == ["a", "a (2)"]
    assert (found["stages.a.epochs"].value, found["stages.a (2).epochs"].value) == (1, 2)


def test_settings_of_another_program_are_taken_as_they_are_written():
    found = differences("lr = 0.1\n[optim]\nname = 'sgd'\n", "lr = 0.2\n")
    assert [(item.kind, item.key) for item in found] == [("changed", "lr"), ("only first", "optim.name")]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "yes"), (3e-4, "0.0003"), (3.0, "3"), ([], "none"), ("", "none"), (["a", "b"], "a, b"),
     ({"benign": "other"}, "benign = other")],
)  # fmt: skip
def test_values_as_people_write_them(value, shown):
    assert shown_value(value) == shown


@pytest.mark.parametrize(
    "text", ["a = ", "a" * (MOST_CHARACTERS + 1), "a = " + "[" * 5000], ids=["half", "long", "deep"]
)
def test_what_is_no_recipe_is_refused(text):
    with pytest.raises(BadInput, match="recipe"):
        choices(text)
