"""Networks of the shapes that MLPerf Tiny has, with random weights: compiled and evaluated by the command line."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

AUTOENCODER = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
MOBILENET = [(8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2)] + 5 * [(128, 128, 1)]
MOBILENET += [(128, 256, 2), (256, 256, 1)]
ROOMY = 'base = "base"\nspike_words = 65536\n'


def autoencoder() -> nn.Module:
    """Linear layers with batch norm and ReLU, the last one bare: what it answers are 640 real numbers."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(AUTOENCODER[:-1]):
        layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(*AUTOENCODER[-2:]))


def mobilenet() -> nn.Module:
    """MobileNetV1, a quarter as wide, for 96 x 96 pixels and two classes."""

    def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
        layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        return [layer, nn.BatchNorm2d(outputs), nn.ReLU()]

    layers = conv(3, 8, 3, stride=2)
    for inputs, outputs, stride in MOBILENET:
        layers += conv(inputs, inputs, 3, stride, groups=inputs) + conv(inputs, outputs, 1)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 2))


def settled(module: nn.Module, x: torch.Tensor) -> nn.Module:
    """`module` with the batch norms that `x` calls for, in evaluation mode."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.momentum = None  # statistics of everything seen
    with torch.no_grad():
        module.train()(x)
    return module.eval()


def evaluated(trispike, module: nn.Module, x: torch.Tensor, images: int) -> dict:
    """The row of `evaluate` for `images` images of `x`, compiled with the others, and the variance of the answers."""
    torch.export.save(torch.export.export(module, (x[:2],), dynamic_shapes=({0: torch.export.Dim("n")},)), "net.pt2")
    np.savez("calibration.npz", x=x[images:].numpy())
    np.savez("data.npz", x=x[:images].numpy())
    Path("roomy.toml").write_text(ROOMY)
    options = ("--arch", "roomy.toml", "--calibrate", "calibration.npz")
    assert trispike("compile", "net.pt2", "-o", "net", *options)[0] == 0
    code, out, _ = trispike("evaluate", "net", "--data", "data.npz", "--model", "net.pt2", "--json")
    assert code == 0
    (row,) = json.loads(out)["rows"]
    assert row["accuracy"] is None
    with torch.no_grad():
        return row | {"variance": float(module(x[:images]).var())}


@pytest.mark.slow
def test_autoencoder_reports_its_mean_squared_error(trispike):
    torch.manual_seed(0)
    x = (torch.randn(288, 8) @ torch.randn(8, 640) + 0.1 * torch.randn(288, 640)).float()
    row = evaluated(trispike, settled(autoencoder(), x), x, images=32)
    assert 0 < row["mean_squared_error"] < row["variance"] / 20


@pytest.mark.long
def test_mobilenet_reports_its_mean_squared_error(trispike):
    torch.manual_seed(0)
    x = nn.functional.interpolate(torch.randn(40, 3, 12, 12), size=(96, 96), mode="bilinear")
    row = evaluated(trispike, settled(mobilenet(), x), x, images=4)
    assert 0 < row["mean_squared_error"] < row["variance"] / 4
