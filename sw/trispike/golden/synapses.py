"""Synaptic sums z of a layer: matrix products of small integers in floating point, exact because bounded.

A float32 holds every integer below 2^24, a float64 every one below 2^53. Digits are -1, 0 or 1, so no partial sum of
z, in whatever order BLAS adds, exceeds the sum of the magnitudes of the neuron's weights. That sum is computed, and
chooses the type.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import ConversionError
from ..network import Kind, Segment

_MAX_WEIGHT = 1 << 31


def sum_abs_weights(segments: Sequence[Segment], channels: int) -> np.ndarray:
    """Per output channel the sum of |w| over all synapses, int64 [channels]: the largest possible |z|.

    Raises:
        ConversionError: if weights are no integers or reach 2^31.
    """
    total = np.zeros(channels, np.int64)
    for segment in segments:
        weights = segment.weights
        if not np.issubdtype(weights.dtype, np.integer):
            raise ConversionError(
                f"the weights on {segment.source} must be integers, not {weights.dtype}; quantise them first"
            )
        largest = max(int(weights.max()), -int(weights.min()))
        if largest >= _MAX_WEIGHT:
            raise ConversionError(
                f"the weights on {segment.source} must stay below 2**31, not reach {largest}; choose a larger unit"
            )
        total += np.abs(weights.astype(np.int64)).reshape(channels, -1).sum(axis=1)
    return total


def exact_type(sum_abs: np.ndarray) -> type[np.floating]:
    """The fastest floating-point type in which sums bounded by `sum_abs` are exact.

    Raises:
        ConversionError: if there is none.
    """
    largest = int(sum_abs.max(initial=0))
    if largest < 1 << 24:
        return np.float32
    if largest < 1 << 53:
        return np.float64
    raise ConversionError(
        f"the weights of one neuron sum to {largest}, but the golden model is exact below 2**53 only; "
        f"choose a larger unit"
    )


def integrate(
    segments: Sequence[Segment], tensors: Mapping[str, np.ndarray], neurons_shape: tuple[int, int, int]
) -> np.ndarray:
    """Synaptic sums z, int32 or int64 [N, T, C, H, W], of a layer with neurons (C, H, W).

    `tensors` holds the trains int8 [N, T, I, H', W'] of every source by name. In memory z is ordered [C, T, N, H, W]:
    one step of one channel is contiguous over the images, which is what matrix product and neurons run fastest on.

    Raises:
        ConversionError: if the sums cannot be computed exactly.
    """
    channels, rows, columns = neurons_shape
    real = exact_type(sum_abs_weights(segments, channels))
    images, steps = next(iter(tensors.values())).shape[:2]
    total = np.zeros((channels, steps, images, rows, columns), real)
    for segment in segments:
        windows = _windows(segment, tensors[segment.source][:, :, segment.inputs], (rows, columns))
        if segment.kind is Kind.BROADCAST:
            _add_broadcast(total, segment.weights, windows)
        else:
            _add_lanewise(total, segment.weights, windows)
    return total.astype(np.int32 if real is np.float32 else np.int64).transpose(2, 1, 0, 3, 4)


def _windows(segment: Segment, trains: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A view int8 [I, KH, KW, T, N, H, W]: what each tap of the kernel sees from each output pixel."""
    spans = []  # padding before and after, and the part of the padded source that the windows cover
    for axis in range(2):
        before, stride, reach = (
            segment.padding[axis],
            segment.stride[axis],
            (segment.kernel[axis] - 1) * segment.dilation[axis] + 1,
        )
        covered = (size[axis] - 1) * stride + reach
        spans.append((before, max(0, covered - before - trains.shape[3 + axis]), covered, reach, stride))
    (top, bottom, height, reach_y, stride_y), (left, right, width, reach_x, stride_x) = spans
    source = trains.transpose(2, 1, 0, 3, 4)[..., max(0, -top) :, max(0, -left) :]
    top, left = max(0, top), max(0, left)
    if top or bottom or left or right:
        source = np.pad(source, [(0, 0)] * 3 + [(top, bottom), (left, right)])
    windows = np.lib.stride_tricks.sliding_window_view(source[..., :height, :width], (reach_y, reach_x), (3, 4))
    taps = windows[..., ::stride_y, ::stride_x, :: segment.dilation[0], :: segment.dilation[1]]
    return taps.transpose(0, 5, 6, 1, 2, 3, 4)


def _add_broadcast(total: np.ndarray, weights: np.ndarray, windows: np.ndarray) -> None:
    """total[o] += sum of weights[o, i, ky, kx] * windows[i, ky, kx], as one matrix product."""
    synapses = int(np.prod(windows.shape[:3]))
    inputs = windows.astype(total.dtype, order="C").reshape(synapses, -1)
    sums = weights.reshape(len(total), synapses).astype(total.dtype) @ inputs
    total += sums.reshape(total.shape)


def _add_lanewise(total: np.ndarray, weights: np.ndarray, windows: np.ndarray) -> None:
    """total[c] += sum of weights[c, ky, kx] * windows[c, ky, kx], tap by tap."""
    for ky in range(weights.shape[1]):
        for kx in range(weights.shape[2]):
            factor = weights[:, ky, kx].astype(total.dtype)
            total += factor[:, None, None, None, None] * windows[:, ky, kx]
