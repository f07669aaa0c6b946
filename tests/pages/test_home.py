"""Home: what is at hand, without waiting for a model."""

import subprocess
import sys

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.frame import NOTICE
from tests.pages.conftest import ROOT
from tests.pages.tiny_run import write_tiny_run


def test_lists_the_runs_with_their_record(home: AppTest) -> None:
    table = home.dataframe[0].value
    assert list(table["Run"]) == ["tiny", "tiny-breast"]
    row = table.iloc[0]
    assert row["AUC (95 % interval)"] == "0.90 (0.85 to 0.94)"
    assert (row["Modality"], row["Network"], row["n"]) == ("ultrasound", "coarse + fine", "40")
    assert (row["Synthetic"], row["Weights"]) == ("phantoms", "yes")


def test_carries_the_notice_and_no_error(home: AppTest) -> None:
    assert any(NOTICE in element.value for element in home.markdown)
    assert not home.error
    assert not home.exception


def test_says_what_it_runs_on(home: AppTest) -> None:
    said = " ".join(element.value for element in home.caption)
    assert "Memory of this program" in said
    assert "MB" in said or "GB" in said
    assert "onnxruntime" in said or "openvino" in said


def test_first_paint_opens_no_engine(monkeypatch: pytest.MonkeyPatch, home: AppTest) -> None:
    monkeypatch.setattr("pages.ui.caches.open_engine", lambda *_: pytest.fail("Home opened an engine"))
    assert not home.run().error


def test_a_sample_opens_inspect_with_the_run_that_fits(home: AppTest) -> None:
    home.button(key="open breast").click().run()
    assert home.selectbox(key="sample").value == "breast"
    assert home.selectbox(key="run").value == "tiny-breast"
    assert any("Model says" in element.value for element in home.subheader)


def test_a_damaged_run_is_named_and_hides_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path, small_world: None
) -> None:
    write_tiny_run(tmp_path)
    head = write_tiny_run(tmp_path, "broken") / "head.onnx"
    head.write_bytes(head.read_bytes()[:-1])
    monkeypatch.setattr("models.runs.folder.run_roots", lambda: (tmp_path,))
    monkeypatch.setattr("pages.ui.caches.run_roots", lambda: (tmp_path,))
    home = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=60).run()
    assert list(home.dataframe[0].value["Run"]) == ["tiny"]
    assert len(home.warning) == 1
    assert "broken" in home.warning[0].value
    assert "head.onnx" in home.warning[0].value


OPEN_BOTH_PAGES = """
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file(sys.argv[1], default_timeout=60).run()
app.switch_page("pages/1_Inspect.py").run()
assert not app.exception, app.exception
heavy = {"tensorflow", "keras", "sklearn", "openvino", "onnxruntime"} & set(sys.modules)
assert not heavy, heavy
"""


def test_pages_open_without_a_deep_learning_library() -> None:
    done = subprocess.run(
        [sys.executable, "-c", OPEN_BOTH_PAGES, str(ROOT / "Home.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
