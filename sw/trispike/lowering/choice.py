"""The ways to run a layer, with their estimated cycles and weight rows, and a choice with all weights resident."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from trispike_hw.answer import PART_CYCLES
from trispike_hw.architecture import Architecture
from trispike_hw.layout import HEADER_WORDS, SEGMENT_WORDS

from ..errors import PlacementError
from ..network import Layer, Mode
from ..program import InputPacking, Placement
from .alignment import SPIKES_PER_BIT, Read, reading
from .loops import MachineSegment, Plan, plans
from .shortage import Shortage
from .tensors import ceil_div
from .weights import memory_rows

SEGMENT_CYCLES = 1
"""Cycles that the estimate adds per segment and item, so that fewer segments win where nothing else counts."""

TILE_MODE_PENALTY = 1.02
"""On maps with pixels for all lanes, tile mode has to be worth more than rounding."""


@dataclass(frozen=True)
class Part:
    """Tiles of a layer that run as one layer of the program: weight rows that every lane pair keeps for them, estimated
    cycles, rows that come from outside when they are streamed, and load words that bring them."""

    tiles: range
    rows: int
    cycles: float
    traffic: int
    load_words: int


@dataclass(frozen=True)
class Choice:
    """A way to run a layer: plan, tile mode, and the parts that it runs in."""

    plan: Plan
    tile_mode: bool
    parts: tuple[Part, ...]

    @cached_property
    def cycles(self) -> float:
        """Estimated cycles of the layer."""
        return sum(part.cycles for part in self.parts)

    @cached_property
    def rows(self) -> int:
        """Weight rows of the largest part."""
        return max(part.rows for part in self.parts)

    @cached_property
    def traffic(self) -> int:
        """Rows that come from outside when the layer is streamed."""
        return sum(part.traffic for part in self.parts)

    @property
    def layer_words(self) -> int:
        """Program words of the layer's parts."""
        return len(self.parts) * (HEADER_WORDS + len(self.plan.segments) * SEGMENT_WORDS)

    @cached_property
    def words(self) -> int:
        """Program words of the layer's parts and of the load words that bring them."""
        return self.layer_words + sum(part.load_words for part in self.parts)


def tiles_of(layer: Layer, arch: Architecture) -> int:
    """Tiles of `columns` output channels that the layer has."""
    return ceil_div(layer.neurons[0], arch.columns)


def whole_choices(
    layer: Layer,
    placements: Mapping[str, Placement],
    packings: Mapping[str, InputPacking],
    time_steps: int,
    arch: Architecture,
) -> list[Choice]:
    """Every plan of the layer in one part, the fastest first: in pixel mode, and in tile mode where it has no lane-wise
    segment.

    Raises:
        PlacementError: if the layer needs more segments than the machine has.
    """
    all_plans = list(plans(layer, placements, packings, arch.columns))
    fitting = [plan for plan in all_plans if len(plan.segments) <= arch.max_segments]
    if not fitting:
        raise PlacementError(
            f"layer {layer.name} needs {len(all_plans[0].segments)} machine segments, but architecture {arch.name} has "
            f"max_segments = {arch.max_segments}; split the layer or choose a larger max_segments"
        )
    tiles = tiles_of(layer, arch)
    choices = []
    for plan in fitting:
        choices.append(_choice(layer, plan, False, tiles, time_steps, arch))
        if not any(segment.lanewise for segment in plan.segments):
            choices.append(_choice(layer, plan, True, tiles, time_steps, arch))
    return sorted(choices, key=lambda choice: (choice.cycles, choice.rows, len(choice.plan.segments)))


def split_choices(layer: Layer, whole: Choice, time_steps: int, arch: Architecture) -> Iterator[Choice]:
    """`whole` in every number of about equal parts, from one to one for each tile."""
    tiles = tiles_of(layer, arch)
    yield whole
    sizes = {ceil_div(tiles, parts) for parts in range(2, tiles + 1)}
    if whole.tile_mode:
        sizes = {ceil_div(size, arch.lanes) * arch.lanes if size > arch.lanes else size for size in sizes}
    for size in sorted(sizes - {tiles}, reverse=True):
        if size < tiles:
            yield _choice(layer, whole.plan, whole.tile_mode, size, time_steps, arch)


