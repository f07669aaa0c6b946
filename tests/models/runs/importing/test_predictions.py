"""Tables of other tools: guessed, mapped, and refused with row and column."""

from dataclasses import replace

import numpy as np
import pytest

from models.errors import BadInput
from models.runs.importing import (
    Mapping,
    guess_mapping,
    kind_of,
    numbered_labels,
    predictions_from,
    read_table,
)


def table(text: str, name: str = "scores.csv"):
    return read_table(text.encode(), name)


def read(text: str, **changes):
    found = table(text)
    return predictions_from(found, replace(guess_mapping(found), **changes))


def test_scikit_learn_s_two_columns():
    predictions = read("y_true,y_score\n0,0.25\n1,0.75\n,0.5\n")
    assert predictions.classes == ("negative", "positive")
    assert predictions.labels.tolist() == [0, 1, -1]
    assert predictions.probabilities.tolist() == [[0.75, 0.25], [0.25, 0.75], [0.5, 0.5]]
    assert predictions.case_ids.tolist() == ["row 2", "row 3", "row 4"]
    assert set(predictions.splits) == {"test"} and predictions.logits is None


def test_a_table_with_everything():
    text = "Image;Patient ID;Diagnosis;p_benign;p_malignant;Set\na.png;p1;malignant;0,25;0,75;val\n"
    mapping = guess_mapping(table(text + "b.png;p1;benign;0,9;0,1;test\n"))
    assert mapping == Mapping(
        case_id="Image", patient_id="Patient ID", label="Diagnosis", split="Set",
        probabilities={"benign": "p_benign", "malignant": "p_malignant"},
        classes=("benign", "malignant"), positive="malignant",
    )  # fmt: skip
    predictions = predictions_from(table(text + "b.png;p1;benign;0,9;0,1;test\n"), mapping)
    assert predictions.splits.tolist() == ["validation", "test"]
    assert predictions.groups.tolist() == ["patient:p1", "patient:p1"]
    assert predictions.probabilities[0].tolist() == [0.25, 0.75]


def test_words_become_two_classes_where_there_is_one_score():
    text = "id,label,malignancy_score\na,normal,0.1\nb,benign,0.2\nc,malignant,0.9\n"
    mapping = guess_mapping(table(text))
    assert mapping.classes == ("other", "malignant") and mapping.positive == "malignant"
    assert mapping.labels == {"normal": "other", "benign": "other"}
    assert read(text).labels.tolist() == [0, 0, 1]


def test_who_knows_no_label_says_no_class():
    text = "id,label,score\na,benign,0.1\nb,malignant,0.9\n" + "".join(
        f"{i},{word},0.5\n" for i, word in enumerate(("?", "Unknown", "NaN", "n/a", "-"))
    )
    assert guess_mapping(table(text)).classes == ("benign", "malignant")
    assert read(text).labels.tolist() == [0, 1, -1, -1, -1, -1, -1]
    named = read("case,label,unknown,mass\na,mass,0.25,0.75\nb,unknown,0.5,0.5\n")
    assert named.classes == ("unknown", "mass") and named.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("words", "positive"),
    [
        ("M B", "M"),
        ("B M", "M"),
        ("non-cancer breast-cancer", "breast-cancer"),
        ("tumour no-tumour", "tumour"),
    ],
)
def test_the_positive_one_of_two_words(words, positive):
    rows = "".join(f"{word},0.{i + 1}\n" for i, word in enumerate(words.split()))
    assert guess_mapping(table(f"label,score\n{rows}")).positive == positive


def test_a_lone_column_of_fractions_is_the_score():
    percent = guess_mapping(table("id,diagnosis,malignancy (%)\n1,benign,10.5\n2,malignant,90\n"))
    assert percent.score == "malignancy (%)" and percent.scale == "percent"
    no_score = "id,diagnosis,age,lesion_size,year\n1,benign,40.5,0.5,1999\n2,malignant,50,0.25,2001\n"
    assert guess_mapping(table(no_score)).score is None
    assert guess_mapping(table("id,label,one,other\n1,a,0.5,0.5\n2,b,0.25,0.75\n")).score is None


