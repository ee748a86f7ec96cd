"""What flows between the operators of a framework while its network is read: activations and constants.

Frameworks flatten, squeeze and permute; a `Graph` knows (channels, height, width) only. An `Activation` therefore
remembers which of those three axes each dimension of the framework's tensor holds, so that operators that move data
about become bookkeeping, and a linear layer behind any of them gets its weights in the right order.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

CHANNEL, HEIGHT, WIDTH = 0, 1, 2


@dataclass(frozen=True)
class Digit:
    """A part of the channel number, which channel shuffles split for a while: `size` values, `weight` apart."""

    size: int
    weight: int


Axis = int | Digit
Group = tuple[Axis, ...]
Axes = tuple[Group, ...]


@dataclass(frozen=True)
class Constant:
    """A tensor that the model file holds, under the name that messages give it."""

    name: str
    array: np.ndarray


@dataclass(frozen=True)
class Activation:
    """A tensor that depends on the network input.

    `node` is the graph node (or `INPUT`) that makes it, `shape` that node's (C, H, W). `axes` has one entry per
    dimension behind the batch: the axes of `shape` that it holds, outermost first; axes of size 1 are left out, since
    they may stand anywhere. `exclusive` says that nothing else reads the node's output, so that what follows may be
    folded into the node.
    """

    node: str
    shape: tuple[int, int, int]
    axes: Axes
    exclusive: bool = True

    @property
    def dims(self) -> tuple[int, ...]:
        """Sizes of the framework's tensor behind the batch."""
        return tuple(prod(axis_size(self.shape, axis) for axis in group) for group in self.axes)

    @property
    def is_map(self) -> bool:
        """True for (N, C, H, W), which convolutions and pooling need."""
        return len(self.axes) == 3 and all(group in ((), (k,)) for k, group in enumerate(self.axes))

    @property
    def is_line(self) -> bool:
        """True for (N, C, L), which one-dimensional convolutions and pooling need: a map of one row."""
        whole = len(self.axes) == 2 and self.axes[0] in ((), (CHANNEL,)) and self.axes[1] in ((), (WIDTH,))
        return whole and self.shape[HEIGHT] == 1

    @property
    def channels_first(self) -> bool:
        """True if the first dimension behind the batch holds the channels and nothing else."""
        return bool(self.axes) and self.axes[0] == real_axes(self.shape)[CHANNEL]


def real_axes(shape: tuple[int, int, int]) -> Axes:
    """The entries of `Activation.axes` for a tensor (N, C, H, W)."""
    return tuple((axis,) if size > 1 else () for axis, size in enumerate(shape))


def axis_size(shape: tuple[int, int, int], axis: Axis) -> int:
    """Positions along an axis of a node's (C, H, W)."""
    return axis.size if isinstance(axis, Digit) else shape[axis]


def regroup(shape: tuple[int, int, int], axes: Axes, dims: tuple[int, ...]) -> Axes | None:
    """Axes after a reshape to `dims` (batch left out), or None if that would split height or width."""
    rest = [axis for group in axes for axis in group]
    groups = []
    for size in dims:
        group: list[Axis] = []
        while rest and (missing := size // prod(axis_size(shape, axis) for axis in group)) > 1:
            axis = rest.pop(0)
            if missing < axis_size(shape, axis):
                whole = Digit(shape[CHANNEL], 1) if axis == CHANNEL else axis
                if not isinstance(whole, Digit) or whole.size % missing:
                    return None
                behind = whole.size // missing
                axis = Digit(missing, whole.weight * behind)
                rest.insert(0, Digit(behind, whole.weight))
            group.append(axis)
        if prod(axis_size(shape, axis) for axis in group) != size:
            return None
        groups.append(tuple(group))
    return None if rest else tuple(groups)


def channel_order(shape: tuple[int, int, int], group: Group) -> tuple[int, ...] | None:
    """The channel at each position along `group`, if that is made of digits and covers every channel."""
    digits = [axis for axis in group if isinstance(axis, Digit)]
    if not digits or len(digits) != len(group):
        return None
    order = np.zeros(1, np.int64)
    for digit in digits:
        order = np.add.outer(order, np.arange(digit.size) * digit.weight).reshape(-1)
    return tuple(order.tolist()) if len(order) == shape[CHANNEL] else None
