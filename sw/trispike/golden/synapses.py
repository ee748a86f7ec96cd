"""Synaptic sums z of a layer: matrix products of small integers in floating point, exact because bounded.

A float32 holds every integer below 2^24, a float64 every one below 2^53. Digits are -1, 0 or 1, so no partial sum of
z, in whatever order BLAS adds, exceeds the sum of the magnitudes of the neuron's weights. That sum is computed, and
chooses the type.

A matrix product with few rows, as layers with few channels have, is two to three times faster on a block of columns
that stays in the processor's second cache than on all of them; so the windows of a few pixels at a time are laid out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import ConversionError
from ..network import Kind, Segment

_MAX_WEIGHT = 1 << 31
_COLUMNS = 2048  #: of a matrix that is multiplied, at most: pixels x steps x images with their windows
_FEWEST_COLUMNS = 256
_VALUES = 1 << 19  #: of such a matrix, if that leaves it enough columns


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
    """Synaptic sums z of one layer, as `Synapses.integrate` gives them.

    Raises:
        ConversionError: if the sums cannot be computed exactly.
    """
    return Synapses(segments, neurons_shape).integrate(tensors)


class Synapses:
    """The segments of a layer with neurons (C, H, W), prepared for any number of calls.

    Raises:
        ConversionError: if the sums cannot be computed exactly.
    """

    def __init__(self, segments: Sequence[Segment], neurons: tuple[int, int, int]) -> None:
        self._neurons = neurons
        self._real = exact_type(sum_abs_weights(segments, neurons[0]))
        self._parts = [_Part.of(segment, self._real) for segment in _merged(segments)]

    def integrate(self, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
        """Synaptic sums z, int32 or int64 [N, T, C, H, W].

        `tensors` holds the trains int8 [N, T, I, H', W'] of every source by name. In memory z is ordered
        [C, T, H, W, N]: one step of one channel is contiguous, which is what neurons run fastest on.
        """
        channels, rows, columns = self._neurons
        images, steps = next(iter(tensors.values())).shape[:2]
        z = np.empty((channels, steps, rows, columns, images), np.int32 if self._real is np.float32 else np.int64)
        together = max(1, min(steps, _COLUMNS // (rows * columns * images)))
        sources = [
            tensors[part.segment.source][:, :, part.segment.inputs].transpose(2, 1, 3, 4, 0) for part in self._parts
        ]
        for first in range(0, steps, together):
            block = slice(first, min(first + together, steps))
            total = np.empty((channels, block.stop - first, rows, columns, images), self._real)
            for number, (part, source) in enumerate(zip(self._parts, sources, strict=True)):
                part.add_to(total, source[:, block], empty=number == 0)
            z[:, block] = total
        return z.transpose(4, 1, 0, 2, 3)


def _merged(segments: Sequence[Segment]) -> list[Segment]:
    """Segments that see the same windows of the same source as one, with the sum of their weights."""
    merged: dict[tuple, Segment] = {}
    for s in segments:
        key = (s.source, s.kind, s.inputs.start, s.inputs.stop, s.kernel, s.stride, s.padding, s.dilation)
        weights = s.weights.astype(np.int64)
        merged[key] = replace(s, weights=merged[key].weights + weights if key in merged else weights)
    return list(merged.values())


@dataclass(frozen=True)
class _Part:
    """A segment with its weights as real numbers: [O, synapses] for BROADCAST, [KH, KW, C, 1, 1, 1, 1] for LANEWISE."""

    segment: Segment
    weights: np.ndarray

    @classmethod
    def of(cls, segment: Segment, real: type[np.floating]) -> "_Part":
        weights = segment.weights.astype(real)
        if segment.kind is Kind.BROADCAST:
            weights = weights.reshape(len(weights), -1)
        else:
            weights = weights.transpose(1, 2, 0)[..., None, None, None, None]
        return cls(segment, np.ascontiguousarray(weights))

    def add_to(self, total: np.ndarray, source: np.ndarray, *, empty: bool) -> None:
        """Add what the trains `source` [I, T, H', W', N] cause to `total` [O, T, H, W, N], which may be `empty`."""
        windows = self._windows(source, total)
        if self.segment.kind is Kind.LANEWISE:
            for ky, row in enumerate(self.weights):
                for kx, factor in enumerate(row):
                    _add(total, factor * windows[:, ky, kx], empty=empty and ky == kx == 0)
            return
        outputs, steps, rows, columns, images = total.shape
        synapses = self.weights.shape[1]
        most = min(_COLUMNS, max(_FEWEST_COLUMNS, _VALUES // synapses))
        together = max(1, most // (steps * columns * images))
        for first in range(0, rows, together):
            some = slice(first, first + together)
            inputs = np.ascontiguousarray(windows[:, :, :, :, some]).reshape(synapses, -1)
            product = (self.weights @ inputs).reshape(outputs, steps, -1, columns, images)
            _add(total[:, :, some], product, empty=empty)

    def _windows(self, source: np.ndarray, total: np.ndarray) -> np.ndarray:
        """A view [I, KH, KW, T, H, W, N]: what each tap of the kernel sees from each pixel of `total`."""
        segment, size, source_size = self.segment, total.shape[2:4], source.shape[2:4]
        covered, places, seen = [], [], []
        for axis in range(2):
            before, stride = max(0, segment.padding[axis]), segment.stride[axis]
            skipped = max(0, -segment.padding[axis])  # source positions in front of the first window
            covered.append((size[axis] - 1) * stride + (segment.kernel[axis] - 1) * segment.dilation[axis] + 1)
            used = max(0, min(source_size[axis] - skipped, covered[axis] - before))
            places.append(slice(before, before + used))
            seen.append(slice(skipped, skipped + used))
        held = np.zeros((*source.shape[:2], *covered, source.shape[4]), total.dtype)
        held[:, :, places[0], places[1]] = source[:, :, seen[0], seen[1]]
        channel, step, row, column, image = held.strides
        shape = (len(source), *segment.kernel, source.shape[1], *size, source.shape[4])
        strides = (
            channel, row * segment.dilation[0], column * segment.dilation[1], step, row * segment.stride[0],
            column * segment.stride[1], image,
        )  # fmt: skip
        return np.ndarray(shape, held.dtype, held, strides=strides)


def _add(total: np.ndarray, share: np.ndarray, *, empty: bool) -> None:
    """total += share, where total may be `empty`."""
    if empty:
        total[...] = share
    else:
        total += share
