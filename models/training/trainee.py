"""The model that Keras trains: an explain graph, its classification loss and, where asked for, a teacher's
features."""

from __future__ import annotations

import keras
from keras import layers, ops

from models.training.guide import guide_loss, joint_heat


def cross_entropy(target, logits):
    """Cross-entropy a case, [N]: target [N] in 0..1 for logits [N, 1], else probabilities [N, L]."""
    if logits.shape[-1] == 1:
        logit = logits[:, 0]
        return ops.relu(logit) - logit * target + ops.log1p(ops.exp(-ops.abs(logit)))
    return -ops.sum(target * ops.log_softmax(logits), axis=-1)


class Trainee(keras.Model):
    """Classification loss, accuracy and AUC over a network that gives {"logits": ...} or logits alone.

    positive: index of the class whose AUC is followed (one logit: that of the logit). side: images are
    resized to this many pixels before the network sees them, 0 leaves them (and anything that is not an
    image) alone.
    """

    def __init__(self, network: keras.Model, positive: int, side: int = 0, name: str = "trainee"):
        super().__init__(name=name)
        self.network, self.positive, self.side = network, positive, side
        self._accuracy = keras.metrics.Mean(name="accuracy")
        self._auc = keras.metrics.AUC(name="auc", num_thresholds=500)

    def build(self, shape) -> None:
        self.built = True  # the network is a functional graph and has its weights already

    def call(self, images, training: bool = False):
        return self.network(resized(images, self.side), training=training)

    def logits(self, outputs):
        return outputs["logits"] if isinstance(outputs, dict) else outputs

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        logits = ops.cast(self.logits(y_pred), "float32")
        losses = cross_entropy(self._target(y["label"], logits), logits)
        # Validation is judged unweighted: it is what the calibration sees later.
        if training and sample_weight is not None:
            losses = losses * ops.convert_to_tensor(sample_weight, losses.dtype)
        return ops.mean(losses)

    def _target(self, labels, logits):
        if logits.shape[-1] == 1:
            return ops.cast(ops.equal(labels, self.positive), logits.dtype)
        return ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        logits, labels = self.logits(y_pred), y["label"]
        if logits.shape[-1] == 1:
            score = ops.sigmoid(logits[:, 0])
            hit = ops.equal(score >= 0.5, ops.equal(labels, self.positive))
        else:
            score = ops.softmax(logits)[:, self.positive]
            hit = ops.equal(ops.cast(ops.argmax(logits, axis=-1), labels.dtype), labels)
        self._accuracy.update_state(ops.cast(hit, "float32"))
        self._auc.update_state(ops.equal(labels, self.positive), score)
        return self.get_metrics_result()


class Guided(Trainee):
    """A trainee whose own-class heatmap is pulled onto the lesion, on cases that have a mask.

    The network gives the whole explain graph. y holds besides "label": "lesion" float32 [N, gh, gw] on the
    joint heatmap's grid and "masked" float32 [N], 1 where the mask of the case is to be learnt. guide: weight
    of the term, in units of the classification loss; peak: see `guide_loss`.
    """

    def __init__(
        self,
        network: keras.Model,
        branches: tuple[str, ...],
        guide: float,
        peak: float,
        positive: int,
        side: int = 0,
    ):
        super().__init__(network, positive, side)
        self.branches, self.guide, self.peak = branches, guide, peak

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not (training and self.guide):
            return loss
        heat = joint_heat(y_pred, self.branches, y["label"])
        masked = ops.convert_to_tensor(y["masked"], "float32")
        pulls = guide_loss(heat, y["lesion"], self.peak) * masked
        return loss + self.guide * ops.sum(pulls) / ops.maximum(ops.sum(masked), 1.0)


class Distilled(Guided):
    """A trainee that also learns to predict the feature maps of a frozen teacher (FitNets, Romero et al.
    2015).

    The teacher sees the full image, the student the same image at `side` pixels. Each hint is a 1x1
    convolution of the student's layer onto a teacher's layer of like stride; targets are standardised a
    channel, so that rare and common features count alike. The teacher's own probability is a second, softer
    label.
    """

    def __init__(
        self,
        network: keras.Model,
        hints: dict[str, str],
        teacher: keras.Model,
        positive: int,
        side: int,
        branches: tuple[str, ...] = (),
        guide: float = 0.0,
        peak: float = 0.0,
    ):
        """network: image -> {"logits", <student layer>...}; hints: student's layer -> teacher's output's
        name."""
        super().__init__(network, branches, guide, peak, positive, side)
        self.hints = hints
        self.teacher = teacher
        self.teacher.trainable = False
        self.projections = {
            key: layers.Conv2D(teacher.output[target].shape[-1], 1, name=f"project_{i}")
            for i, (key, target) in enumerate(hints.items())
        }

    def build(self, shape) -> None:
        for key, projection in self.projections.items():
            projection.build(self.network.output[key].shape)
        self.built = True

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return loss
        taught = self.teacher(x, training=False)
        belief = ops.stop_gradient(taught["logits"])
        soft = ops.sigmoid(belief[:, 0]) if belief.shape[-1] == 1 else ops.softmax(belief)
        loss = loss + ops.mean(cross_entropy(soft, y_pred["logits"]))
        for key, target in self.hints.items():
            loss = loss + self._hint_loss(y_pred[key], ops.stop_gradient(taught[target]), key)
        return loss

    def _hint_loss(self, student, target, key: str):
        target = ops.image.resize(target, student.shape[1:3], antialias=True)
        mean = ops.mean(target, axis=(0, 1, 2), keepdims=True)
        deviation = ops.std(target, axis=(0, 1, 2), keepdims=True)
        standard = ops.clip((target - mean) / (deviation + 1e-3), -4.0, 4.0)
        return ops.mean(ops.square(self.projections[key](student) - standard))


def resized(images, side: int):
    """images [N, h, w, C] at `side` x `side` pixels; 0 leaves them."""
    if not side or side == images.shape[1]:
        return images
    return ops.image.resize(images, (side, side), antialias=True)
