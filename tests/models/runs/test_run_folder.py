"""A run folder is whole, or it is refused with one sentence that names what is wrong."""

from __future__ import annotations

import hashlib
import json
import os
import shutil

import pytest

from models.errors import BadInput
from models.runs import RunCard, find_run, list_runs, load_run, write_run
from models.runs import folder as folder_module
from models.runs.schema import safe_relative_name
from models.runs.writer import write_atomically
from tests.models.runs.tiny_run import tiny_files, write_tiny_run


@pytest.fixture
def run(tmp_path):
    return write_tiny_run(tmp_path / "tiny")


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """An empty $LESIONLENS_RUNS, and nothing shipped."""
    root = tmp_path / "shelf"
    root.mkdir()
    monkeypatch.setenv("LESIONLENS_RUNS", str(root))
    monkeypatch.setattr(folder_module, "ASSETS", tmp_path / "no_assets")
    return root


def refusal(function, *arguments) -> str:
    with pytest.raises(BadInput) as caught:
        function(*arguments)
    text = str(caught.value)
    assert "\n" not in text and text.endswith("."), text
    return text


def test_what_was_written_is_read_back(run):
    again = load_run(run.folder)
    assert again == run and hash(again) == hash(run)
    assert again.digest == hashlib.sha256((run.folder / "run.json").read_bytes()).hexdigest()
    assert (again.id, again.classes, again.positive) == ("tiny", ("other", "malignant"), "malignant")
    assert [(branch.name, branch.grid, branch.channels) for branch in again.branches] == [
        ("a", (2, 2), 2),
        ("b", (4, 4), 3),
    ]
    assert again.operating_point.threshold == 0.4
    assert again.has_weights and again.head_file.name == "head.onnx"
    assert again.path("history.csv").is_file() and again.path("xai.csv") is None
    written = json.loads((run.folder / "run.json").read_bytes())
    assert set(written["files"]) == {"head.onnx", "recipe.toml", "history.csv", "predictions.csv"}


def test_writing_leaves_nothing_but_the_run(run, tmp_path):
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny"]
    assert (run.folder / "run.json").stat().st_mode & 0o444


def test_a_second_run_replaces_the_first_whole(run):
    card, files = tiny_files(("a",))
    again = write_run(run.folder, card | {"title": "Second"}, files)
    assert again.card.title == "Second" and len(again.branches) == 1
    assert sorted(path.name for path in run.folder.parent.iterdir()) == ["tiny"]
    assert len(list((run.folder / "trunks").iterdir())) == 1


@pytest.mark.parametrize("moment", ["write", "publish"])
def test_a_failure_while_writing_leaves_the_old_run(run, monkeypatch, moment):
    from models.runs.writer import StagedFolder

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(StagedFolder, moment, fail)
    card, files = tiny_files(("a",))
    with pytest.raises(OSError):
        write_run(run.folder, card, files)
    assert load_run(run.folder) == run
    assert sorted(path.name for path in run.folder.parent.iterdir()) == ["tiny"]


def test_a_failed_rename_puts_the_old_run_back(run, monkeypatch):
    real = os.rename
    calls = []

    def second_fails(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError("no")
        real(source, target)

    monkeypatch.setattr("models.runs.writer.os.rename", second_fails)
    card, files = tiny_files(("a",))
    with pytest.raises(OSError):
        write_run(run.folder, card, files)
    assert load_run(run.folder) == run


def test_a_folder_that_is_not_there(tmp_path):
    assert "There is no run folder" in refusal(load_run, tmp_path / "nowhere")


def test_half_written(run):
    (run.folder / "history.csv").unlink()
    assert "half written (history.csv is missing)" in refusal(load_run, run.folder)
    (run.folder / "run.json").unlink()
    assert "half written (run.json is missing)" in refusal(load_run, run.folder)


@pytest.mark.parametrize("name", ["predictions.csv", "head.onnx"])
def test_an_altered_file_is_named_even_when_its_size_stays(run, name):
    path = run.folder / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert f"was altered ({name} is not the file" in refusal(load_run, run.folder)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"schema_version": ' + b"9" * 5000]
)
def test_a_card_that_is_not_json(run, content):
    (run.folder / "run.json").write_bytes(content)
    assert "run.json that is not JSON" in refusal(load_run, run.folder)


@pytest.mark.parametrize("card", ["[]", "null", "{}", '{"schema_version": 2}', '{"schema_version": true}'])
def test_another_schema_version(run, card):
    (run.folder / "run.json").write_text(card)
    assert "this program reads 1" in refusal(load_run, run.folder)


