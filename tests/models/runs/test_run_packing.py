"""Packing a run into one file, and taking runs in from strangers."""

from __future__ import annotations

import json
import shutil
import stat
import struct
import zipfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.errors import BadInput
from models.runs import folder as folder_module
from models.runs import import_run, list_runs, load_run, pack_run, without_weights, write_run
from models.runs import packing as packing_module
from tests.models.runs.tiny_run import tiny_files, write_tiny_run


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    root = tmp_path / "shelf"
    monkeypatch.setenv("LESIONLENS_RUNS", str(root))
    monkeypatch.setattr(folder_module, "ASSETS", tmp_path / "no_assets")
    return root


@pytest.fixture
def packed(tmp_path, shelf):
    run = write_tiny_run(tmp_path / "made" / "tiny")
    return pack_run(run, tmp_path / "tiny.zip")


def rewritten(packed, target, change):
    """The pack with `change(name, content) -> content or None` applied to every entry."""
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            content = change(info.filename, old.read(info))
            if content is not None:
                new.writestr(info.filename, content)
    return target


def refusal(source, shelf) -> str:
    with pytest.raises(BadInput) as caught:
        import_run(source)
    text = str(caught.value)
    assert "\n" not in text and text.endswith("."), text
    assert not shelf.exists() or list(shelf.iterdir()) == []
    return text


def test_a_pack_holds_the_run_with_its_trunks(packed):
    run = load_run(packed.parent / "made" / "tiny")
    with zipfile.ZipFile(packed) as archive:
        names = archive.namelist()
    trunks = [f"tiny/trunks/{branch.trunk}.onnx" for branch in run.branches]
    assert names == sorted(["tiny/run.json", *(f"tiny/{name}" for name in run.card.files), *trunks])


def test_the_same_run_packs_to_the_same_bytes(packed, tmp_path):
    run = load_run(tmp_path / "made" / "tiny")
    (run.folder / "head.onnx").touch()
    assert pack_run(run, tmp_path / "again.zip").read_bytes() == packed.read_bytes()


def test_packing_into_a_folder_is_refused(tmp_path):
    run = write_tiny_run(tmp_path / "tiny")
    with pytest.raises(BadInput, match="is a folder"):
        pack_run(run, tmp_path)


def test_a_pack_comes_in_whole_and_once(packed, shelf):
    first = import_run(packed)
    assert first.run.folder == shelf / "tiny" and not first.already_there
    assert [path.name for path in shelf.iterdir()] == ["tiny"]
    assert load_run(shelf / "tiny").digest == first.run.digest
    again = import_run(packed)
    assert again.already_there and again.run == first.run


def test_a_folder_comes_in_like_a_pack(packed, shelf, tmp_path):
    made = tmp_path / "made" / "tiny"
    (made / "notes.txt").write_text("of no concern")
    imported = import_run(made)
    assert not imported.already_there and not (shelf / "tiny" / "notes.txt").exists()
    assert import_run(packed).already_there
    assert [run.id for run in list_runs()] == ["tiny"]


def test_an_id_that_is_taken_by_another_run_is_refused(packed, shelf, tmp_path):
    import_run(packed)
    card, files = tiny_files()
    other = write_run(tmp_path / "other" / "tiny", card | {"title": "Another"}, files)
    before = load_run(shelf / "tiny").digest
    for source in (other.folder, pack_run(other, tmp_path / "other.zip")):
        with pytest.raises(BadInput, match="Another run is called tiny already"):
            import_run(source)
    assert load_run(shelf / "tiny").digest == before


def test_what_is_no_pack(shelf, tmp_path):
    assert "There is nothing at" in refusal(tmp_path / "nowhere.zip", shelf)
    (tmp_path / "text.zip").write_text("hello")
    assert "is not a whole zip file" in refusal(tmp_path / "text.zip", shelf)
    (tmp_path / "empty.zip").write_bytes(b"")
    assert "is not a whole zip file" in refusal(tmp_path / "empty.zip", shelf)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "x")
    assert "holds no run.json" in refusal(tmp_path / "other.zip", shelf)
    (tmp_path / "folder").mkdir()
    assert "run.json is missing" in refusal(tmp_path / "folder", shelf)


