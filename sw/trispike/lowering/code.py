"""From a task to machine code: places tensors, weights and constants and writes the program words."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np

from trispike_hw.architecture import Architecture
from trispike_hw.layout import LayerOutput, LayerOutputSteps
from trispike_hw.layout import Mode as MachineMode
from trispike_hw.tsa_layout import ANSWER_TILES, answer_tiles

from ..errors import PlacementError
from ..fields import shapes_of, wrapped
from ..network import INPUT, Layer, Mode
from ..program import Code, InputPacking, Placement
from .choice import Choice, whole_choices
from .constants import constant_words
from .descriptors import changes, header_words, segment_words
from .load_list import ExternalRows, load_words, weight_addresses
from .pixel_packing import pack_pixels, packable
from .schedule import PlacedPart, Schedule
from .shortage import Shortage
from .streaming import choose
from .task import Task
from .tensors import PLAIN, ceil_div, packings, place_tensors
from .weights import check_weights

_MODES = {
    Mode.RELU: MachineMode.RELU,
    Mode.SIGNED: MachineMode.SIGNED,
    Mode.PASS: MachineMode.PASS,
    Mode.LOGITS: MachineMode.LOGITS,
}


@dataclass(frozen=True)
class Placed:
    """A task that fits: constants and each layer's first tile in them, tensors and weights with their places."""

    task: Task
    constants: tuple[int, ...]
    first_tiles: list[int]
    packing: InputPacking
    placements: dict[str, Placement]
    schedule: Schedule


def place(task: Task, arch: Architecture, *, resident: bool = True) -> Placed:
    """`task` on `arch`, with `resident` weights where that is better; everything that can be refused is refused here.

    Raises:
        Shortage: if a memory or a counter is too small.
        PlacementError: if something else does not fit.
    """
    _check_counts(task, arch)
    for layer in task.layers:
        check_weights(layer, arch)
    refusal = None
    try:
        best = _placed(task, arch, resident)
    except Shortage as shortage:
        best, refusal = None, shortage
    # Layer by layer, each on top of what has won before: how a tensor is packed also changes what its readers take.
    for layer, counts in packable(task, arch.columns):
        so_far = best.task if best else task
        for pixels in counts:
            try:
                other = _placed(pack_pixels(so_far, layer, pixels, arch.columns), arch, resident)
            except PlacementError:
                continue
            if best is None or other.schedule.cycles < best.schedule.cycles:
                best = other
    if best is None:
        assert refusal is not None
        raise refusal
    return best


def _placed(task: Task, arch: Architecture, resident: bool) -> Placed:
    """`task` as it is."""
    constants, first_tiles = constant_words(task.layers, arch)
    packing, placements, schedule = _scheduled(task, arch, resident)
    if schedule.words > arch.program_words:
        raise Shortage("the program", "program_words", "program words", schedule.words, arch.program_words)
    return Placed(task, constants, first_tiles, packing, placements, schedule)


def code_of(placed: Placed, external: ExternalRows, arch: Architecture) -> Code:
    """The code of a task that fits; `external` gets the rows of its weights that stream.

    Raises:
        PlacementError: if the program words cannot express it.
    """
    task, parts = placed.task, placed.schedule.parts
    external.add(parts)
    words: list[int] = []
    for part in parts:
        words += _part_words(task, part, placed.first_tiles[part.layer], placed.placements, arch)
    load_list = len(words) if placed.schedule.streamed else 0
    if load_list:
        words += load_words(parts, external, arch)
    return Code(
        program=np.array(words, np.uint64),
        constants=placed.constants,
        placements=placed.placements,
        input_packing=placed.packing,
        layer_names=tuple(task.layers[part.layer].name for part in parts),
        cycles=placed.schedule.shares,
        load_list=load_list,
    )


def _check_counts(task: Task, arch: Architecture) -> None:
    if task.time_steps > arch.max_time_steps:
        raise PlacementError(
            f"network {task.name} has T = {task.time_steps} time steps, but architecture {arch.name} has "
            f"max_time_steps = {arch.max_time_steps}; convert with fewer time steps or choose a larger max_time_steps"
        )
    if len(task.layers) > arch.max_layers:
        raise Shortage("the network", "max_layers", "layers", len(task.layers), arch.max_layers)
    most, classes = ANSWER_TILES * arch.columns, task.layers[-1].neurons[0]
    if task.answers and classes > most:
        raise PlacementError(
            f"network {task.name} has {classes} classes, but with columns = {arch.columns} architecture "
            f"{arch.name} answers at most {most}; leave classes out or choose a larger columns"
        )
    tiles = ceil_div(classes, arch.columns)
    if task.answers and tiles > answer_tiles(arch):
        raise Shortage("the answer", "constant_tiles", "tiles, twice those of its classes,", 2 * tiles,
                       arch.constant_tiles)  # fmt: skip