def choose_resident(layers: Sequence[Layer], options: Sequence[Sequence[Choice]], arch: Architecture) -> list[Choice]:
    """A choice for every layer out of its `options`, fastest first, so that all weights together are resident.

    Starts from the fastest one each; while the weights do not fit, the layer that saves most rows per cycle lost moves
    to another choice.

    Raises:
        Shortage: naming the layer with most weight rows, if nothing fits.
    """
    chosen = [of_layer[0] for of_layer in options]
    while sum(choice.rows for choice in chosen) > arch.weight_rows:
        flips = [
            ((now.rows - other.rows) / (1 + other.cycles - now.cycles), number, other)
            for number, now in enumerate(chosen)
            for other in options[number]
            if other.rows < now.rows
        ]
        if not flips:
            largest = max(range(len(layers)), key=lambda number: chosen[number].rows)
            needed = sum(choice.rows for choice in chosen)
            subject = f"the network (layer {layers[largest].name} most: {chosen[largest].rows})"
            raise Shortage(subject, "weight_rows", "weight rows per lane pair", needed, arch.weight_rows)
        _, number, other = max(flips, key=lambda flip: flip[0])
        chosen[number] = other
    return chosen


def _choice(layer: Layer, plan: Plan, tile_mode: bool, part_tiles: int, time_steps: int, arch: Architecture) -> Choice:
    """The layer by `plan`, `part_tiles` tiles at a time."""
    tiles = tiles_of(layer, arch)
    lengths = [block.rows for block in plan.blocks.values()]
    made: dict[int, tuple[int, float, int, int]] = {}
    parts = []
    for start in range(0, tiles, part_tiles):
        count = min(part_tiles, tiles - start)
        if count not in made:
            made[count] = (
                sum(memory_rows(count, length, tile_mode, arch.lanes)[0] for length in lengths),
                _cycles(layer, plan, tile_mode, count, time_steps, arch),
                count * sum(lengths),
                len(lengths) * (count if tile_mode else 1),
            )
        parts.append(Part(range(start, start + count), *made[count]))
    return Choice(plan, tile_mode, tuple(parts))


def _cycles(layer: Layer, plan: Plan, tile_mode: bool, tiles: int, time_steps: int, arch: Architecture) -> float:
    """Estimated cycles of `tiles` tiles of a layer: its busiest lane, its TSA row or the answer store, whichever takes
    longest."""
    per_step = 1 + _step_cycles(plan.segments, arch)
    item = time_steps * per_step + SEGMENT_CYCLES * len(plan.segments)
    window, windows = prod(plan.counts[:2]), prod(plan.counts[2:])
    if tile_mode:
        busy = ceil_div(tiles, arch.lanes) * windows * window * item
        lanes = busy * (TILE_MODE_PENALTY if windows >= arch.lanes else 1)
    else:
        lanes = ceil_div(windows * tiles, arch.lanes) * window * item
    updates = windows * window * tiles * (time_steps + layer.silent) * arch.tsa_passes
    answers = windows * tiles * arch.tsa_passes * (arch.tsa_width + PART_CYCLES) if layer.mode is Mode.LOGITS else 0
    return max(lanes, updates / arch.clusters, answers)


def _step_cycles(segments: Sequence[MachineSegment], arch: Architecture) -> float:
    """Cycles of a lane for one step, padding ignored: its walk, or its reads where their banks let them wait longer."""
    reads = tuple(
        Read(
            rows=segment.kernel_rows,
            dilation=segment.dilation,
            bits=segment.bit_length,
            offset=segment.start.bit,
            step_x=segment.steps[0].bit,
            step_y=segment.steps[1].y,
            events=_walk_cycles(segment, arch),
        )
        for segment in segments
    )
    banks = arch.banks
    residues = tuple((segment.source.base % banks, segment.source.pitch % banks) for segment in segments)
    words, waits = reading(reads, residues, segments[0].source.plane % banks, arch.columns, banks)
    return max(sum(read.events for read in reads), words + waits)


def _walk_cycles(segment: MachineSegment, arch: Architecture) -> float:
    """Cycles of the walk over the words of a segment in one step."""
    words = ceil_div(segment.bit_length, arch.columns)
    if segment.lanewise:
        return segment.kernel_rows * words * segment.repeats
    place = segment.source
    events = SPIKES_PER_BIT * segment.bit_length * place.channels / place.channel_pitch
    return segment.kernel_rows * max(words, events)
