"""Small float networks of the kinds that people have, with random weights, for tests of conversion and simulation."""

from collections.abc import Callable

import numpy as np

from trispike.graph import Add, Affine, AveragePool, Concat, Conv, Graph, MaxPool, Node, Pad, Relu, Select
from trispike.network import INPUT

Pair = tuple[int, int]
Padding = tuple[int, int, int, int]


def pair(value: int | Pair) -> Pair:
    """Height and width; one number stands for both."""
    return (value, value) if isinstance(value, int) else value


class Builder:
    """Adds nodes one by one; every method returns the name of the tensor that it makes."""

    def __init__(self, shape: tuple[int, int, int], seed: int = 0) -> None:
        self.shapes: dict[str, tuple[int, int, int]] = {INPUT: shape}
        self.nodes: list[Node] = []
        self._rng = np.random.default_rng(seed)

    def graph(self, name: str) -> Graph:
        return Graph(name, self.shapes[INPUT], tuple(self.nodes))

    def _add(self, node: Node) -> str:
        self.nodes.append(node)
        self.shapes[node.name] = node.shape
        return node.name

    def _name(self, kind: str) -> str:
        return f"{kind}{len(self.nodes)}"

    def _size(self, source: str, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)) -> Pair:
        rows, columns = (
            (self.shapes[source][1 + k] + padding[k] + padding[2 + k] - (kernel[k] - 1) * dilation[k] - 1) // stride[k]
            + 1
            for k in (0, 1)
        )
        return rows, columns

    def conv(
        self,
        source: str,
        outputs: int,
        kernel: int | Pair = 3,
        stride: int | Pair = 1,
        padding: Padding | None = None,
        groups: int = 1,
        dilation: int | Pair = 1,
    ) -> str:
        per_group, (rows, columns), dilation = self.shapes[source][0] // groups, pair(kernel), pair(dilation)
        weights = self._rng.normal(0, (per_group * rows * columns / 2) ** -0.5, (outputs, per_group, rows, columns))
        bias = self._rng.normal(0, 0.1, outputs)
        top, left = dilation[0] * (rows - 1) // 2, dilation[1] * (columns - 1) // 2
        sides = (top, left, top, left) if padding is None else padding
        size = self._size(source, (rows, columns), pair(stride), sides, dilation)
        return self._add(
            Conv(
                self._name("conv"), (source,), (outputs, *size), weights.astype(np.float32), bias.astype(np.float32),
                pair(stride), sides, dilation, groups,
            )
        )  # fmt: skip

    def relu(self, source: str, upper: float | None = None) -> str:
        return self._add(Relu(self._name("relu"), (source,), self.shapes[source], upper))

    def max_pool(self, source: str, kernel: int | Pair, stride: int | Pair, padding: Padding = (0, 0, 0, 0)) -> str:
        shape = (self.shapes[source][0], *self._size(source, pair(kernel), pair(stride), padding))
        return self._add(MaxPool(self._name("max"), (source,), shape, pair(kernel), pair(stride), padding))

    def average(
        self,
        source: str,
        kernel: int | Pair,
        stride: int | Pair,
        padding: Padding = (0, 0, 0, 0),
        counted: bool = False,
    ) -> str:
        shape = (self.shapes[source][0], *self._size(source, pair(kernel), pair(stride), padding))
        name = self._name("average")
        return self._add(AveragePool(name, (source,), shape, pair(kernel), pair(stride), padding, counted))

    def select(self, source: str, *channels: int) -> str:
        shape = (len(channels), *self.shapes[source][1:])
        return self._add(Select(self._name("select"), (source,), shape, channels))

    def shuffle(self, source: str, groups: int) -> str:
        """The channels of `groups` groups in turn."""
        count = self.shapes[source][0]
        return self.select(
            source, *(channel for first in range(count // groups) for channel in range(first, count, count // groups))
        )

    def add(self, first: str, second: str) -> str:
        return self._add(Add(self._name("add"), (first, second), self.shapes[first]))

    def concat(self, *sources: str) -> str:
        channels = sum(self.shapes[source][0] for source in sources)
        return self._add(Concat(self._name("concat"), sources, (channels, *self.shapes[sources[0]][1:])))

    def pad(self, source: str, padding: Padding = (0, 0, 0, 0), channels: tuple[int, int] = (0, 0)) -> str:
        count, rows, columns = self.shapes[source]
        shape = (count + sum(channels), rows + padding[0] + padding[2], columns + padding[1] + padding[3])
        return self._add(Pad(self._name("pad"), (source,), shape, padding, channels))

    def affine(self, source: str) -> str:
        shape = self.shapes[source]
        scale, shift = self._rng.uniform(0.5, 1.5, shape[0]), self._rng.normal(0, 0.2, shape[0])
        return self._add(
            Affine(self._name("affine"), (source,), shape, scale.astype(np.float32), shift.astype(np.float32))
        )

    def classifier(self, source: str, classes: int = 5) -> str:
        """A global average and a linear layer."""
        average = self.average(source, self.shapes[source][1:], 1)
        return self.conv(average, classes, 1)


def residual(shortcut: str, channels: int = 6, size: int = 6) -> Graph:
    """Two blocks; the second halves the map with a shortcut of the kind `identity` (no halving), `projected` or
    `padded` (option A: every second pixel, zeros for the new channels)."""
    b = Builder((3, size, size))
    x = b.relu(b.conv(INPUT, channels))
    y = b.conv(b.relu(b.conv(x, channels)), channels)
    x = b.relu(b.add(x, y))
    stride, outputs = (1, channels) if shortcut == "identity" else (2, channels + 4)
    y = b.conv(b.relu(b.conv(x, outputs, stride=stride)), outputs)
    match shortcut:
        case "identity":
            skip = x
        case "projected":
            skip = b.conv(x, outputs, 1, 2)
        case "padded":
            skip = b.pad(b.average(x, 1, 2), channels=(2, 2))
        case _:
            raise ValueError(shortcut)
    b.classifier(b.relu(b.add(y, skip)))
    return b.graph(f"residual_{shortcut}")


def preactivated() -> Graph:
    """A residual network whose batch norm and ReLU stand before the convolutions, so that sums stay signed."""
    b = Builder((2, 6, 6))
    x = b.conv(INPUT, 6)
    for _ in range(2):
        x = b.add(x, b.conv(b.relu(b.affine(x)), 6))
    b.classifier(b.relu(b.affine(x)))
    return b.graph("preactivated")


def fire() -> Graph:
    """Two fire modules, the second behind an overlapping max pooling of a concatenation."""
    b = Builder((3, 9, 9))
    x = b.relu(b.conv(INPUT, 8))
    for pooled in (False, True):
        squeezed = b.relu(b.conv(x, 4, 1))
        x = b.concat(b.relu(b.conv(squeezed, 5, 1)), b.relu(b.conv(squeezed, 7)))
        if not pooled:
            x = b.max_pool(x, 3, 2)
    b.classifier(x)
    return b.graph("fire")


def vgg() -> Graph:
    """Convolutions with max poolings: overlapping, padded, and one that a convolution takes in."""
    b = Builder((2, 12, 12))
    x = b.max_pool(b.relu(b.conv(INPUT, 6)), 3, 2)
    x = b.max_pool(b.relu(b.conv(x, 6), upper=2.0), 3, 1, (1, 1, 1, 1))
    x = b.max_pool(b.relu(b.conv(x, 6, padding=(0, 0, 2, 2))), 2, 2)
    x = b.relu(b.conv(x, 8, b.shapes[x][1], padding=(0,) * 4))
    b.conv(x, 4, 1)
    return b.graph("vgg")


def separable() -> Graph:
    """Depthwise and pointwise convolutions, ReLU6, one depthwise one with two outputs per channel, one with groups."""
    b = Builder((1, 9, 7))
    x = b.relu(b.conv(INPUT, 8, 3, 2, (1, 1, 1, 1)))
    x = b.relu(b.conv(b.relu(b.conv(x, 8, groups=8), 6.0), 12, 1))
    x = b.relu(b.conv(x, 24, groups=12))
    x = b.relu(b.conv(x, 8, groups=4, dilation=2))
    b.nodes.append(AveragePool("average", (x,), (8, 1, 1), b.shapes[x][1:], (1, 1)))
    b.shapes["average"] = (8, 1, 1)
    b.conv("average", 5, 1)
    return b.graph("separable")


def signed_and_padded() -> Graph:
    """Convolutions without activation, explicit padding, a sum with a concatenation, averages of signed maps."""
    b = Builder((2, 7, 7))
    x = b.conv(b.pad(INPUT, (0, 0, 1, 1)), 4, padding=(1, 1, 0, 0))
    x = b.conv(b.pad(x, (1, 1, 0, 0)), 4, 2, 2, (0,) * 4)
    joint = b.concat(b.relu(b.conv(x, 3)), x)
    x = b.add(joint, b.conv(x, 7, 1))
    x = b.average(x, 2, 1)
    b.classifier(b.relu(b.conv(x, 6)))
    return b.graph("signed_and_padded")


def shuffled() -> Graph:
    """Units that pass one half of the channels on and compute the other, shuffled; then a depthwise convolution."""
    b = Builder((3, 6, 6))
    x = b.relu(b.conv(INPUT, 8))
    for _ in range(2):
        half = b.select(x, 4, 5, 6, 7)
        half = b.relu(b.conv(b.conv(b.relu(b.conv(half, 4, 1)), 4, groups=4), 4, 1))
        x = b.shuffle(b.concat(b.select(x, 0, 1, 2, 3), half), 2)
    b.classifier(b.relu(b.conv(b.relu(b.conv(x, 8, groups=8)), 6, 1)))
    return b.graph("shuffled")


def dense(layers: int = 7) -> Graph:
    """Every layer reads all before it, by way of a batch norm and a ReLU."""
    b = Builder((2, 4, 4))
    x = b.conv(INPUT, 4)
    for _ in range(layers):
        x = b.concat(b.conv(b.relu(b.affine(x)), 2), x)
    b.classifier(b.relu(b.affine(x)))
    return b.graph("dense")


def averages() -> Graph:
    """Averages whose divisor is smaller at the border, and one over a map too wide for a layer on several tiles."""
    b = Builder((2, 11, 11))
    x = b.relu(b.conv(INPUT, 18, 1))
    x = b.average(x, 3, 1, (1, 1, 1, 1))
    joint = b.concat(b.relu(b.conv(x, 12, 1)), b.average(b.conv(x, 6, 1), 2, 1, (0, 0, 1, 1)))
    b.conv(b.relu(b.conv(b.average(joint, 11, 1), 6, 1)), 5, 1)
    return b.graph("averages")


GRAPHS: dict[str, Callable[[], Graph]] = {
    "identity": lambda: residual("identity"),
    "projected": lambda: residual("projected"),
    "padded": lambda: residual("padded"),
    "preactivated": preactivated,
    "fire": fire,
    "vgg": vgg,
    "separable": separable,
    "signed_and_padded": signed_and_padded,
    "shuffled": shuffled,
    "dense": dense,
    "averages": averages,
}


def images(graph: Graph, count: int, seed: int = 1) -> np.ndarray:
    """Normally distributed input, float32 [count, C, H, W]."""
    return np.random.default_rng(seed).standard_normal((count, *graph.input_shape)).astype(np.float32)
