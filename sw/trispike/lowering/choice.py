"""Which plan a layer runs by: the fastest by estimate for which all weights together fit the weight memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from trispike_hw.architecture import Architecture

from ..errors import PlacementError
from ..network import Layer
from ..program import InputPacking, Placement
from .loops import MachineSegment, Plan, plans
from .shortage import Shortage
from .tensors import ceil_div
from .weights import tile_mode_rows

SPIKES_PER_BIT = 0.19
"""Spikes per neuron and step that the estimate assumes (numerics section 6)."""

SEGMENT_CYCLES = 1
"""Cycles that the estimate adds per segment and item, so that fewer segments win where nothing else counts."""

TILE_MODE_PENALTY = 1.02
"""On maps with pixels for all lanes, tile mode has to be worth more than rounding."""


@dataclass(frozen=True)
class Choice:
    """A plan with its tile mode, estimated cycles and the weight rows that it takes in every lane pair."""

    plan: Plan
    tile_mode: bool
    cycles: float
    rows: int


def tiles_of(layer: Layer, arch: Architecture) -> int:
    """Tiles of `columns` output channels that the layer has."""
    return ceil_div(layer.neurons[0], arch.columns)


def choose(
    layers: tuple[Layer, ...],
    placements: Mapping[str, Placement],
    packings: Mapping[str, InputPacking],
    time_steps: int,
    arch: Architecture,
) -> list[Choice]:
    """A choice for every layer.

    Starts from the fastest one each; while the weights do not fit, the layer that saves most rows per cycle lost moves
    to another choice.

    Raises:
        Shortage: naming the layer with most weight rows, if nothing fits.
        PlacementError: if a layer needs more segments than the machine has.
    """
    options = [sorted(_choices(layer, placements, packings, time_steps, arch), key=_fastest) for layer in layers]
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


def _fastest(choice: Choice) -> tuple[float, int, int]:
    return choice.cycles, choice.rows, len(choice.plan.segments)


def _choices(
    layer: Layer,
    placements: Mapping[str, Placement],
    packings: Mapping[str, InputPacking],
    time_steps: int,
    arch: Architecture,
) -> Iterator[Choice]:
    """Every plan of the layer in pixel mode, and in tile mode where it has no lane-wise segment."""
    all_plans = list(plans(layer, placements, packings, arch.columns))
    fitting = [plan for plan in all_plans if len(plan.segments) <= arch.max_segments]
    if not fitting:
        raise PlacementError(
            f"layer {layer.name} needs {len(all_plans[0].segments)} machine segments, but architecture {arch.name} has "
            f"max_segments = {arch.max_segments}; split the layer or choose a larger max_segments"
        )
    tiles = tiles_of(layer, arch)
    for plan in fitting:
        blocks = {segment.block.tobytes(): segment.block.shape[1] for segment in plan.segments}
        yield Choice(plan, False, _cycles(layer, plan, False, time_steps, arch), tiles * sum(blocks.values()))
        if not any(segment.lanewise for segment in plan.segments):
            rows = sum(tile_mode_rows(tiles, length, arch.lanes)[0] for length in blocks.values())
            yield Choice(plan, True, _cycles(layer, plan, True, time_steps, arch), rows)


def _cycles(layer: Layer, plan: Plan, tile_mode: bool, time_steps: int, arch: Architecture) -> float:
    """Estimated cycles of a layer: its busiest lane or its TSA row, whichever takes longer."""
    per_step = 1 + sum(_step_cycles(segment, arch) for segment in plan.segments)
    item = time_steps * per_step + SEGMENT_CYCLES * len(plan.segments)
    window, windows = prod(plan.counts[:2]), prod(plan.counts[2:])
    tiles = tiles_of(layer, arch)
    if tile_mode:
        busy = ceil_div(tiles, arch.lanes) * windows * window * item
        lanes = busy * (TILE_MODE_PENALTY if windows >= arch.lanes else 1)
    else:
        lanes = ceil_div(windows * tiles, arch.lanes) * window * item
    updates = windows * window * tiles * (time_steps + layer.silent) * arch.tsa_passes
    return max(lanes, updates / arch.clusters)


def _step_cycles(segment: MachineSegment, arch: Architecture) -> float:
    """Cycles of a lane for one segment of one step, padding ignored."""
    words = ceil_div(segment.bit_length, arch.columns)
    if segment.lanewise:
        return segment.kernel_rows * words
    place = segment.source
    events = SPIKES_PER_BIT * segment.bit_length * place.channels / place.channel_pitch
    return segment.kernel_rows * max(words, events)
