# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Mammography: from a manifest to a measured heatmap
#
# This notebook belongs to the run `phantom-mammography`. It goes from images and their manifest over the
# run, its training and its record to a heatmap, and ends with a test of cause: take the mass away and see
# what stays.
#
# **Every image here is a phantom**, drawn by a program from random numbers. No patient is in them, and how
# well a network reads them says nothing about patients. For research and teaching only; not a diagnostic
# device.

# %%
import os
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the light engine, on any machine

import matplotlib.pyplot as plt
import pandas as pd

from models.data.manifest import read_manifest
from models.data.phantoms import phantom, write_phantoms
from models.engines import open_engine
from models.evaluation import evaluate, read_predictions
from models.runs import find_run
from models.study import mask_for, read_mask, read_study
from xai.explain import explain_study
from xai.measures.baselines import baselines
from xai.overlay import draw_overlay

plt.rcParams |= {"figure.dpi": 80, "figure.facecolor": "white", "font.size": 9}
pd.set_option("display.max_colwidth", None)

# %% [markdown]
# ## 1. The manifest
#
# A manifest is a CSV that names a data set's images, one a row. The run learned from the series with seed
# 1; here are nine phantoms of another series. One in three has no mass, one a round mass with a smooth
# margin (benign), one a spiculated mass (malignant).

# %%
SEED, COUNT = 2024, 9
folder = TemporaryDirectory()
manifest = read_manifest(write_phantoms("mammography", COUNT, SEED, Path(folder.name) / "mammography"))
told = ("margin", "density", "view", "laterality", "area_fraction")
pd.DataFrame(
    {"label": case.label} | {name: case.columns[name] for name in told if name in case.columns}
    for case in manifest.cases[:6]
)

# %%
studies = [read_study(case.file, modality="mammography", synthetic=True) for case in manifest.cases]
figure, axes = plt.subplots(1, 6, figsize=(12, 3), layout="constrained")
for axis, study, case in zip(axes, studies, manifest.cases, strict=False):
    axis.imshow(study.display(), cmap="gray", vmin=0, vmax=255)
    axis.set_title(case.label)
    axis.axis("off")

# %% [markdown]
# ## 2. The run and what its labels mean
#
# The network is small and saw 630 images. It tells a breast with a mass from one without; whether the
# margin is spiculated it could not learn from so few, so both kinds of mass are one class. Such a decision
# belongs on a run's card, where whoever uses it finds it.

# %%
run = find_run("phantom-mammography")
card = run.card
pd.Series(
    {
        "title": card.title,
        "classes": ", ".join(run.classes),
        "labels": "; ".join(f"{label} is {name}" for label, name in card.label_map.items()),
        "trained on": f"{card.data.n_train} images, {card.data.n_validation} for validation",
        "tested on": f"{card.data.n_test} images",
        "input": f"{card.input.width} x {card.input.height} pixels, fitted by {card.input.fit}",
        "threshold": f"{run.operating_point.threshold:.3f}: {run.operating_point.rule}",
    },
    name=run.id,
).to_frame()

# %% [markdown]
# ## 3. Its training
#
# One row of `history.csv` an epoch. The rate was halved when the validation loss stalled. The training loss
# is taken with dropout and augmentation, the validation loss without; compare their shapes rather than
# their heights.

# %%
history = pd.read_csv(run.path("history.csv"))
figure, axes = plt.subplots(1, 3, figsize=(11, 2.6), layout="constrained")
for axis, name in zip(axes, ("loss", "auc"), strict=False):
    axis.plot(history["epoch"] + 1, history[name], "--o", label="training", color="#5B6770")
    axis.plot(history["epoch"] + 1, history[f"val_{name}"], "-o", label="validation", color="#1F6F8B")
    axis.set(title=name, xlabel="epoch")
axes[0].legend()
axes[2].step(history["epoch"] + 1, history["learning_rate"], where="mid", color="#B4531F")
axes[2].set(title="learning rate", xlabel="epoch", ylim=(0, None))
best = int(history["val_loss"].idxmin())
print(f"Validation loss is lowest at epoch {best + 1} of {len(history)}; those weights were kept.")

# %% [markdown]
# ## 4. Its record
#
# On the stored predictions of its test cases, with 95 % intervals.


# %%
def with_intervals(metrics: dict[str, dict]) -> pd.DataFrame:
    types = {"value": float, "low": float, "high": float, "n": int}
    return pd.DataFrame(metrics).T[list(types)].astype(types).round(3)


test = read_predictions(run.path("predictions.csv"), run.classes).part("test")
metrics = evaluate(
    test.labels, test.probabilities, classes=run.classes, positive=run.positive,
    threshold=run.operating_point.threshold, groups=test.groups,
)  # fmt: skip
with_intervals(metrics)

