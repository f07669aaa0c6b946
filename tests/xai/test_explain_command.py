"""`python -m xai explain` on a run of a few numbers: documents, refusals, exit statuses, what it loads."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.runs import load_run, write_run
from tests.models.runs.tiny_run import tiny_files, write_tiny_run
from xai.__main__ import main, process_seconds

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_tiny_run(tmp_path_factory.mktemp("runs") / "tiny").folder


def image(path, seed=0, size=(40, 60)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8))
    return path


def mask(path, size=(40, 60)):
    lesion = np.zeros(size, np.uint8)
    lesion[10:20, 20:40] = 255
    cv2.imwrite(str(path), lesion)
    return path


def explain(capsys, *arguments):
    """(exit status, stdout, stderr)."""
    status = main(["explain", *map(str, arguments)])
    out, err = capsys.readouterr()
    return status, out, err


def test_one_image_with_a_mask(run, tmp_path, capsys):
    scan, lesion = image(tmp_path / "scan.png"), mask(tmp_path / "lesion.png")
    status, out, err = explain(capsys, run, scan, "--mask", lesion, "--out", tmp_path / "out", "--json")
    assert (status, err) == (0, "")
    (document,) = json.loads(out)
    assert document["image"] == str(scan) and document["class"] == "malignant"
    assert [entry["grid"] for entry in document["maps"]] == [[2, 2], [4, 4]]
    assert document["measures"]["energy"]["n"] == 1
    assert document["seconds"]["start"] > 0
    written = [Path(name) for name in document["files"]]
    assert {path.suffix for path in written} == {".png", ".json"}
    assert all(path.is_absolute() and path.is_file() for path in written)
    on_disk = json.loads(written[-1].read_text())
    assert on_disk["image"] == "scan.png" and on_disk["files"] == [path.name for path in written]
    unlike = ("image", "files")
    assert {k: v for k, v in on_disk.items() if k not in unlike} == {
        k: v for k, v in document.items() if k not in unlike
    }


def test_contributions_and_rest_make_the_margin(run, tmp_path, capsys):
    _, out, _ = explain(capsys, run, image(tmp_path / "scan.png"), "--out", tmp_path / "out", "--json")
    (document,) = json.loads(out)
    parts = sum(entry["contribution"] for entry in document["maps"]) + document["rest"]
    assert parts == pytest.approx(document["margin"], abs=1e-9)


def test_a_head_without_contributions_says_so(tmp_path, capsys):
    card, files = tiny_files()
    write_run(tmp_path / "tiny", card | {"head": {"kind": "svm"}}, files)
    arguments = (tmp_path / "tiny", image(tmp_path / "scan.png"), "--out", tmp_path / "out")
    status, out, _ = explain(capsys, *arguments, "--json")
    (document,) = json.loads(out)
    assert status == 0 and document["head"] == "svm" and document["rest"] is None
    assert [entry["contribution"] for entry in document["maps"]] == [None, None]
    assert "support vector machine" in document["why_no_contributions"]
    status, out, _ = explain(capsys, *arguments)
    assert status == 0 and "in logits: margin" in out and "Contributions are not defined" in out


@pytest.mark.parametrize("kind", ["onnx", "onnxruntime"])
def test_class_method_and_engine_are_taken(run, tmp_path, capsys, kind):
    scan = image(tmp_path / "scan.png")
    options = ("--class", "other", "--method", "hirescam", "--engine", kind, "--json")
    _, out, _ = explain(capsys, run, scan, "--out", tmp_path / "out", *options)
    (document,) = json.loads(out)
    assert document["class"] == "other" and document["maps"][0]["method"] == "hirescam"
    assert kind == "onnx" or document["engine"].startswith("onnxruntime")


def test_a_perturbation_of_one_class_against_another(run, tmp_path, capsys):
    scan = image(tmp_path / "scan.png")
    options = ("--method", "rise", "--masks", "8", "--seed", "2", "--against", "other")
    status, out, err = explain(capsys, run, scan, "--out", tmp_path / "out", *options, "--json")
    (document,) = json.loads(out)
    assert (status, err) == (0, "")
    assert (document["class"], document["against"], document["method"]) == ("malignant", "other", "rise")
    assert (document["masks"], document["seed"], document["rest"]) == (8, 2, None)
    assert [entry["layer"] for entry in document["maps"]] == ["input"]
    assert document["joint"]["grid"] == [4, 4] and document["joint"]["unit"] == "logit"
    _, out, _ = explain(capsys, run, scan, "--out", tmp_path / "out", *options)
    assert "malignant, not other, in logits: margin" in out and "RISE: heatmap 4x4" in out
    assert "maximum" in out


def test_one_branchs_layer_can_be_asked_for(run, tmp_path, capsys):
    scan, layer = image(tmp_path / "scan.png"), load_run(run).branches[1].target_layer
    _, out, _ = explain(capsys, run, scan, "--out", tmp_path / "out", "--layer", layer, "--json")
    (document,) = json.loads(out)
    assert [entry["layer"] for entry in document["maps"]] == [layer] and document["layer"] == layer
    assert document["joint"]["grid"] == [4, 4]


def test_cancelling_keeps_what_was_done(run, tmp_path, capsys, monkeypatch):
    """Ctrl-C while the second image is explained."""
    from xai import explain as explaining

    real, calls = explaining.explain_study, []

    def interrupted(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(explaining, "explain_study", interrupted)
    images = [image(tmp_path / f"{name}.png", seed) for seed, name in enumerate("abc")]
    status, out, err = explain(capsys, run, *images, "--out", tmp_path / "out", "--json")
    assert status == 2 and err.startswith("Cancelled") and err.count("\n") == 1
    assert [document["image"] for document in json.loads(out)] == [str(images[0])]
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_cancelling_before_the_first_image_is_a_sentence(run, tmp_path, capsys, monkeypatch):
    from models import runs

    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "find_run", interrupted)
    status, out, err = explain(capsys, run, image(tmp_path / "a.png"), "--out", tmp_path / "out")
    assert status == 2 and not out and err == "Cancelled before anything was done.\n"


def test_for_people_it_prints_words(run, tmp_path, capsys):
    scan = image(tmp_path / "scan.png")
    status, out, _ = explain(capsys, run, scan, "--out", tmp_path / "out")
    assert status == 0
    assert "probability of malignant" in out and "in logits: a " in out and ".json" in out


def test_a_bad_image_among_good_ones(run, tmp_path, capsys):
    first, last = image(tmp_path / "one.png"), image(tmp_path / "two.png", seed=1)
    broken = tmp_path / "broken.png"
    broken.write_text("not an image")
    status, out, err = explain(capsys, run, first, broken, last, "--out", tmp_path / "out", "--json")
    assert status == 2
    assert [document["image"] for document in json.loads(out)] == [str(first), str(last)]
    assert err.count("\n") == 1 and err.startswith(f"{broken}: ")
    assert len(list((tmp_path / "out").iterdir())) == 8


def test_equal_names_of_different_images_are_both_kept(run, tmp_path, capsys):
    images = [image(tmp_path / folder / "scan.png", seed) for seed, folder in enumerate(("a", "b"))]
    _, out, _ = explain(capsys, run, *images, "--out", tmp_path / "out", "--json")
    files = [set(document["files"]) for document in json.loads(out)]
    assert not files[0] & files[1]
    assert len(list((tmp_path / "out").iterdir())) == 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["RUN", "missing.png", "--out", "out"], "missing.png"),
        (["RUN", "scan.png", "--mask", "small.png", "--out", "out"], "59 x 40"),
        (["RUN", "scan.png", "--class", "benign", "--out", "out"], "other, malignant"),
        (["RUN", "scan.png", "--method", "lime", "--out", "out"], "grad-cam, grad-cam++"),
        (["RUN", "scan.png", "--against", "benign", "--out", "out"], "other, malignant"),
        (["RUN", "scan.png", "--against", "malignant", "--out", "out"], "held against itself"),
        (["RUN", "scan.png", "--layer", "conv1", "--out", "out"], "no layer 'conv1'"),
        (["RUN", "scan.png", "--method", "rise", "--masks", "0", "--out", "out"], "0 masks"),
        (["RUN", "scan.png", "--method", "rise", "--layer", "x", "--out", "out"], "no layer"),
        (["RUN", "scan.png", "--method", "tf-keras-vis/score-cam", "--out", "out"], "softmax"),
        (["RUN", "scan.png", "--engine", "abacus", "--out", "out"], "abacus"),
        (["RUN", "scan.png", "scan.png", "--mask", "small.png", "--out", "out"], "1 masks for 2 images"),
        (["RUN", "scan.png", "--out", "scan.png"], "is a file"),
        (["no-such-run", "scan.png", "--out", "out"], "no-such-run"),
        (["RUN", "scan.png"], "--out"),
        (["RUN", "--out", "out"], "IMAGE"),
        (["RUN", "scan.png", "--out", "out", "--sorce", "x"], "--sorce"),
    ],
)
def test_refusals_are_one_sentence_and_leave_nothing(run, tmp_path, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    image(Path("scan.png").absolute())
    mask(Path("small.png"), size=(40, 59))
    before = sorted(tmp_path.iterdir())
    status, out, err = explain(capsys, *(run if a == "RUN" else a for a in arguments), "--json")
    assert status == 2
    assert out.strip() in ("", "[]")
    assert err.count("\n") == 1
    assert words in err
    assert sorted(tmp_path.iterdir()) == before


def test_help_says_what_happens_to_the_others(capsys):
    with pytest.raises(SystemExit) as left:
        main(["explain", "--help"])
    assert left.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "the others are done and kept" in shown and "same map as Grad-CAM" in shown


def test_the_whole_command_stays_light(run, tmp_path):
    """In a process of its own: exactly one JSON document, and none of the heavy libraries."""
    scan, lesion = image(tmp_path / "scan.png"), mask(tmp_path / "lesion.png")
    arguments = ["explain", run, scan, "--mask", lesion, "--out", tmp_path / "out", "--json"]
    script = (
        "import sys; from xai.__main__ import main; status = main(sys.argv[1:]); "
        "heavy = {'pandas', 'scipy', 'sklearn', 'tensorflow', 'keras', 'streamlit', 'plotly'}; "
        "print(*sorted(heavy & set(sys.modules)), file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")
    (document,) = json.loads(done.stdout)
    assert 0 < document["seconds"]["start"] < 60


def test_the_start_is_that_of_the_process():
    first = process_seconds()
    assert 0 < first <= process_seconds() < 24 * 3600
