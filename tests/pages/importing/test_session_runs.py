"""The runs of one visitor: where they lie, what becomes of them, what is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from models.errors import BadInput
from models.runs import import_run, pack_run
from pages.ui.importing import session_runs
from pages.ui.importing.session_runs import SessionRuns, safe_file_name
from tests.pages.importing.results import PREDICTIONS, write_results
from tests.pages.tiny_run import write_tiny_run


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    store = SessionRuns({})
    yield store
    store.close()


def packed(tmp_path: Path, run) -> bytes:
    return pack_run(run, tmp_path / "packed.zip").read_bytes()


def left_on_disk(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "temporary").rglob("*") if path.is_file())


def test_a_run_lies_in_the_temporary_folder_and_goes_with_it(own: SessionRuns, tmp_path: Path):
    run = write_results(own.folder / "mine")
    own.add(run)
    assert own.runs == (run,)
    assert run.folder.is_relative_to(tmp_path / "temporary")
    own.close()
    assert left_on_disk(tmp_path) == [] and own.runs == ()


def test_a_store_that_nobody_holds_deletes_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    store = SessionRuns({})
    store.add(write_results(store.folder / "mine"))
    with pytest.warns(ResourceWarning, match="Implicitly cleaning up"):
        del store
    assert left_on_disk(tmp_path) == []


def test_a_broken_connection_loses_no_run(tmp_path: Path):
    memory: dict[str, bytes] = {}
    first = SessionRuns(memory)
    first.add(write_results(first.folder / "mine"))
    first.close()
    second = SessionRuns(memory)
    assert [run.id for run in second.runs] == ["mine"]
    assert second.runs[0].path("predictions.csv").read_text() == PREDICTIONS
    second.remove("mine")
    second.close()
    assert memory == {}


def test_a_removed_run_leaves_nothing(own: SessionRuns, tmp_path: Path):
    own.add(write_results(own.folder / "mine"))
    own.remove("mine")
    own.remove("mine")
    assert own.runs == () and left_on_disk(tmp_path) == []


def test_the_zip_file_is_one_that_import_takes(own: SessionRuns, tmp_path: Path):
    run = write_results(own.folder / "mine")
    own.add(run)
    (tmp_path / "mine.zip").write_bytes(own.zip_file("mine"))
    again = import_run(tmp_path / "mine.zip", tmp_path / "elsewhere", beside=())
    assert again.run.digest == run.digest


def test_a_packed_run_comes_in_as_it_was(own: SessionRuns, tmp_path: Path):
    theirs = write_results(tmp_path / "theirs")
    arrival = own.add_packed(packed(tmp_path, theirs), "theirs.zip", known=())
    assert (arrival.run.id, arrival.renamed, arrival.bare) == ("theirs", False, False)
    assert arrival.run.digest == theirs.digest
    with pytest.raises(BadInput, match="is here already"):
        own.add_packed(packed(tmp_path, theirs), "theirs.zip", known=own.runs)


def test_a_packed_run_whose_id_is_taken_gets_another(own: SessionRuns, tmp_path: Path):
    known = write_results(tmp_path / "theirs", title="Another")
    theirs = write_results(tmp_path / "second" / "theirs")
    arrival = own.add_packed(packed(tmp_path, theirs), "theirs.zip", known=[known])
    assert (arrival.run.id, arrival.run.title, arrival.renamed) == ("theirs-2", theirs.title, True)


def test_weights_of_strangers_are_left_out(own: SessionRuns, tmp_path: Path):
    from models.runs import load_run

    theirs = load_run(write_tiny_run(tmp_path / "theirs"))
    arrival = own.add_packed(packed(tmp_path, theirs), "tiny.zip", known=())
    assert arrival.bare and not arrival.run.has_weights
    assert not [name for name in left_on_disk(tmp_path) if name.endswith(".onnx")]


@pytest.mark.parametrize("content", [b"", b"no zip file", b"PK\x03\x04"])
def test_what_is_no_packed_run_is_a_sentence_without_a_path(own: SessionRuns, tmp_path: Path, content: bytes):
    with pytest.raises(BadInput, match="is not a whole zip file") as refused:
        own.add_packed(content, "results.zip", known=())
    assert str(tmp_path) not in str(refused.value)
    assert own.runs == ()


def test_a_pack_with_something_else_in_it_leaves_nothing(own: SessionRuns, tmp_path: Path):
    theirs = write_results(tmp_path / "theirs")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(theirs.folder / "run.json", "run.json")
        archive.writestr("../../outside", "x")
    with pytest.raises(BadInput, match="does not list"):
        own.add_packed((tmp_path / "x.zip").read_bytes(), "x.zip", known=())
    assert left_on_disk(tmp_path) == [] and not (tmp_path / "outside").exists()


def test_a_visitor_has_only_so_much_room(own: SessionRuns, monkeypatch: pytest.MonkeyPatch):
    own.add(write_results(own.folder / "first"))
    monkeypatch.setattr(session_runs, "MAX_BYTES", len(own.zip_file("first")) + 1)
    second = write_results(own.folder / "second")
    with pytest.raises(BadInput, match="remove one first"):
        own.add(second)
    assert [run.id for run in own.runs] == ["first"] and not second.folder.exists()
    monkeypatch.setattr(session_runs, "MAX_RUNS", 1)
    with pytest.raises(BadInput, match="1 runs are imported already"):
        own.check_room()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a b.zip", "a b.zip"), ("../x.zip", "_x.zip"), (".hidden", "hidden"), ("", "upload"), ("a/b", "a_b")],
)
def test_the_name_of_an_upload_stays_in_its_folder(name: str, expected: str):
    assert safe_file_name(name) == expected
