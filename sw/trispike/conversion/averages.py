"""Average poolings that no layer can hold as they stand, rewritten as poolings and convolutions that layers can."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..graph import Add, AveragePool, Conv, Node
from ..network import INPUT

WIDEST = 8  #: kernel columns of an average that a layer holds where each is a machine segment
TILE = 16  #: channels up to which all columns are one machine segment, in all presets


def plain_averages(nodes: tuple[Node, ...], input_shape: tuple[int, int, int]) -> tuple[Node, ...]:
    """`nodes` without averages that leave padding out of their divisors, and without those too wide for a layer."""
    shapes, made = {INPUT: input_shape}, list[Node]()
    for node in nodes:
        shapes[node.name] = node.shape
        if isinstance(node, AveragePool) and not node.count_padding and any(node.padding):
            made += _uncounted(node, shapes[node.inputs[0]])
        elif isinstance(node, AveragePool) and node.kernel[1] > WIDEST and node.shape[0] > TILE:
            made += _in_two_stages(node, shapes[node.inputs[0]])
        else:
            made.append(node)
    return tuple(made)


def _in_two_stages(node: AveragePool, source: tuple[int, int, int]) -> tuple[Node, ...]:
    """A wide average over windows side by side as sums of averages, the narrowest possible first.

    The first rounds; the second averages its rounding errors away. Where the narrow windows of the one reach beyond the
    wide window, which is then the whole map, they see zeros.
    """
    low = next((k for k in range(2, WIDEST + 1) if -(-node.kernel[1] // k) <= WIDEST), None)
    fits = [low is not None and (length % low == 0 or node.kernel == source[1:]) for length in node.kernel]
    side_by_side = node.kernel in (node.stride, source[1:])
    if low is None or not fits[1] or not side_by_side or any(node.padding):
        return (node,)
    narrow = (low if fits[0] else 1, low)
    rest = (-(-node.kernel[0] // narrow[0]), -(-node.kernel[1] // narrow[1]))
    shape = (node.shape[0], node.shape[1] * rest[0], node.shape[2] * rest[1])
    behind = [max(0, shape[1 + k] * narrow[k] - source[1 + k]) for k in (0, 1)]
    first = AveragePool(
        f"{node.name}/first", node.inputs, shape, narrow, narrow, (0, 0, behind[0], behind[1]), any(behind)
    )
    share = narrow[0] * narrow[1] / (node.kernel[0] * node.kernel[1])
    second = _depthwise(node.name, replace(node, inputs=(first.name,)), np.full(rest, share), rest, (0, 0, 0, 0))
    return first, second


def _uncounted(node: AveragePool, source: tuple[int, int, int]) -> Iterator[Node]:
    """An average whose divisor is smaller at the border: one over rows, then one over columns, where there are any."""
    axes = [axis for axis in (0, 1) if node.kernel[axis] > 1 or node.stride[axis] > 1]
    inputs, size = node.inputs, list(source[1:])
    for axis in axes:
        length, size[axis] = size[axis], node.shape[1 + axis]
        stage = AveragePool(
            node.name if axis == axes[-1] else f"{node.name}/rows", inputs, (source[0], size[0], size[1]),
            _along_axis(axis, node.kernel[axis], 1), _along_axis(axis, node.stride[axis], 1),
        )  # fmt: skip
        yield from _along(axis, stage, length, node.padding[axis])
        inputs = (stage.name,)


def _along(axis: int, node: AveragePool, length: int, before: int) -> Iterator[Node]:
    """`node`, which averages along one axis of `length` positions and `before` zeros, its border windows set right.

    A convolution divides by the whole window everywhere. At the border that is too little by a share of the mean of
    what the window does see, which another average holds, and which a sparse convolution adds in that one position.
    """
    taps, stride = node.kernel[axis], node.stride[axis]
    count, channels = node.shape[1 + axis], node.shape[0]
    seen = {}
    for position in range(count):
        start, stop = position * stride - before, position * stride - before + taps
        if start < 0 or stop > length:
            seen[position] = max(start, 0), min(stop, length)
    if not seen:
        yield node
        return
    behind = max(0, (count - 1) * stride + taps - before - length)
    yield _depthwise(
        f"{node.name}/whole", node, np.full(_along_axis(axis, taps, 1), 1 / taps), node.stride,
        (*_along_axis(axis, before, 0), *_along_axis(axis, behind, 0)),
    )  # fmt: skip
    terms = [f"{node.name}/whole"]
    means: dict[tuple[int, int], AveragePool] = {}
    for position, (start, stop) in seen.items():
        size = stop - start
        # The mean of the last positions is the second window of a pooling whose first one starts at 0.
        step, windows = (start, 2) if start else (length, 1)
        if (size, windows) not in means:
            shape = _along_axis(axis, windows, node.shape[2 - axis])
            means[size, windows] = AveragePool(
                f"{node.name}/mean{len(means)}", node.inputs, (channels, *shape), _along_axis(axis, size, 1),
                _along_axis(axis, step, 1),
            )  # fmt: skip
            yield means[size, windows]
        spread = max(2, windows)
        lead = position * spread - (windows - 1)
        trail = (count - 1) * spread + 1 - windows - lead
        share = np.full((1, 1), 1 - size / taps)
        correction = replace(node, inputs=(means[size, windows].name,))
        terms.append(f"{node.name}/edge{len(terms)}")
        yield _depthwise(
            terms[-1], correction, share, _along_axis(axis, spread, 1),
            (*_along_axis(axis, lead, 0), *_along_axis(axis, trail, 0)),
        )  # fmt: skip
    yield Add(node.name, tuple(terms), node.shape)


def _along_axis(axis: int, value: int, other: int) -> tuple[int, int]:
    """(rows, columns) with `value` along `axis`."""
    return (value, other) if axis == 0 else (other, value)


def _depthwise(
    name: str, like: AveragePool, taps: np.ndarray, stride: tuple[int, int], padding: tuple[int, int, int, int]
) -> Conv:
    """A convolution with the same `taps` [KH, KW] in every channel that reads what `like` reads and has its shape."""
    channels = like.shape[0]
    weights = np.broadcast_to(taps, (channels, 1, *taps.shape)).astype(np.float32)
    return Conv(
        name, like.inputs, like.shape, weights, np.zeros(channels, np.float32), stride, padding, groups=channels
    )
