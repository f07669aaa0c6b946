"""One case of an audit: read once, asked by every method, every map held against the mask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from xai.audit.faithful import Faithfulness, measure_faithfulness
from xai.audit.table import BASELINES, JOINT
from xai.explain import explain_reading, read_with
from xai.measures.agreement import agreements
from xai.measures.baselines import ceiling_map, centre_map
from xai.measures.localisation import localise
from xai.methods import DEFAULT_METHOD

if TYPE_CHECKING:
    from models.data.manifest import Case
    from models.engines import Engine
    from models.runs import Run
    from models.study import Study
    from xai.explain import CaseExplanation, Reading
    from xai.heatmap import Heatmap


@dataclass(frozen=True)
class Questions:
    """What every case of an audit is asked.

    methods: keys of xai.methods.METHODS, the first one the headline's. faithfulness: None for not at all.
    masks, seed: see `xai.methods.Request`.
    """

    methods: tuple[str, ...] = (DEFAULT_METHOD,)
    faithfulness: Faithfulness | None = None
    masks: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Row:
    """One map's measures; method and map as in the table. cautions: kinds of its warnings."""

    method: str
    map: str
    measures: Mapping[str, float | None]
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pair:
    """How far two maps of a case agree: two methods' joint maps (kind "methods") or two branches of the
    first method (kind "branches"). rank, overlap: see `xai.measures.agreement.Agreement`."""

    kind: str
    first: str
    second: str
    rank: float | None
    overlap: float | None


