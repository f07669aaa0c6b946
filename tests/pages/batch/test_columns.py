"""The rows of a batch as columns, and which of them the filters let through."""

import numpy as np
import pytest

from models.batch.as_run import Said
from models.batch.labels import read_labels
from models.batch.results import read_batch
from models.errors import BadInput
from pages.ui.batch import between, labelling, triage, words
from pages.ui.batch.columns import Column, Growing
from pages.ui.batch.evaluating import figures_of
from pages.ui.batch.places import BatchPlace
from pages.ui.batch.triage import Look
from tests.pages.scored_batch import rows, write_batch


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    return read_batch(write_batch(tmp_path_factory.mktemp("batch"), rows()))


@pytest.fixture
def results(batch):
    growing = Growing(batch.runs)
    growing.take(batch.rows())
    return growing.results()


def test_verdicts_are_those_of_each_runs_threshold(results):
    tiny, other = results.answers("tiny"), results.answers("other-run")
    assert tiny.verdicts().tolist() == ["malignant"] * 3 + ["other"] * 3 + ["", ""]
    assert other.verdicts().tolist() == ["malignant", "other", "other", "malignant", "other", "", "", ""]
    assert words.agreement(results) == (2, 5)  # the first and the fifth
    assert results.counts() == {"ok": 6, "refused": 1, "unreadable": 1}


def test_a_view_of_the_rows_does_not_grow_and_no_row_is_taken_twice(batch):
    growing, found = Growing(batch.runs), list(batch.rows())
    growing.take(found[:3])
    early = growing.results()
    growing.take(found)
    assert len(early) == 3
    assert early.answers("tiny").chance.tolist() == pytest.approx([0.9, 0.7, 0.41])
    assert growing.results().text("key").tolist() == [row.key for row in found]


def test_a_column_of_numbers_may_turn_to_words():
    column = Column()
    for value in (1.5, None, "blank", 2, "blank"):
        column.put(value)
    assert column.texts(5).tolist() == ["", "", "blank", "", "blank"]
    np.testing.assert_array_equal(column.numbers(4), [1.5, np.nan, np.nan, 2])


@pytest.mark.parametrize(
    ("look", "indices"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"order": "suspicious", "verdicts": ("malignant",)}, [0, 1, 2]),
        ({"order": "uncertain"}, [2, 3, 1, 4, 5, 0]),
        ({"order": "disagreement"}, [1, 3, 2, 0, 4, 5]),
        ({"order": "unfamiliar"}, [1, 5, 4, 3, 2, 0]),
        ({"labels": ("benign", triage.NO_LABEL)}, [2, 4, 5]),
        ({"chance": (0.1, 0.41)}, [2, 3, 4]),
        ({"facts": {"laterality": ("R",)}}, [1, 3]),
        ({"cautions": ("blank",)}, [4]),
        ({"differing": True}, [1, 2, 3]),
        ({"text": "IMAGE 3"}, [3]),
        ({"text": "p2"}, [4, 5]),
        ({"text": "nowhere"}, []),
    ],
)
def test_filters_and_orders(results, look, indices):
    assert results.indices[triage.in_order(results, Look("tiny", **look))].tolist() == indices


def test_how_two_runs_agree_is_a_sentence(results):
    assert between.alike(results, "tiny", "other-run") == (2, 5)
    said = between.said(results, "tiny", "other-run")
    assert "2 of 5 images are called alike" in said
    assert "tiny alone calls 2 malignant" in said and "1 malignant" in said.rpartition("alone")[2]


def test_labels_added_later_are_matched_by_the_end_of_the_path(results):
    labels = read_labels(
        b"file,label,patient_id\nimage 5.png,malignant,w\nimage 0.png,odd,\nlost.png,benign,\n", "l.csv"
    )
    matched = labelling.match(labels, results)
    assert matched.said == {
        "ward/image 5.png": Said("malignant", "w"), "ward/image 0.png": Said("odd"),
    }  # fmt: skip
    assert matched.unknown == ("odd",) and matched.astray == ("lost.png",)
    assert matched.renamed({}) == {"ward/image 5.png": Said("malignant", "w")}
    under = labelling.with_labels(results, matched.renamed({"odd": "other"}))
    assert under.text("label")[[0, 1, 5]].tolist() == ["other", "malignant", "malignant"]
    assert under.text("patient_id")[[0, 5]].tolist() == ["p0", "w"]
    assert (results.labelled, under.labelled) == (5, 6)


def test_labels_that_match_nothing_are_refused(results):
    with pytest.raises(BadInput, match="belongs to an image of this batch"):
        labelling.match(read_labels(b"file,label\nelse.png,benign\n", "l.csv"), results)


def test_added_labels_stay_with_the_batch_and_not_with_a_command_lines(tmp_path):
    (tmp_path / "spool").mkdir()
    ours = BatchPlace("b", tmp_path / "results", tmp_path / "spool")
    said = {"ward/image 5.png": Said("malignant", "w")}
    assert labelling.keep(ours, said) and labelling.kept(ours).said == said
    assert labelling.keep(ours, None) and not labelling.kept(ours).said
    assert not labelling.keep(BatchPlace("b", tmp_path / "results"), said)


def test_figures_of_a_labelled_batch(results):
    run = results.runs[0]
    found = figures_of(results, run)
    assert found["n"] == 5
    # Of three malignant ones two are called; of two benign ones one.
    assert found["sensitivity"]["value"] == pytest.approx(2 / 3)
    assert found["specificity"]["value"] == pytest.approx(1 / 2)
    assert (found["sensitivity"]["n"], found["specificity"]["n"]) == (3, 2)