def test_columns_named_as_the_labels_and_numbered_probabilities():
    by_name = read(
        "case,target,normal,benign,malignant\na,benign,0.2,0.5,0.3\nb,malignant,0,0,1\nc,normal,1,0,0\n"
    )
    assert by_name.classes == ("normal", "benign", "malignant") and by_name.labels.tolist() == [1, 2, 0]
    numbered = read("y_true,proba_0,proba_1\n1,0.25,0.75\n0.0,0.5,0.5\n")
    assert numbered.classes == ("0", "1") and numbered.labels.tolist() == [1, 0]


def test_one_is_the_positive_class_wherever_it_stands():
    found = table("y_true,y_score\n1,0.75\n0,0.25\n")
    turned = replace(guess_mapping(found), classes=("cancer", "healthy"), positive="cancer")
    predictions = predictions_from(found, turned)
    assert predictions.labels.tolist() == [0, 1]
    assert predictions.probabilities.tolist() == [[0.75, 0.25], [0.25, 0.75]]


def test_what_numbers_mean_is_told():
    header = "y_true,p_malignant,p_benign,p_normal\n"
    text = f"{header}0,0.8,0.1,0.1\n2,0.1,0.1,0.8\nbenign,0.1,0.8,0.1\n,0.1,0.8,0.1\n"
    mapping = guess_mapping(table(text))
    assert numbered_labels(table(text), mapping) == {"0": "malignant", "2": "normal"}
    assert numbered_labels(table("y_score\n0.5\n"), guess_mapping(table("y_score\n0.5\n"))) == {}


def test_a_few_numbers_outside_are_mistakes_and_no_other_scale():
    rows = "".join(f"{i % 2},0.{i + 1}\n" for i in range(8))
    for wrong in ("1.7", "-1", "64"):
        with pytest.raises(BadInput, match=f"Row 10 .*{wrong} under y_score, .*: correct it"):
            read(f"y_true,y_score\n{rows}1,{wrong}\n")


def test_logits_and_percent_are_recognised_and_converted():
    logits = read("y_true,score\n0,0\n1,-1000\n1,2.1972245773362196\n")
    assert logits.probabilities[:, 1] == pytest.approx([0.5, 0, 0.9])
    assert logits.logits[:, 0].tolist() == [0, -1000, 2.1972245773362196]
    percent = read("y_true,score\n0,10\n1,90\n1,0.5\n")
    assert percent.probabilities[:, 1] == pytest.approx([0.1, 0.9, 0.005])
    three = read("label,p_a,p_b,p_c\na,0,0,0.6931471805599453\nb,5,5,5\n", scale="logit")
    assert three.probabilities == pytest.approx(np.array([[0.25, 0.25, 0.5], [1 / 3, 1 / 3, 1 / 3]]))


