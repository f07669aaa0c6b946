"""Which layers of a run can be asked for, told without Keras."""

import subprocess
import sys
from pathlib import Path

import pytest

from models.errors import BadInput
from models.runs import find_run
from tests.xai.fakes import fake_run
from xai.methods import published_layers
from xai.methods.layers import check_layer, is_last

HYBRID = {
    "squeezenet_fire3_concat": "squeezenet",
    "squeezenet_fire5_concat": "squeezenet",
    "squeezenet_fire7_concat": "squeezenet",
    "squeezenet_fire9_concat": "squeezenet",
    "densenet121_pool3_relu": "densenet121",
    "densenet121_pool4_relu": "densenet121",
    "densenet121_relu": "densenet121",
}


def test_every_branch_has_its_layers_from_first_to_last():
    found = published_layers(find_run("busi-hybrid"))
    assert found == HYBRID and list(found) == list(HYBRID)


def test_an_unknown_backbone_has_its_last_layer_alone():
    assert published_layers(fake_run()) == {"coarse_relu": "coarse", "fine_relu": "fine"}


def test_only_what_feeds_the_head_is_last():
    run = find_run("busi-hybrid")
    assert is_last(run, None) and is_last(run, "densenet121_relu")
    assert not is_last(run, "densenet121_pool4_relu")


def test_a_layer_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(BadInput, match=r"no layer 'conv1': choose one of coarse_relu, fine_relu"):
        check_layer(fake_run(), "grad-cam", "conv1")


def test_ablation_cam_looks_at_the_last_layer_alone():
    run = find_run("busi-squeezenet")
    check_layer(run, "ablation-cam", "squeezenet_fire9_concat")
    check_layer(run, "layercam", "squeezenet_fire5_concat")
    with pytest.raises(BadInput, match=r"last layer alone.*squeezenet_fire9_concat"):
        check_layer(run, "ablation-cam", "squeezenet_fire5_concat")


def test_keras_is_not_loaded_to_tell():
    script = (
        "import sys; from models.networks.backbones import BACKBONES; "
        "print(*sorted({'keras', 'tensorflow'} & set(sys.modules)), BACKBONES['shufflenetv2'].published[-1])"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["top_relu"], done.stderr


@pytest.mark.tf
@pytest.mark.parametrize("name", ["squeezenet", "compact", "customcnn", "cnn17"])
def test_what_is_published_is_in_the_network(name):
    import keras

    from models.networks.backbones import BACKBONES

    image = keras.Input((64, 64, 3))
    model = keras.Model(image, BACKBONES[name].build(image, None))
    sizes = [model.get_layer(layer).output.shape[1] for layer in BACKBONES[name].published]
    assert len(sizes) > 1 and sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == model.output.shape[1]
