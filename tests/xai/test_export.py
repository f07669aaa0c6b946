"""What is written: the document's shape, pictures without metadata, names that do not meet."""

import json
import struct
from dataclasses import replace

import cv2
import numpy as np
import pytest

from models import __version__
from models.errors import BadInput
from tests.xai.fakes import BlockEngine, fake_run, study_of
from xai.explain import explain_reading, explain_study
from xai.export import document, file_stem, overlay_png, png_bytes, to_json, write_explanation
from xai.overlay import draw_overlay

# The contract of `xai explain`: a consumer may count on each of these.
CONTRACT = {
    "image", "label", "probabilities", "threshold", "class", "maps", "joint", "rest", "measures", "seconds",
    "engine", "run_digest", "files",
}  # fmt: skip
MAP = {"layer", "method", "grid", "maximum", "minimum", "blank", "contribution"}
JOINT = {"grid", "maximum", "minimum", "blank"}


def explained(name="scan.png", mask=None, label=None, weights=None, seed=0, **run):
    pixels = np.random.default_rng(seed).integers(0, 256, (50, 70), dtype=np.uint8)
    return explain_study(study_of(pixels, name), fake_run(**run), BlockEngine(weights), label, mask=mask)


def lesion():
    mask = np.zeros((50, 70), bool)
    mask[10:30, 20:40] = True
    return mask


def test_document_has_the_contracts_shape():
    found = document(explained(), files=["a.png"], start_seconds=0.5, decode_seconds=0.25)
    assert found.keys() >= CONTRACT and found["joint"].keys() >= JOINT
    assert [entry.keys() >= MAP for entry in found["maps"]] == [True, True]
    assert found["image"] == "scan.png" and found["class"] == "malignant" and found["files"] == ["a.png"]
    assert found["maps"][0]["layer"] == "coarse_relu" and found["maps"][0]["grid"] == [4, 4]
    assert found["threshold"] == 0.4 and found["label"] in ("other", "malignant")
    assert list(found["probabilities"]) == ["other", "malignant"]
    assert sum(found["probabilities"].values()) == pytest.approx(1)
    assert list(found["seconds"]) == ["start", "decode", "engine", "heatmap"]
    assert found["seconds"]["start"] == 0.5 and found["seconds"]["decode"] >= 0.25
    assert (found["run_digest"], found["engine"], found["version"]) == ("d" * 64, "blocks 1.0", __version__)
    assert sum(m["contribution"] for m in found["maps"]) + found["rest"] == pytest.approx(found["margin"])
    assert json.loads(to_json(found)) == found


def test_measures_have_the_form_of_every_figure():
    names = ["pointing", "iou", "dice", "energy", "average_precision"]
    without = document(explained())["measures"]
    assert list(without) == names
    assert without["iou"]["value"] is None and "mask" in without["iou"]["why"]
    found = document(explained(mask=lesion()))["measures"]
    assert list(found) == names
    assert all(set(entry) == {"value", "low", "high", "n"} and entry["n"] == 1 for entry in found.values())
    assert found["pointing"]["value"] in (0.0, 1.0)


def test_a_map_that_is_not_finite_is_still_json():
    nowhere = document(explained(weights={"coarse": (np.nan, 1.0)}))
    assert nowhere["joint"]["blank"] and nowhere["joint"]["maximum"] is None
    assert nowhere["warnings"][0]["kind"] == "blank"
    json.loads(to_json(nowhere))


