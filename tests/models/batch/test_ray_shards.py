import json

import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.batch import FAILED, OK, REFUSED, STATUSES, UNREADABLE, Row, Score
from models.batch.shards import list_shards, read_shards, shard_folder, write_shard
from models.errors import BadInput

TEXT = st.text(max_size=5)
CELLS = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), TEXT)
COLUMNS = st.dictionaries(TEXT, CELLS, max_size=2)
NUMBERS = st.lists(st.floats(allow_nan=False), min_size=1, max_size=3).map(tuple)
ROWS = st.builds(
    Row,
    index=st.integers(0, 10**9),
    key=TEXT,
    status=st.sampled_from(STATUSES),
    why=TEXT,
    scores=st.dictionaries(TEXT, st.builds(Score, NUMBERS, NUMBERS, COLUMNS), max_size=2),
    refusals=st.dictionaries(TEXT, TEXT, max_size=2),
    facts=COLUMNS,
)


def _row(index: int, status: str = OK) -> Row:
    scores = {"run": Score((0.25, 0.75), (1.0986,), {"heatmap": f"{index}.png"})} if status == OK else {}
    return Row(index, f"a/{index}.png", status, "" if status == OK else "Say why.", scores=scores)


@given(rows=st.lists(ROWS, min_size=1, max_size=3, unique_by=lambda row: row.index))
@settings(max_examples=20, deadline=None)
def test_what_is_read_is_what_was_written(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("batch")
    write_shard(folder, rows)
    assert list(read_shards(folder)) == sorted(rows, key=lambda row: row.index)


def test_rows_come_in_the_order_of_the_input_whatever_shard_they_are_in(tmp_path):
    # A first try left holes at 2 and 5; the resumed one filled them with one shard.
    write_shard(tmp_path, [_row(6), _row(7)])
    write_shard(tmp_path, [_row(5), _row(2, UNREADABLE)])
    write_shard(tmp_path, [_row(0), _row(1), _row(3), _row(4)])
    rows = list(read_shards(tmp_path))
    assert [row.index for row in rows] == list(range(8))
    assert [row.status for row in rows] == [OK, OK, UNREADABLE, OK, OK, OK, OK, OK]


def test_a_row_in_two_shards_is_there_once(tmp_path):
    write_shard(tmp_path, [_row(0), _row(1), _row(2, FAILED)])
    write_shard(tmp_path, [_row(1), _row(2), _row(3)])
    rows = list(read_shards(tmp_path))
    assert [(row.index, row.status) for row in rows] == [(0, OK), (1, OK), (2, FAILED), (3, OK)]


def test_an_input_that_grew_has_two_rows_of_one_index(tmp_path):
    write_shard(tmp_path, [_row(0), _row(1)])
    write_shard(tmp_path, [Row(0, "a/!new.png", UNREADABLE, "Say why.")])
    assert sorted((row.index, row.key) for row in read_shards(tmp_path)) == [
        (0, "a/!new.png"),
        (0, "a/0.png"),
        (1, "a/1.png"),
    ]


def test_the_same_rows_again_are_the_same_file(tmp_path):
    first = write_shard(tmp_path, [_row(3), _row(4)])
    assert write_shard(tmp_path, [_row(4), _row(3)]) == first
    assert list_shards(tmp_path) == [first]


def test_shards_without_a_score_have_the_columns_of_all_others(tmp_path):
    write_shard(tmp_path, [_row(0, REFUSED)])
    write_shard(tmp_path, [_row(1)])
    table = pyarrow.parquet.read_table(shard_folder(tmp_path))
    assert table.num_rows == 2
    assert table.column("scores").to_pylist()[1][0]["probabilities"] == [0.25, 0.75]
    assert json.loads(table.column("scores").to_pylist()[1][0]["extra"]) == {"heatmap": "1.png"}


def test_files_that_are_no_shards_and_drafts_of_lost_workers_are_passed_over(tmp_path):
    write_shard(tmp_path, [_row(0)])
    (shard_folder(tmp_path) / ".part-000000000001-0123456789abcdef.parquet.abc.part").write_bytes(b"half")
    (shard_folder(tmp_path) / "part-mine.parquet").write_bytes(b"")
    assert [row.index for row in read_shards(tmp_path)] == [0]


def test_a_damaged_shard_is_named(tmp_path):
    path = write_shard(tmp_path, [_row(index) for index in range(50)])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadInput, match=r"^shards/part-000000000000-\w{16}\.parquet is damaged: delete it"):
        list(read_shards(tmp_path))


def test_a_name_that_is_no_text_is_kept_readable(tmp_path):
    write_shard(tmp_path, [Row(0, "scan\udce9.png", UNREADABLE, "Say why.")])
    assert [row.key for row in read_shards(tmp_path)] == ["scan\\udce9.png"]


def test_a_folder_without_shards_has_no_rows(tmp_path):
    assert list(read_shards(tmp_path / "nowhere")) == [] == list_shards(tmp_path)
