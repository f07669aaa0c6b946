"""A batch as a run: the same verdicts, the labels that came later, what is known of the images."""

import pytest

from models.batch.as_run import Said, run_of_batch
from models.batch.results import read_batch
from models.errors import BadInput
from models.evaluation import read_predictions
from models.runs.cases import read_cases
from tests.pages.scored_batch import rows, write_batch


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    return read_batch(write_batch(tmp_path_factory.mktemp("batch"), rows()))


def test_a_batch_is_the_test_part_of_a_run_without_weights(batch, tmp_path):
    run = run_of_batch(batch, "tiny", tmp_path, id="tiny-batch")
    assert not run.has_weights and run.operating_point.threshold == 0.4 and run.positive == "malignant"
    found = read_predictions(run.path("predictions.csv"), run.classes)
    assert found.case_ids.tolist() == [f"ward/image {i}.png" for i in range(6)]
    assert set(found.splits.tolist()) == {"test"}
    assert found.labels.tolist() == [1, 1, 0, 1, 0, -1]
    assert found.patient_ids.tolist() == ["p0", "p0", "p1", "p1", "p2", "p2"]
    metrics = run.card.metrics["test"]
    assert metrics["sensitivity"].value == pytest.approx(2 / 3)
    assert metrics["specificity"].value == pytest.approx(1 / 2)
    assert read_cases(run).columns["laterality"] == ("L", "R", "L", "R", "L", "")


def test_labels_that_came_later_count_and_files_go_with_it(batch, tmp_path):
    said = {"ward/image 5.png": Said("malignant", "w"), "ward/image 0.png": Said("benign")}
    run = run_of_batch(batch, "tiny", tmp_path, id="again", labels=said, files={"xai.csv": "case_id\n"})
    found = read_predictions(run.path("predictions.csv"), run.classes)
    assert found.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert found.patient_ids[5] == found.groups[5] == "w"
    assert run.path("xai.csv").read_text() == "case_id\n"
    assert read_cases(run).columns["label"][0] == "benign"


def test_what_cannot_be_judged_is_refused(batch, tmp_path):
    with pytest.raises(BadInput, match="has no run"):
        run_of_batch(batch, "absent", tmp_path, id="one")
    bare = read_batch(write_batch(tmp_path / "bare", rows(labelled=False)))
    with pytest.raises(BadInput, match="has a label"):
        run_of_batch(bare, "tiny", tmp_path, id="two")
    none = read_batch(write_batch(tmp_path / "none", rows()[6:]))
    with pytest.raises(BadInput, match="scored no image"):
        run_of_batch(none, "tiny", tmp_path, id="three")
    assert not (tmp_path / "two").exists()
