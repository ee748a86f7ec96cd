"""From a spiking network to a program that holds all of it."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from trispike_hw.architecture import PRESETS, Architecture

from ..errors import PlacementError
from ..network import Network
from ..program import Code, Program
from .code import code_of, place
from .load_list import ExternalRows, weight_addresses
from .schedule import PlacedPart
from .shortage import Shortage
from .task import Task
from .tensors import ceil_div
from .weights import WeightMemory


def lower(network: Network, arch: Architecture) -> Program:
    """`network` placed on `arch`.

    Raises:
        PlacementError: if something does not fit; the text names it, what it needs, what there is, and the smallest
            preset that would do.
    """
    task = Task.of(network)
    try:
        placed, external = place(task, arch), ExternalRows()
        code = code_of(placed, external, arch)
    except Shortage as shortage:
        raise PlacementError(f"{shortage} in architecture {arch.name}; {way_out(task, arch, shortage)}") from None
    return Program(
        **{field.name: getattr(code, field.name) for field in fields(Code)},
        arch=arch,
        network=network,
        weights=_resident_weights(placed.schedule.parts, arch),
        external=external.contents(arch.columns) if code.load_list else None,
    )


def way_out(task: Task, arch: Architecture, shortage: Shortage) -> str:
    """What to do where `task` does not fit `arch`."""
    for name, other in PRESETS.items():
        if other.digest == arch.digest:
            continue
        try:
            place(task, other)
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
