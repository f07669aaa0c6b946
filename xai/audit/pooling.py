"""The audits of a cross-validation's folds as one: every case once, by a run that never saw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from xai.audit.job import Audit
from xai.audit.thresholds import Threshold


def pooled(audits: Sequence[Audit]) -> Audit:
    """The cases of several audits with the same questions, under the first one's run.

    Thresholds were tuned a fold each; what is stated is their mean. Randomisation: that of the fold that
    passes least.
    """
    if len(audits) == 1:
        return audits[0]
    return replace(
        audits[0],
        cases=tuple(case for one in audits for case in one.cases),
        skipped=tuple(entry for one in audits for entry in one.skipped),
        asked=sum(one.asked for one in audits),
        thresholds={
            name: _threshold([one.thresholds[name] for one in audits]) for name in audits[0].thresholds
        },
        randomisation=_randomisation([one.randomisation for one in audits]),
    )


def _threshold(found: list[Threshold]) -> Threshold:
    known = [one for one in found if one.share is not None]
    if not known:
        return found[0]
    return Threshold(float(np.mean([one.share for one in known])), sum(one.n for one in known))


def _randomisation(found: list[dict[str, Any] | None]) -> dict[str, Any] | None:
    """That of the fold whose maps stay most like themselves without its weights."""
    if None in found:
        return None
    known = [one for one in found if one["correlation"] is not None]
    return max(known, key=lambda one: one["correlation"]) if known else found[0]
