"""One image through the whole machine: cycles of every layer and of the run."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..emulator.words import LayerWords, parse_program
from ..lowering.tensors import PLAIN
from ..network import INPUT
from ..program import Program
from ..streams import COMMAND_WORDS, pack_tensor
from .layer import LayerRun
from .loader import Loader
from .timings import Timings
from .work import LayerWork


@dataclass(frozen=True)
class PartCycles:
    """One layer of the program: its cycles as the machine's registers count them, and the lanes' events."""

    name: str
    cycles: int
    events: int


@dataclass(frozen=True)
class ImageCycles:
    """One image: the parts of the program, `run` cycles from RUN to the last word of the answer, `input` cycles before
    them. `next_lane` is where the image behind this one begins its search for a hungry lane."""

    parts: tuple[PartCycles, ...]
    run: int
    input: int
    next_lane: int


def image_cycles(
    program: Program, trains: Mapping[str, np.ndarray], timings: Timings, next_lane: int = 0
) -> ImageCycles:
    """What the machine takes for an image with `trains`, int8 [T, C, H, W] by tensor name, network input included;
    `next_lane` as the image before has left it, 0 behind a reset."""
    arch, network = program.arch, program.network
    layers = parse_program(program.program)
    sources = {layer.name: {segment.source for segment in layer.segments} for layer in network.layers}
    spikes = np.zeros((arch.spike_words, arch.columns + 1), np.uint8)
    loader = Loader(program.program, program.load_list, arch, timings.loader)
    cycle = 0
    parts = []
    held: set[str] = set()
    for number, (name, layer) in enumerate(zip(program.layer_names, layers, strict=True)):
        if sources[name] != held:
            held = sources[name]
            for source in held:
                _store(spikes, program, source, trains[source])
        start = max(cycle + timings.sequencer.header, loader.prepare(number, cycle))
        work = LayerWork(layer, spikes, arch)
        run = LayerRun(layer, work, arch, timings, loader.pauses, next_lane)
        ended = run.run(start) + timings.sequencer.settle
        next_lane = run.next_lane
        parts.append(PartCycles(name, ended - cycle, _events(layer, work, arch.lanes)))
        cycle = ended
    place = program.placements[INPUT]
    return ImageCycles(
        parts=tuple(parts),
        run=cycle + timings.sequencer.answer + network.classes,
        input=COMMAND_WORDS + network.time_steps * place.plane + timings.sequencer.run_command,
        next_lane=next_lane,
    )


def _store(spikes: np.ndarray, program: Program, source: str, trains: np.ndarray) -> None:
    """Put a tensor where the program has it: for every word the number of spikes below each of its bits."""
    place, columns = program.placements[source], program.arch.columns
    words = pack_tensor(trains, place, program.input_packing if source == INPUT else PLAIN, columns)
    spiking = words | words >> np.uint32(columns)
    bits = (spiking[:, None] >> np.arange(columns, dtype=np.uint32)) & 1
    spikes[place.base : place.base + len(words), 1:] = np.cumsum(bits, axis=1)


def _events(layer: LayerWords, work: LayerWork, lanes: int) -> int:
    """Events of a layer in all lanes."""
    fields = layer.fields
    total = 0
    for number in range(len(work)):
        last = work.indices(number)[4] == fields["passes"] - 1
        times = 1 if not fields["tile_mode"] else fields["last_lanes"] if last else lanes
        total += times * work.events(number)
    return total
