"""Logs of other tools, written here as those tools write them, read without TensorFlow."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from models.errors import BadInput
from models.runs.importing import history_from, kind_of, read_log
from models.runs.importing.names import metric_name
from models.runs.importing.series import on_common_steps


def write_events(folder: Path, scalars: dict[str, list[float]], steps=None, old: bool = False) -> None:
    """With TensorBoard's own record writer; `old`: the simple_value of PyTorch and TensorFlow 1."""
    from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob("events*")))
    with open(folder / f"events.out.tfevents.1700000000.host.{number}", "wb") as file:
        writer = RecordWriter(file)
        writer.write(event_pb2.Event(file_version="brain.Event:2").SerializeToString())
        for tag, values in scalars.items():
            for step, value in zip(steps or range(len(values)), values, strict=False):
                if old:
                    entry = summary_pb2.Summary.Value(tag=tag, simple_value=value)
                else:
                    entry = summary_pb2.Summary.Value(
                        tag=tag, tensor=tensor_pb2.TensorProto(dtype="DT_FLOAT", float_val=[value])
                    )
                    entry.metadata.plugin_data.plugin_name = "scalars"
                event = event_pb2.Event(step=step, summary=summary_pb2.Summary(value=[entry]))
                writer.write(event.SerializeToString())
        writer.flush()


def zipped(folder: Path) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, f"up/{path.relative_to(folder).as_posix()}")
    return sink.getvalue()


@pytest.mark.parametrize(
    ("tag", "folder", "name"),
    [
        ("epoch_loss", "train", "loss"),
        ("epoch_loss", "logs/validation", "val_loss"),
        ("Loss/val", "", "val_loss"),
        ("train/accuracy", "", "accuracy"),
        ("valid_loss", "", "val_loss"),
        ("train_loss", "run/validation", "loss"),
        ("val_auc", "", "val_auc"),
        ("epoch_learning_rate", "train", "learning_rate"),
        ("lr-Adam", "", "learning_rate"),
        ("val_binary_accuracy", "", "val_accuracy"),
        ("evaluation_loss_vs_iterations", "validation", None),
        ("_runtime", "", None),
        ("train", "", None),
    ],
)
def test_names_of_other_tools(tag, folder, name):
    assert metric_name(tag, folder) == name


def test_a_folder_of_keras_tensorboard_callback(tmp_path):
    write_events(tmp_path / "train", {"epoch_loss": [0.75, 0.5], "epoch_auc": [0.5, 0.625]})
    write_events(
        tmp_path / "validation", {"epoch_loss": [1.0, 1.25], "evaluation_loss_vs_iterations": [1, 1]}
    )
    for source in (tmp_path, zipped(tmp_path)):
        log = read_log(source, "logs.zip")
        assert log.tool == "TensorBoard" and log.history.epochs.tolist() == [1, 2]
        figures = {name: values.tolist() for name, values in log.history.columns.items()}
        assert figures == {"loss": [0.75, 0.5], "auc": [0.5, 0.625], "val_loss": [1.0, 1.25]}


def test_losses_of_batches_are_averaged_up_to_each_validation(tmp_path):
    write_events(tmp_path, {"Loss/train": [4, 2, 3, 1, 9]}, steps=[1, 2, 3, 4, 5], old=True)
    write_events(tmp_path, {"Loss/val": [0.5, 0.25]}, steps=[2, 4], old=True)
    one, _ = sorted(tmp_path.iterdir())
    history = history_from(tmp_path)
    assert history.epochs.tolist() == [2, 4]
    assert history.columns["loss"].tolist() == [3, 2] and history.columns["val_loss"].tolist() == [0.5, 0.25]
    assert history_from(one.read_bytes(), one.name).columns["loss"].tolist() == [4, 2, 3, 1, 9]


def test_several_runs_in_one_folder_are_refused(tmp_path):
    write_events(tmp_path / "a" / "train", {"epoch_loss": [1]})
    write_events(tmp_path / "b" / "train", {"epoch_loss": [1]})
    with pytest.raises(BadInput, match=r"logs of 2 runs \(a, b\)"):
        read_log(tmp_path)


def test_a_cut_off_event_file_is_read_as_far_as_it_goes_and_a_damaged_one_refused(tmp_path):
    write_events(tmp_path, {"epoch_loss": [4, 2, 1]})
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    assert history_from(content[:-5], path.name).columns["loss"].tolist() == [4, 2]
    flipped = bytearray(content)
    flipped[-8] ^= 1
    for broken in (bytes(flipped), b"not events at all", b"short"):
        with pytest.raises(BadInput, match="damaged"):
            history_from(broken, path.name)


