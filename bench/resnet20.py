"""A network of the shape of ResNet-20 for CIFAR-10, with random weights: what it costs, not what it knows."""

import numpy as np
import torch
from torch import Tensor, nn

IMAGE = (3, 32, 32)
BLOCKS, WIDTHS = 3, (16, 32, 64)


class Block(nn.Module):
    """Two 3x3 convolutions and a residual sum; a 1x1 projection where the shape changes."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)
        same = channels == width and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels, width, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, width, H / stride, W / stride]."""
        y = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(self.second_norm(self.second(y)) + self.shortcut(x))


class ResNet20(nn.Module):
    """Three stages of three blocks, then a global average and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(IMAGE[0], WIDTHS[0], 3, 1, 1), nn.ReLU()]
        channels = WIDTHS[0]
        for stage, width in enumerate(WIDTHS):
            for block in range(BLOCKS):
                layers.append(Block(channels, width, 2 if stage and not block else 1))
                channels = width
        self.features = nn.Sequential(*layers)
        self.classes = nn.Linear(channels, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, 10]."""
        return self.classes(self.features(x).mean((2, 3)))


def model() -> nn.Module:
    """The network, the same in every run; its norms have seen random images, so that activations keep their size."""
    torch.manual_seed(0)
    network = ResNet20()
    network.train()
    with torch.no_grad():
        for number in range(20):
            network(torch.from_numpy(images(16, seed=number)))
    return network.eval()


def images(count: int, seed: int = 100) -> np.ndarray:
    """Smooth random images float32 [N, 3, 32, 32]."""
    coarse = np.random.default_rng(seed).normal(size=(count, IMAGE[0], 8, 8)).astype(np.float32)
    return np.kron(coarse, np.ones((1, 1, 4, 4), np.float32))
