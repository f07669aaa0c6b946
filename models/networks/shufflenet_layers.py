"""The two layers of ShuffleNetV2 that Keras does not have."""

from __future__ import annotations

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="lesionlens")
class ChannelShuffle(layers.Layer):
    """[N, h, w, K] with its channels dealt out: channel g * (K / groups) + i goes to i * groups + g."""

    def __init__(self, groups: int = 2, **settings):
        super().__init__(**settings)
        self.groups = groups

    def call(self, x):
        _, height, width, channels = x.shape
        grouped = ops.reshape(x, (-1, height, width, self.groups, channels // self.groups))
        return ops.reshape(ops.transpose(grouped, (0, 1, 2, 4, 3)), (-1, height, width, channels))

    def get_config(self) -> dict:
        return super().get_config() | {"groups": self.groups}


@keras.saving.register_keras_serializable(package="lesionlens")
class ChannelSlice(layers.Layer):
    """[N, h, w, K] -> its channels from `start` up to, not including, `stop`."""

    def __init__(self, start: int, stop: int, **settings):
        super().__init__(**settings)
        self.start, self.stop = start, stop

    def call(self, x):
        return x[..., self.start : self.stop]

    def get_config(self) -> dict:
        return super().get_config() | {"start": self.start, "stop": self.stop}
