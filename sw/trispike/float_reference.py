"""Evaluates a float `Graph` in NumPy, float32: what the trained network answers, before anything becomes a spike.

Calibration reads its intermediate activations, accuracy reports compare with its logits.
"""

from typing import Literal, overload

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .graph import Add, Affine, AveragePool, Concat, Conv, Graph, MaxPool, Node, Pad, Relu, Select
from .inputs import checked_images
from .network import INPUT

_PATCH_VALUES = 1 << 24  # float32 values of the largest im2col matrix, 64 MiB


@overload
def run(graph: Graph, x: np.ndarray, keep: Literal[False] = False) -> np.ndarray: ...
@overload
def run(graph: Graph, x: np.ndarray, keep: Literal[True]) -> tuple[np.ndarray, dict[str, np.ndarray]]: ...
def run(graph: Graph, x: np.ndarray, keep: bool = False) -> np.ndarray | tuple[np.ndarray, dict[str, np.ndarray]]:
    """Logits, float32 [N, classes], of `x` [N, C, H, W]; a network on vectors also takes [N, C].

    With `keep` the result is (logits, outputs), where `outputs` holds the float32 [N, C, H, W] output of every node
    by name and the input itself as `INPUT`. Without it memory is bounded whatever N is.

    Raises:
        InputError: if the type, the shape or the content of x does not fit the network.
    """
    x = checked_images(np.asarray(x), graph.input_shape, f"images for {graph.name}", dtype=np.float32, fewest=0)
    step = max(1, _PATCH_VALUES // max(_values_per_image(graph, node) for node in graph.nodes))
    starts = range(0, max(len(x), 1), step)  # one empty chunk where there are no images
    chunks = [_evaluate(graph, x[start : start + step], keep) for start in starts]
    outputs = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    logits = outputs[graph.nodes[-1].name].reshape(len(x), graph.nodes[-1].shape[0])
    return (logits, outputs) if keep else logits


def _values_per_image(graph: Graph, node: Node) -> int:
    """Values that the evaluation of `node` holds at once for one image, roughly."""
    pixels = node.shape[1] * node.shape[2]
    if isinstance(node, Conv):
        return pixels * (node.weights[0].size + node.shape[0])
    return node.shape[0] * pixels * 4


def _evaluate(graph: Graph, x: np.ndarray, keep: bool) -> dict[str, np.ndarray]:
    """Outputs of all nodes for one chunk, or of the last one only."""
    last_reader = {source: node.name for node in graph.nodes for source in node.inputs}
    outputs = {INPUT: x}
    for node in graph.nodes:
        outputs[node.name] = evaluate(node, [outputs[source] for source in node.inputs])
        if not keep:
            for source in set(node.inputs):
                if last_reader[source] == node.name:
                    del outputs[source]
    name = graph.nodes[-1].name
    return outputs if keep else {name: outputs[name]}


def evaluate(node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    """Output of one node, float32 [N, C, H, W], for its inputs [N, C, H, W].

    Raises:
        TypeError: if the node is of no class that graph.py has.
    """
    x = inputs[0]
    match node:
        case Conv():
            return _conv(node, x)
        case Relu():
            return np.clip(x, 0, node.upper)
        case MaxPool():
            windows = _windows(_pad(x, node.padding, -np.inf), node.kernel, node.stride)
            return windows.max(axis=(-2, -1))
        case AveragePool():
            return _average_pool(node, x)
        case Add():
            return sum(inputs[1:], inputs[0])
        case Affine():
            return x * node.scale[:, None, None] + node.shift[:, None, None]
        case Concat():
            return np.concatenate(inputs, axis=1)
        case Select():
            return x[:, node.channels]
        case Pad():
            return np.pad(_pad(x, node.padding), ((0, 0), node.channels, (0, 0), (0, 0)))
        case _:
            raise TypeError(f"there is no evaluation of {type(node).__name__}")


def _pad(x: np.ndarray, padding: tuple[int, int, int, int], value: float = 0.0) -> np.ndarray:
    top, left, bottom, right = padding
    if not any(padding):
        return x
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def _windows(
    x: np.ndarray, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int] = (1, 1)
) -> np.ndarray:
    """View [N, C, OH, OW, KH, KW] of all windows of a padded map."""
    span = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    windows = sliding_window_view(x, span, axis=(2, 3))
    return windows[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def _conv(node: Conv, x: np.ndarray) -> np.ndarray:
    outputs, per_group, *kernel = node.weights.shape
    windows = _windows(_pad(x, node.padding), (kernel[0], kernel[1]), node.stride, node.dilation)
    n, _, height, width = windows.shape[:4]
    z = np.empty((n, outputs, height, width), np.float32)
    share = outputs // node.groups
    for group in range(node.groups):
        rows = slice(group * share, (group + 1) * share)
        patches = windows[:, group * per_group : (group + 1) * per_group].transpose(0, 2, 3, 1, 4, 5)
        matrix = patches.reshape(n * height * width, node.weights[0].size)
        z_group = matrix @ node.weights[rows].reshape(share, -1).T
        z[:, rows] = z_group.reshape(n, height, width, share).transpose(0, 3, 1, 2)
    return z + node.bias[:, None, None]


def _average_pool(node: AveragePool, x: np.ndarray) -> np.ndarray:
    total = _windows(_pad(x, node.padding), node.kernel, node.stride).sum(axis=(-2, -1), dtype=np.float32)
    if node.count_padding or not any(node.padding):
        return total / np.float32(node.kernel[0] * node.kernel[1])
    inside = _pad(np.ones((1, 1, *x.shape[2:]), np.float32), node.padding)
    return total / _windows(inside, node.kernel, node.stride).sum(axis=(-2, -1))
