"""The last layer over parts of its inputs: its answers are sums, which the host adds up."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ..book import Region
from ..network import Kind, Layer, Segment
from .excerpt import Excerpt, excerpt
from .task import Shape
from .tensors import ceil_div


def logits_parts(
    layer: Layer, classes: Region, shape_of: Callable[[str], Shape], channels: int, rows: int
) -> Iterator[Excerpt]:
    """`layer` for the classes in the box `classes`, over at most `channels` channels and `rows` kernel rows at a time.

    Lane-wise segments, which cost next to nothing, are not parted by channels. The first part alone has the bias.
    """
    bias = layer.bias
    for segment in layer.segments:
        for part in _parts(segment, channels, rows):
            yield excerpt(replace(layer, segments=(part,), bias=bias), classes, shape_of)
            bias = np.zeros_like(bias)


def part_sizes(layer: Layer, columns: int) -> list[tuple[int, int]]:
    """Channels and kernel rows of parts worth trying, those that make the fewest parts first."""
    inputs = max(segment.weights.shape[-3] for segment in layer.segments)
    kernel_rows = max(segment.kernel[0] for segment in layer.segments)
    sizes = {
        (count * row_count, -ceil_div(ceil_div(inputs, count), columns) * columns, ceil_div(kernel_rows, row_count))
        for count in range(1, ceil_div(inputs, columns) + 1)
        for row_count in range(1, kernel_rows + 1)
    }
    return [(-channels, rows) for _, channels, rows in sorted(sizes)]


def _parts(segment: Segment, channels: int, rows: int) -> Iterator[Segment]:
    top = segment.padding[0]
    step = channels if segment.kind is Kind.BROADCAST else segment.weights.shape[-3]
    for first in range(0, segment.weights.shape[-3], step):
        for row in range(0, segment.kernel[0], rows):
            weights = segment.weights[..., row : row + rows, :]
            if segment.kind is Kind.BROADCAST:
                weights = weights[:, first : first + step]
            padding = top - row * segment.dilation[0], segment.padding[1]
            yield replace(segment, weights=weights, padding=padding, first=segment.first + first)
