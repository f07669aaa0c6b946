"""The phantom laboratory: a planted shortcut is caught by measures, guards and audit (by the trust card too:
test_trust_laboratory.py), and runs that learnt the lesion pass. Shipped runs, and phantoms drawn anew that no
run was trained on."""

from dataclasses import dataclass

import numpy as np
import pytest

from models.data.phantoms import phantom
from models.data.phantoms.marker import marker_box
from models.engines import open_engine
from models.runs import find_run
from models.study import read_study
from xai.explain import explain_reading, read_with
from xai.export import png_bytes

SERIES, TWINS, OTHERS = 30_000, 6, 4  # training used series 1, the samples 9001


@dataclass(frozen=True)
class Phantoms:
    """The same malignant phantoms marked and plain, benign and normal ones plain, with masks and marker
    boxes of the malignant ones."""

    marked: list
    plain: list
    others: list
    marked_others: list
    masks: list
    boxes: list


@pytest.fixture(scope="module")
def phantoms():
    def studies(drawn):
        return [
            read_study(
                png_bytes(np.repeat(each.image[..., None], 3, axis=2)),
                "phantom.png",
                modality="ultrasound",
                synthetic=True,
            )
            for each in drawn
        ]

    def draw(labels, marker):
        return [
            phantom("ultrasound", SERIES, i, label=label, marker=marker) for i, label in enumerate(labels)
        ]

    marked = draw(["malignant"] * TWINS, True)
    others = ["benign", "normal"] * (OTHERS // 2)
    return Phantoms(
        studies(marked),
        studies(draw(["malignant"] * TWINS, False)),
        studies(draw(others, False)),
        studies(draw(others, True)),
        [each.mask for each in marked],
        [marker_box(each) for each in marked],
    )


@pytest.fixture(scope="module", params=["lab-lesion", "lab-shortcut"])
def asked(request):
    run = find_run(request.param)
    return run, open_engine(run, "onnx")


@pytest.fixture(scope="module")
def results(asked, phantoms):
    """The run's explanations of the marked malignant phantoms."""
    run, engine = asked
    return [
        explain_reading(read_with(study, run, engine), "malignant", mask=mask)
        for study, mask in zip(phantoms.marked, phantoms.masks, strict=True)
    ]


def margins(studies, run, engine):
    return np.array([float(read_with(study, run, engine).explained.logits[0, 0]) for study in studies])


def auc(positive, negative):
    """Share of the pairs in the right order, ties half: Mann and Whitney by hand."""
    above = positive[:, None] - negative[None]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def test_one_follows_the_lesion_and_the_other_the_marker(asked, phantoms):
    """By taking the marker away from malignant phantoms and giving it to the others."""
    run, engine = asked
    marked, plain = margins(phantoms.marked, run, engine), margins(phantoms.plain, run, engine)
    others = margins(phantoms.others, run, engine)
    marked_others = margins(phantoms.marked_others, run, engine)
    if run.id == "lab-lesion":
        assert auc(plain, others) == auc(marked, marked_others) == auc(plain, marked_others) == 1.0
        assert np.abs(marked - plain).max() < 0.2 * np.abs(plain).min()
    else:
        assert auc(marked, others) == 1.0  # all seems well where every malignant image bears a marker
        assert auc(plain, others) < 0.8 and auc(plain, marked_others) == 0.0
        scale = np.abs(marked - plain).mean()
        assert np.abs(marked.mean() - marked_others.mean()) < 0.1 * scale  # whatever the image shows


def test_heat_lies_where_each_run_learnt_to_look(asked, results, phantoms):
    # Within 15 pixels: a cell of these 9 x 9 maps is 50 pixels wide.
    on_lesion = np.mean([result.measures.pointing_15 for result in results])
    energy = np.mean([result.measures.energy for result in results])
    cells = [_heat_by_marker(result.joint, box) for result, box in zip(results, phantoms.boxes, strict=True)]
    if asked[0].id == "lab-lesion":
        assert on_lesion >= 0.85 and energy > 0.15 and np.mean(cells) < 0.1
    else:
        assert on_lesion <= 0.15 and energy < 0.05 and np.mean(cells) > 0.6


def _heat_by_marker(heatmap, box):
    """Share of the positive heat within one cell of the map around the marker."""
    heat = np.clip(heatmap.native(), 0, None)
    down, across = (-(-side // cells) for side, cells in zip(heat.shape, heatmap.grid, strict=True))
    rows, columns = box
    near = heat[
        max(0, rows.start - down) : rows.stop + down, max(0, columns.start - across) : columns.stop + across
    ]
    return float(near.sum() / heat.sum())


def test_the_guard_finds_the_marker_and_the_prediction_without_it(asked, results):
    from xai.guards.shortcuts import find_shortcuts, without_marks

    run, engine = asked
    found = [find_shortcuts(result.study, result.joint) for result in results]
    lit = [any(caution.kind == "marks" for caution in each.cautions) for each in found]
    again = [without_marks(result.reading, engine, each) for result, each in zip(results, found, strict=True)]
    if run.id == "lab-lesion":
        assert not any(lit) and not any(each.label_changed for each in again)
    else:
        assert sum(lit) >= TWINS - 1 and sum(each.label_changed for each in again) >= TWINS - 1


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    from models.data.manifest import read_manifest
    from models.data.phantoms import write_phantoms

    folder = tmp_path_factory.mktemp("laboratory") / "marked"
    return read_manifest(write_phantoms("ultrasound", 15, SERIES, folder, marker=True))


def test_the_audit_catches_the_one_and_passes_the_other(asked, manifest):
    """On marked phantoms, where the score of both is perfect and tells nothing."""
    from xai.audit import AuditJob, document

    run, engine = asked
    cases = [case for case in manifest.cases if case.label == "malignant"]
    fields = document(AuditJob(run, engine, cases, ["malignant"] * len(cases), randomisation=False).measure())
    kinds, figures = {each["kind"] for each in fields["findings"]}, fields["methods"]["grad-cam"]
    assert fields["n"] == 5
    if run.id == "lab-lesion":
        assert figures["pointing_15"]["value"] >= 0.8 and not kinds & {"marks", "chance", "centre", "blank"}
    else:
        assert figures["pointing_15"]["value"] <= 0.2 and {"marks", "chance"} <= kinds
        assert figures["energy"]["high"] < fields["baselines"]["ceiling"]["energy"]["low"]


def test_seeds_agree_and_permuted_labels_do_not(phantoms):
    """Label randomisation (Adebayo et al., NeurIPS 2018), with another seed of the true labels beside it."""
    from xai.measures.across_runs import SAME_MAPS, compare_maps

    lesion = find_run("lab-lesion")
    seed, shuffled = (
        compare_maps(lesion, find_run(name), phantoms.plain) for name in ("lab-lesion-seed2", "lab-shuffled")
    )
    assert seed.rank["low"] > SAME_MAPS > shuffled.rank["high"]
    assert seed.overlap["low"] > shuffled.overlap["high"]


def test_cards_say_what_each_run_is():
    """Trained as the recipes of the same name say, tested as perfectly, and honest about what that means."""
    from models.recipes.recipe import load_recipe, recipe_digest

    for name in ("lab-lesion", "lab-lesion-seed2", "lab-shortcut", "lab-shuffled"):
        card = find_run(name).card
        assert card.recipe_digest == recipe_digest(load_recipe(name)[1]) and card.synthetic
        assert "Synthetic phantoms only" in card.limits and "What to expect" in card.limits
    tests = {
        name: find_run(name).card.metrics["test"] for name in ("lab-lesion", "lab-shortcut", "lab-shuffled")
    }
    assert tests["lab-lesion"]["auc"].value == tests["lab-shortcut"]["auc"].value == 1.0
    assert tests["lab-shuffled"]["auc"].low < 0.5 < tests["lab-shuffled"]["auc"].high
    assert "permuted labels" in find_run("lab-shuffled").card.training["strategy"]
