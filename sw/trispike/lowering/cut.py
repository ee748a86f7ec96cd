"""How to cut a layer into boxes that fit on chip one at a time: an estimate of what every way costs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

from trispike_hw.architecture import Architecture

from ..book import Region, Span
from ..network import INPUT, Kind, Layer, Segment
from .alignment import SPIKES_PER_BIT
from .excerpt import ALONE
from .task import Shape
from .tensors import ceil_div

BOX_CYCLES = 250
"""Cycles that a box costs beside its spike words: commands, program words, constants, filling and draining."""


@dataclass(frozen=True)
class Cut:
    """Boxes of at most `tiles` tiles of channels, `rows` and `columns`."""

    tiles: int
    rows: int
    columns: int

    def boxes(self, name: str, shape: Shape, word_channels: int) -> Iterator[Region]:
        """The boxes of a tensor, those with the same channels one behind the other."""
        for channels in _spans(shape[0], self.tiles * word_channels):
            for rows in _spans(shape[1], self.rows):
                for columns in _spans(shape[2], self.columns):
                    yield Region(name, channels, rows, columns)


def cuts(layer: Layer, shape_of: Callable[[str], Shape], time_steps: int, arch: Architecture) -> list[Cut]:
    """The ways to cut `layer` whose sources' boxes fit the spike memory, the fastest by estimate first."""
    tiles = ceil_div(layer.shape[0], arch.columns)
    costs: dict[Cut, float] = {}
    for columns in _sizes(layer.shape[2]):
        for rows in _sizes(layer.shape[1]):
            for count in _sizes(tiles):
                cut = Cut(count, rows, columns)
                cost = _cost(layer, cut, shape_of, time_steps, arch)
                if cost is not None:
                    costs[cut] = cost
    return sorted(costs, key=lambda cut: costs[cut])


def _sizes(length: int) -> list[int]:
    """The sizes of `length` in 1, 2, 3, ... about equal parts."""
    return sorted({ceil_div(length, parts) for parts in range(1, length + 1)}, reverse=True)


def _spans(length: int, size: int) -> list[Span]:
    return [(start, min(start + size, length)) for start in range(0, length, size)]


def _cost(
    layer: Layer, cut: Cut, shape_of: Callable[[str], Shape], time_steps: int, arch: Architecture
) -> float | None:
    """Estimated cycles of all boxes, None if one does not fit."""
    pool = layer.pool or ALONE
    neurons = [(size - 1) * pool.stride[axis] + pool.kernel[axis] for axis, size in enumerate((cut.rows, cut.columns))]
    words = {
        (segment.source, segment.kind, segment.first): _source_words(segment, neurons, cut.tiles, shape_of, arch)
        for segment in layer.segments
    }
    read = time_steps * sum(words.values())
    written = time_steps * cut.rows * cut.columns * cut.tiles
    if max(read, written) > arch.spike_words:
        return None
    groups = ceil_div(ceil_div(layer.shape[0], arch.columns), cut.tiles)
    boxes = ceil_div(layer.shape[1], cut.rows) * ceil_div(layer.shape[2], cut.columns)
    items = cut.rows * cut.columns * cut.tiles
    window = prod(pool.kernel)
    item = time_steps * (1 + sum(_events(segment) for segment in layer.segments))
    updates = items * window * (time_steps + layer.silent) * arch.tsa_passes / arch.clusters
    busy = max(ceil_div(items, arch.lanes) * window * item, updates, 2 * written)
    rows = sum(prod(segment.weights.shape[1:]) for segment in layer.segments)
    load = rows * cut.tiles
    if load <= arch.weight_rows:  # the boxes of a group find the weights of the first one
        return groups * (load + boxes * (read + busy + BOX_CYCLES))
    if 2 * rows > arch.weight_rows:
        return groups * boxes * (read + busy + load + BOX_CYCLES)
    return groups * boxes * (read + rows + max(busy, load) + BOX_CYCLES)


def _source_words(
    segment: Segment, neurons: list[int], tiles: int, shape_of: Callable[[str], Shape], arch: Architecture
) -> int:
    """Spike words per step of the largest box of a segment's source."""
    source = shape_of(segment.source)
    reach = [(taps - 1) * gap + 1 for taps, gap in zip(segment.kernel, segment.dilation, strict=True)]
    rows, columns = (
        min(source[1 + axis], (count - 1) * segment.stride[axis] + reach[axis]) for axis, count in enumerate(neurons)
    )
    if segment.kind is Kind.LANEWISE:
        return rows * columns * tiles
    channels = segment.weights.shape[1]
    if segment.source == INPUT:
        return rows * ceil_div(columns * channels, arch.columns)
    return rows * columns * ceil_div(channels, arch.columns)


def _events(segment: Segment) -> float:
    """Cycles of a lane for a segment of one step."""
    synapses = prod(segment.weights.shape[1:])
    return synapses if segment.kind is Kind.LANEWISE else SPIKES_PER_BIT * synapses
