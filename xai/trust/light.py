"""One check of a heatmap as a traffic light, and the card they make together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["good", "doubt", "bad", "unknown"]
LEVELS: tuple[Level, ...] = ("good", "unknown", "doubt", "bad")  # from best to worst
#: What a level is called wherever colour alone would say it.
WORDS = {"good": "passes", "doubt": "doubt", "bad": "fails", "unknown": "unknown"}


#: What a failing card says first. A blank map is no wrong reason: there is none to read.
FAILS = "Do not read this map as the reason"
BLANK = "There is no map to read"


@dataclass(frozen=True)
class Light:
    """One check.

    name: of the check. level: "good", "doubt", "bad", or "unknown" where it could not be measured. figure:
    the number behind the level, short. sentence: what that means for the reader, or why it is not known.
    why: how it was measured, by which rule the level was given, and whose method it is. decisive: whether
    this check alone can say that the map must not be read; the others raise a doubt at most.
    """

    name: str
    level: Level
    figure: str
    sentence: str
    why: str
    decisive: bool = True


@dataclass(frozen=True)
class TrustCard:
    """The lights of one map of one image, with what they come to.

    of: the map, "joint" or a branch's name. method: its key. level: the worst of the decisive lights, a
    doubt where only an indecisive one fails, "unknown" where no decisive one could be measured. sentence: for
    the reader, in words. seconds: what the checks took.
    """

    lights: tuple[Light, ...]
    level: Level
    sentence: str
    of: str = "joint"
    method: str = ""
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether the map must not be the first thing that is shown."""
        return self.level == "bad"

    def of_level(self, level: Level) -> tuple[Light, ...]:
        return tuple(light for light in self.lights if light.level == level)

    def count(self) -> str:
        """How many lights have which level: "6 pass, 1 doubt, 2 unknown"."""
        words = {"good": "pass", "doubt": "doubt", "bad": "fail", "unknown": "unknown"}
        counts = ((len(self.of_level(level)), words[level]) for level in ("bad", "doubt", "good", "unknown"))
        return ", ".join(f"{n} {word}" for n, word in counts if n)


def card_of(lights: tuple[Light, ...], of: str, method: str, seconds: float = 0.0) -> TrustCard:
    """The card of these lights, by the rule of `TrustCard.level`."""
    decisive = [light for light in lights if light.decisive]
    failing = next((light for light in decisive if light.level == "bad"), None)
    doubts = [light for light in lights if light.level in ("doubt", "bad")]
    passed, known = (
        sum(light.level == "good" for light in lights),
        sum(light.level != "unknown" for light in lights),
    )
    if failing is not None:
        told = BLANK if "blank" in failing.figure else FAILS
        level, sentence = "bad", f"{told}. {failing.sentence}"
    elif all(light.level == "unknown" for light in decisive):
        level, sentence = "unknown", "This map is unchecked. Nothing decisive could be measured."
    elif doubts:
        level = "doubt"
        sentence = f"Read this map with care. {doubts[0].sentence}"
    else:
        level = "good"
        sentence = f"Nothing found against this map. It passes {passed} of {known} checks, which is no proof."
    return TrustCard(lights, level, sentence, of, method, seconds)


def entry(card: TrustCard) -> dict[str, Any]:
    """The card as plain data for a JSON document."""
    lights = [
        {
            "name": light.name,
            "level": light.level,
            "figure": light.figure,
            "sentence": light.sentence,
            "why": light.why,
            "decisive": light.decisive,
        }
        for light in card.lights
    ]
    return {
        "map": card.of,
        "method": card.method,
        "level": card.level,
        "sentence": card.sentence,
        "lights": lights,
        "seconds": round(card.seconds, 3),
    }
