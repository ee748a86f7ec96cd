"""From a spiking network to a program: places tensors, weights and constants and writes the program words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trispike_hw.architecture import PRESETS, Architecture
from trispike_hw.layout import LayerOutput, LayerOutputSteps
from trispike_hw.layout import Mode as MachineMode
from trispike_hw.tsa_layout import ANSWER_TILES

from ..errors import PlacementError
from ..fields import shapes_of, wrapped
from ..network import INPUT, Layer, Mode, Network
from ..program import InputPacking, Placement, Program
from .choice import Choice, whole_choices
from .constants import constant_words
from .descriptors import changes, header_words, segment_words
from .load_list import ExternalRows, load_words, weight_addresses
from .schedule import PlacedPart, Schedule
from .shortage import Shortage
from .streaming import choose
from .tensors import PLAIN, ceil_div, packings, place_tensors
from .weights import WeightMemory, check_weights

_MODES = {
    Mode.RELU: MachineMode.RELU,
    Mode.SIGNED: MachineMode.SIGNED,
    Mode.PASS: MachineMode.PASS,
    Mode.LOGITS: MachineMode.LOGITS,
}


def lower(network: Network, arch: Architecture) -> Program:
    """`network` placed on `arch`.

    Raises:
        PlacementError: if something does not fit; the text names it, what it needs, what there is, and the smallest
            preset that would do.
    """
    try:
        return _lower(network, arch)
    except Shortage as shortage:
        raise PlacementError(f"{shortage} in architecture {arch.name}; {_way_out(network, arch, shortage)}") from None


def _way_out(network: Network, arch: Architecture, shortage: Shortage) -> str:
    for name, other in PRESETS.items():
        if other.digest == arch.digest:
            continue
        try:
            _place(network, other)
        except PlacementError:
            continue
        return f"preset {name} would do"
    needed = shortage.needed
    if shortage.field == "spike_words":
        needed = ceil_div(needed, arch.banks) * arch.banks
    limits = Architecture.model_fields[shortage.field].metadata
    most = next(limit.le for limit in limits if hasattr(limit, "le"))
    if needed > most:
        return f"no preset would do and {shortage.field} ends at {most}, so make the network smaller"
    return f"no preset would do, so give an architecture file with {shortage.field} >= {needed}"


@dataclass(frozen=True)
class _Placed:
    """A network that fits: constants and each layer's first tile in them, tensors and weights with their places."""

    constants: tuple[int, ...]
    first_tiles: list[int]
    packing: InputPacking
    placements: dict[str, Placement]
    schedule: Schedule
    external: ExternalRows


def _place(network: Network, arch: Architecture) -> _Placed:
    """Everything that can be refused."""
    _check_counts(network, arch)
    for layer in network.layers:
        check_weights(layer, arch)
    constants, first_tiles = constant_words(network.layers, arch)
    packing, placements, schedule = _scheduled(network, arch)
    if schedule.words > arch.program_words:
        raise Shortage("the program", "program_words", "program words", schedule.words, arch.program_words)
    return _Placed(constants, first_tiles, packing, placements, schedule, ExternalRows(schedule.parts))


def _lower(network: Network, arch: Architecture) -> Program:
    placed = _place(network, arch)
    parts = placed.schedule.parts
    words: list[int] = []
    for part in parts:
        words += _part_words(network, part, placed.first_tiles[part.layer], placed.placements, arch)
    load_list = len(words) if placed.schedule.streamed else 0
    if load_list:
        words += load_words(parts, placed.external, arch)
    return Program(
        arch=arch,
        network=network,
        program=np.array(words, np.uint64),
        constants=placed.constants,
        weights=_resident_weights(parts, arch),
        placements=placed.placements,
        input_packing=placed.packing,
        layer_names=tuple(network.layers[part.layer].name for part in parts),
        external=placed.external.contents(arch.columns) if load_list else None,
        load_list=load_list,
    )


