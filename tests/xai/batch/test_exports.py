"""What leaves the program: tables no spreadsheet runs, pictures of this batch alone, whole files or none."""

import csv
import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from models.errors import BadInput
from tests.xai.batch.cases import asked, batch_of, row
from xai.batch.exports import overlays_zip, table_csv, table_parquet
from xai.batch.pictures import file_name, find_file, write_whole
from xai.batch.table import called

FORMULA = '=HYPERLINK("http://x")'


def parsed(batch, **others) -> list[dict[str, str]]:
    text = b"".join(table_csv(batch, **others)).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_table_has_a_row_a_case_and_the_columns_of_each_run(done):
    rows = parsed(done.batch)
    assert [line["case_id"] for line in rows] == [one.key for one in done.batch.rows()]
    assert [line["status"] for line in rows] == ["ok"] * 6 + ["unreadable"]
    first = next(done.batch.rows())
    for run_id in ("two", "one"):
        said = first.scores[run_id]
        assert float(rows[0][f"{run_id}.p_malignant"]) == said.probabilities[1]
        assert rows[0][f"{run_id}.heatmap"] == said.extra["heatmap"]
    assert rows[6]["two.p_malignant"] == rows[6]["two.called"] == "" and rows[6]["why"]


def test_parquet_holds_the_same(done, tmp_path):
    table = parquet.read_table(table_parquet(done.batch, tmp_path / "t.parquet"))
    lines = parsed(done.batch)
    assert table.schema.names == list(lines[0])
    assert table["two.p_malignant"].to_pylist()[:6] == [float(line["two.p_malignant"]) for line in lines[:6]]
    assert table["two.blank"].to_pylist()[6] is None and table["two.blank"].to_pylist()[0] in (True, False)


def test_texts_of_strangers_are_harmless_and_letters_survive(tmp_path):
    rows = [
        row(0, FORMULA, "+malignant", tiny=(0.5, {"notice": "@x", "n": 2})),
        row(1, 'brüst,\n"x"', tiny=(0.4, {"notice": None, "n": "many"})),
        row(2, "lone \ud800", why="=1+1"),
    ]
    batch = batch_of(rows)
    found = parsed(batch)
    assert [line["case_id"] for line in found[:2]] == [f"'{FORMULA}", 'brüst,\n"x"']
    assert found[0]["label"] == "'+malignant" and found[0]["notice"] == "'@x" and found[2]["why"] == "'=1+1"
    assert found[0]["n"] == "2" and found[1]["n"] == "many"
    table = parquet.read_table(table_parquet(batch, tmp_path / "t.parquet"))
    assert table["case_id"].to_pylist()[0] == FORMULA and table["n"].to_pylist() == ["2", "many", None]


def test_labels_added_afterwards_stand_in_the_table():
    rows = [row(0, "a", "benign", tiny=0.1), row(1, "b", tiny=0.2)]
    assert [line["label"] for line in parsed(batch_of(rows), labels={"b": "malignant"})] == [
        "benign",
        "malignant",
    ]


def test_a_table_of_many_rows_comes_in_pieces():
    batch = batch_of([row(i, tiny=0.5) for i in range(4500)])
    assert len(list(table_csv(batch))) == 4 and len(parsed(batch)) == 4500


def test_a_call_is_that_of_the_run():
    assert called((0.6, 0.4), asked(threshold=0.4)) == "malignant"
    assert called((0.61, 0.39), asked(threshold=0.4)) == "other"
    several = asked(classes=("normal", "benign", "malignant"))
    assert called((0.3, 0.5, 0.2), several) == "benign"


def test_overlays_go_into_one_archive_with_their_table(done, tmp_path):
    path = overlays_zip(done.batch, tmp_path / "o.zip")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        pictures = [name for name in names if name.endswith(".png")]
        assert len(pictures) == 12 and names[12:] == ["table.csv", "README.txt"]
        assert archive.read(pictures[0]) == (done.batch.folder / pictures[0]).read_bytes()
        assert archive.read("table.csv") == b"".join(table_csv(done.batch))
        assert b"Research use only" in archive.read("README.txt")
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_of_a_stranger_opens_nothing_of_ours(tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    folder = tmp_path / "batch"
    (folder / "heatmaps" / "tiny").mkdir(parents=True)
    (folder / "heatmaps" / "tiny" / "link.png").symlink_to(secret)
    (folder / "thumbnails").symlink_to(tmp_path)
    wanted = [
        "../secret.png", "heatmaps/../../secret.png", str(secret), "heatmaps/tiny/link.png",
        "thumbnails/secret.png", "heatmaps", "heatmaps/tiny", "heatmaps/.hidden", "", 3, None,
    ]  # fmt: skip
    assert [find_file(folder, one) for one in wanted] == [None] * len(wanted)
    rows = [row(i, tiny=(0.5, {"heatmap": one})) for i, one in enumerate(wanted)]
    with pytest.raises(BadInput, match="no overlays"):
        overlays_zip(batch_of(rows, folder=folder), tmp_path / "o.zip")
    assert not (tmp_path / "o.zip").exists() and not list(tmp_path.glob(".*"))


def test_what_cannot_be_written_is_a_sentence_and_leaves_nothing(done, tmp_path):
    (tmp_path / "file").write_text("")
    for write in (table_parquet, overlays_zip):
        with pytest.raises(BadInput, match="cannot be written"):
            write(done.batch, tmp_path / "file" / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_picture_is_whole_or_not_there(tmp_path, monkeypatch):
    write_whole(tmp_path / "a" / "x.png", b"first")

    def full(*names):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xai.batch.pictures.os.replace", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "a" / "x.png", b"second")
    assert [path.read_bytes() for path in (tmp_path / "a").iterdir()] == [b"first"]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**7), st.text(min_size=1, max_size=400), st.text(max_size=400))
def test_names_of_our_own_are_short_plain_and_found_again(index, key, name):
    found = file_name(index, key, name)
    assert found.isascii() and len(found) < 80 and found == file_name(index, key, name)
    assert found != file_name(index, key + "x", name) and found.startswith(f"{index:06d}-")
    assert not set(found) & set('/\\:*?"<>| ') and ".." not in found
