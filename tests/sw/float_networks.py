"""Small float graphs for the tests of the converter."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from trispike.graph import AveragePool, Conv, Graph, MaxPool, Node, Relu
from trispike.network import INPUT


class GraphBuilder:
    """Builds a chain of nodes; every method appends one and returns the builder."""

    def __init__(self, input_shape: tuple[int, int, int], seed: int = 0) -> None:
        self._input_shape = self._shape = input_shape
        self._random = np.random.default_rng(seed)
        self._nodes: list[Node] = []

    def conv(
        self, name: str, weights: Any = None, *, outputs: int = 4, kernel: int = 3, bias: Any = None, **options: Any
    ) -> "GraphBuilder":
        """A convolution; without `weights` with random ones of He's variance."""
        channels = self._shape[0]
        if weights is None:
            scale = np.sqrt(2 / (channels * kernel * kernel))
            weights = self._random.standard_normal((outputs, channels, kernel, kernel)) * scale
            bias = self._random.standard_normal(outputs) * 0.1
        weights = np.asarray(weights, np.float32)
        bias = np.zeros(len(weights), np.float32) if bias is None else np.asarray(bias, np.float32)
        shape = (len(weights), *self._sizes(weights.shape[2:], options))
        return self._append(Conv(name, self._source(), shape, weights, bias, **options))

    def linear(self, name: str, outputs: int) -> "GraphBuilder":
        """A linear layer on everything there is."""
        size = int(np.prod(self._shape))
        weights = self._random.standard_normal((outputs, *self._shape)) * np.sqrt(2 / size)
        return self.conv(name, weights, bias=self._random.standard_normal(outputs) * 0.1)

    def relu(self, name: str, upper: float | None = None) -> "GraphBuilder":
        return self._append(Relu(name, self._source(), self._shape, upper))

    def max_pool(self, name: str, kernel: int, stride: int, **options: Any) -> "GraphBuilder":
        return self._pool(MaxPool, name, kernel, stride, options)

    def average_pool(self, name: str, kernel: int, stride: int, **options: Any) -> "GraphBuilder":
        return self._pool(AveragePool, name, kernel, stride, options)

    def node(self, node: Node) -> "GraphBuilder":
        return self._append(node)

    def build(self) -> Graph:
        return Graph("net", self._input_shape, tuple(self._nodes))

    def _pool(self, kind: Any, name: str, kernel: int, stride: int, options: dict[str, Any]) -> "GraphBuilder":
        sizes = self._sizes((kernel, kernel), options | {"stride": (stride, stride)})
        return self._append(
            kind(name, self._source(), (self._shape[0], *sizes), (kernel, kernel), (stride, stride), **options)
        )

    def _sizes(self, kernel: Sequence[int], options: dict[str, Any]) -> tuple[int, int]:
        top, left, bottom, right = options.get("padding", (0, 0, 0, 0))
        stride = options.get("stride", (1, 1))
        rows = (self._shape[1] + top + bottom - kernel[0]) // stride[0] + 1
        return rows, (self._shape[2] + left + right - kernel[1]) // stride[1] + 1

    def _source(self) -> tuple[str, ...]:
        return (self._nodes[-1].name if self._nodes else INPUT,)

    def _append(self, node: Node) -> "GraphBuilder":
        self._nodes.append(node)
        self._shape = node.shape
        return self


def images(shape: tuple[int, int, int], count: int = 64, seed: int = 1) -> np.ndarray:
    """Images uniform in 0..1, smoothed a little so that neighbours resemble one another."""
    x = np.random.default_rng(seed).random((count, *shape))
    return ((x + np.roll(x, 1, -1) + np.roll(x, 1, -2)) / 3).astype(np.float32)
