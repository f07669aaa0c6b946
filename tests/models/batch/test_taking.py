"""Results of elsewhere, taken in: the same rows, nothing outside the folder, a sentence for all else."""

import stat
import zipfile

import pytest

from models.batch.results import read_batch
from models.batch.tables import write_csv, write_parquet
from models.batch.taking import read_batch_table, take_folder, take_table
from models.errors import BadInput
from tests.pages.scored_batch import SCORES, WHY, rows, write_batch


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    return read_batch(write_batch(tmp_path_factory.mktemp("batch"), rows(), ("tiny",)))


def packed(batch, path, above="", more=()):
    with zipfile.ZipFile(path, "w") as archive:
        for file in (batch.folder / "batch.json", batch.folder / "journal.jsonl"):
            archive.write(file, above + file.name)
        for name, content in more:
            archive.writestr(name, content)
    return path


def test_a_folder_as_a_zip_is_the_same_batch_and_nothing_else_of_it_is_taken(batch, tmp_path):
    more = [
        ("out/heatmaps/tiny/000000.png", b"picture"), ("out/../../evil.png", b"x"), ("/etc/evil", b"x"),
        ("out/heatmaps/../evil.png", b"x"), ("out/notes.txt", b"x"), ("batch.jsonl", b"x"),
    ]  # fmt: skip
    folder = tmp_path / "in" / "taken"
    folder.mkdir(parents=True)
    take_folder(packed(batch, tmp_path / "a.zip", "out/", more), "a.zip", folder)
    assert list(read_batch(folder).rows()) == list(batch.rows())
    assert {str(p.relative_to(tmp_path / "in")) for p in (tmp_path / "in").rglob("*") if p.is_file()} == {
        "taken/batch.json", "taken/journal.jsonl", "taken/heatmaps/tiny/000000.png",
    }  # fmt: skip


def test_zips_that_are_none_of_ours_are_refused(batch, tmp_path):
    with pytest.raises(BadInput, match="holds no batch"):
        with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
            archive.writestr("readme.txt", "x")
        take_folder(tmp_path / "b.zip", "b.zip", tmp_path / "b")
    (tmp_path / "c.zip").write_bytes(packed(batch, tmp_path / "a.zip").read_bytes()[:300])
    with pytest.raises(BadInput, match="cannot be unpacked"):
        take_folder(tmp_path / "c.zip", "c.zip", tmp_path / "c")
    link = zipfile.ZipInfo("heatmaps/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(BadInput, match="links or encrypted"):
        take_folder(packed(batch, tmp_path / "d.zip", more=[(link, "/etc/passwd")]), "d.zip", tmp_path / "d")
    with pytest.raises(BadInput, match="cannot be read"):
        with zipfile.ZipFile(tmp_path / "e.zip", "w") as archive:
            archive.writestr("batch.json", "{}")
        take_folder(tmp_path / "e.zip", "e.zip", tmp_path / "e")


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_a_table_alone_is_the_same_answers(batch, tmp_path, write):
    path = tmp_path / "predictions"
    write(batch, batch.runs[0], path)
    take_table(read_batch_table(path.read_bytes(), "predictions"), tmp_path / "taken")
    taken = read_batch(tmp_path / "taken")
    found, own = list(taken.rows()), list(batch.rows())
    assert [row.key for row in found] == [row.key for row in own]
    assert [row.status for row in found] == [row.status for row in own]
    assert found[6].why == WHY
    run = taken.runs[0]
    assert run.threshold == 0.5 and run.positive == "malignant"
    chances = [row.scores[run.id].probabilities[1] for row in found[:6]]
    assert chances == pytest.approx([first for first, *_ in SCORES])
    assert found[1].scores[run.id].extra["familiar"] == "bad" and found[1].facts["laterality"] == "R"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"a,b\n1,2\n", "no table of a batch"),
        (b"case_id,p_a,p_b\n", "holds no|has no row|no row"),
        (b"case_id,p_a,p_b\nx,0.5,0.6\n", "do not add to 1"),
        (b"case_id,p_a,p_b\nx,0.5,much\n", "'much'"),
        (b"case_id,p_a,p_b,status\nx,0.5,0.5,fine\n", "whether it was scored"),
        (b"PAR1 and no more", "Parquet"),
    ],
)
def test_tables_that_cannot_be_taken_are_refused(tmp_path, content, why):
    with pytest.raises(BadInput, match=why):
        take_table(read_batch_table(content, "t.csv"), tmp_path / "taken")
    assert not (tmp_path / "taken" / "batch.json").exists()
