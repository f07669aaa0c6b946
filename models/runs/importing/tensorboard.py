"""Scalars of TensorBoard event files: those of Keras' callback, of PyTorch's SummaryWriter and of Lightning.

The records are framed as TFRecord (length, masked CRC-32C, bytes, masked CRC-32C; tensorflow/core/lib/io/
record_writer.h). TensorBoard's own reader would load all of TensorFlow to walk through them, so the frames
are walked here; their content is decoded by TensorBoard's messages.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import numpy as np

from models.errors import BadInput
from models.runs.history import History
from models.runs.importing.names import metric_name
from models.runs.importing.series import on_common_steps

_LARGEST_SCALAR = 64 << 10
"""Bytes of an event; larger ones are graphs, images and histograms."""
_PARTS = {"train", "training", "validation", "val", "valid", "eval", "test"}


def is_event_file(name: str) -> bool:
    return "tfevents" in PurePosixPath(name).name


def history_of_events(files: Mapping[str, bytes], name: str) -> History:
    """files: relative name -> bytes of event files of one run. BadInput where they are of several runs, where
    a file is damaged (a last record that was cut off is passed over) or holds no scalar."""
    runs = sorted({_run_of(file) for file in files})
    if len(runs) > 1:
        shown = ", ".join(run or "." for run in runs[:4])
        raise BadInput(
            f"{name} holds the logs of {len(runs)} runs ({shown}): give the folder of one of them."
        )
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for file, content in files.items():
        folder = str(PurePosixPath(file).parent)
        for step, tag, value in _scalars(content, file):
            metric = metric_name(tag, folder)
            if metric:
                points[metric].append((step, value))
    series = {metric: tuple(np.array(pairs, dtype=float).T) for metric, pairs in points.items()}
    return on_common_steps(series, name)


def _run_of(file: str) -> str:
    """The folder of a run: Keras writes one folder a part below it."""
    folder = PurePosixPath(file).parent
    return str(folder.parent if folder.name.casefold() in _PARTS else folder)


def _scalars(content: bytes, file: str) -> Iterator[tuple[int, str, float]]:
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto import event_pb2
    from tensorboard.util import tensor_util

    for record in _records(content, file):
        try:
            event = event_pb2.Event.FromString(record)
        except DecodeError:
            raise BadInput(f"{PurePosixPath(file).name} is not an event file of TensorBoard.") from None
        for value in event.summary.value:
            kind = value.WhichOneof("value")
            if kind == "simple_value":
                yield event.step, value.tag, float(value.simple_value)
            elif kind == "tensor" and value.metadata.plugin_data.plugin_name in ("scalars", ""):
                try:
                    number = tensor_util.make_ndarray(value.tensor)
                    yield event.step, value.tag, float(number.reshape(()))
                except (TypeError, ValueError, OverflowError):
                    continue  # text, or more than one number


def _records(content: bytes, file: str) -> Iterator[bytes]:
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    damaged = f"{PurePosixPath(file).name} is damaged or no event file of TensorBoard: copy it again."
    place = 0
    while place + 12 <= len(content):
        head = content[place : place + 8]
        (length,) = struct.unpack("<Q", head)
        if masked_crc32c(head) != struct.unpack_from("<I", content, place + 8)[0]:
            raise BadInput(damaged)
        start, end = place + 12, place + 12 + length
        if end + 4 > len(content):
            return  # still being written when it was copied
        if length <= _LARGEST_SCALAR:
            record = content[start:end]
            if masked_crc32c(record) != struct.unpack_from("<I", content, end)[0]:
                raise BadInput(damaged)
            yield record
        place = end + 4
    if not place:
        raise BadInput(damaged)
