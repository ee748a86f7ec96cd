"""ResNet-18, VGG-16 and MobileNetV1 in their usual shapes for 224 x 224 images, with random weights, as ONNX files."""

from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

INPUT_SHAPE = (3, 224, 224)
CLASSES = 1000


def save_onnx(name: str, path: Path) -> None:
    """Write the network `name`, one of NETWORKS, always the same, to `path`."""
    torch.manual_seed(0)
    network = NETWORKS[name]()
    with torch.no_grad():
        if name != "vgg16":  # the others have batch norms, which take their statistics from what they see
            network(torch.randn(2, *INPUT_SHAPE))
        network.eval()
        torch.onnx.export(network, (torch.zeros(1, *INPUT_SHAPE),), str(path), dynamo=False)


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, projected where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *convolution(inputs, outputs, 3, stride), nn.ReLU(), *convolution(outputs, outputs, 3, 1)
        )
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(*convolution(inputs, outputs, 1, stride))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


def convolution(inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> list[nn.Module]:
    """A convolution that keeps the size, and its batch norm, which believes the last batch."""
    norm = nn.BatchNorm2d(outputs, momentum=1.0)
    norm.weight.data.uniform_(0.5, 1.5)
    norm.bias.data.uniform_(-0.3, 0.3)
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return [layer, norm]


def resnet18() -> nn.Module:
    """He et al. 2015, 18 layers."""
    widths = [64, 64, 64, 128, 128, 256, 256, 512, 512]
    blocks = [Block(inputs, outputs, 1 if inputs == outputs else 2) for inputs, outputs in pairwise(widths)]
    return nn.Sequential(
        *convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(512, CLASSES),
    )  # fmt: skip


def vgg16() -> nn.Module:
    """Simonyan and Zisserman 2014, configuration D."""
    layers: list[nn.Module] = []
    inputs = 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            nn.init.kaiming_normal_(layers[-2].weight, nonlinearity="relu")
            inputs = width
        layers.append(nn.MaxPool2d(2, 2))
    head = [nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, CLASSES)]
    return nn.Sequential(*layers, nn.Flatten(), *head)


def mobilenet_v1() -> nn.Module:
    """Howard et al. 2017, width 1."""
    layers = [*convolution(3, 32, 3, 2), nn.ReLU6()]
    widths = [32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        stride = 2 if inputs != outputs and number else 1
        layers += [*convolution(inputs, inputs, 3, stride, groups=inputs), nn.ReLU6()]
        layers += [*convolution(inputs, outputs, 1, 1), nn.ReLU6()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, CLASSES))


NETWORKS = {"resnet18": resnet18, "vgg16": vgg16, "mobilenet_v1": mobilenet_v1}
