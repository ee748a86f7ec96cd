"""Builds a `Graph` node by node: the meaning of the operators, in one place for all frameworks.

Handlers translate a framework's arguments and call one method here. Methods take and return `Activation`s; whatever
they cannot express they refuse through the call at hand, so that messages name the framework's node.
"""

from dataclasses import replace

import numpy as np

from ..graph import Add, Affine, AveragePool, Conv, MaxPool, Relu
from .arrangement import NO_PADDING, Arrangement, Padding, Pair
from .values import CHANNEL, HEIGHT, WIDTH, Activation, Constant, Digit, real_axes


def same_padding(size: Pair, kernel: Pair, stride: Pair, dilation: Pair = (1, 1), upper: bool = True) -> Padding:
    """Padding (top, left, bottom, right) that gives ceil(size / stride) outputs; an odd rest goes behind if `upper`."""
    before, after = [], []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        small, large = total // 2, total - total // 2
        before.append(small if upper else large)
        after.append(large if upper else small)
    return before[0], before[1], after[0], after[1]


class GraphBuilder(Arrangement):
    """The operators that compute something, besides those that arrange."""

    def _map_size(self, x: Activation, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)) -> Pair:
        """Height and width behind a window operator."""
        if min(kernel) < 1 or min(stride) < 1 or min(dilation) < 1 or min(padding) < 0:
            self.call.refuse("has a kernel, stride or dilation below 1 or a negative padding")
        sizes = [
            (x.shape[1 + k] + padding[k] + padding[2 + k] - (kernel[k] - 1) * dilation[k] - 1) // stride[k] + 1
            for k in (0, 1)
        ]
        if min(sizes) < 1:
            self.call.refuse(
                f"has a kernel of {kernel[0]} x {kernel[1]} that does not fit into its padded input "
                f"of {x.shape[HEIGHT] + padding[0] + padding[2]} x {x.shape[WIDTH] + padding[1] + padding[3]}"
            )
        return sizes[0], sizes[1]

    def conv(
        self,
        x: Activation,
        weights: np.ndarray,
        bias: np.ndarray | None,
        stride: Pair = (1, 1),
        padding: Padding = NO_PADDING,
        dilation: Pair = (1, 1),
        groups: int = 1,
    ) -> Activation:
        """Convolution; `weights` [O, I / groups, KH, KW], `bias` [O] or None."""
        x = self._map(x)
        if weights.ndim != 4:
            self.call.refuse(
                f"has weights of {weights.ndim} dimensions; trispike reads one- and two-dimensional convolutions"
            )
        outputs, inputs = weights.shape[:2]
        if groups < 1 or inputs * groups != x.shape[CHANNEL] or outputs % groups:
            self.call.refuse(
                f"has weights {weights.shape} in {groups} groups, which do not match {x.shape[CHANNEL]} channels"
            )
        bias = np.zeros(outputs, np.float32) if bias is None else bias.reshape(-1)
        if bias.size != outputs:
            self.call.refuse(f"has {bias.size} biases for {outputs} outputs")
        kernel = (weights.shape[2], weights.shape[3])
        shape = (outputs, *self._map_size(x, kernel, stride, padding, dilation))
        name = self._unique(self.call.name)
        return self._add_map(Conv(name, (x.node,), shape, weights, bias, stride, padding, dilation, groups), x)

    def linear(self, x: Activation, weights: np.ndarray, bias: np.ndarray | None) -> Activation:
        """Linear layer, `weights` [O, F]: a convolution whose kernel covers the whole input."""
        if weights.ndim != 2:
            self.call.refuse(f"has weights of {weights.ndim} dimensions; a linear layer needs a matrix")
        features = x.dims[-1] if x.axes else 0
        order = [axis for group in x.axes for axis in group if not isinstance(axis, Digit)]
        if not x.axes or any(x.axes[:-1]) or features != weights.shape[1] or len(order) != len(x.axes[-1]):
            self.call.refuse(
                f"needs one vector of {weights.shape[1]} features per sample, "
                f"but gets (N, {', '.join(map(str, x.dims))})"
            )
        outputs = weights.shape[0]
        split = weights.reshape(outputs, *(x.shape[axis] for axis in order))
        kernel = split.transpose(0, *(1 + k for k in np.argsort(order))).reshape(outputs, *x.shape)
        flat = self.conv(replace(x, axes=real_axes(x.shape)), np.ascontiguousarray(kernel), bias)
        return replace(flat, axes=(*x.axes[:-1], real_axes(flat.shape)[CHANNEL]))

    def batch_norm(
        self,
        x: Activation,
        scale: np.ndarray,
        shift: np.ndarray,
        mean: np.ndarray,
        variance: np.ndarray,
        epsilon: float,
    ) -> Activation:
        """Batch normalization with fixed statistics, folded into what makes `x` where that is possible."""
        channels = x.shape[CHANNEL]
        if not x.channels_first or any(v.shape != (channels,) for v in (scale, shift, mean, variance)):
            self.call.refuse(
                f"has {scale.size} channels, which do not match its input (N, {', '.join(map(str, x.dims))})"
            )
        spread = np.asarray(variance, np.float64) + epsilon
        if spread.min() <= 0:
            self.call.refuse(f"has the variance plus epsilon {spread.min():g}; it must be above 0")
        factor = scale / np.sqrt(spread)
        return self._fold(x, factor, shift - mean * factor)

    def add_constant(self, x: Activation, value: np.ndarray) -> Activation:
        """Sum with a constant that broadcasts along channels only, folded into the bias of the layer before it."""
        return self._fold(x, np.ones(x.shape[CHANNEL]), self._per_channel(x, value, "adds", "added"))

    def scale(self, x: Activation, value: np.ndarray) -> Activation | Constant:
        """Product with a constant that broadcasts along channels only, folded into the layer before it; or zeros."""
        factor = self._per_channel(x, value, "multiplies by", "multiplied by")
        if not factor.any():
            return Constant(self.call.name, np.zeros((self._batch or 1, *x.dims), np.float32))
        return self._fold(x, factor, np.zeros(x.shape[CHANNEL]))

    def negate(self, x: Activation) -> Activation:
        """-x, folded into the layer before it."""
        channels = x.shape[CHANNEL]
        return self._fold(x, -np.ones(channels), np.zeros(channels))

    def _per_channel(self, x: Activation, value: np.ndarray, does: str, done: str) -> np.ndarray:
        """The constant as one value for each channel."""
        channels = x.shape[CHANNEL]
        dims = (1,) * (1 + len(x.axes) - value.ndim) + value.shape
        groups = ((), *x.axes)
        if len(dims) != len(groups) or any(
            size != 1 and (group != (CHANNEL,) or size != channels) for size, group in zip(dims, groups, strict=True)
        ):
            self.call.refuse(
                f"{does} a constant {value.shape} to (N, {', '.join(map(str, x.dims))}); "
                f"only one value per channel can be {done}"
            )
        return np.broadcast_to(value.reshape(-1), (channels,))

    def _fold(self, x: Activation, factor: np.ndarray, shift: np.ndarray) -> Activation:
        """factor * x + shift per channel, as part of the node that makes x where that is possible."""
        node = self._nodes.get(x.node)
        if isinstance(node, Conv) and x.exclusive:
            weights = (node.weights * factor[:, None, None, None]).astype(np.float32)
            self._nodes[node.name] = replace(
                node, weights=weights, bias=(node.bias * factor + shift).astype(np.float32)
            )
            return x
        if isinstance(node, Affine) and x.exclusive:
            scale, offset = node.scale * factor, node.shift * factor + shift
            self._nodes[node.name] = replace(node, scale=scale.astype(np.float32), shift=offset.astype(np.float32))
            return x
        name = self._unique(self.call.name)
        self._nodes[name] = Affine(name, (x.node,), x.shape, factor.astype(np.float32), shift.astype(np.float32))
        return replace(x, node=name, exclusive=True)

    def relu(self, x: Activation, upper: float | None = None) -> Activation:
        """max(x, 0), limited to `upper`."""
        if upper is not None and not upper > 0:
            self.call.refuse(f"clips to 0..{upper:g}; the upper limit must be above 0")
        name = self._unique(self.call.name)
        self._nodes[name] = Relu(name, (x.node,), x.shape, upper)
        return replace(x, node=name, exclusive=True)

    def clip(self, x: Activation, lower: float, upper: float) -> Activation:
        """Clipping to lower..upper, which must be 0..upper."""
        if lower != 0:
            self.call.refuse(f"clips below {lower:g}; only a lower limit of 0 is supported")
        return self.relu(x, None if upper >= np.finfo(np.float32).max else upper)

    def limit(self, x: Activation, upper: float) -> Activation:
        """min(x, upper) of what is never negative."""
        if not isinstance(self._nodes.get(x.node), Relu):
            self.call.refuse(f"limits to {upper:g} what may be negative; put a ReLU before it")
        return self.relu(x, upper)

    def _pool_shape(self, x: Activation, kernel: Pair, stride: Pair, padding: Padding) -> tuple[int, int, int]:
        size = self._map_size(x, kernel, stride, padding)
        for k in (0, 1):
            if max(padding[k], padding[2 + k]) >= kernel[k]:
                self.call.refuse("has a padding as large as its window")
        return x.shape[CHANNEL], *size

    def _completed(self, x: Activation, kernel: Pair, stride: Pair, padding: Padding) -> Padding:
        """The padding with which rounding the output size up (ceil_mode) changes nothing.

        A last window that would begin behind the map and the padding before it does not exist.
        """
        behind = []
        for k in (0, 1):
            length, covered = x.shape[1 + k] + padding[k], x.shape[1 + k] + padding[k] + padding[2 + k]
            count = max(-(-(covered - kernel[k]) // stride[k]) + 1, 1)
            if (count - 1) * stride[k] >= length:
                count -= 1
            behind.append(max(padding[2 + k], (count - 1) * stride[k] + kernel[k] - length))
        return padding[0], padding[1], behind[0], behind[1]

    def max_pool(self, x: Activation, kernel: Pair, stride: Pair, padding: Padding, ceil: bool) -> Activation:
        """Max pooling; `ceil` asks for an output size rounded up."""
        x = self._map(x)
        if ceil:
            padding = self._completed(x, kernel, stride, padding)
        shape = self._pool_shape(x, kernel, stride, padding)
        return self._add_map(MaxPool(self._unique(self.call.name), (x.node,), shape, kernel, stride, padding), x)

    def average_pool(
        self, x: Activation, kernel: Pair, stride: Pair, padding: Padding, ceil: bool, count_padding: bool
    ) -> Activation:
        """Average pooling; `ceil` asks for an output size rounded up, whose last windows count what lies inside."""
        x = self._map(x)
        shape = self._pool_shape(x, kernel, stride, padding)
        completed = self._completed(x, kernel, stride, padding) if ceil else padding
        if self._pool_shape(x, kernel, stride, completed) != shape:
            if count_padding and padding != NO_PADDING:
                self.call.refuse(
                    f"rounds its output size up (ceil_mode) on a map of {x.shape[HEIGHT]} x {x.shape[WIDTH]} and "
                    f"counts padding, but not beyond it; switch one of the two off"
                )
            padding, count_padding = completed, False
            shape = self._pool_shape(x, kernel, stride, padding)
        before = self._nodes.get(x.node)
        if isinstance(before, AveragePool) and x.exclusive and kernel == before.kernel == (1, 1):
            # slices come one dimension at a time
            steps = (before.stride[0] * stride[0], before.stride[1] * stride[1])
            return self._add_map(replace(before, shape=shape, stride=steps), x)
        name = self._unique(self.call.name)
        counted = count_padding and padding != NO_PADDING
        return self._add_map(AveragePool(name, (x.node,), shape, kernel, stride, padding, counted), x)

    def slice(self, x: Activation, dim: int, start: int, stop: int, step: int) -> Activation:
        """Every `step`-th row or column of a whole map, or some channels; the batch is dimension 0."""
        rank = 1 + len(x.axes)
        size = ((self._batch or 1), *x.dims)[dim] if -rank <= dim < rank else 0
        first, last = (value + size if value < 0 else value for value in (start, stop))
        if first == 0 and last >= size and step == 1:
            return x
        dim %= rank
        if dim and x.axes[dim - 1] == (CHANNEL,):
            return self.select(x, tuple(range(size)[max(first, 0) : last : step]))
        if first != 0 or last < size or step < 1 or dim < rank - 2 or not (x.is_map or x.is_line):
            self.call.refuse(
                f"takes {start}:{stop}:{step} of dimension {dim} of (N, {', '.join(map(str, x.dims))}); "
                f"only channels and every k-th row or column of a whole map can be taken"
            )
        stride = (1, step) if dim == rank - 1 else (step, 1)
        return self.average_pool(x, (1, 1), stride, NO_PADDING, ceil=False, count_padding=False)

    def mean(self, x: Activation, dims: tuple[int, ...], keep: bool) -> Activation:
        """Mean over the dimensions `dims` (batch = 0), which must be height, width or both."""
        return self._reduced(x, dims, keep, "averages")

    def maximum(self, x: Activation, dims: tuple[int, ...], keep: bool) -> Activation:
        """Maximum over the dimensions `dims` (batch = 0), which must be height, width or both."""
        return self._reduced(x, dims, keep, "takes the maximum")

    def _reduced(self, x: Activation, dims: tuple[int, ...], keep: bool, does: str) -> Activation:
        """A pooling over the whole of some dimensions."""
        rank = 1 + len(x.axes)
        reduced = {dim % rank for dim in dims if -rank <= dim < rank}
        averaged = {axis for dim in reduced - {0} for axis in x.axes[dim - 1]}
        if not dims or len(reduced) != len(dims) or 0 in reduced or not averaged <= {HEIGHT, WIDTH}:
            self.call.refuse(f"{does} over the dimensions {list(dims)}; only height and width can be left out")
        groups = [() if dim in reduced else group for dim, group in enumerate(x.axes, start=1)]
        axes = tuple(group for dim, group in enumerate(groups, start=1) if keep or dim not in reduced)
        if not averaged:
            return replace(x, axes=axes)
        whole = replace(x, axes=real_axes(x.shape))
        kernel = (x.shape[HEIGHT] if HEIGHT in averaged else 1, x.shape[WIDTH] if WIDTH in averaged else 1)
        if does == "averages":
            pooled = self.average_pool(whole, kernel, kernel, NO_PADDING, ceil=False, count_padding=False)
        else:
            pooled = self.max_pool(whole, kernel, kernel, NO_PADDING, ceil=False)
        return replace(pooled, axes=axes)

    def add(self, x: Activation, y: Activation) -> Activation:
        """Sum of two activations of one shape."""
        if x.shape != y.shape or x.axes != y.axes:
            self.call.refuse(f"adds tensors of the shapes {x.shape} and {y.shape}; they must be the same")
        name = self._unique(self.call.name)
        self._nodes[name] = Add(name, (x.node, y.node), x.shape)
        return replace(x, node=name, exclusive=True)

    def softmax(self, x: Activation, dim: int) -> Activation:
        """Softmax over the classes behind the logits: left out with a note, since it keeps their order."""
        rank = 1 + len(x.axes)
        classes = x.axes[dim % rank - 1] if -rank <= dim < rank and dim % rank else ()
        if not self.call.is_output:
            self.call.refuse("stands inside the network; it is supported as the last operator only")
        if x.shape[HEIGHT] * x.shape[WIDTH] != 1 or classes != real_axes(x.shape)[CHANNEL]:
            self.call.refuse(f"does not run over the classes of a tensor (N, {', '.join(map(str, x.dims))})")
        self._notes.append(
            f"the last operator {self.call.name} ({self.call.label}) is left out: the answers are logits"
        )
        return x
