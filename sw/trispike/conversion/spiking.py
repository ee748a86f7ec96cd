"""The golden model on calibration images, layer by layer and a few images at a time, so that memory stays bounded."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ..golden import integrate, max_pool, tsa
from ..golden.neuron import logit_integers
from ..network import Layer, Mode, Segment
from .plan import LayerPlan
from .scales import Samples

_CHUNK_BYTES = 1 << 26
_SAMPLE_NEURONS = 1 << 19
_MIN_WINDOWS = 256
_MIN_IMAGES = 64
_WINDOWS_PER_IMAGE_SHARE = 4


def sums(
    segments: Sequence[Segment], tensors: Mapping[str, np.ndarray], neurons: tuple[int, int, int], images: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """Synaptic sums [n, T, C, H, W] of the first `images` images, chunk by chunk with the slice of the images."""
    steps = next(iter(tensors.values())).shape[1]
    pixels = neurons[1] * neurons[2]
    taps = max(int(np.prod(segment.weights.shape[1:])) for segment in segments)
    step = max(1, _CHUNK_BYTES // (4 * steps * pixels * max(taps, neurons[0])))
    for first in range(0, images, step):
        part = slice(first, min(first + step, images))
        yield part, integrate(segments, {name: trains[part] for name, trains in tensors.items()}, neurons)


def run_layer(layer: Layer, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """The output of `layer`: trains [N, T, C, H, W], or in mode LOGITS the integers S, int64 [N, C, 1, 1].

    `tensors` holds the trains of its sources by name.
    """
    images = len(next(iter(tensors.values())))
    parts = []
    for _, z in sums(layer.segments, tensors, layer.neurons, images):
        if layer.mode is Mode.LOGITS:
            parts.append(logit_integers(z, layer.bias))
            continue
        trains = tsa(z, layer.bias, layer.theta, layer.phi, layer.silent, layer.mode)
        parts.append(trains if layer.pool is None else max_pool(trains, layer.pool))
    return np.concatenate(parts)


def sample(
    plan: LayerPlan, segments: Sequence[Segment], tensors: Mapping[str, np.ndarray], wanted: np.ndarray
) -> Samples:
    """Some outputs of a layer, random but always the same: their sums and their values in `wanted` [N, C, H, W]."""
    kernel, stride = (plan.pool.kernel, plan.pool.stride) if plan.pool is not None else ((1, 1), (1, 1))
    rows, columns = plan.shape[1:]
    windows = max(_MIN_WINDOWS, _SAMPLE_NEURONS // (plan.neurons[0] * kernel[0] * kernel[1]))
    images = min(len(wanted), max(_MIN_IMAGES, _WINDOWS_PER_IMAGE_SHARE * windows // (rows * columns)))
    windows = min(windows, images * rows * columns)
    chosen = np.sort(np.random.default_rng(0).choice(images * rows * columns, windows, replace=False))
    image, y, x = np.unravel_index(chosen, (images, rows, columns))
    parts = []
    for part, z in sums(segments, tensors, plan.neurons, images):
        here = (image >= part.start) & (image < part.stop)
        at_y = (y[here] * stride[0])[:, None] + np.arange(kernel[0])
        at_x = (x[here] * stride[1])[:, None] + np.arange(kernel[1])
        # the window axes come first, because indexed axes are parted by slices
        found = z[(image[here] - part.start)[:, None, None], :, :, at_y[:, :, None], at_x[:, None, :]]
        parts.append(found.transpose(0, 3, 4, 1, 2))
    contiguous = np.ascontiguousarray(np.concatenate(parts).transpose(2, 1, 0, 3, 4)).transpose(2, 1, 0, 3, 4)
    return Samples(contiguous, wanted[image, :, y, x].astype(np.float64))
