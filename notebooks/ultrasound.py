# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Ultrasound: from a manifest to a measured heatmap
#
# This notebook belongs to the run `phantom-ultrasound`. It walks the whole way in seven steps: images and
# their manifest, the run, its training, its record on test cases, a prediction, a heatmap, and how well
# that heatmap finds the lesion.
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
from models.data.phantoms import write_phantoms
from models.engines import open_engine
from models.evaluation import confusion, evaluate, predicted_classes, read_predictions
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
# 1; here are twelve phantoms of another series, so none of them was seen in training. The label rule is
# known: a *malignant* mass has an angular, irregular margin, stands taller than wide and casts a shadow.

# %%
SEED, COUNT = 2024, 12
folder = TemporaryDirectory()
manifest = read_manifest(write_phantoms("ultrasound", COUNT, SEED, Path(folder.name) / "ultrasound"))
pd.DataFrame(
    {
        "label": case.label,
        "margin": case.columns["margin"],
        "orientation": case.columns["orientation"],
        "behind it": case.columns["posterior"],
        "share of the image": case.columns["area_fraction"],
    }
    for case in manifest.cases[:6]
)

# %%
studies = [read_study(case.file, modality="ultrasound", synthetic=True) for case in manifest.cases]
figure, axes = plt.subplots(1, 6, figsize=(12, 2.2), layout="constrained")
for axis, study, case in zip(axes, studies, manifest.cases, strict=False):
    axis.imshow(study.display(), cmap="gray", vmin=0, vmax=255)
    axis.set_title(case.label)
    axis.axis("off")

# %% [markdown]
# ## 2. The run
#
# A run is a folder: weights, recipe, history, predictions, and a card that says what they are. Thresholds
# and class names travel with the weights.

# %%
run = find_run("phantom-ultrasound")
card = run.card
pd.Series(
    {
        "title": card.title,
        "classes": ", ".join(run.classes),
        "labels": "; ".join(f"{label} is {name}" for label, name in card.label_map.items()),
        "branches": ", ".join(f"{b.name} ({b.grid[0]} x {b.grid[1]} x {b.channels})" for b in run.branches),
        "trained on": f"{card.data.n_train} images, {card.data.n_validation} for validation",
        "tested on": f"{card.data.n_test} images",
        "threshold": f"{run.operating_point.threshold:.4f}: {run.operating_point.rule}",
    },
    name=run.id,
).to_frame()

# %% [markdown]
# ## 3. Its training
#
# One row of `history.csv` an epoch. The training loss is taken with dropout and augmentation, the
# validation loss without; compare their shapes rather than their heights.

# %%
history = pd.read_csv(run.path("history.csv"))
figure, axes = plt.subplots(1, 3, figsize=(11, 2.6), layout="constrained")
for axis, name in zip(axes, ("loss", "accuracy", "auc"), strict=True):
    axis.plot(history["epoch"] + 1, history[name], "--o", label="training", color="#5B6770")
    axis.plot(history["epoch"] + 1, history[f"val_{name}"], "-o", label="validation", color="#1F6F8B")
    axis.set(title=name, xlabel="epoch", xticks=history["epoch"] + 1)
axes[0].legend()
best = int(history["val_loss"].idxmin())
print(f"Validation loss is lowest at epoch {best + 1} of {len(history)}; those weights were kept.")

# %% [markdown]
# ## 4. Its record
#
# The stored predictions hold every case once, with the part of the split it belongs to. Metrics come with
# 95 % intervals. A test set of phantoms is easy on purpose: the interval, not the value, is what a small
# test set can promise.


# %%
def with_intervals(metrics: dict[str, dict]) -> pd.DataFrame:
    types = {"value": float, "low": float, "high": float, "n": int}
    return pd.DataFrame(metrics).T[list(types)].astype(types).round(3)


test = read_predictions(run.path("predictions.csv"), run.classes).part("test")
threshold = run.operating_point.threshold
metrics = evaluate(
    test.labels, test.probabilities, classes=run.classes, positive=run.positive,
    threshold=threshold, groups=test.groups,
)  # fmt: skip
with_intervals(metrics)

