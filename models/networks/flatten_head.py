"""The flattening head: max-pooling, flattening, dense layers; and the margins' full gradient over space.

Here a cell's weight depends on where it is, so that the gradient of a margin with respect to the last
convolution's activations is a tensor and not one number a channel. It is still a closed form: back through
the dense layers by their ReLU masks, as in the pooled head, then through the max-pooling by where each
maximum stood.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from models.errors import BadInput
from models.networks.head import DenseHead


@keras.saving.register_keras_serializable(package="lesionlens")
class FlattenHead(DenseHead):
    """Activations [N, gh, gw, K] of the last convolution after its ReLU -> logits [N, L], channel weights
    [N, C, K] and gradient [N, C, gh, gw, K]; with explain=False the logits alone.

    gradient: d margin_c / d activation, through the 2x2 max-pooling (stride 2) that follows. A pooling cell
    hands its gradient to its maximum, in equal shares where several cells hold it. Behind a ReLU such ties
    are at zero, where activation x gradient is zero whatever the share. An odd last row or column is not
    pooled and has no gradient. Channel weights: the mean of the gradient over space.
    """

    def __init__(
        self,
        units: tuple[int, ...],
        outputs: int,
        classes: int,
        positive: int,
        dropout: float = 0.0,
        name: str = "head",
    ):
        super().__init__(units, outputs, classes, positive, dropout, name)

    @property
    def cells(self) -> tuple[int, int]:
        """(rows, columns) after the max-pooling."""
        return self.grid[0] // 2, self.grid[1] // 2

    @property
    def rows(self) -> np.ndarray:
        """[R, L]: the combinations of logits whose gradient is computed. Of one logit the two margins differ
        in sign alone, and the gradient is a large tensor, so it is computed once."""
        return np.ones((1, 1), np.float32) if self.outputs == 1 else self.margins

    def build(self, shape: tuple[int | None, int, int, int]) -> None:
        self.grid, self.channels = tuple(shape[1:3]), shape[3]
        if 0 in self.cells:
            raise BadInput(
                f"The last feature map has {self.grid[0]}x{self.grid[1]} cells, which is too little to pool: "
                "choose a larger input."
            )
        self._build_dense(self.cells[0] * self.cells[1] * self.channels)

    def call(self, activations, training: bool = False, explain: bool = True):
        pooled = ops.max_pool(activations, 2, 2, "valid", data_format="channels_last")
        features = ops.reshape(pooled, (-1, self.cells[0] * self.cells[1] * self.channels))
        logits, hidden = self._forward(features, training)
        if not explain:
            return logits
        gradient = self._gradient(features, self._hidden(features, hidden, training), self.rows)
        gradient = self._unpooled(gradient, activations, pooled)
        if self.outputs == 1:
            signs = ops.convert_to_tensor(self.margins.reshape(1, -1, 1, 1, 1))
            gradient = gradient * ops.cast(signs, gradient.dtype)
        return logits, ops.mean(gradient, axis=(2, 3)), gradient

    def _unpooled(self, gradient, activations, pooled):
        """[N, R, cells x K] with respect to the maxima -> [N, R, gh, gw, K] with respect to the
        activations."""
        (height, width), rows = (2 * side for side in self.cells), gradient.shape[1]
        highest = ops.cast(activations[:, :height, :width] == _doubled(pooled), pooled.dtype)
        ties = 4 * ops.average_pool(highest, 2, 2, "valid", data_format="channels_last")
        share = ops.expand_dims(highest / _doubled(ties), 1)
        doubled = _doubled(ops.reshape(gradient, (-1, *self.cells, self.channels)))
        whole = ops.reshape(doubled, (-1, rows, height, width, self.channels)) * share
        spare = [(0, self.grid[0] - height), (0, self.grid[1] - width)]
        return ops.pad(whole, [(0, 0), (0, 0), *spare, (0, 0)]) if any(s[1] for s in spare) else whole


def _doubled(maps):
    """Maps [N, h, w, K] with every cell as a block of 2x2."""
    return ops.repeat(ops.repeat(maps, 2, axis=1), 2, axis=2)
