"""predictions.csv: what is written is read back to the last bit; what is no prediction is refused."""

import numpy as np
import pytest

from models.errors import BadInput
from models.evaluation import predictions as predictions_module
from models.evaluation.predictions import Predictions, read_predictions, write_predictions

HEADER = "case_id,patient_id,group,split,label,p_other,p_malignant,logit\n"


def example(n: int = 5, classes=("other", "malignant"), one_logit: bool = True) -> Predictions:
    rng = np.random.default_rng(n)
    p = rng.dirichlet(np.ones(len(classes)), size=n)
    return Predictions(
        classes=classes,
        case_ids=[f'benign, "{i}"' for i in range(n)],
        patient_ids=[f"p{i // 2}" for i in range(n)],
        groups=[f"patient:p{i // 2}" for i in range(n)],
        splits=["train", "validation", "test", "", "test"][:n],
        labels=rng.integers(-1, len(classes), size=n),
        probabilities=p,
        logits=rng.normal(size=(n, 1)) if one_logit else np.log(p),
    )


def same(a: Predictions, b: Predictions) -> bool:
    fields = ("case_ids", "patient_ids", "groups", "splits", "labels", "probabilities")
    return a.classes == b.classes and all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in fields
    )


@pytest.mark.parametrize("classes", [("other", "malignant"), ("normal", "benign", "malignant")])
def test_written_and_read_to_the_last_bit(tmp_path, classes):
    one_logit = len(classes) == 2
    predictions = example(classes=classes, one_logit=one_logit)
    write_predictions(predictions, tmp_path / "predictions.csv")
    again = read_predictions(tmp_path / "predictions.csv")
    assert same(predictions, again)
    assert np.array_equal(predictions.logits, again.logits)
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]
    header = (tmp_path / "predictions.csv").read_text().splitlines()[0]
    logits = "logit" if one_logit else "logit_normal,logit_benign,logit_malignant"
    assert (
        header == "case_id,patient_id,group,split,label," + ",".join(f"p_{c}" for c in classes) + "," + logits
    )


def test_parts_and_labelled_cases():
    predictions = example()
    assert predictions.part("test").case_ids.tolist() == ['benign, "2"', 'benign, "4"']
    assert len(predictions.labelled()) == (predictions.labels >= 0).sum()
    assert predictions.take(np.array([3])).probabilities.shape == (1, 2)
    assert len(predictions.part("nothing")) == 0


def test_other_tools_files_are_read(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text(
        "case_id,p_other,p_malignant,label,note\na,0.3,0.7,malignant,x\nb,0.667,0.334,,\n",
        encoding="utf-8-sig",
    )
    predictions = read_predictions(path)
    assert predictions.labels.tolist() == [1, -1]
    assert predictions.logits is None
    assert predictions.patient_ids.tolist() == predictions.groups.tolist() == ["a", "b"]
    turned = read_predictions(path, ("malignant", "other"))
    assert turned.probabilities[0].tolist() == [0.7, 0.3]
    assert turned.labels.tolist() == [0, -1]


def test_files_that_a_batch_could_not_read_are_passed_over(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text("case_id,p_a,p_b,status,why\nx,0.5,0.5,done,\ny,,,refused,The file is empty.\n")
    assert read_predictions(path).case_ids.tolist() == ["x"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no scored case"),
        (HEADER, "no scored case"),
        ("case,p_a,p_b\nx,0.5,0.5\n", "lack the column 'case_id'"),
        ("case_id,label\nx,a\n", "0 class"),
        ("case_id,p_a\nx,1\n", "1 class"),
        (HEADER + "a,,,,other,0.5,much,0\n", "Row 2 .* 'much' under p_malignant"),
        (HEADER + "a,,,,other,0.5,,0\n", "Row 2 .* '' under p_malignant"),
        (HEADER + "a,,,,other,0.5\n", "Row 2 .* under p_malignant"),
        (
            HEADER + "a,,,,other,0.5,0.5,0\nb,,,,cyst,0.5,0.5,0\n",
            "Row 3 .* 'cyst': use one of other, malignant",
        ),
        (HEADER + "a,,,,other,0.5,0.5,0\nb,,,,other,nan,0.5,0\n", "case 2 are not all numbers"),
        (HEADER + "a,,,,other,0.9,0.5,0\n", "add to 1.4"),
        (HEADER + "a,,,,other,-3,4,0\n", "do not lie in 0..1"),
        (HEADER + "a,,,,other,0.5,0.5,inf\n", "logits are not finite"),
    ],
)
def test_what_is_no_prediction_is_refused(tmp_path, text, words):
    path = tmp_path / "predictions.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=words) as refusal:
        read_predictions(path)
    assert "\n" not in str(refusal.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(BadInput, match="no predictions at"):
        read_predictions(tmp_path / "predictions.csv")
    (tmp_path / "picture.csv").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(BadInput, match="cannot be read"):
        read_predictions(tmp_path / "picture.csv")
    with pytest.raises(BadInput, match="lack the column 'p_cyst'"):
        write_predictions(example(), tmp_path / "predictions.csv")
        read_predictions(tmp_path / "predictions.csv", ("other", "cyst"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": [0, 1, 2, 0, 0]}, "outside the 2 classes"),
        ({"labels": [0, 1]}, "different lengths"),
        ({"groups": ["a"]}, "different lengths"),
        ({"logits": np.zeros((5, 3))}, "3 logits"),
        ({"probabilities": np.full((5, 3), 1 / 3)}, "2 columns"),
    ],
)
def test_columns_that_do_not_fit_are_refused(change, words):
    predictions = example()
    with pytest.raises(BadInput, match=words):
        Predictions(**{**vars(predictions), **change})


@pytest.mark.parametrize(
    "text",
    [
        "case_id,p_a,p_b,status,why\nx,0.5,0.5,done,\ny,,,refused,The file is empty.\nz,1,0,done,\n",
        "case_id,patient_id,split,label,p_a,p_b,note\né1,,test,a,0.5,0.5,x\nx,p,,,0.25,0.75,\n",
        'case_id,p_a,p_b,logit\r\n"x\ny",0.1,0.9,1e-3\r\n"a ""b""",0.30000000000000004,0.7,-2\r\n',
        HEADER + 'a,p,g,train,malignant,0.25,0.75,1\n\nb,,,,,1,0,"-3"\n',
    ],
)
def test_both_readers_agree(tmp_path, text):
    path = tmp_path / "predictions.csv"
    path.write_text(text, encoding="utf-8", newline="")
    fast, careful = predictions_module._read_fast(path, None), predictions_module._read_carefully(path, None)
    assert same(fast, careful)
    assert (fast.logits is None) == (careful.logits is None)
    assert fast.logits is None or np.array_equal(fast.logits, careful.logits)


def test_the_fast_reader_leaves_what_is_unusual_to_the_careful_one(tmp_path):
    path = tmp_path / "predictions.csv"
    for text in (
        HEADER,
        HEADER + "a,,,,cyst,0.5,0.5,0\n",
        HEADER + "a,,,,other,0.5,,0\n",
        "case_id,p_a\nx,1\n",
    ):
        path.write_text(text)
        assert predictions_module._read_fast(path, None) is None