@dataclass(frozen=True)
class AuditedCase:
    """One case's measures, plain numbers and words all through.

    label: the case's class, whose maps were measured. probability: of that class. share: of the image's
    pixels that are lesion. lesions: connected lesions of the mask. rows: each method's joint map, each
    branch's where there are several, and the baselines; heat on marks and off the tissue of the first
    method's joint map of the positive class alone. familiar: the level of `xai.guards.judge_image`.
    marks: method -> its joint map's marks for the free-response curve, (value, lesion from 0, or -1) each;
    only of methods whose values are of one unit over all cases.
    """

    case_id: str
    group: str
    label: str
    probability: float
    share: float
    lesions: int
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...] = ()
    familiar: str = "unknown"
    marks: Mapping[str, tuple[tuple[float, int], ...]] = field(default_factory=dict)

    def table_rows(self) -> Iterator[dict[str, object]]:
        """The rows of `xai.csv`, see `xai.audit.table.table_of`."""
        facts = {
            "case_id": self.case_id, "label": self.label, "probability": self.probability,
            "lesion_share": self.share, "lesions": self.lesions,
        }  # fmt: skip
        for row in self.rows:
            own = {"method": row.method, "map": row.map, "cautions": " ".join(row.cautions)}
            yield facts | own | dict(row.measures)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; the reverse of `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> AuditedCase:
        """KeyError or TypeError for what `to_dict` did not make."""
        rows = tuple(Row(**(row | {"cautions": tuple(row["cautions"])})) for row in fields["rows"])
        pairs = tuple(Pair(**pair) for pair in fields["pairs"])
        marks = {name: tuple((float(v), int(at)) for v, at in own) for name, own in fields["marks"].items()}
        return cls(**(dict(fields) | {"rows": rows, "pairs": pairs, "marks": marks}))


@dataclass(frozen=True, eq=False)
class Decoded:
    """A case's files, read. label: its class in the run's terms. mask: bool [H, W] with a lesion, of the
    study's size."""

    case: Case
    label: str
    study: Study
    mask: np.ndarray


def decode(case: Case, label: str) -> Decoded:
    """Read a case's image and mask. BadInput for a file that cannot be read, a mask without a lesion or of
    another size."""
    from models.study import mask_for, read_mask, read_study

    study = read_study(case.file)
    return Decoded(case, label, study, mask_for(study, read_mask(case.mask_file)))


def measure_case(
    run: Run,
    engine: Engine,
    decoded: Decoded,
    questions: Questions,
    thresholds: Mapping[str, float] | None = None,
    check: Callable[[], None] = lambda: None,
) -> AuditedCase:
    """All that an audit measures of one case. One pass of the network serves every method of the stored
    family; the others take passes of their own.

    thresholds: method or baseline -> the share of the maximum tuned for it, for iou_tuned. check: called
    between passes; raises to stop.
    """
    reading = read_with(decoded.study, run, engine)
    case = decoded.case
    return measure_reading(
        reading, decoded.label, decoded.mask, questions, engine,
        case_id=case.case_id, group=case.group, thresholds=thresholds, check=check,
    )  # fmt: skip


def measure_reading(
    reading: Reading,
    label: str,
    mask: np.ndarray,
    questions: Questions,
    engine: Engine,
    *,
    case_id: str,
    group: str,
    thresholds: Mapping[str, float] | None = None,
    check: Callable[[], None] = lambda: None,
    familiar: str | None = None,
) -> AuditedCase:
    """`measure_case` of a case that was read already. label: the class whose maps are measured. mask: bool
    [H, W] with a lesion. familiar: the level of `xai.guards.judge_image`, where it is known."""
    run, study = reading.run, reading.study
    results = explained_by(reading, label, questions, engine, check)
    headline = results[questions.methods[0]]
    joint = headline.joint
    tuned = thresholds or {}
    noise = noise_on(joint.grid, case_id)
    faithful: dict[str, dict[str, float | None]] = {}
    if questions.faithfulness:
        faithful = measure_faithfulness(reading, results, noise, engine, questions.faithfulness, check)
    rows, marks = [], {}
    for method, result in results.items():
        # Looking for marks costs as much as all the rest of a case, and the document counts these alone.
        guarded = result is headline and label == run.positive
        shortcuts, kinds = _shortcuts(study, joint) if guarded else ({}, ())
        native = result.joint.native()
        measures = _measured(native, mask, tuned.get(method))
        if not result.joint.relative:
            marks[method] = _marks(native, mask, result.joint.grid)
        kinds = (*(caution.kind for caution in result.cautions), *kinds)
        rows.append(Row(method, JOINT, measures | shortcuts | faithful.get(method, {}), kinds))
        if len(result.heatmaps) > 1:
            rows += [Row(method, h.map.name, _measured(h.native(), mask)) for h in result.heatmaps]
    for name, native in baseline_maps(mask, joint, noise).items():
        rows.append(Row("", name, _measured(native, mask, tuned.get(name)) | faithful.get(name, {})))
    return AuditedCase(
        case_id=case_id,
        group=group,
        label=label,
        probability=reading.probabilities[label],
        share=float(mask.mean()),
        lesions=_lesions(mask),
        rows=tuple(rows),
        pairs=tuple(_pairs(results, headline)),
        familiar=familiar or _familiar(reading),
        marks=marks,
    )


def explained_by(
    reading: Reading,
    label: str,
    questions: Questions,
    engine: Engine,
    check: Callable[[], None] = lambda: None,
) -> dict[str, CaseExplanation]:
    """Method -> explanation, in the order asked."""

    def watch(done: int, total: int) -> None:
        check()

    return {
        method: explain_reading(
            reading, label, method, masks=questions.masks, seed=questions.seed, engine=engine, watch=watch
        )
        for method in questions.methods
    }


def baseline_maps(mask: np.ndarray, joint: Heatmap, noise: np.ndarray) -> dict[str, np.ndarray]:
    """Name -> float32 [H, W]: what knows no image (a blob in the centre, noise) and what knows the outline,
    on the grid of the map that is judged."""
    maps = (
        centre_map(mask.shape),
        joint.placement.to_native(noise),
        ceiling_map(mask, joint.placement, joint.grid),
    )
    return dict(zip(BASELINES, maps, strict=True))


def noise_on(grid: tuple[int, int], case_id: str) -> np.ndarray:
    """Uniform noise on the map's own grid, the same for a case each time: what chance alone would show."""
    return np.random.default_rng(list(case_id.encode())).random(grid, dtype=np.float32)


def _measured(native: np.ndarray, mask: np.ndarray, tuned: float | None = None) -> dict[str, float | None]:
    """Every field of Localisation but the mask's own number of lesions."""
    fields = asdict(localise(native, mask, tuned))
    del fields["lesions"]
    return {name: None if value is None else float(value) for name, value in fields.items()}


def _marks(native: np.ndarray, mask: np.ndarray, grid: tuple[int, int]) -> tuple[tuple[float, int], ...]:
    """No two marks closer than a cell of the map."""
    from xai.measures.froc import froc_case

    found = froc_case(native, mask, spacing=max(native.shape) / max(grid))
    return tuple(zip(found.scores.tolist(), found.lesion.tolist(), strict=True))


def _lesions(mask: np.ndarray) -> int:
    from xai.measures.localisation import lesions_of

    return lesions_of(mask)[1]


def _shortcuts(study: Study, heatmap: Heatmap) -> tuple[dict[str, float], tuple[str, ...]]:
    """Shares of the heat on marks and off the tissue, and the cautions they give rise to."""
    from xai.guards import find_shortcuts

    found = find_shortcuts(study, heatmap)
    shares = {"heat_on_marks": found.heat_on_marks, "heat_outside": found.heat_outside}
    return shares, tuple(caution.kind for caution in found.cautions)


def _familiar(reading: Reading) -> str:
    from xai.guards import judge_image

    return judge_image(reading).level


def _pairs(results: Mapping[str, CaseExplanation], headline: CaseExplanation) -> Iterator[Pair]:
    yield from _agreeing("methods", {name: result.joint for name, result in results.items()})
    yield from _agreeing("branches", {heatmap.map.name: heatmap for heatmap in headline.heatmaps})


def _agreeing(kind: str, heatmaps: Mapping[str, Heatmap]) -> Iterator[Pair]:
    names = list(heatmaps)
    if len(names) < 2:
        return
    found = agreements(list(heatmaps.values()))
    for i, first in enumerate(names):
        for j in range(i + 1, len(names)):
            yield Pair(kind, first, names[j], found[i][j].rank, found[i][j].overlap)
