"""Every backbone there is, told without Keras: a builder imports it when it is called."""

from __future__ import annotations

from models.errors import BadInput
from models.networks.backbone import Backbone
from models.networks.compact import COMPACT
from models.networks.customcnn import CNN17, CUSTOMCNN
from models.networks.densenet import DENSENET121
from models.networks.efficientnet import EFFICIENTNETB0
from models.networks.inception import INCEPTIONV3
from models.networks.mobilenet import MOBILENETV2, MOBILENETV3LARGE, MOBILENETV3SMALL
from models.networks.resnet import RESNET50, RESNET101
from models.networks.shufflenet import SHUFFLENETV2
from models.networks.squeezenet import SQUEEZENET
from models.networks.vgg import VGG16, VGG19

BACKBONES: dict[str, Backbone] = {
    backbone.name: backbone
    for backbone in (
        *(DENSENET121, RESNET50, RESNET101, VGG16, VGG19, INCEPTIONV3, EFFICIENTNETB0),
        *(MOBILENETV2, MOBILENETV3SMALL, MOBILENETV3LARGE, SHUFFLENETV2, SQUEEZENET),
        *(COMPACT, CUSTOMCNN, CNN17),
    )
}


def backbone_named(name: str) -> Backbone:
    """The backbone of that name; BadInput lists the known ones."""
    if name not in BACKBONES:
        raise BadInput(f"There is no backbone named {name!r}; choose from {', '.join(sorted(BACKBONES))}.")
    return BACKBONES[name]
