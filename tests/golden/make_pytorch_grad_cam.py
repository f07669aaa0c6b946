"""Maps of small fixed networks by pytorch-grad-cam, to hold ours against. Not run by the tests.

In an environment of its own (torch and TensorFlow do not share one here), from the repository's root:

    python3 -m venv ENV && ENV/bin/pip install torch==2.13.0 grad-cam==1.5.7
    ENV/bin/python tests/golden/make_pytorch_grad_cam.py

writes tests/golden/pytorch_grad_cam.npz. Weights and images are drawn by numpy from fixed seeds
(tests/golden/networks.py), so that both sides make the same network; no file of weights is stored. Every map
is taken from `get_cam_image`, before it is rectified, divided by its maximum and enlarged. Score-CAM runs on
networks whose feature maps are as large as their input: it enlarges with aligned corners, we do with
half-pixel centres, and there the two are the same.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.golden.networks import BATCH_NORM_EPSILON, NETWORKS, TARGETS, Fixed, combination, fixed

OUT = Path(__file__).with_name("pytorch_grad_cam.npz")


def without_torchvision() -> None:
    """pytorch-grad-cam imports torchvision for drawing and for detectors. The index's wheel wants the GPU
    build of torch, so empty names stand in for it; nothing here calls them."""
    names = {
        "torchvision": (),
        "torchvision.ops": ("box_iou",),
        "torchvision.transforms": ("Compose", "Normalize", "ToTensor"),
        "torchvision.transforms.functional": ("resize",),
    }
    for name, members in names.items():
        module = types.ModuleType(name)
        for member in members:
            setattr(module, member, None)
        sys.modules[name] = module
    sys.modules["torchvision"].ops = sys.modules["torchvision.ops"]


class Stage(nn.Module):
    """Convolution (Keras' "same" padding), batch normalisation where there is one, ReLU."""

    def __init__(self, stage) -> None:
        super().__init__()
        kernel = torch.from_numpy(stage.kernel.transpose(3, 2, 0, 1).copy())  # HWIO -> OIHW
        self.conv = nn.Conv2d(kernel.shape[1], kernel.shape[0], kernel.shape[2], stage.stride)
        self.conv.weight.data, self.conv.bias.data = kernel, torch.from_numpy(stage.bias)
        self.norm = None
        if stage.norm is not None:
            scale, shift, mean, variance = (torch.from_numpy(values) for values in stage.norm)
            self.norm = nn.BatchNorm2d(len(scale), eps=BATCH_NORM_EPSILON)
            self.norm.weight.data, self.norm.bias.data = scale, shift
            self.norm.running_mean, self.norm.running_var = mean, variance
        self.relu = nn.ReLU()

    def forward(self, x):
        size, kernel, stride = x.shape[-1], self.conv.kernel_size[0], self.conv.stride[0]
        # Keras pads so that there are size / stride places, the odd pixel at the end.
        missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        before = missing // 2
        x = self.conv(nn.functional.pad(x, (before, missing - before) * 2))
        return self.relu(x if self.norm is None else self.norm(x))


class Twin(nn.Module):
    """The torch twin of a network of tests/golden/networks.py."""

    def __init__(self, network: Fixed) -> None:
        super().__init__()
        # As models.networks.trunk: one channel becomes the backbone's three.
        self.adapter = None
        if network.adapter is not None:
            self.adapter = nn.Conv2d(1, 3, 1)
            scale, offset = network.adapter
            self.adapter.weight.data = torch.from_numpy(scale.reshape(3, 1, 1, 1).copy())
            self.adapter.bias.data = torch.from_numpy(offset)
        self.stages = nn.ModuleList(Stage(stage) for stage in network.stages)
        self.flatten = network.flatten
        self.dense = nn.ModuleList()
        for kernel, bias in network.dense:
            layer = nn.Linear(*kernel.shape)
            layer.weight.data, layer.bias.data = torch.from_numpy(kernel.T.copy()), torch.from_numpy(bias)
            self.dense.append(layer)
        self.relu = nn.ReLU()

    def forward(self, x):
        x = x if self.adapter is None else self.adapter(x)
        for stage in self.stages:
            x = stage(x)
        if self.flatten:
            # Ours flattens rows, columns, channels.
            x = nn.functional.max_pool2d(x, 2).permute(0, 2, 3, 1).flatten(1)
        else:
            x = x.mean(dim=(2, 3))
        for index, layer in enumerate(self.dense):
            x = layer(x)
            x = self.relu(x) if index < len(self.dense) - 1 else x
        return x


def main() -> None:
    without_torchvision()
    import pytorch_grad_cam as library

    methods = {
        "grad-cam": library.GradCAM,
        "grad-cam++": library.GradCAMPlusPlus,
        "hirescam": library.HiResCAM,
        "layercam": library.LayerCAM,
        "xgrad-cam": library.XGradCAM,
        "eigen-cam": library.EigenCAM,
        "ablation-cam": library.AblationCAM,
        "score-cam": library.ScoreCAM,
    }
    found = {}
    for name in NETWORKS:
        network = fixed(name)
        model = Twin(network).eval()
        image = torch.from_numpy(network.image.transpose(0, 3, 1, 2).copy())
        with torch.no_grad():
            found[f"{name}/logits"] = model(image).numpy()
        for target in TARGETS:
            row = torch.from_numpy(combination(target, network.outputs))

            def value(logits, row=row):
                return logits @ row

            key = f"{name}/{target}"
            for method, kind in methods.items():
                if method == "score-cam" and not network.whole_size:
                    continue
                found[f"{key}/{method}"] = cam(kind, model, image, value, model.stages[network.layer])
                if method in ("ablation-cam", "score-cam") or network.earlier is None:
                    continue
                maps = cam(kind, model, image, value, model.stages[network.earlier])
                found[f"{key}/{method}/earlier"] = maps
            found[f"{key}/gradient"] = input_gradient(model, image, value)
            found[f"{key}/guided-backprop"] = guided(library, model, image, value)
    np.savez_compressed(OUT, **found)
    print(f"{OUT}: {len(found)} arrays, {OUT.stat().st_size / 1000:.0f} kB", file=sys.stderr)


def cam(kind, model, image, value, layer) -> np.ndarray:
    """float32 [gh, gw]: what the method computes before anything is done to it for display."""
    with kind(model=model, target_layers=[layer]) as method:
        outputs = method.activations_and_grads(image)
        grads = None
        if method.uses_gradients:
            model.zero_grad()
            value(outputs[0]).backward(retain_graph=True)
            grads = method.activations_and_grads.gradients[0].numpy()
        activations = method.activations_and_grads.activations[0].numpy()
        return np.float32(method.get_cam_image(image, layer, [value], activations, grads, False)[0])


def input_gradient(model, image, value) -> np.ndarray:
    """float32 [h, w, C]."""
    image = image.clone().requires_grad_(True)
    value(model(image)[0]).backward()
    return image.grad[0].permute(1, 2, 0).numpy()


def guided(library, model, image, value) -> np.ndarray:
    """float32 [h, w, C]: guided backpropagation of `value`: the library explains a network's own outputs, so
    the target is appended to it as a layer."""

    class Valued(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x):
            return torch.stack([value(logits) for logits in self.model(x)])[:, None]

    return library.GuidedBackpropReLUModel(Valued())(image.clone(), target_category=0)


if __name__ == "__main__":
    main()