def mlflow_run(folder: Path) -> None:
    for name, text in {
        "meta.yaml": "run_name: bold-crane-7\nstatus: 3\n",
        "metrics/train_loss": "1700000000000 0.75 0\n1700000000100 0.5 1\n",
        "metrics/val/auc": "1700000000000 0.5 0\n1700000000100 0.875 1\n",
        "params/lr": "0.001",
        "params/data_dir": "/home/somebody/images",
        "artifacts/metrics/other": "no numbers",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_an_mlflow_run_folder(tmp_path):
    mlflow_run(tmp_path / "abc")
    for source in (tmp_path / "abc", tmp_path, zipped(tmp_path)):
        log = read_log(source, "run")
        assert (log.tool, log.name, log.parameters) == ("MLflow", "bold-crane-7", {"lr": "0.001"})
        assert log.history.columns["val_auc"].tolist() == [0.5, 0.875]
        assert log.history.columns["loss"].tolist() == [0.75, 0.5]
    (tmp_path / "abc" / "metrics" / "train_loss").write_text("oops\n")
    with pytest.raises(BadInput, match="Line 1 of metrics/train_loss"):
        read_log(tmp_path)
    mlflow_run(tmp_path / "def")
    with pytest.raises(BadInput, match="2 MLflow runs"):
        read_log(tmp_path)


@pytest.mark.parametrize(
    "meta",
    [
        "[" * 20_000,
        "start: 2020-13-45",
        "start: !!timestamp x",
        "n: !!int abc",
        "\0",
        "&a [*a]",
        "run_name: ~",
    ],
)
def test_a_strange_meta_file_costs_no_more_than_the_name(tmp_path, meta):
    mlflow_run(tmp_path)
    (tmp_path / "meta.yaml").write_text(meta)
    (tmp_path / "metrics" / "train_loss").write_text("1 0.75 1e300\n2 0.5 2e300\n")
    log = read_log(tmp_path)
    assert log.name == "" and log.history.columns["val_auc"].tolist()[-1] == 0.875


def test_wandb_exports():
    chart = (
        '"Step","calm-sea-3 - val_loss","calm-sea-3 - val_loss__MIN","calm-sea-3 - val_loss__MAX"\n'
        '"0","0.5","0.4","0.6"\n"1","0.25","0.2","0.3"\n'
    )
    log = read_log(chart.encode(), "wandb_export.csv")
    assert log.name == "calm-sea-3" and log.history.epochs.tolist() == [1, 2]
    assert {k: v.tolist() for k, v in log.history.columns.items()} == {"val_loss": [0.5, 0.25]}
    several = '"Step","a - loss","b - loss"\n0,1,1\n'
    with pytest.raises(BadInput, match=r"holds 2 runs \(a, b\)"):
        read_log(several.encode(), "wandb_export.csv")
    # As Lightning's CSVLogger: training and validation on rows of their own.
    rows = "epoch,step,train_loss,val_loss\n0,9,1.0,\n0,9,,0.5\n1,19,0.5,\n1,19,,0.25\n"
    history = history_from(rows.encode(), "metrics.csv")
    assert history.epochs.tolist() == [9, 19]
    assert history.columns["loss"].tolist() == [1, 0.5] and history.columns["val_loss"].tolist() == [
        0.5,
        0.25,
    ]


def test_a_csv_of_epochs_with_other_names():
    history = history_from(b"epoch,train_loss,valid_loss,roc_auc\n0,1,2,0.5\n", "fastai.csv")
    assert list(history.columns) == ["loss", "val_loss", "auc"]


def test_many_steps_become_blocks():
    steps = np.arange(1, 10_001, dtype=float)
    history = on_common_steps({"loss": (steps, steps)}, "log")
    assert len(history) == 2000 and history.epochs[-1] == 10_000
    assert np.nanmean(history.columns["loss"]) == pytest.approx(5000, rel=0.01)
    repeated = on_common_steps({"loss": (np.array([0, 1, 1]), np.array([3, 2, 1]))}, "log")
    assert repeated.columns["loss"].tolist() == [3, 1]


@pytest.mark.parametrize("content", [b"PK\x03\x04 no zip", b"PK\x03\x04"])
def test_a_damaged_zip_is_refused(content):
    with pytest.raises(BadInput, match="not a whole zip"):
        read_log(content, "logs.zip")


def test_folders_that_hold_no_log_and_links_out_of_them(tmp_path):
    with pytest.raises(BadInput, match="neither event files"):
        read_log(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("1 1 1\n")
    (tmp_path / "run" / "metrics").mkdir(parents=True)
    (tmp_path / "run" / "metrics" / "loss").symlink_to(secret)
    with pytest.raises(BadInput, match="neither event files"):
        read_log(tmp_path / "run")
    assert kind_of(tmp_path / "run") == "log"


def test_nothing_heavy_is_loaded(tmp_path):
    write_events(tmp_path, {"epoch_loss": [4, 2, 1]})
    code = (
        "import sys\n"
        "from models.runs.importing import read_log, read_table, guess_mapping, predictions_from\n"
        f"read_log({str(tmp_path)!r}); t = read_table(b'y_true,y_score\\n1,0.5\\n', 'x.csv')\n"
        "predictions_from(t, guess_mapping(t))\n"
        "print(sorted({'tensorflow', 'keras', 'pandas', 'sklearn', 'scipy', 'streamlit'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
