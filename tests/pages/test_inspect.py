"""Inspect, driven without a browser."""

import pytest
from streamlit.testing.v1 import AppTest

from models.engines import open_engine
from pages.ui.frame import NOTICE
from pages.ui.sentences import NOT_A_DIAGNOSIS
from tests.pages.pictures import dark_disc, png


class CountingEngine:
    """A run's engine that counts its passes."""

    calls = 0

    def __init__(self, run, kind=None) -> None:
        self._engine = open_engine(run, kind)
        self.name = self._engine.name

        self.run = run

    def explain(self, tensor):
        CountingEngine.calls += 1
        return self._engine.explain(tensor)

    def predict(self, tensor):
        CountingEngine.calls += 1
        return self._engine.predict(tensor)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> type[CountingEngine]:
    monkeypatch.setattr("pages.ui.caches.open_engine", CountingEngine)
    CountingEngine.calls = 0
    return CountingEngine


def said(app: AppTest) -> str:
    return "\n".join(element.value for element in (*app.subheader, *app.markdown, *app.caption))


def choose(app: AppTest, sample: str) -> AppTest:
    return app.selectbox(key="sample").select(sample).run()


def show_anyway(app: AppTest) -> AppTest:
    """The tiny run looks for what is dark, so its map is lit in the padding and held back."""
    return app.button(key="show_anyway").click().run()