@pytest.mark.parametrize(
    ("text", "changes", "words"),
    [
        (
            "y_true,y_score\n0,0.5\n1,high\n",
            {},
            "Row 3 of scores.csv has 'high' under y_score: it needs a number",
        ),
        ("y_true,y_score\n0,0.5\n1,\n", {}, "Row 3 of scores.csv is empty under y_score"),
        ("y_true,y_score\n0,0.5\n1,nan\n", {}, "Row 3 of scores.csv is empty under y_score"),
        ("y_true,y_score\n0,inf\n1,0.5\n", {}, "Row 2 of scores.csv has 'inf' under y_score"),
        ("y_true,y_score\n0,0_5\n1,0.2\n", {}, "Row 2 of scores.csv has '0_5' under y_score"),
        ("y_true,y_score\n0_1,0.5\n", {}, "Row 2 .*'0_1' under y_true, which is no class"),
        # Grey levels, whose sigmoids would all be 1; percentages of which most are below 1.
        ("y_true,y_score\n0,40\n1,255\n", {}, "Row 2 .*40 under y_score.*percentages or logits"),
        ("y_true,y_score\n0,0.2\n0,0.4\n1,97\n", {}, "Row 4 .*97 under y_score.*percentages or logits"),
        ("y_true,y_score\n0,-3\n1,4\n", {"scale": "probability"}, "Row 2 .*-3 under y_score.*logits"),
        ("y_true,y_score\n0,20\n1,90\n", {"scale": "probability"}, "Row 2 .*20 under y_score.*percentages"),
        ("y_true,y_score\n2,0.5\n", {}, "Row 2 .*'2' under y_true, which is no class"),
        (
            "y_true,y_score\nmaybe,0.5\nno,0.1\n",
            {"classes": ("a", "b"), "positive": "b"},
            "'maybe' under y_true",
        ),
        ("id,y_true,y_score\na,0,0.5\nb,1,0.5\na,1,0.5\n", {}, "Rows 2 and 4 .*both the case 'a' under id"),
        ("id,y_true,y_score\na,0,0.5\n,1,0.5\n", {}, "Row 3 .*empty under id"),
        ("y_true,y_score,split\n0,0.5,fold1\n", {}, "Row 2 .*'fold1' under split"),
        ("label,p_a,p_b\na,0.5,0.9\n", {}, "Row 2 .*add to 1.4 instead of 1"),
        ("label,p_a,p_b\na,0.5,0.5\n", {"classes": ("a", "b", "c")}, "'c' has no column"),
        ("label,p_a,p_b\na,0.5,0.5\n", {"classes": ("a", "a")}, "two different names"),
        ("label,p_a,p_b\na,0.5,0.5\n", {"positive": "z"}, "'z' is not one of the classes"),
        ("label,note\na,x\n", {}, "No column of scores.csv is chosen"),
        ("y_true,y_score\n1,0.5\n", {"score": "gone"}, "no column 'gone'"),
        ("y_true,y_score\n1,0.5\n", {"labels": {"1": "z"}}, "mapped to 'z'"),
        ("y_true,y_score\n1,0.5\n", {"scale": "odds"}, "'odds' is no kind of number"),
    ],
)
def test_what_does_not_fit_is_named_by_row_and_column(text, changes, words):
    with pytest.raises(BadInput, match=words) as refusal:
        read(text, **changes)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"a,b\n", "no rows below"),
        (b"a,a\n1,2\n", "two columns named 'a'"),
        (b"a,b\n1,2\n1,2,3\n", "Row 3 .* 3 cells under 2"),
        (b"a,b\n1,2\n\xff,3\n", "not a CSV in UTF-8 .row 3."),
        (b"\x89PNG\r\n\x1a\n\0\0", "not a CSV"),
        (b"," * 400_000 + b"\n", "over 300 columns"),  # at once: a name for each blank took hours
    ],
)
def test_what_is_no_table_is_refused(content, words):
    with pytest.raises(BadInput, match=words):
        read_table(content, "x.csv")


def test_too_many_rows_are_refused(monkeypatch):
    monkeypatch.setattr("models.runs.importing.table.MAX_ROWS", 2)
    with pytest.raises(BadInput, match="3 rows and at most 2"):
        table("y_true,y_score\n0,1\n0,1\n0,1\n")


def test_what_spreadsheets_do():
    found = read_table(" a ;b\n1;2,5\n;\n;\n".encode("utf-16"), "x.csv")
    assert found.columns == ("a", "b") and found.head() == [{"a": "1", "b": "2,5"}]
    assert read_table("\ufeffa\tb\n1\t2\n".encode(), "x.csv").column("a") == ["1"]
    assert read_table(b",b\n0,1\n", "x.csv").columns == ("index", "b")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("y_true,y_score\n0,0.5\n", "predictions"),
        ("image,p_a,p_b\nx,0.5,0.5\n", "predictions"),
        ("epoch,loss,val_loss\n0,1,1\n", "log"),
        ("Step,run - val_auc\n0,0.5\n", "log"),
    ],
)
def test_a_table_is_told_from_a_log(text, kind):
    assert kind_of(text.encode(), "x.csv") == kind