# %% [markdown]
# Sensitivity for each kind of mass, which the classes hide:

# %%
positive = run.classes.index(run.positive)
found = test.probabilities[:, positive] >= run.operating_point.threshold
labels = pd.read_csv(run.path("cases.csv"), dtype=str).set_index("case_id")["label"]
written = labels.reindex(test.case_ids).to_numpy()
pd.DataFrame(
    {
        "label": name,
        "test cases": int((written == name).sum()),
        "called a mass": int(found[written == name].sum()),
    }
    for name in ("normal", "benign", "malignant")
)

# %% [markdown]
# ## 5. Prediction and heatmap
#
# One pass an image gives the probability and the map: gradient of the margin times activation, summed over
# channels, in logit units per cell (Grad-CAM). Full colour is fixed by the run, so two images can be
# compared.

# %%
engine = open_engine(run)
explained = [explain_study(study, run, engine) for study in studies]
pd.DataFrame(
    {
        "label": case.label,
        f"p({run.positive})": round(result.reading.probabilities[run.positive], 3),
        "called": result.reading.label,
        "right": result.reading.label == card.label_map[case.label],
    }
    for case, result in zip(manifest.cases, explained, strict=True)
)

# %% [markdown]
# ## 6. Take the mass away
#
# A phantom has a *twin*: the same breast and the same noise without the mass. Whatever the map shows in
# both is not about the mass. With images of patients nobody has the twin; with phantoms the question can be
# answered. Here for the malignant phantom that the run is surest of:

# %%
masses = [i for i, case in enumerate(manifest.cases) if case.label == "malignant"]
chosen = max(masses, key=lambda i: explained[i].reading.probabilities[run.positive])
twin_file = Path(folder.name) / "twin.png"
without = phantom("mammography", SEED, chosen, label="normal").image
plt.imsave(twin_file, without, cmap="gray", vmin=0, vmax=255)
twin = explain_study(read_study(twin_file, modality="mammography", synthetic=True), run, engine)
mask = mask_for(studies[chosen], read_mask(manifest.cases[chosen].mask_file))
figure, axes = plt.subplots(1, 4, figsize=(12, 4), layout="constrained")
shown = [
    ("with a mass", studies[chosen].display(), None, None),
    (f"p = {explained[chosen].reading.probabilities[run.positive]:.2f}", None, explained[chosen], mask),
    ("its twin", twin.study.display(), None, None),
    (f"p = {twin.reading.probabilities[run.positive]:.2f}", None, twin, None),
]
for axis, (title, picture, result, outline) in zip(axes, shown, strict=True):
    if result is not None:
        picture = draw_overlay(result.study.display(), result.joint, mask=outline)
    axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
    axis.set_title(title)
    axis.axis("off")

# %%
inside = explained[chosen].joint.native()[mask].mean(), twin.joint.native()[mask].mean()
print(
    f"Mean evidence where the mass is: {inside[0]:+.3f} logits a cell; in the twin there: {inside[1]:+.3f}."
)

# %% [markdown]
# ## 7. How good is the map?
#
# *Pointing game*: is the highest point on the lesion? *IoU*: overlap of the lesion with where the map
# exceeds half of its maximum. *Energy*: share of the evidence on the lesion. Beside them a bell in the
# middle of the image (*centre*) and about the best that a map of this grid could do (*ceiling*): masses are
# small against a cell.

# %%
rows = []
for study, case in zip(studies, manifest.cases, strict=True):
    if case.mask_file is None:
        continue
    lesion = mask_for(study, read_mask(case.mask_file))
    measured = explain_study(study, run, engine, mask=lesion)
    beside = baselines(lesion, measured.joint.placement, measured.joint.grid)
    for name, values in {"this run": measured.measures, **beside}.items():
        row = {"pointing game": float(values.pointing), "IoU": values.iou, "energy": values.energy}
        rows.append({"map": name} | row)
table = pd.DataFrame(rows).groupby("map", sort=False).mean()
print(f"Means over {len(rows) // 3} phantoms with a mass that training never saw:")
table.round(2)

# %% [markdown]
# Over its own test cases, with intervals:

# %%
with_intervals({name: card.metrics["test"][name].model_dump() for name in ("pointing", "iou", "energy")})

# %% [markdown]
# ## What this does not show
#
# - A whole mammogram at this input size loses what radiologists look for first: microcalcifications.
# - A map that finds the mass does not make the prediction right. The audit (`python -m xai audit`) asks
#   many cases, and whether the map depends on the weights at all.
# - Phantoms are simple. The runs named `mias-...` and `mixing-...` show what happens with films of
#   patients.

# %%
folder.cleanup()