# %%
called = predicted_classes(test.probabilities, threshold, run.classes.index(run.positive))
matrix = confusion(test.labels, called, run.classes)
pd.DataFrame(
    matrix["counts"],
    index=[f"is {name}" for name in run.classes],
    columns=[f"called {name}" for name in run.classes],
)

# %% [markdown]
# ## 5. A prediction
#
# The engine computes one pass an image. It needs no TensorFlow; the probability is calibrated on validation
# cases.

# %%
engine = open_engine(run)
explained = [explain_study(study, run, engine) for study in studies]
pd.DataFrame(
    {
        "label": case.label,
        f"p({run.positive})": round(result.reading.probabilities[run.positive], 4),
        "called": result.reading.label,
        "right": result.reading.label == card.label_map[case.label],
    }
    for case, result in zip(manifest.cases, explained, strict=True)
)

# %% [markdown]
# ## 6. A heatmap
#
# The same pass gives the gradient of the margin (the logit of *malignant*) with respect to the last
# activations. Gradient times activation, summed over channels, is each place's contribution in logit units:
# Grad-CAM, here equal to HiResCAM and XGrad-CAM because a mean pooling follows. Two branches give two maps,
# and the joint map is their sum on a common grid. Signed contributions and the rest add up to the margin
# exactly.

# %%
chosen = next(i for i, case in enumerate(manifest.cases) if case.label == "malignant")
result = explained[chosen]
pd.Series(
    {f"branch {map_.map.name}": map_.map.contribution for map_ in result.heatmaps}
    | {"rest": result.rest, "margin": result.margin},
    name="logit units",
).round(3).to_frame()

# %%
mask = mask_for(result.study, read_mask(manifest.cases[chosen].mask_file))
figure, axes = plt.subplots(1, 4, figsize=(13, 3), layout="constrained")
axes[0].imshow(result.study.display(), cmap="gray", vmin=0, vmax=255)
axes[0].set_title("phantom")
named = [(f"{h.map.name}, {h.grid[0]} x {h.grid[1]} cells", h) for h in result.heatmaps]
named.append(("joint map, lesion outlined", result.joint))
for axis, (name, heatmap) in zip(axes[1:], named, strict=True):
    axis.imshow(draw_overlay(result.study.display(), heatmap, mask=mask))
    axis.set_title(name)
for axis in axes:
    axis.axis("off")

# %% [markdown]
# ## 7. How good is the map?
#
# The truth is known, so it can be measured. *Pointing game*: is the highest point on the lesion? *IoU*:
# overlap of the lesion with where the map exceeds half of its maximum. *Energy*: share of the evidence on
# the lesion. A number means little alone. *Centre* is a bell in the middle of the image, which scores well
# where lesions tend to lie there; *ceiling* is about the best that a map of this grid could do.

# %%
positives = [i for i, case in enumerate(manifest.cases) if case.label == "malignant"]
rows = []
for i in positives:
    lesion = mask_for(studies[i], read_mask(manifest.cases[i].mask_file))
    measured = explain_study(studies[i], run, engine, mask=lesion)
    beside = baselines(lesion, measured.joint.placement, measured.joint.grid)
    for name, found in {"this run": measured.measures, **beside}.items():
        row = {"pointing game": float(found.pointing), "IoU": found.iou, "energy": found.energy}
        rows.append({"map": name} | row)
table = pd.DataFrame(rows).groupby("map", sort=False).mean()
print(f"Means over {len(positives)} malignant phantoms that training never saw:")
table.round(2)

# %% [markdown]
# Over its own test cases, with intervals:

# %%
with_intervals({name: card.metrics["test"][name].model_dump() for name in ("pointing", "iou", "energy")})

# %% [markdown]
# ## What this does not show
#
# - A map that finds the lesion does not make the prediction right, and a right prediction may rest on
#   something else. The audit (`python -m xai audit`) asks many cases, and whether the map depends on the
#   weights at all.
# - Phantoms are simple. The same network on photographs of patients is far worse; the runs named `busi-...`
#   show by how much.

# %%
folder.cleanup()
