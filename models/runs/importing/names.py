"""What other tools call a figure, in the names of Keras: loss, val_loss, accuracy, val_auc, learning_rate."""

from __future__ import annotations

import re

_VALIDATION = {"val", "valid", "validation", "eval", "dev"}
_TRAINING = {"train", "training", "tr"}
_PLAIN = {
    "acc": "accuracy", "binary_accuracy": "accuracy", "categorical_accuracy": "accuracy", "auroc": "auc",
    "roc_auc": "auc", "lr": "learning_rate", "lr_adam": "learning_rate", "lr_adamw": "learning_rate",
}  # fmt: skip
_LEFT_OUT = re.compile(
    r"_?(runtime|timestamp|wandb)$|.*_vs_iterations|batch_.*|gradients?[/_].*|system[/_].*|.*__(min|max)"
)


def metric_name(tag: str, folder: str = "") -> str | None:
    """The name of a logged figure, or None for what is no figure of an epoch: "epoch_loss" in the folder
    "validation", "Loss/val" and "valid_loss" are all "val_loss".

    folder: the path of the log file below the run's folder.
    """
    if _LEFT_OUT.fullmatch(tag.strip().casefold()):
        return None
    words = [word for word in re.split(r"[/\s_.-]+", tag.strip().casefold()) if word]
    words = words[1:] if words[:1] == ["epoch"] and len(words) > 1 else words
    places = {word for word in re.split(r"[/\\_.-]+", folder.casefold()) if word}
    validation = bool(_VALIDATION & set(words)) or bool(_VALIDATION & places and not _TRAINING & set(words))
    rest = "_".join(word for word in words if word not in _VALIDATION | _TRAINING)
    if not rest:
        return None
    plain = _PLAIN.get(rest, rest)
    return f"val_{plain}" if validation else plain
