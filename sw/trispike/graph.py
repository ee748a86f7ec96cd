"""The float network as the importers hand it to the converter: few operators, explicit shapes, no framework types.

Importers have already folded batch norm into convolutions, turned linear layers into convolutions over their whole
input, and dropped what computes nothing (identity, dropout, flatten). Shapes are (channels, height, width), one sample.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Node:
    """Base of all nodes. The output tensor bears the node's name; `inputs` are names of nodes or `INPUT`."""

    name: str
    inputs: tuple[str, ...]
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Conv(Node):
    """Convolution (or, with a kernel as large as the input, a linear layer).

    `weights` float32 [O, I / groups, KH, KW], `bias` float32 [O], `padding` (top, left, bottom, right).
    """

    weights: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


@dataclass(frozen=True)
class Relu(Node):
    """max(x, 0), and min(., upper) where `upper` is given (ReLU6, Clip)."""

    upper: float | None = None


@dataclass(frozen=True)
class MaxPool(Node):
    """Maximum over windows; padding never wins. `padding` (top, left, bottom, right)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True)
class AveragePool(Node):
    """Mean over windows; `count_padding` says whether padding zeros count in the divisor."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    count_padding: bool = False


@dataclass(frozen=True)
class Add(Node):
    """Sum of tensors of one shape: the joint of a residual block."""


@dataclass(frozen=True)
class Affine(Node):
    """scale * x + shift per channel, float32 [C] each: a batch norm that no convolution before it absorbs."""

    scale: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True)
class Concat(Node):
    """Its inputs one behind the other along the channels."""


@dataclass(frozen=True)
class Select(Node):
    """Some channels of its input in any order: `channels` are their numbers there."""

    channels: tuple[int, ...]


@dataclass(frozen=True)
class Pad(Node):
    """Zeros around the map, `padding` (top, left, bottom, right), and `channels` of them (before, behind)."""

    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    channels: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Graph:
    """A float network: nodes in order of computation, one input, one output (the last node).

    `notes` are sentences about what the importer left out, such as a softmax behind the logits.
    """

    name: str
    input_shape: tuple[int, int, int]
    nodes: tuple[Node, ...]
    notes: tuple[str, ...] = ()
