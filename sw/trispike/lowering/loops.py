"""Machine segments of a layer and the loops that move their windows, before anything has a weight address."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from trispike_hw.layout import SegmentRow

from ..fields import shapes_of
from ..network import Kind, Layer, Mode, Pool, Segment
from ..program import InputPacking, Placement
from .tensors import PLAIN
from .weights import Block, broadcast_rows, lanewise_rows

MOST_REPEATS = (1 << shapes_of(SegmentRow)["repeats"].width) - 1


@dataclass(frozen=True)
class Move:
    """A window position or a change of it: source row, bit in the row, weight row."""

    y: int = 0
    bit: int = 0
    weight: int = 0


@dataclass(frozen=True)
class MachineSegment:
    """A segment as the machine knows it: kernel rows of contiguous bits.

    `repeats` weight rows meet each of its words if it is lane-wise. `block` holds its weight rows; `steps` what one
    step of loop levels 0 to 3 changes, not counting the restart of inner levels; `tile_bits` the change of the bit when
    the next tile begins.
    """

    source: Placement
    kernel_rows: int
    dilation: int
    bit_length: int
    lanewise: bool
    weight_pitch: int
    block: Block
    start: Move
    steps: tuple[Move, Move, Move, Move]
    tile_bits: int = 0
    repeats: int = 1


@dataclass(frozen=True)
class Plan:
    """One way to run a layer: loop counts of levels 0 to 3 and the segments."""

    counts: tuple[int, int, int, int]
    segments: tuple[MachineSegment, ...]

    @cached_property
    def blocks(self) -> dict[bytes, Block]:
        """The blocks of all segments by key, equal ones once."""
        return {segment.block.key: segment.block for segment in self.segments}


def plans(
    layer: Layer, placements: Mapping[str, Placement], packings: Mapping[str, InputPacking], columns: int
) -> Iterator[Plan]:
    """All plans of a layer on an array of `columns` columns, the one with the fewest segments and items first.

    `packings` gives the row packing of the sources that have one.
    """
    pool = layer.pool or Pool((1, 1), (1, 1))
    counts = (pool.kernel[1], pool.kernel[0], layer.shape[2], layer.shape[1])
    sources = [(segment, placements[segment.source]) for segment in layer.segments]
    sources = [_row_packed(s, place, packings.get(s.source, PLAIN)) for s, place in sources]
    whole = [_segments(s, place, pool, columns, split=False) for s, place in sources]
    yield Plan(counts, _repeated(part for parts in whole for part in parts))
    split = [_segments(s, place, pool, columns, split=True) for s, place in sources]
    if [len(parts) for parts in split] != [len(parts) for parts in whole]:
        yield Plan(counts, _repeated(part for parts in split for part in parts))
    if layer.mode is Mode.LOGITS and len(sources) == 1 and len(whole[0]) == 1 and not whole[0][0].lanewise:
        yield from _portions(sources[0][0], whole[0][0], split[0][0], columns)


def _repeated(segments: Iterable[MachineSegment]) -> tuple[MachineSegment, ...]:
    """`segments`, those in one that read the same single words lane by lane: the parts of an integer weight that is
    too large for one synapse."""
    merged: list[MachineSegment] = []
    for segment in segments:
        before = merged[-1] if merged else None
        if (
            before is not None
            and before.repeats < MOST_REPEATS
            and segment.lanewise
            and segment.kernel_rows == 1
            and segment.block.rows == 1
            and replace(before, block=segment.block, repeats=1) == segment
        ):
            block = Block(np.concatenate([before.block.values, segment.block.values], axis=1))
            merged[-1] = replace(before, block=block, repeats=before.repeats + 1)
        else:
            merged.append(segment)
    return tuple(merged)


def _row_packed(segment: Segment, place: Placement, packing: InputPacking) -> tuple[Segment, Placement]:
    """A segment over a row-packed source: kernel rows become channels, one stored row per output row."""
    if packing == PLAIN:
        return segment, place
    outputs, channels, rows, columns = segment.weights.shape
    weights = segment.weights.transpose(0, 2, 1, 3).reshape(outputs, rows * channels, 1, columns)
    return replace(segment, weights=weights, stride=(1, segment.stride[1]), padding=(0, segment.padding[1])), place


def _segments(segment: Segment, place: Placement, pool: Pool, columns: int, split: bool) -> list[MachineSegment]:
    """One machine segment, or one per kernel column: where the taps are not neighbouring bits, or if `split`."""
    kernel_columns = segment.kernel[1]
    lanewise = segment.kind is Kind.LANEWISE
    several_tiles = place.channel_pitch > columns
    # A tap takes some channels of a pixel: the taps' bits are no neighbours.
    if kernel_columns == 1 or not (
        split or _takes_some(segment, place) or segment.dilation[1] > 1 or (lanewise and several_tiles)
    ):
        return [_segment(segment, place, pool, columns)]
    parts = []
    for kx in range(kernel_columns):
        top, left = segment.padding
        padding = (top, left - kx * segment.dilation[1])
        tap = replace(segment, weights=segment.weights[..., kx : kx + 1], padding=padding)
        parts.append(_segment(tap, place, pool, columns))
    return parts


def _takes_some(segment: Segment, place: Placement) -> bool:
    """Whether a broadcast segment has synapses from some of the channels only."""
    return segment.kind is Kind.BROADCAST and segment.weights.shape[1] < place.channels


def _segment(segment: Segment, place: Placement, pool: Pool, columns: int) -> MachineSegment:
    """One machine segment for a kernel whose taps are neighbours."""
    kernel_rows, kernel_columns = segment.kernel
    pitch = place.channel_pitch
    lanewise = segment.kind is Kind.LANEWISE
    if lanewise:
        block, weight_pitch = lanewise_rows(segment, columns)
        bit_length = kernel_columns * columns
    else:
        block, weight_pitch = broadcast_rows(segment, pitch, columns)
        bit_length = segment.weights.shape[1] if _takes_some(segment, place) else kernel_columns * pitch
    stride_y, stride_x = segment.stride[0], segment.stride[1] * pitch
    pool_y, pool_x = pool.stride
    return MachineSegment(
        source=place,
        kernel_rows=kernel_rows,
        dilation=segment.dilation[0],
        bit_length=bit_length,
        lanewise=lanewise,
        weight_pitch=weight_pitch,
        block=Block(block),
        start=Move(y=-segment.padding[0], bit=-segment.padding[1] * pitch + segment.first),
        steps=(Move(bit=stride_x), Move(y=stride_y), Move(bit=pool_x * stride_x), Move(y=pool_y * stride_y)),
        tile_bits=columns if lanewise else 0,
    )


def _portions(segment: Segment, whole: MachineSegment, tap: MachineSegment, columns: int) -> Iterator[Plan]:
    """A single neuron per tile spread over items: groups of kernel rows over level 3, parts of a row over level 2.

    A part is a number of words, or one pixel where all kernel columns have the same weights, which are then stored
    once.
    """
    kernel_columns = segment.kernel[1]
    alike = segment.dilation[1] == 1 and bool((segment.weights == segment.weights[..., :1]).all())
    reaches_end = whole.start.bit + whole.bit_length >= whole.source.columns * whole.source.channel_pitch
    reaches_bottom = whole.start.y + whole.kernel_rows * whole.dilation >= whole.source.rows
    for rows in range(1, whole.kernel_rows + 1):
        if whole.kernel_rows % rows and not reaches_bottom:  # the last group would read what no synapse is for
            continue
        groups = -(-whole.kernel_rows // rows)
        down = Move(y=rows * whole.dilation, weight=rows * whole.weight_pitch)
        group = replace(whole, kernel_rows=rows, steps=(*whole.steps[:3], down))
        if groups > 1:
            yield Plan((1, 1, 1, groups), (group,))
        for words in range(1, whole.bit_length // columns + 1):
            bits = words * columns
            parts = -(-whole.bit_length // bits)
            if parts > 1 and whole.start.bit % columns == 0 and (reaches_end or whole.bit_length % bits == 0):
                steps = (*whole.steps[:2], Move(bit=bits, weight=bits), down)
                yield Plan((1, 1, parts, groups), (replace(group, bit_length=bits, steps=steps),))
        if kernel_columns > 1 and alike:
            down = Move(y=rows * whole.dilation, weight=rows * tap.weight_pitch)
            steps = (*whole.steps[:2], Move(bit=tap.bit_length), down)
            yield Plan((1, 1, kernel_columns, groups), (replace(tap, kernel_rows=rows, steps=steps),))
