"""How many synaptic additions the event-driven array makes for a layer, from its input spikes alone."""

from collections.abc import Mapping

import numpy as np

from ..network import Kind, Layer, Pool, Segment


def spikes_per_pixel(trains: np.ndarray) -> np.ndarray:
    """Spikes of all channels and steps at each pixel, int64 [N, H, W], of trains [N, T, C, H, W] with T <= 16."""
    per_neuron = np.zeros_like(trains[:, 0], np.uint8)
    for t in range(trains.shape[1]):
        per_neuron += (trains[:, t] != 0).view(np.uint8)
    return per_neuron.sum(axis=1, dtype=np.int64)


def fan_out(segment: Segment, layer: Layer, source_size: tuple[int, int]) -> np.ndarray:
    """Additions that one spike at each pixel of the source causes, int64 [H', W'] with `source_size` (H', W').

    That is the number of output pixels whose window holds the pixel, times all output channels for BROADCAST, times one
    for LANEWISE. A neuron under max pooling counts once per pooling window that holds it, because the array computes
    every window by itself, and not at all where no window needs it.
    """
    rows, columns = (_windows_over(axis, segment, layer, source_size[axis]) for axis in range(2))
    reached = layer.neurons[0] if segment.kind is Kind.BROADCAST else 1
    return np.outer(rows, columns) * reached


def count_additions(
    layer: Layer,
    fan_outs: tuple[np.ndarray, ...],
    spikes: Mapping[str, np.ndarray],
    trains: Mapping[str, np.ndarray],
) -> np.ndarray:
    """Additions per image, int64 [N], given the `fan_out` of every segment, and of the sources the `trains` and
    `spikes_per_pixel`."""
    return sum(
        (
            _seen(segment, trains[segment.source], spikes).reshape(-1, touched.size) @ touched.ravel()
            for segment, touched in zip(layer.segments, fan_outs, strict=True)
        ),
        np.zeros((), np.int64),
    )


def _seen(segment: Segment, trains: np.ndarray, spikes: Mapping[str, np.ndarray]) -> np.ndarray:
    """Spikes per pixel of the channels that a segment has synapses with."""
    whole = segment.first == 0 and segment.weights.shape[-3] == trains.shape[2]
    return spikes[segment.source] if whole else spikes_per_pixel(trains[:, :, segment.inputs])


def _windows_over(axis: int, segment: Segment, layer: Layer, length: int) -> np.ndarray:
    """How many of the layer's windows, along one axis, hold each of `length` source positions."""
    uses = _computations(axis, layer.neurons[1 + axis], layer.pool)
    counts = np.zeros(length, np.int64)
    for tap in range(segment.kernel[axis]):
        seen = np.arange(len(uses)) * segment.stride[axis] - segment.padding[axis] + tap * segment.dilation[axis]
        inside = (seen >= 0) & (seen < length)
        np.add.at(counts, seen[inside], uses[inside])
    return counts


def _computations(axis: int, length: int, pool: Pool | None) -> np.ndarray:
    """How often the array computes the neuron at each of `length` positions along one axis."""
    if pool is None:
        return np.ones(length, np.int64)
    kernel, stride = pool.kernel[axis], pool.stride[axis]
    counts = np.zeros(length, np.int64)
    for start in range(0, length - kernel + 1, stride):
        counts[start : start + kernel] += 1
    return counts