def _resident_weights(parts: Sequence[PlacedPart], arch: Architecture) -> tuple[np.ndarray, ...]:
    """What the host writes to the weight memories, int8 [rows, columns] per lane pair."""
    resident = [part for part in parts if not part.stretches]
    memory = WeightMemory(arch, max((part.base + part.part.rows for part in resident), default=0))
    for part in resident:
        for key, address in weight_addresses(part, arch).items():
            tiles = part.part.tiles
            values = part.choice.plan.blocks[key].values[tiles.start : tiles.stop]
            memory.write(address.base, values, part.choice.tile_mode)
    return memory.contents()


def _check_counts(network: Network, arch: Architecture) -> None:
    if network.time_steps > arch.max_time_steps:
        raise PlacementError(
            f"network {network.name} has T = {network.time_steps} time steps, but architecture {arch.name} has "
            f"max_time_steps = {arch.max_time_steps}; convert with fewer time steps or choose a larger max_time_steps"
        )
    if len(network.layers) > arch.max_layers:
        raise Shortage("the network", "max_layers", "layers", len(network.layers), arch.max_layers)
    most = ANSWER_TILES * arch.columns
    if network.classes > most:
        raise PlacementError(
            f"network {network.name} has {network.classes} classes, but with columns = {arch.columns} architecture "
            f"{arch.name} answers at most {most}; leave classes out or choose a larger columns"
        )


def _scheduled(network: Network, arch: Architecture) -> tuple[InputPacking, dict[str, Placement], Schedule]:
    """The cheapest input packing with which everything fits, with placements and schedule.

    Raises:
        Shortage: that of the plain packing, which needs least spike memory.
    """
    refusal: PlacementError | None = None
    for packing in packings(network, arch):
        try:
            placements = place_tensors(network, packing, arch)
            options = [
                whole_choices(layer, placements, {INPUT: packing}, network.time_steps, arch) for layer in network.layers
            ]
            return packing, placements, choose(network.layers, options, network.time_steps, arch)
        except PlacementError as error:
            if refusal is None or packing == PLAIN:
                refusal = error
    assert refusal is not None
    raise refusal


def _part_words(
    network: Network, placed: PlacedPart, first_tile: int, placements: dict[str, Placement], arch: Architecture
) -> list[int]:
    """Header and segments of one program layer; the constants of the layer's first tile are those of `first_tile`."""
    layer, choice, tiles = network.layers[placed.layer], placed.choice, placed.part.tiles
    passes = ceil_div(len(tiles), arch.lanes) if choice.tile_mode else len(tiles)
    counts = choice.plan.counts
    address, plane, steps = _output(layer, choice, placements, arch)
    step_x, step_y, step_tile = changes([0, 0, *steps], [*counts, passes])[2:]
    fires = layer.mode in (Mode.RELU, Mode.SIGNED)
    words = header_words(
        layer.name,
        {
            "time_steps": network.time_steps,
            "silent": layer.silent if fires else 0,
            "mode": _MODES[layer.mode],
            "segments": len(choice.plan.segments),
            "tile_mode": int(choice.tile_mode),
            "last_layer": int(layer is network.layers[-1] and placed.part is choice.parts[-1]),
            "last_columns": min(arch.columns, layer.neurons[0] - tiles[-1] * arch.columns),
            "window_x": counts[0],
            "window_y": counts[1],
            "out_x": counts[2],
            "out_y": counts[3],
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
    layer: Layer, choice: Choice, placements: dict[str, Placement], arch: Architecture
) -> tuple[int, int, tuple[int, int, int]]:
    """Address and plane of the output and its steps over x, y and passes; of the last layer the tile number."""
    step_tile = arch.lanes if choice.tile_mode else 1
    if layer.mode is Mode.LOGITS:
        return 0, 0, (0, 0, step_tile)
    place = placements[layer.name]
    return place.base, place.plane, (place.channel_pitch // arch.columns, place.pitch, step_tile)
