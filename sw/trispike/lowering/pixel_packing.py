"""Neighbouring output pixels side by side in a spike word, for layers with few channels.

A layer of 6 channels on lanes of 16 columns leaves 10 columns idle, and every pixel takes a work item and the TSA row's
turns. Two pixels to a word halve both: the columns hold the channels of one pixel and behind them those of its right
neighbour, whose weights are the same ones further right in a window that is wide enough for both. The machine knows
nothing of it. To it the layer is one of `columns` channels and half the width, and its output a tensor of half the bits
to a pixel.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from trispike_hw.layout import Sink

from ..network import Kind, Layer, Mode, Segment
from .task import Task
from .tensors import ceil_div, stored


def packable(task: Task, columns: int) -> Iterator[tuple[Layer, tuple[int, ...]]]:
    """The layers that may run so on `columns` columns, each with the numbers of pixels that a word may hold.

    Every spike of their sources must reach all channels, and so must every spike of theirs: a lane-wise segment wants
    its channels in the columns that they have by themselves. What leaves the machine keeps its place there.
    """
    readers: defaultdict[str, set[Kind]] = defaultdict(set)
    for layer in task.layers:
        for segment in layer.segments:
            readers[segment.source].add(segment.kind)
    for layer in task.layers:
        kinds = {segment.kind for segment in layer.segments} | readers[layer.name]
        fires = layer.mode in (Mode.RELU, Mode.SIGNED)
        if not fires or kinds != {Kind.BROADCAST} or task.sink(layer) is not Sink.STORE:
            continue
        if any(segment.dilation[1] > 1 for segment in layer.segments):
            continue
        counts = [count for count in range(2, columns // layer.shape[0] + 1) if columns % count == 0]
        if layer.shape[2] > 1 and counts:
            yield layer, tuple(counts)


def pack_pixels(task: Task, layer: Layer, pixels: int, columns: int) -> Task:
    """`task` with `pixels` output pixels of `layer` to a word of `columns` channels."""
    place = stored(*layer.shape, columns // pixels, columns)
    layers = tuple(_packed(each, pixels, columns) if each is layer else each for each in task.layers)
    return replace(task, layers=layers, formats={**task.formats, layer.name: place})


def _packed(layer: Layer, pixels: int, columns: int) -> Layer:
    """The layer of `columns` channels whose pixel x has `pixels` pixels of `layer`, from x * `pixels` on.

    Beyond the right edge it has pixels that `layer` has not; readers mask what lies beyond the source's row.
    """
    pool = layer.pool and replace(layer.pool, stride=(layer.pool.stride[0], layer.pool.stride[1] * pixels))
    segments = []
    for segment in layer.segments:
        stride_y, stride_x = segment.stride
        wide = _wide(segment, pixels, columns // pixels, stride_x * (layer.pool.stride[1] if layer.pool else 1))
        segments.append(wide if pool else replace(wide, stride=(stride_y, stride_x * pixels)))

    def spread(values: np.ndarray, filler: int) -> np.ndarray:
        per_pixel = np.full((pixels, columns // pixels), filler, values.dtype)
        per_pixel[:, : len(values)] = values
        return per_pixel.ravel()

    return replace(
        layer,
        segments=tuple(segments),
        neurons=(columns, layer.neurons[1], ceil_div(layer.neurons[2], pixels)),
        shape=(columns, layer.shape[1], ceil_div(layer.shape[2], pixels)),
        bias=spread(layer.bias, 0),
        theta=spread(layer.theta, 0),
        phi=spread(layer.phi, 1),  # columns without a channel stay at V = 0, which is below any phi but 0
        scale=spread(layer.scale, 1),
        unit=spread(layer.unit, 1),
        pool=pool,
    )


def _wide(segment: Segment, pixels: int, pitch: int, distance: int) -> Segment:
    """The kernel with its weights for each of `pixels` pixels, `distance` source columns apart, which have `pitch`
    columns of the array each."""
    outputs, inputs, rows, columns = segment.weights.shape
    wide = np.zeros((pixels, pitch, inputs, rows, columns + (pixels - 1) * distance), segment.weights.dtype)
    for pixel in range(pixels):
        wide[pixel, :outputs, :, :, pixel * distance : pixel * distance + columns] = segment.weights
    return replace(segment, weights=wide.reshape(-1, *wide.shape[2:]))