def test_a_card_of_absurd_size(run):
    (run.folder / "run.json").write_bytes(b" " * (5 << 20))
    assert "larger than 4 MiB" in refusal(load_run, run.folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"surprise": 1}, "surprise"),
        ({"id": "../up"}, "id"),
        ({"id": "a/b"}, "id"),
        ({"id": ".hidden"}, "id"),
        ({"id": "tiny\n"}, "id"),
        ({"modality": "x-ray"}, "modality"),
        ({"positive": "cyst"}, "not one of the classes"),
        ({"positive": "other"}, "positive one last"),
        ({"classes": ["other", "other"]}, "twice"),
        ({"logits": 3}, "3 logits do not fit 2 classes"),
        ({"label_map": {"cyst": "fluid"}}, "label_map leads to 'fluid'"),
        ({"operating_points": []}, "operating_points"),
        ({"operating_points": [{"name": "x", "threshold": 1.5}]}, "threshold"),
        ({"map_scale": {"joint": 0}}, "map_scale"),
        ({"calibration": {"method": "platt", "slope": -1}}, "slope"),
        ({"input": {"height": 0}}, "input.height"),
        ({"files": {"../../etc/passwd": "0" * 64}}, "not a file name a run may list"),
        ({"files": {"/etc/passwd": "0" * 64}}, "not a file name a run may list"),
        ({"files": {"run.json": "0" * 64}}, "not a file name a run may list"),
        ({"files": {}}, "head.onnx is not among the files"),
    ],
)
def test_a_card_that_breaks_the_format(run, change, says):
    card = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps(card | change))
    assert says in refusal(load_run, run.folder)


def test_numbers_that_are_none_are_refused(run):
    text = (run.folder / "run.json").read_text()
    (run.folder / "run.json").write_text(text.replace('"threshold": 0.4', '"threshold": NaN'))
    refusal(load_run, run.folder)


def test_a_wrong_card_is_refused_before_anything_is_written(tmp_path):
    card, files = tiny_files()
    assert "cannot be written" in refusal(write_run, tmp_path / "tiny", card | {"modality": "x-ray"}, files)
    assert "cannot be a file of a run" in refusal(write_run, tmp_path / "tiny", card, {"../x": b""})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("head.onnx", True),
        ("sub/xai.csv", True),
        ("../head.onnx", False),
        ("sub/../../x", False),
        ("/abs", False),
        ("C:\\x", False),
        ("a\\b", False),
        (".hidden", False),
        ("a/.hidden", False),
        ("", False),
        ("a//b", False),
        ("a\n", False),
        ("..", False),
        ("x" * 201, False),
    ],
)
def test_names_that_stay_inside(name, safe):
    assert safe_relative_name(name) is safe


def test_a_link_out_of_the_folder_is_refused(run, tmp_path):
    outside = tmp_path / "outside.csv"
    shutil.move(run.folder / "history.csv", outside)
    (run.folder / "history.csv").symlink_to(outside)
    assert "a link that leads out of it (history.csv)" in refusal(load_run, run.folder)


def test_trunks_are_found_where_runs_share_them(run, tmp_path, shelf):
    shared = tmp_path / "trunks"
    shutil.move(run.folder / "trunks", shared)
    assert {path.parent for path in load_run(run.folder).trunk_files.values()} == {shared}
    shutil.move(shared, shelf / "trunks")
    assert {path.parent for path in load_run(run.folder).trunk_files.values()} == {shelf / "trunks"}
    assert list_runs().skipped == ()
    shutil.rmtree(shelf / "trunks")
    text = refusal(load_run, run.folder)
    assert f"trunk {run.branches[0].trunk[:12]} (tiny) of the run tiny is missing" in text


def test_an_altered_trunk_is_refused_unless_a_whole_one_is_elsewhere(run, shelf):
    path = run.trunk_files[run.branches[0].trunk]
    (shelf / "trunks").mkdir()
    shutil.copy(path, shelf / "trunks")
    path.write_bytes(path.read_bytes()[:-1])
    assert load_run(run.folder).trunk_files[run.branches[0].trunk].parent == shelf / "trunks"
    shutil.rmtree(shelf / "trunks")
    assert "was altered" in refusal(load_run, run.folder)


def test_a_damaged_run_does_not_hide_the_others(shelf):
    write_tiny_run(shelf / "good")
    write_tiny_run(shelf / "bad")
    (shelf / "bad" / "head.onnx").write_bytes(b"")
    (shelf / "empty").mkdir()
    (shelf / ".good.0123.part").mkdir()
    shutil.copytree(shelf / "good", shelf / "copy")
    listing = list_runs()
    assert [run.id for run in listing] == ["good"] and len(listing) == 1
    why = {skipped.folder.name: skipped.why for skipped in listing.skipped}
    assert set(why) == {"bad", "copy", "empty"}
    assert "head.onnx" in why["bad"] and "rename the folder to good" in why["copy"]


def test_runs_are_found_by_id_and_by_folder(shelf, tmp_path):
    write_tiny_run(shelf / "good")
    elsewhere = write_tiny_run(tmp_path / "elsewhere")
    assert find_run("good").folder == shelf / "good"
    assert find_run(elsewhere.folder) == elsewhere
    assert "a known id (good)" in refusal(find_run, "nope")
    for odd in ("", "../good", ".", "good\0", "x" * 5000):
        refusal(find_run, odd)


def test_a_result_without_weights_is_a_run_too(tmp_path):
    card, files = tiny_files()
    run = write_run(tmp_path / "tiny", card | {"branches": []}, {"predictions.csv": files["predictions.csv"]})
    assert not run.has_weights
    with pytest.raises(BadInput, match="without weights"):
        run.head_file  # noqa: B018


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "out" / "predictions.csv"
    write_atomically(target, lambda path: path.write_text("first"))

    def fail(path):
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(target, fail)
    assert [path.read_text() for path in target.parent.iterdir()] == ["first"]


def test_the_card_survives_its_own_json(run):
    assert RunCard.model_validate_json((run.folder / "run.json").read_bytes()) == run.card
