"""Operators that move data about and compute nothing: most only change how a tensor's dimensions are read."""

from dataclasses import replace
from math import prod

import numpy as np

from ..graph import Concat, Pad, Select
from .construction import Construction
from .values import CHANNEL, HEIGHT, WIDTH, Activation, Constant, channel_order, real_axes, regroup

Pair = tuple[int, int]
Padding = tuple[int, int, int, int]
NO_PADDING: Padding = (0, 0, 0, 0)


class Arrangement(Construction):
    """Choosing, joining, padding, reshaping and permuting; refuses what splits height or width or moves the batch."""

    def select(self, x: Activation, channels: tuple[int, ...]) -> Activation:
        """The given channels in that order."""
        if not channels:
            self.call.refuse(f"takes none of {x.shape[CHANNEL]} channels; remove it from the network")
        if channels == tuple(range(x.shape[CHANNEL])):
            return x
        name = self._unique(self.call.name)
        shape = (len(channels), *x.shape[1:])
        self._nodes[name] = Select(name, (x.node,), shape, channels)
        axes = tuple(() if len(channels) == 1 and group == (CHANNEL,) else group for group in x.axes)
        return replace(x, node=name, shape=shape, axes=axes, exclusive=True)

    def split(self, x: Activation, dim: int, sizes: tuple[int, ...]) -> tuple[Activation, ...]:
        """The channels in parts of `sizes`, one behind the other; the batch is dimension 0."""
        rank = 1 + len(x.axes)
        whole = -rank <= dim < rank and dim % rank and x.axes[dim % rank - 1] == (CHANNEL,)
        if not whole or sum(sizes) != x.shape[CHANNEL] or min(sizes) < 1:
            self.call.refuse(
                f"splits dimension {dim} of (N, {', '.join(map(str, x.dims))}) into {list(sizes)}; "
                f"only the channels can be split"
            )
        ends = np.cumsum(sizes).tolist()
        return tuple(self.select(x, tuple(range(end - size, end))) for end, size in zip(ends, sizes, strict=True))

    def concat(self, xs: tuple[Activation | Constant, ...], dim: int) -> Activation:
        """Concatenation along the channels, of activations and zeros."""
        first = next(x for x in xs if isinstance(x, Activation))
        dim = dim % (1 + len(first.axes))
        turned = first.axes[dim - 1] == (CHANNEL,) and all(
            x.axes == first.axes for x in xs if isinstance(x, Activation)
        )
        xs = self._padded_by_zeros(xs, dim, first)
        for x in xs:
            alike = len(x.axes) == len(first.axes) and x.shape[1:] == first.shape[1:]
            plain = dim == 1 and (x.is_map or x.is_line or (len(x.axes) == 1 and x.channels_first))
            if not alike or not (plain or turned):
                self.call.refuse(
                    f"joins (N, {', '.join(map(str, x.dims))}) along dimension {dim}; "
                    f"only channels of maps of one size can be joined"
                )
        if len(xs) == 1:
            return xs[0]
        shape = (sum(x.shape[CHANNEL] for x in xs), *first.shape[1:])
        name = self._unique(self.call.name)
        self._nodes[name] = Concat(name, tuple(x.node for x in xs), shape)
        return Activation(name, shape, first.axes if turned else (real_axes(shape)[CHANNEL], *first.axes[1:]))

    def _padded_by_zeros(
        self, xs: tuple[Activation | Constant, ...], dim: int, like: Activation
    ) -> tuple[Activation, ...]:
        """The activations among `xs`, with the zeros between them as padding; these have the dimensions of `like`."""
        found: list[Activation] = []
        before = 0
        for x in xs:
            if isinstance(x, Activation):
                found.append(self._padded(x, (before, 0)))
                before = 0
                continue
            dims = (self._batch or 1, *like.dims)
            if x.array.any() or x.array.shape != (*dims[:dim], x.array.shape[dim], *dims[dim + 1 :]):
                self.call.refuse(
                    f"joins the constant {x.name!r}; only zeros of the same size can stand beside activations"
                )
            if found:
                found[-1] = self._padded(found[-1], (0, x.array.shape[dim]))
            else:
                before += x.array.shape[dim]
        return tuple(found)

    def _padded(self, x: Activation, channels: Pair, padding: Padding = NO_PADDING) -> Activation:
        """Zeros around a map and before and behind its channels; axes that have several positions stay as they are."""
        if not any(channels) and not any(padding):
            return x
        shape = (
            x.shape[CHANNEL] + sum(channels),
            x.shape[HEIGHT] + padding[0] + padding[2],
            x.shape[WIDTH] + padding[1] + padding[3],
        )
        node = Pad(self._unique(self.call.name), (x.node,), shape, padding, channels)
        if x.is_map or x.is_line:
            return self._add_map(node, x)
        self._nodes[node.name] = node
        return replace(x, node=node.name, shape=shape, exclusive=True)

    def pad(self, x: Activation, before: tuple[int, ...], behind: tuple[int, ...], value: float) -> Activation:
        """Zeros before and behind, for each dimension of the framework's tensor, batch first."""
        if len(before) != 1 + len(x.axes) or len(behind) != len(before):
            self.call.refuse(f"pads {len(before)} dimensions of (N, {', '.join(map(str, x.dims))})")
        if not any(before) and not any(behind):
            return x
        order = (CHANNEL, HEIGHT, WIDTH) if x.is_map else (CHANNEL, WIDTH) if x.is_line else None
        groups = ((), *(((axis,) for axis in order) if order else x.axes))
        padded = {
            group: sides for group, sides in zip(groups, zip(before, behind, strict=True), strict=True) if any(sides)
        }
        if value or min(*before, *behind) < 0 or not padded.keys() <= {(CHANNEL,), (HEIGHT,), (WIDTH,)}:
            self.call.refuse(
                f"pads by {list(before)} and {list(behind)} with {value:g}; "
                f"only zeros can be added, to channels, height and width"
            )
        (top, bottom), (left, right) = padded.get((HEIGHT,), (0, 0)), padded.get((WIDTH,), (0, 0))
        return self._padded(x, padded.get((CHANNEL,), (0, 0)), (top, left, bottom, right))

    def reshape(self, x: Activation | Constant, dims: tuple[int, ...]) -> Activation | Constant:
        """Any reshape to `dims` (batch first) that keeps the batch and splits no axis."""
        if isinstance(x, Constant):
            if prod(dims) != x.array.size:
                self.call.refuse(f"reshapes a constant {x.array.shape} to {dims}")
            return replace(x, array=x.array.reshape(dims))
        if not dims or dims[0] != (self._batch or 1):
            self.call.refuse(f"reshapes to {dims}, which does not keep the batch as first dimension")
        axes = regroup(x.shape, x.axes, dims[1:])
        if axes is None:
            self.call.refuse(
                f"reshapes (N, {', '.join(map(str, x.dims))}) to (N, {', '.join(map(str, dims[1:]))}), "
                f"which does not keep channels, height and width whole"
            )
        orders = [channel_order(x.shape, group) for group in axes]
        shuffle = next((order for order in orders if order is not None), None)
        if shuffle is None:
            return replace(x, axes=axes)
        whole = tuple(group if order is None else (CHANNEL,) for group, order in zip(axes, orders, strict=True))
        return self.select(replace(x, axes=whole), shuffle)

    def transpose(self, x: Activation | Constant, order: tuple[int, ...]) -> Activation | Constant:
        """Permutation of the dimensions, batch (0) first."""
        rank = x.array.ndim if isinstance(x, Constant) else 1 + len(x.axes)
        order = tuple(k % rank for k in order) if order else tuple(reversed(range(rank)))
        if sorted(order) != list(range(rank)):
            self.call.refuse(f"permutes by {list(order)}, which does not match a tensor of {rank} dimensions")
        if isinstance(x, Constant):
            return replace(x, array=x.array.transpose(order))
        if order[0] != 0:
            self.call.refuse(f"permutes by {list(order)}, which moves the batch from the first dimension")
        return replace(x, axes=tuple(x.axes[k - 1] for k in order[1:]))