def _scheduled(task: Task, arch: Architecture, resident: bool) -> tuple[InputPacking, dict[str, Placement], Schedule]:
    """The cheapest input packing with which everything fits, with placements and schedule.

    Raises:
        Shortage: that of the plain packing, which needs least spike memory.
    """
    refusal: PlacementError | None = None
    for packing in packings(task, arch):
        try:
            return packing, *_packed_schedule(task, packing, arch, resident)
        except PlacementError as error:
            if refusal is None or packing == PLAIN:
                refusal = error
    assert refusal is not None
    raise refusal


def _packed_schedule(
    task: Task, packing: InputPacking, arch: Architecture, resident: bool
) -> tuple[dict[str, Placement], Schedule]:
    """The faster one of placements that suit kernels read row by row, and of those for kernels that are read column by
    column where that saves weight rows.

    Raises:
        Shortage: if not even the former fit.
    """

    def attempt(apart: Set[str]) -> tuple[dict[str, Placement], Schedule, list[list[Choice]]]:
        placements = place_tensors(task, packing, arch, apart)
        options = [whole_choices(layer, placements, {INPUT: packing}, task.time_steps, arch) for layer in task.layers]
        return placements, choose(task.layers, options, task.time_steps, arch, resident=resident), options

    placements, found, options = attempt(frozenset())
    saving = {
        layer.name
        for layer, choices in zip(task.layers, options, strict=True)
        if len(min(choices, key=lambda choice: choice.rows).plan.segments) > min(len(c.plan.segments) for c in choices)
    }
    if saving and any(part.stretches or part.choice is not options[part.layer][0] for part in found.parts):
        try:
            others, other, _ = attempt(saving)
        except PlacementError:
            return placements, found
        if other.cycles < found.cycles:
            return others, other
    return placements, found


def _part_words(
    task: Task, placed: PlacedPart, first_tile: int, placements: Mapping[str, Placement], arch: Architecture
) -> list[int]:
    """Header and segments of one program layer; the constants of the layer's first tile are those of `first_tile`."""
    layer, choice, tiles = task.layers[placed.layer], placed.choice, placed.part.tiles
    passes = ceil_div(len(tiles), arch.lanes) if choice.tile_mode else len(tiles)
    counts = choice.plan.counts
    address, plane, steps = _output(layer, choice, placements, arch)
    step_x, step_y, step_tile = changes([0, 0, *steps], [*counts, passes])[2:]
    fires = layer.mode in (Mode.RELU, Mode.SIGNED)
    words = header_words(
        layer.name,
        {
            "time_steps": task.time_steps,
            "silent": layer.silent if fires else 0,
            "mode": _MODES[layer.mode],
            "segments": len(choice.plan.segments),
            "tile_mode": int(choice.tile_mode),
            "last_layer": int(layer is task.layers[-1] and placed.part is choice.parts[-1]),
            "last_columns": min(arch.columns, layer.neurons[0] - tiles[-1] * arch.columns),
            "window_x": counts[0],
            "window_y": counts[1],
            "out_x": counts[2],
            "out_y": counts[3],
            "sink": task.sink(layer),
            "passes": passes,
            "last_lanes": len(tiles) - (passes - 1) * arch.lanes if choice.tile_mode else 0,
            "constants": first_tile + tiles.start,
            "address": address + tiles.start,
            "plane": plane,
            "step_x": wrapped(step_x, shapes_of(LayerOutput)["step_x"]),
            "step_y": wrapped(step_y, shapes_of(LayerOutputSteps)["step_y"]),
            "step_tile": wrapped(step_tile, shapes_of(LayerOutputSteps)["step_tile"]),
        },
    )
    addresses = weight_addresses(placed, arch)
    for segment in choice.plan.segments:
        words += segment_words(layer.name, segment, counts, passes, addresses[segment.block.key], tiles.start)
    return words


def _output(
    layer: Layer, choice: Choice, placements: Mapping[str, Placement], arch: Architecture
) -> tuple[int, int, tuple[int, int, int]]:
    """Address and plane of the output and its steps over x, y and passes; of the last layer the tile number."""
    step_tile = arch.lanes if choice.tile_mode else 1
    if layer.mode is Mode.LOGITS:
        return 0, 0, (0, 0, step_tile)
    place = placements[layer.name]
    return place.base, place.plane, (ceil_div(place.channel_pitch, arch.columns), place.pitch, step_tile)
