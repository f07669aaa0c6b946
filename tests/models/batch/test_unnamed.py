"""DICOM files that are called after people: a batch does not say so, and knows them when it goes on."""

import numpy as np
import pytest

from models.batch import REFUSED, UNREADABLE, Item, Scorer
from models.batch.listing import list_inputs
from models.batch.unnamed import DoneKeys, replaced_key, unnamed
from tests.models.batch.test_job import job
from tests.models.study.dicoms import PERSON, ULTRASOUND, dataset, saved

WORDS = ("quandt", "ottilie", "99471", "19510723", "5512093", "8323329")


def ultrasound(number, **tags):
    pixels = np.random.default_rng(number).integers(0, 200, (64, 64)).astype("uint8")
    return saved(dataset(pixels, **PERSON | {"SOPClassUID": ULTRASOUND, "Modality": "US"} | tags))


@pytest.fixture
def scans(tmp_path):
    """Files and folders as hospitals name them, one cut short, one of another modality, one unsuspicious."""
    folder = tmp_path / "scans"
    (folder / "QUANDT_Ottilie").mkdir(parents=True)
    (folder / "QUANDT_Ottilie" / "IM1").write_bytes(ultrasound(1))
    (folder / "HB-99471-X.dcm").write_bytes(ultrasound(2))
    (folder / "ACC5512093.dcm").write_bytes(ultrasound(3)[:-900])
    (folder / "quandt.dcm").write_bytes(ultrasound(4, Modality="CT"))
    (folder / "a.dcm").write_bytes(ultrasound(5))
    return folder


def test_no_output_names_a_person_and_resuming_does_nothing_twice(tiny, scans, tmp_path):
    out, said = tmp_path / "out", []
    batch = job(tiny, list_inputs([scans]), out, notice=said.append).work()
    rows = list(batch.rows())
    keys = [row.key for row in rows]
    assert len(set(keys)) == 5 and [key == "a.dcm" for key in keys].count(True) == 1
    assert all(key == "a.dcm" or (key.startswith("dicom-") and len(key) == 26) for key in keys)
    statuses = {row.status: row.why for row in rows}
    assert keys[0] in statuses[UNREADABLE] and "CT" in statuses[REFUSED]
    written = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file()).lower()
    assert not [word for word in WORDS if word.encode() in written]
    assert "4 files" in said[0] and "4 files" in (out / "batch.json").read_text()

    (scans / "b_quandt.dcm").write_bytes(ultrasound(6))
    again = job(tiny, list_inputs([scans]), out, resume=True).work()
    assert set(keys) < {row.key for row in again.rows()}
    assert len(again) == 6 and (out / "journal.jsonl").read_bytes().count(b"\n") == 6


def test_frames_keep_their_number_and_other_files_their_name(tmp_path):
    content = ultrasound(1)
    item = Item("quandt/clip.dcm#3", 7, "clip.dcm", None, frame=2)
    told = unnamed(item, content)
    assert told.key.startswith("dicom-") and told.key.endswith(".dcm#3") and told.name == told.key
    assert told.key == replaced_key("quandt/clip.dcm#3", "#3")
    assert unnamed(item, content) == told and (told.index, told.frame) == (7, 2)
    assert unnamed(Item("clip.dcm", 0, "clip.dcm", None), content).key == "clip.dcm"
    assert unnamed(Item("quandt.png", 0, "quandt.png", None), b"\x89PNG no DICOM").key == "quandt.png"
    done = DoneKeys([told.key, "b.png"])
    assert item.key in done and told.key in done and "b.png" in done and "quandt/clip.dcm#2" not in done
    assert len(done) == 2 and done.replaced == 1 and item.key in done.copy()


def test_a_scorer_alone_replaces_them_too(tiny, scans):
    items = list(list_inputs([scans]))
    rows = Scorer([tiny], engine="onnxruntime").score(items)
    assert not [word for row in rows for word in WORDS if word in (row.key + row.why).lower()]