def test_every_cut_of_a_pack_is_refused(packed, shelf, tmp_path):
    content = packed.read_bytes()
    cut = tmp_path / "cut.zip"
    for length in range(0, len(content), max(1, len(content) // 40)):
        cut.write_bytes(content[:length])
        refusal(cut, shelf)


def test_every_flipped_byte_is_refused_or_harmless(packed, shelf, tmp_path):
    content = packed.read_bytes()
    damaged = tmp_path / "damaged.zip"
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(content), 60):
        flipped = bytearray(content)
        flipped[position] ^= 1 << int(rng.integers(8))
        damaged.write_bytes(flipped)
        try:
            imported = import_run(damaged)
        except BadInput:
            assert not shelf.exists() or list(shelf.iterdir()) == []
        else:
            assert imported.run.digest == load_run(tmp_path / "made" / "tiny").digest
            shutil.rmtree(shelf)


def test_a_file_or_trunk_that_is_missing_or_altered(packed, shelf, tmp_path):
    def without(ending):
        return lambda name, content: None if name.endswith(ending) else content

    def altered(ending):
        return lambda name, content: content[:-1] + b"!" if name.endswith(ending) else content

    trunk = f"{load_run(tmp_path / 'made' / 'tiny').branches[0].trunk}.onnx"
    target = tmp_path / "changed.zip"
    assert "history.csv is missing" in refusal(rewritten(packed, target, without("history.csv")), shelf)
    assert "was altered (head.onnx" in refusal(rewritten(packed, target, altered("head.onnx")), shelf)
    assert "is missing" in refusal(rewritten(packed, target, without(trunk)), shelf)
    assert "was altered" in refusal(rewritten(packed, target, altered(trunk)), shelf)


def test_names_that_lead_elsewhere_are_refused(packed, shelf, tmp_path):
    for evil in ("../evil.txt", "/tmp/evil.txt", "tiny/../../evil.txt", "tiny/extra.py", "tiny\\..\\evil"):
        target = rewritten(packed, tmp_path / "evil.zip", lambda name, content: content)
        with zipfile.ZipFile(target, "a") as archive:
            archive.writestr(evil, "x")
        refusal(target, shelf)
    assert not (tmp_path / "evil.txt").exists()

    def listed(name, content):
        if not name.endswith("run.json"):
            return content
        card = json.loads(content)
        return json.dumps(card | {"files": card["files"] | {"../../evil.txt": "0" * 64}})

    assert "not a file name" in refusal(rewritten(packed, tmp_path / "evil.zip", listed), shelf)


def test_links_and_twins_are_refused(packed, shelf, tmp_path):
    target = rewritten(packed, tmp_path / "evil.zip", lambda name, content: content)
    with zipfile.ZipFile(target, "a") as archive:
        link = zipfile.ZipInfo("tiny/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert "a link" in refusal(target, shelf)
    target = rewritten(packed, tmp_path / "twins.zip", lambda name, content: content)
    with zipfile.ZipFile(target, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("tiny/head.onnx", "x")
    assert "twice" in refusal(target, shelf)


def test_bombs_are_refused_before_they_go_off(packed, shelf, tmp_path, monkeypatch):
    target = tmp_path / "bomb.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny/run.json", b" " * (5 << 20))
    assert "larger than 4 MiB" in refusal(target, shelf)
    monkeypatch.setattr(packing_module, "MAX_TOTAL_BYTES", 1000)
    assert "it is not a run" in refusal(packed, shelf)
    monkeypatch.setattr(packing_module, "MAX_ENTRIES", 2)
    assert "more than 2 files" in refusal(packed, shelf)


def test_an_entry_that_holds_more_than_it_declares_is_refused(packed, shelf, tmp_path):
    target = tmp_path / "liar.zip"
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            content = b"\0" * 3_000_000 if info.filename.endswith("history.csv") else old.read(info)
            new.writestr(info.filename, content)
    content = bytearray(target.read_bytes())
    for form in (struct.pack("<I", 3_000_000),):
        while form in content:
            place = content.index(form)
            content[place : place + 4] = struct.pack("<I", 10)
    target.write_bytes(content)
    refusal(target, shelf)


def test_weights_that_point_to_other_files_are_refused(shelf, tmp_path):
    tensor = numpy_helper.from_array(np.zeros(1, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    graph = helper.make_graph([], "evil", [], [], [tensor])
    card, files = tiny_files()
    model = helper.make_model(graph).SerializeToString()
    run = write_run(tmp_path / "made" / "tiny", card, files | {"head.onnx": model})
    assert onnx.load_model_from_string(model).graph.initializer[0].external_data
    assert "keeps weights in other files" in refusal(pack_run(run, tmp_path / "evil.zip"), shelf)
    assert "keeps weights in other files" in refusal(run.folder, shelf)
    run = write_run(tmp_path / "made" / "tiny", card, files | {"head.onnx": b"\xff not a network"})
    assert "is not an ONNX file" in refusal(run.folder, shelf)


def test_a_run_without_weights_keeps_its_results_and_says_what_it_was(tmp_path, shelf):
    run = write_tiny_run(tmp_path / "made" / "tiny")
    light = without_weights(run, tmp_path / "light" / "tiny")
    assert not light.has_weights
    assert light.card.metrics == run.card.metrics
    assert light.card.training["branches"].startswith(run.branches[0].backbone)
    imported = import_run(pack_run(light, tmp_path / "light.zip"))
    assert imported.run.card == light.card
