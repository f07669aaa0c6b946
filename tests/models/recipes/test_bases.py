"""Inheritance: what a recipe's bases say, what it says itself, and the self-contained text of both."""

import tomllib

import pytest

from models.errors import BadInput
from models.recipes.recipe import load_recipe, recipe_digest, recipe_file, shipped_recipes

WARD = """
suite = "ward"
[data]
name = "ward"
modality = "ultrasound"
classes = ["benign", "malignant"]
positive = "malignant"
leave_out = ["normal"]
licence = "CC0"
citation = "none"
[augment]
flip = true
rotation = 10
"""
LONG = """
[augment]
rotation = 5
[[stages]]
name = "head"
epochs = 2
rate = 1e-3
[[stages]]
name = "all"
epochs = 9
rate = 1e-4
"""
OWN = """
base = ["ward", "long"]
id = "tiny"
title = "Tiny"
start = { compact = "none" }
[network]
backbones = ["compact"]
[data]
licence = "CC BY 4.0"
leave_out = []
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "_ward.toml").write_text(WARD)
    (tmp_path / "_long.toml").write_text(LONG)
    (tmp_path / "tiny.toml").write_text(OWN)
    return tmp_path


def test_tables_merge_lists_are_replaced_and_the_file_has_the_last_word(folder):
    _, text = load_recipe(folder / "tiny.toml")
    assert tomllib.loads(text) == {
        "id": "tiny",
        "title": "Tiny",
        "suite": "ward",
        "start": {"compact": "none"},
        "data": {
            "name": "ward",
            "modality": "ultrasound",
            "classes": ["benign", "malignant"],
            "positive": "malignant",
            "leave_out": [],
            "licence": "CC BY 4.0",
            "citation": "none",
        },
        "augment": {"flip": True, "rotation": 5},
        "stages": [
            {"name": "head", "epochs": 2, "rate": 0.001},
            {"name": "all", "epochs": 9, "rate": 0.0001},
        ],
        "network": {"backbones": ["compact"]},
    }


def test_the_resolved_text_alone_gives_the_same_recipe_and_digest(folder, tmp_path):
    recipe, text = load_recipe(folder / "tiny.toml", ("stages.1.epochs=3", "data.name='a \"b\" é'"))
    assert recipe.stages[1].epochs == 3 and recipe.data.name == 'a "b" é'
    alone = tmp_path / "elsewhere" / "alone.toml"
    alone.parent.mkdir()
    alone.write_text(text, encoding="utf-8")
    again, same = load_recipe(alone)
    assert again == recipe
    assert same == text and recipe_digest(same) == recipe_digest(text)


def test_a_change_written_in_another_way_is_the_same_training(folder):
    one = load_recipe(folder / "tiny.toml", ("stages.0.rate=1e-2",))[1]
    assert load_recipe(folder / "tiny.toml", ("stages.0.rate = 0.01",))[1] == one


def test_a_recipe_without_base_and_changes_keeps_its_text_byte_for_byte(tmp_path):
    text = '# why\nid = "own"   # mine\ntitle="Own"\nstages=[{name="a",epochs=1,rate=1e-3}]\n'
    text += '[network]\nbackbones = ["compact"]\n' + WARD.replace('suite = "ward"\n', "")
    (tmp_path / "own.toml").write_text(text)
    assert load_recipe(tmp_path / "own.toml")[1] == text


def test_a_copied_recipe_finds_the_shipped_bases(tmp_path):
    source = recipe_file("portal-ultrasound-vgg16-progressive")
    copy = tmp_path / "mine.toml"
    copy.write_text(source.read_text())
    assert load_recipe(copy) == load_recipe(source)


def test_a_base_beside_the_recipe_comes_before_a_shipped_one(folder):
    (folder / "_portal.toml").write_text(WARD.replace("rotation = 10", "rotation = 7"))
    (folder / "tiny.toml").write_text(OWN.replace('"ward", "long"', '"long", "portal"'))
    assert load_recipe(folder / "tiny.toml")[0].augment.rotation == 7


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("_long.toml", 'base = "nowhere"\n' + LONG, "'nowhere' of _long.toml is not there.*ward"),
        ("_long.toml", 'base = "../secret"\n' + LONG, "is not there"),
        ("_long.toml", 'base = "long"\n' + LONG, r"its own base \(tiny.toml -> _long.toml -> _long.toml\)"),
        ("_ward.toml", 'base = "long"\n[augment]\nflip = true\n', "tiny.toml lacks data"),
        ("_ward.toml", "flip = \n", "_ward.toml is not a TOML file"),
        ("_ward.toml", WARD + "colour = 3\n", "key that no recipe has, augment.colour"),
        ("tiny.toml", OWN.replace('["ward", "long"]', "3"), "base in tiny.toml is no name"),
        ("tiny.toml", OWN.replace('["ward", "long"]', "[1]"), "base in tiny.toml is no name"),
    ],
)
def test_what_is_wrong_with_a_base_is_said(folder, name, text, words):
    (folder / name).write_text(text)
    with pytest.raises(BadInput, match=words):
        load_recipe(folder / "tiny.toml")


def test_two_bases_may_share_a_third(folder):
    (folder / "_long.toml").write_text('base = "ward"\n' + LONG)
    assert load_recipe(folder / "tiny.toml")[0].augment.flip is True


def test_bases_are_no_recipes():
    assert not [path for path in shipped_recipes() if path.name.startswith("_")]
    with pytest.raises(BadInput, match="no recipe _portal"):
        recipe_file("_portal")


def test_a_shipped_recipe_is_found_by_its_name_or_file_name():
    assert recipe_file("merged-customcnn").parent.name == "merged"
    assert recipe_file("merged-customcnn.toml") == recipe_file("merged-customcnn")
