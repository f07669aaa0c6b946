"""Inspect's trust card, its methods and slow maps, driven without a browser."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from models.errors import BadInput
from pages.ui.trusting.card import ordered
from pages.ui.trusting.jobs import MapJobs
from tests.pages.test_inspect import choose, said
from xai.methods import METHODS
from xai.trust import Light
from xai.trust.light import card_of

WAIT = 60


def failing_card(result, engine, *, name="joint", **_):
    bad = Light("Blur test", "bad", "beats 0% of 16", "Blurring lowers nothing.", "how")
    good = Light("Map itself", "good", "no fault", "It points inside.", "how")
    return card_of((good, bad), name, result.method)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.ui.trust_caches.card_of", failing_card)


def captions(app: AppTest) -> str:
    """What the viewer says above its panels; AppTest knows no plotly."""
    return "\n".join(str(element.proto) for element in app.get("plotly_chart"))


def test_the_card_stands_beside_the_map(inspect: AppTest) -> None:
    choose(inspect, "dark")
    words = said(inspect)
    assert "How far can this map be trusted?" in words
    for check in (
        "Map itself",
        "Blur test",
        "Stability",
        "Marks and background",
        "Agreement",
        "On the lesion",
    ):
        assert check in words
    assert not inspect.error and not inspect.exception
    assert "evidence for malignant, joint map" in captions(inspect)


def test_a_map_that_fails_is_not_the_first_thing_shown(inspect: AppTest, failing: None) -> None:
    choose(inspect, "dark")
    assert "held back" in captions(inspect)
    assert "Do not read this map as the reason" in said(inspect)
    assert "Held back with the map above" in said(inspect)
    inspect.button(key="show_anyway").click().run()
    assert "held back" not in captions(inspect)
    assert "Held back with the map above" not in said(inspect)
    inspect.button(key="hold_back").click().run()
    assert "held back" in captions(inspect)


def test_asking_for_one_failing_map_shows_no_other(inspect: AppTest, failing: None) -> None:
    choose(inspect, "dark")
    inspect.button(key="show_anyway").click().run()
    inspect.button_group(key="map").set_value("fine").run()
    assert "held back" in captions(inspect)
    choose(inspect, "darker")
    assert "held back" in captions(inspect)


def test_the_worst_checks_come_first() -> None:
    levels = ("good", "unknown", "doubt", "bad")
    card = card_of(tuple(Light(level, level, "", "A.", "b") for level in levels), "joint", "grad-cam")
    assert [light.level for light in ordered(card)] == ["bad", "doubt", "good", "unknown"]


def test_a_method_is_chosen_and_named(inspect: AppTest) -> None:
    choose(inspect, "dark")
    inspect.selectbox(key="method").select("LayerCAM").run()
    assert not inspect.error and not inspect.exception
    assert "LayerCAM: evidence for malignant" in captions(inspect)
    assert METHODS["layercam"].paper in said(inspect)
    assert "own maximum" in said(inspect)


def test_methods_that_are_the_same_map_say_so(inspect: AppTest) -> None:
    choose(inspect, "dark")
    inspect.selectbox(key="method").select("HiResCAM").run()
    assert "Here it is on pooled features the same map as Grad-CAM" in said(inspect)


def test_a_method_that_the_run_cannot_do_says_why_and_leaves_the_former_map(inspect: AppTest) -> None:
    choose(inspect, "dark")
    inspect.selectbox(key="method").select("Score-CAM by tf-keras-vis").run()
    assert any("every weight would be 1" in element.value for element in inspect.info)
    assert "Grad-CAM: evidence for malignant" in captions(inspect)
    assert not inspect.error


@pytest.mark.parametrize("name", ["class", "map", "method"])
def test_an_unknown_choice_in_the_address_is_a_sentence(inspect: AppTest, name: str) -> None:
    inspect.query_params[name] = "nonsense"
    choose(inspect, "dark")
    assert any("nonsense" in element.value for element in inspect.error)
    assert "Grad-CAM: evidence for malignant" in captions(inspect)


def slow(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """RISE that waits to be let go after its first batch."""
    from pages.ui.trusting import showing

    gate, real = SimpleNamespace(go=threading.Event(), begun=threading.Event()), showing.explain_reading

    def explain(reading, label, method, mask, *, watch=None, masks=None, **options):
        if watch is not None:
            watch(1, 4)
            gate.begun.set()
            assert gate.go.wait(WAIT)
            watch(2, 4)
        return real(reading, label, "layercam", mask, against=options["against"])

    monkeypatch.setattr(showing, "explain_reading", explain)
    return gate


def test_a_slow_map_leaves_the_former_until_it_is_there(inspect: AppTest, monkeypatch) -> None:
    gate = slow(monkeypatch)
    choose(inspect, "dark")
    inspect.selectbox(key="method").select("RISE").run()
    assert gate.begun.wait(WAIT)
    assert "RISE is not there yet. Below stays the former map, Grad-CAM" in said(inspect)
    assert "Grad-CAM: evidence for malignant" in captions(inspect)
    assert inspect.button(key="cancel_map")
    gate.go.set()
    _await_jobs()
    inspect.run()
    assert "not there yet" not in said(inspect)
    assert "LayerCAM: evidence for malignant" in captions(inspect)


def test_a_cancelled_map_is_told_and_can_be_asked_for_again(inspect: AppTest, monkeypatch) -> None:
    gate = slow(monkeypatch)
    choose(inspect, "dark")
    inspect.selectbox(key="method").select("RISE").run()
    assert gate.begun.wait(WAIT)
    inspect.button(key="cancel_map").click().run()
    gate.go.set()
    _await_jobs()
    inspect.run()
    assert any("stopped after 2 of 4 passes" in element.value for element in inspect.info)
    assert "Grad-CAM: evidence for malignant" in captions(inspect)
    inspect.button(key="map_again").click().run()
    _await_jobs()
    inspect.run()
    assert "LayerCAM: evidence for malignant" in captions(inspect)


def _await_jobs() -> None:
    for thread in threading.enumerate():
        if thread.name == "a slow map":
            thread.join(WAIT)


# The jobs alone


def test_a_second_map_stops_the_first() -> None:
    jobs, let_go = MapJobs(), threading.Event()

    def make(watch):
        for done in range(1000):
            let_go.wait(0.01)
            watch(done, 1000)
        return "a map"

    first = jobs.start("one", make)
    second = jobs.start("two", lambda watch: "another map")
    assert first.wait(WAIT) and second.wait(WAIT)
    assert first.cancelled and first.result is None and second.result == "another map"
    assert jobs.get("two") is second
    jobs.forget("one")
    assert jobs.get("one") is None


def test_a_refusal_and_a_fault_are_sentences(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(watch):
        raise BadInput("This run has no such layer: choose another.")

    def fail(watch):
        raise RuntimeError("secret detail")

    jobs = MapJobs()
    refused, failed = jobs.start("one", refuse), jobs.start("two", fail)
    assert refused.wait(WAIT) and failed.wait(WAIT)
    assert refused.refused == "This run has no such layer: choose another."
    assert "secret detail" not in failed.refused and "fault" in failed.refused
    assert "secret detail" in caplog.text


def test_leaving_stops_everything() -> None:
    jobs = MapJobs()

    def make(watch):
        while True:
            watch(0, 0)

    job = jobs.start("one", make)
    jobs.close()
    assert job.wait(WAIT) and job.cancelled
