"""The journal and the tables: whatever is written can be read, and what is torn is left out."""

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.batch import OK, UNREADABLE, Row, Score, read_batch
from models.batch.folder import BatchFolder
from models.batch.journal import Journal, line_of, read_rows, row_of
from models.batch.plan import BatchPlan
from models.batch.tables import write_tables
from models.evaluation import read_predictions
from tests.models.batch.listed import Listed

words = st.text(st.characters(), max_size=20)  # halves of characters too: a file name may hold them
numbers = st.floats(0, 1)
rows = st.builds(
    lambda key, why, label, p, logit, extra: Row(
        0, key, OK if not why else UNREADABLE, why, label, scores={"r": Score((1 - p, p), (logit,), extra)}
    ),
    words,
    words,
    words,
    numbers,
    st.floats(-50, 50),
    st.dictionaries(words, st.none() | words | st.integers(-9, 9) | st.booleans() | numbers, max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(rows)
def test_a_row_is_one_line_and_comes_back(row):
    line = line_of(row)
    assert line.count(b"\n") == 1 and line.endswith(b"\n") and line.isascii()
    assert row_of(line) == row


@settings(max_examples=30, deadline=None)
@given(st.lists(rows, min_size=1, max_size=4), st.data())
def test_a_file_cut_anywhere_gives_the_whole_lines_before_the_cut(tmp_path_factory, some, data):
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder)
    journal.add(some)
    journal.close()
    path = journal.path
    content = path.read_bytes()
    cut = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n")
    assert [row for _, row in read_rows(folder)] == some[:whole]
    again = Journal(folder)
    again.add(some[whole:])
    again.close()
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "line", [b"\n", b"[]\n", b'{"key": "a"}\n', b'{"index":1,"key":2,"status":"ok"}\n', b"\0\0\n"]
)
def test_what_is_no_row_is_none(line):
    assert row_of(line) is None


def test_the_tables_say_the_same_and_run_no_formula(tiny, tmp_path):
    from pyarrow import parquet

    some = [
        Row(0, "=cmd|' /C calc'!A0", OK, label="malignant", scores={"tiny": Score((0.25, 0.75), (1.5,))}),
        Row(1, "b\udcff.png", UNREADABLE, "It is no image: give one."),
        Row(2, "c.png", OK, label="odd", scores={"tiny": Score((0.9, 0.1), (-2.0,))}, facts={"width": 640}),
    ]
    plan = BatchPlan([tiny], Listed([]), tmp_path, engine="onnxruntime", label_map={"odd": "other"})
    with BatchFolder(plan) as folder:
        folder.journal.add(some)
        write_tables(read_batch(tmp_path))
    with (tmp_path / "predictions.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["case_id"] for row in table] == ["'=cmd|' /C calc'!A0", "b\\udcff.png", "c.png"]
    assert [row["label"] for row in table] == ["malignant", "", "other"]
    assert [row["why"] for row in table] == ["", "It is no image: give one.", ""]
    assert table[1]["p_malignant"] == "" and table[2]["width"] == "640"
    arrow = parquet.read_table(tmp_path / "predictions.parquet").to_pydict()
    assert list(arrow) == list(table[0]) and arrow["case_id"][0] == "=cmd|' /C calc'!A0"
    assert arrow["p_malignant"] == [0.75, None, 0.1] and arrow["width"] == [None, None, 640.0]
    found, own = read_predictions(tmp_path / "predictions.csv"), read_batch(tmp_path).predictions("tiny")
    np.testing.assert_array_equal(found.probabilities, own.probabilities)
    np.testing.assert_array_equal(found.labels, own.labels)
    assert own.labels.tolist() == [1, 0]
