# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Histopathology: from a manifest to a measured heatmap
#
# This notebook belongs to the run `phantom-histopathology`. It goes from stained patches and their manifest
# over the run, its training and its record to heatmaps, and asks how sure one may be of a number measured
# on a few images.
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
import numpy as np
import pandas as pd

from models.data.manifest import read_manifest
from models.data.phantoms import write_phantoms
from models.engines import open_engine
from models.evaluation import evaluate, predicted_classes, read_predictions, sensitivity_at_least
from models.runs import find_run
from models.study import mask_for, read_mask, read_study
from xai.explain import explain_study
from xai.measures.baselines import baselines
from xai.overlay import draw_overlay

plt.rcParams |= {"figure.dpi": 62, "figure.facecolor": "white", "font.size": 9}
pd.set_option("display.max_colwidth", None)

# %% [markdown]
# ## 1. The manifest
#
# A manifest is a CSV that names a data set's images, one a row. The run learned from the series with seed
# 1; here are sixteen patches of another series. Haematoxylin and eosin are mixed by Beer and Lambert's law,
# and the stain varies from patch to patch, as between laboratories. *IDC*: one region of crowded, large,
# unequal nuclei. Fibrous stroma, fat, ducts and clusters of lymphocytes occur in both labels, so that dark
# nuclei alone prove nothing.

# %%
SEED, COUNT = 2024, 16
folder = TemporaryDirectory()
manifest = read_manifest(write_phantoms("histopathology", COUNT, SEED, Path(folder.name) / "histopathology"))
pd.Series([case.label for case in manifest.cases], name="images").value_counts().to_frame()

# %%
studies = [read_study(case.file, modality="histopathology", synthetic=True) for case in manifest.cases]
figure, axes = plt.subplots(1, 6, figsize=(12, 2.3), layout="constrained")
for axis, study, case in zip(axes, studies, manifest.cases, strict=False):
    axis.imshow(study.display())
    axis.set_title(case.label)
    axis.axis("off")

# %% [markdown]
# ## 2. The run
#
# A run is a folder: weights, recipe, history, predictions, and a card that says what they are.

# %%
run = find_run("phantom-histopathology")
card = run.card
branch = run.branches[0]
pd.Series(
    {
        "title": card.title,
        "classes": ", ".join(run.classes),
        "last layer": f"{branch.grid[0]} x {branch.grid[1]} cells of {branch.channels} channels",
        "trained on": f"{card.data.n_train} images, {card.data.n_validation} for validation",
        "tested on": f"{card.data.n_test} images",
        "threshold": f"{run.operating_point.threshold:.3f}: {run.operating_point.rule}",
        "needs": f"{card.cost['parameters']:,} parameters, {card.cost['weight_megabytes']} MB",
    },
    name=run.id,
).to_frame()

# %% [markdown]
# ## 3. Its training
#
# Three epochs, a row of `history.csv` each. Validation AUC still rose while the validation loss turned: the
# ranking got better and the probabilities more extreme. That is why probabilities are calibrated after
# training.

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
# ## 4. Its record, at two thresholds
#
# The run's own threshold maximises Youden's index on validation cases. A reader who must not miss a tumour
# asks for sensitivity first; the price is paid in false alarms. Both thresholds are chosen on validation
# and judged on test.

# %%
predictions = read_predictions(run.path("predictions.csv"), run.classes)
validation, test = predictions.part("validation"), predictions.part("test")
positive = run.classes.index(run.positive)
careful = sensitivity_at_least(validation.labels == positive, validation.probabilities[:, positive], 0.99)
thresholds = {"run's own": run.operating_point.threshold, "sensitivity 0.99": careful.threshold}
columns = {}
for name, threshold in thresholds.items():
    metrics = evaluate(
        test.labels, test.probabilities, classes=run.classes, positive=run.positive, threshold=threshold
    )
    columns[name] = {"threshold": f"{threshold:.3f}"} | {
        key: "{value:.3f} ({low:.3f} to {high:.3f})".format(**metrics[key])
        for key in ("auc", "sensitivity", "specificity", "ppv", "npv", "f1", "ece")
    }
pd.DataFrame(columns)

# %% [markdown]
# ## 5. Predictions and heatmaps
#
# One pass an image gives the probability and the map: gradient of the margin times activation, summed over
# channels, in logit units per cell (Grad-CAM). The tumour region is outlined; full colour is the same for
# all.

# %%
engine = open_engine(run)
masks = [
    mask_for(study, read_mask(case.mask_file)) if case.mask_file else None
    for study, case in zip(studies, manifest.cases, strict=True)
]
explained = [explain_study(study, run, engine, mask=mask) for study, mask in zip(studies, masks, strict=True)]
figure, axes = plt.subplots(2, 6, figsize=(12, 4.6), layout="constrained")
for column, result in enumerate(explained[:6]):
    axes[0, column].imshow(result.study.display())
    axes[0, column].set_title(manifest.cases[column].label)
    axes[1, column].imshow(draw_overlay(result.study.display(), result.joint, mask=masks[column]))
    axes[1, column].set_title(f"p = {result.reading.probabilities[run.positive]:.3f}")
for axis in axes.flat:
    axis.axis("off")

# %%
probabilities = np.array([list(result.reading.probabilities.values()) for result in explained])
called = predicted_classes(probabilities, run.operating_point.threshold, positive)
right = sum(run.classes[c] == case.label for c, case in zip(called, manifest.cases, strict=True))
print(f"{right} of {COUNT} new patches called right.")

# %% [markdown]
# ## 6. How good is the map?
#
# *Pointing game*: is the highest point on the tumour? *IoU*: overlap of the tumour with where the map
# exceeds half of its maximum. *Energy*: share of the evidence on the tumour. Beside them a bell in the
# middle of the image (*centre*) and about the best that a map of this grid could do (*ceiling*).

# %%
rows = []
for result in explained:
    if result.mask is None:
        continue
    beside = baselines(result.mask, result.joint.placement, result.joint.grid)
    for name, values in {"this run": result.measures, **beside}.items():
        row = {"pointing game": float(values.pointing), "IoU": values.iou, "energy": values.energy}
        rows.append({"map": name} | row)
measured = pd.DataFrame(rows)
table = measured.groupby("map", sort=False).mean()
print(f"Means over {len(rows) // 3} patches with a tumour that training never saw:")
table.round(2)

# %% [markdown]
# How far could that mean be off? Draw the patches again with replacement, 2,000 times (the bootstrap), and
# look at the middle 95 %:

# %%
iou = measured.loc[measured["map"] == "this run", "IoU"].to_numpy()
drawn = np.random.default_rng(0).choice(iou, (2000, len(iou))).mean(axis=1)
low, high = np.quantile(drawn, (0.025, 0.975))
stored = card.metrics["test"]["iou"]
print(f"Here, {len(iou)} patches: IoU {iou.mean():.2f}, 95 % interval {low:.2f} to {high:.2f}.")
print(f"The run's card, {stored.n} patches: {stored.value:.2f}, {stored.low:.2f} to {stored.high:.2f}.")

# %% [markdown]
# ## What this does not show
#
# - A map that finds the tumour does not make the prediction right. The audit (`python -m xai audit`) asks
#   many cases, and whether the map depends on the weights at all.
# - Patches of one slide are not independent; on images of patients intervals must be taken over patients,
#   as the runs named `idc-...` do. Here every phantom is a patient of its own.
# - Stain, scanner and tissue preparation of another laboratory can change everything.

# %%
folder.cleanup()
