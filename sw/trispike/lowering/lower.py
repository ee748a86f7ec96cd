"""From a spiking network to a program: places tensors, weights and constants and writes the program words."""

import numpy as np

from trispike_hw.architecture import PRESETS, Architecture
from trispike_hw.layout import LayerOutput, LayerOutputSteps
from trispike_hw.layout import Mode as MachineMode

from ..errors import PlacementError
from ..fields import shapes_of, wrapped
from ..network import INPUT, Layer, Mode, Network
from ..program import InputPacking, Placement, Program
from .choice import Choice, choose, tiles_of
from .constants import constant_words
from .descriptors import WeightAddress, changes, header_words, segment_words
from .shortage import Shortage
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
            _lower(network, other)
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


def _lower(network: Network, arch: Architecture) -> Program:
    _check_counts(network, arch)
    for layer in network.layers:
        check_weights(layer, arch)
    constants, first_tiles = constant_words(network.layers, arch)
    packing, placements, choices = _placed(network, arch)
    memory = WeightMemory(arch)
    words: list[int] = []
    for layer, choice, first_tile in zip(network.layers, choices, first_tiles, strict=True):
        words += _layer_words(network, layer, choice, first_tile, placements, memory, arch)
    if len(words) > arch.program_words:
        raise Shortage("the program", "program_words", "program words", len(words), arch.program_words)
    return Program(
        arch=arch,
        network=network,
        program=np.array(words, np.uint64),
        constants=constants,
        weights=memory.contents(),
        placements=placements,
        input_packing=packing,
        layer_names=tuple(layer.name for layer in network.layers),
    )


def _check_counts(network: Network, arch: Architecture) -> None:
    if network.time_steps > arch.max_time_steps:
        raise PlacementError(
            f"network {network.name} has T = {network.time_steps} time steps, but architecture {arch.name} has "
            f"max_time_steps = {arch.max_time_steps}; convert with fewer time steps or choose a larger max_time_steps"
        )
    if len(network.layers) > arch.max_layers:
        raise Shortage("the network", "max_layers", "layers", len(network.layers), arch.max_layers)


def _placed(network: Network, arch: Architecture) -> tuple[InputPacking, dict[str, Placement], list[Choice]]:
    """The cheapest input packing with which everything fits, with placements and choices.

    Raises:
        Shortage: that of the plain packing, which needs least spike memory.
    """
    refusal: PlacementError | None = None
    for packing in packings(network, arch):
        try:
            placements = place_tensors(network, packing, arch)
            choices = choose(network.layers, placements, {INPUT: packing}, network.time_steps, arch)
            return packing, placements, choices
        except PlacementError as error:
            if refusal is None or packing == PLAIN:
                refusal = error
    assert refusal is not None
    raise refusal


def _layer_words(
    network: Network,
    layer: Layer,
    choice: Choice,
    first_tile: int,
    placements: dict[str, Placement],
    memory: WeightMemory,
    arch: Architecture,
) -> list[int]:
    """Header and segments of one layer; places its weights in `memory`."""
    tiles = tiles_of(layer, arch)
    passes = ceil_div(tiles, arch.lanes) if choice.tile_mode else tiles
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
            "last_layer": int(layer is network.layers[-1]),
            "last_columns": layer.neurons[0] - (tiles - 1) * arch.columns,
            "window_x": counts[0],
            "window_y": counts[1],
            "out_x": counts[2],
            "out_y": counts[3],
            "passes": passes,
            "last_lanes": tiles - (passes - 1) * arch.lanes if choice.tile_mode else 0,
            "constants": first_tile,
            "address": address,
            "plane": plane,
            "step_x": wrapped(step_x, shapes_of(LayerOutput)["step_x"]),
            "step_y": wrapped(step_y, shapes_of(LayerOutputSteps)["step_y"]),
            "step_tile": wrapped(step_tile, shapes_of(LayerOutputSteps)["step_tile"]),
        },
    )
    placed: dict[bytes, WeightAddress] = {}
    for segment in choice.plan.segments:
        content = segment.block.tobytes()
        if content not in placed:
            rows = segment.block.shape[1]
            base, offset = (
                memory.add_for_tiles(segment.block) if choice.tile_mode else (memory.add_for_pixels(segment.block), 0)
            )
            placed[content] = WeightAddress(base, rows, offset)
        words += segment_words(layer.name, segment, counts, passes, placed[content])
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