def test_a_head_without_contributions_says_so(inspect: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.engines.explained.head_kind", lambda run: "svm")
    choose(inspect, "dark")
    assert not inspect.error and not inspect.exception
    assert "Contributions are not defined for a support vector machine" in said(inspect)
    assert "add up to the margin" not in said(inspect)


def test_a_sample_gets_a_verdict_against_the_operating_point(inspect: AppTest) -> None:
    choose(inspect, "dark")
    assert not inspect.error
    assert "Model says malignant" in said(inspect)
    assert "at or above the run's operating point" in said(inspect)
    assert NOT_A_DIAGNOSIS in said(inspect)
    assert NOTICE in said(inspect)
    assert "Synthetic phantom" in said(inspect)


def test_the_verdict_below_the_operating_point(inspect: AppTest) -> None:
    choose(inspect, "bright")
    assert "Model says other" in said(inspect)
    assert "below the run's operating point" in said(inspect)


def test_the_true_resolution_is_told(inspect: AppTest) -> None:
    choose(inspect, "dark")
    # 96 x 64 pixels on an input of 64 x 64: one input pixel is 1.5 of the image's, a cell of 16 is 24.
    assert "4 x 4 cells, each about 24 x 24 pixels of this image" in said(inspect)


def test_nothing_but_a_new_question_predicts(inspect: AppTest, counted: type[CountingEngine]) -> None:
    show_anyway(choose(inspect, "dark"))
    first = counted.calls  # the reading, and the checks of its map
    assert first > 1
    inspect.slider(key="opacity").set_value(0.3).run()
    inspect.selectbox(key="colours").select("jet").run()
    inspect.button_group(key="drawing").set_value("both").run()
    inspect.button(key="flip_heatmap").click().run()
    inspect.button_group(key="map").set_value("fine").run()
    another = counted.calls  # another map is another thing to check
    assert another > first
    inspect.button_group(key="map").set_value("joint").run()
    assert not inspect.error
    assert counted.calls == another
    choose(inspect, "darker")
    choose(inspect, "dark")
    again = counted.calls
    choose(inspect, "darker")
    assert counted.calls == again


def test_hiding_the_heatmap_is_one_click_there_and_back(inspect: AppTest) -> None:
    show_anyway(choose(inspect, "dark"))
    assert inspect.button(key="flip_heatmap").click().run().button(key="flip_heatmap").label == "Show heatmap"
    assert inspect.button(key="flip_heatmap").click().run().button(key="flip_heatmap").label == "Hide heatmap"


def test_a_blank_map_is_called_blank(inspect: AppTest) -> None:
    choose(inspect, "bright")
    assert "There is no map to read" in said(inspect)
    assert "is blank" in said(inspect)
    assert inspect.button(key="flip_heatmap").disabled


def test_a_shipped_mask_is_measured(inspect: AppTest) -> None:
    choose(inspect, "dark")
    measures = {element.label: element.value for element in inspect.metric}
    assert measures["Pointing game"] in ("hit", "miss")
    assert 0 < float(measures["Energy inside"]) < 1
    assert float(measures["IoU"]) > 0


def test_an_upload_with_a_mask_is_measured_and_takes_the_samples_place(inspect: AppTest) -> None:
    choose(inspect, "bright")
    image, mask = map(png, dark_disc())
    inspect.file_uploader[0].upload("lesion", image, "image/png").run()
    assert inspect.selectbox(key="sample").value is None
    assert "lesion: 96 x 64 pixels, grey, 8 bit" in said(inspect)
    assert not inspect.metric
    inspect.file_uploader[1].upload("mask.png", mask, "image/png").run()
    assert [element.label for element in inspect.metric] == ["Pointing game", "IoU", "Energy inside"]


def test_a_phantom_run_says_that_it_knows_no_people(inspect: AppTest) -> None:
    inspect.file_uploader[0].upload("lesion.png", png(dark_disc()[0]), "image/png").run()
    assert any("synthetic phantoms only" in element.value for element in inspect.warning)


def test_a_sample_takes_an_uploads_place(inspect: AppTest) -> None:
    inspect.file_uploader[0].upload("lesion.png", png(dark_disc()[0]), "image/png").run()
    choose(inspect, "darker")
    assert "darker.png" in said(inspect)
    assert inspect.file_uploader[0].value is None


def test_another_modality_is_told(inspect: AppTest) -> None:
    choose(inspect, "breast")
    assert inspect.selectbox(key="run").value == "tiny-breast"
    assert not any("was made for" in element.value for element in inspect.warning)
    inspect.selectbox(key="run").select("tiny").run()
    assert any("was made for ultrasound" in element.value for element in inspect.warning)


def test_the_address_carries_the_case(inspect: AppTest) -> None:
    choose(inspect, "dark")
    assert inspect.query_params["sample"] == "dark"
    assert inspect.query_params["run"] == "tiny"


def test_a_link_opens_its_case(inspect: AppTest) -> None:
    inspect.query_params["sample"] = "darker"
    inspect.query_params["run"] = "tiny-breast"
    inspect.run()
    assert inspect.selectbox(key="sample").value == "darker"
    assert inspect.selectbox(key="run").value == "tiny-breast"


BAD_FILES = {
    "empty": b"",
    "text": b"this is not an image\n" * 40,
    "truncated": png(dark_disc()[0])[:-60],
    "header of 60,000 x 60,000": png(dark_disc()[0])[:16]
    + (60_000).to_bytes(4, "big") * 2
    + png(dark_disc()[0])[24:],
}


@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_bad_file_is_one_sentence_and_the_app_goes_on(inspect: AppTest, content: bytes) -> None:
    inspect.file_uploader[0].upload("image.png", content, "image/png").run()
    assert len(inspect.error) == 1
    assert not inspect.exception
    assert "\n" not in inspect.error[0].value
    choose(inspect, "dark")
    assert not inspect.error
    assert "Model says malignant" in said(inspect)


def test_a_mask_of_another_size_is_refused_with_both_sizes(inspect: AppTest) -> None:
    choose(inspect, "bright")
    inspect.file_uploader[1].upload("mask.png", png(dark_disc()[1]), "image/png").run()
    assert len(inspect.error) == 1
    assert "96 x 64" in inspect.error[0].value
    assert "96 x 96" in inspect.error[0].value


@pytest.mark.parametrize("key", ["run", "sample"])
def test_an_unknown_name_in_the_address_is_one_sentence(inspect: AppTest, key: str) -> None:
    inspect.query_params[key] = "nowhere"
    inspect.run()
    assert len(inspect.error) == 1
    assert "'nowhere'" in inspect.error[0].value
    choose(inspect, "dark")
    assert not inspect.error


def test_a_fault_of_ours_is_a_sentence_with_an_id(
    inspect: AppTest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("pages.ui.caches.read_with", fail)
    choose(inspect, "dark")
    assert len(inspect.error) == 1
    assert not inspect.exception
    shown = inspect.error[0].value
    assert "secret detail" not in shown
    fault = shown.partition("fault ")[2][:6]
    assert fault in caplog.text
    assert "secret detail" in caplog.text