def chunks(png):
    """Names of a PNG's chunks (ISO 15948, section 5.3), its length checked on the way."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, names = 8, []
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        names.append(png[at + 4 : at + 8].decode())
        at += 12 + length
    return names


def test_pictures_have_native_size_and_no_metadata():
    result = explained(mask=lesion())
    png = overlay_png(result)
    assert set(chunks(png)) == {"IHDR", "IDAT", "IEND"}
    read = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1]
    np.testing.assert_array_equal(read, draw_overlay(result.study.display(), result.joint, mask=lesion()))
    assert read.shape == (50, 70, 3)


def test_png_keeps_rgb_order():
    red = np.zeros((2, 3, 3), np.uint8)
    red[..., 0] = 255
    back = cv2.imdecode(np.frombuffer(png_bytes(red), np.uint8), cv2.IMREAD_UNCHANGED)
    assert (back[..., 2] == 255).all() and not back[..., :2].any()


def test_files_of_a_hybrid(tmp_path):
    files = write_explanation(explained(), tmp_path / "new" / "out", 0.1, 0.2)
    stem = file_stem(explained())
    assert [file.name for file in files] == [
        f"{stem}.png",
        f"{stem}-coarse.png",
        f"{stem}-fine.png",
        f"{stem}.json",
    ]
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == sorted(f.name for f in files)
    assert json.loads(files[-1].read_text())["files"] == [file.name for file in files]


def test_a_single_branch_has_one_picture(tmp_path):
    assert len(write_explanation(explained(weights={"fine": (0.0, 3.0)}), tmp_path)) == 2


def test_equal_names_do_not_meet():
    stems = {
        file_stem(explained()),
        file_stem(explained(seed=1)),
        file_stem(explained(label="other")),
        file_stem(explained(id="second")),
        file_stem(explained("scan.jpg", seed=2)),
    }
    assert len(stems) == 5
    assert file_stem(explained()) == file_stem(explained())


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a b\nc:*?.png", "", ".", "Brust-Ü.png", "x" * 300, "CON"]
)
def test_file_names_are_safe(name):
    stem = file_stem(explained(name))
    assert stem and set(stem) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert not stem.startswith((".", "-")) and len(stem) < 200


def test_a_folder_that_cannot_be_written_is_refused_and_left_clean(tmp_path):
    (tmp_path / "file").write_text("here")
    with pytest.raises(BadInput, match="give a folder"):
        write_explanation(explained(), tmp_path / "file" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_document_names_the_question_and_the_unit():
    found = document(explained())
    assert (found["method"], found["against"], found["layer"]) == ("grad-cam", None, None)
    assert found["joint"]["unit"] == found["maps"][0]["unit"] == "logit per cell"
    assert found["joint"]["relative"] is False
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70), dtype=np.uint8)
    asked = {"method": "rise", "against": "other", "masks": 8, "seed": 3}
    result = explain_study(study_of(pixels), fake_run(), BlockEngine(), "malignant", **asked)
    found = document(result)
    assert {key: found[key] for key in asked} == asked
    assert [(entry["layer"], entry["unit"], entry["contribution"]) for entry in found["maps"]] == [
        ("input", "logit", None)
    ]
    assert found["joint"]["relative"] and found["rest"] is None and "add up" in found["why_no_contributions"]
    json.loads(to_json(found))


def test_names_of_other_questions_do_not_meet():
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70), dtype=np.uint8)

    def stem(**asked):
        return file_stem(explain_study(study_of(pixels), fake_run(), BlockEngine(), "malignant", **asked))

    stems = {
        stem(),
        stem(method="grad-cam++"),
        stem(against="other"),
        stem(layer="fine_relu"),
        stem(method="layercam"),
        stem(method="rise", masks=8),
        stem(method="rise", masks=8, seed=1),
    }
    assert len(stems) == 7
    assert stem(method="grad-cam++").endswith("-malignant-grad-campp")


def test_a_long_question_is_cut_and_still_told_apart():
    long = tuple(f"{kind} {'x' * 80}" for kind in ("a", "b"))
    reading = explained().reading
    renamed = replace(
        reading,
        explained=replace(reading.explained, classes=long),
        run=fake_run(classes=long, positive=long[1]),
    )
    stems = {file_stem(explain_reading(renamed, label, against=other)) for label, other in (long, long[::-1])}
    assert len(stems) == 2 and all(len(stem) < 200 for stem in stems)
