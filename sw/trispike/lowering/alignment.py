"""Gaps between rows, steps and tensors, so that the bank that a lane wants next is the one that turns up next.

The banks of the spike memory turn past the lanes (`SpikeMemory`): a word that follows its predecessor's address is
there in the next cycle, any other one (its distance modulo the banks) cycles later. Kernel rows, segments and steps
jump; where the jumps go is decided by pitch, plane and base of the tensors modulo the banks.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise, product

import numpy as np

from trispike_hw.architecture import Architecture

from ..network import INPUT, Kind, Layer
from ..program import Placement

SPIKES_PER_BIT = 0.19
"""Spikes per neuron and step that estimates assume (numerics section 6)."""

HIDDEN_WAIT = 0.05
"""What a wait costs that the queue of words should hide: now and then it does not."""

SAMPLES = 16
"""Pixels of a row that the search looks at: with them a window begins at every bit of a word, and in every bank."""

ROUNDS = 2
"""How often the search goes through all tensors."""

_REMEMBERED = 1 << 16  #: answers about reads that are kept: the boxes of one layer ask the same questions


@dataclass(frozen=True)
class Read:
    """What a lane reads of one source in one step, row after row: `rows` kernel rows, `dilation` source rows apart, of
    `bits` bits each, the first at bit `offset` + `step_x` * x of source row `step_y` * y for output pixel (y, x).
    `events` is what walking them takes, in cycles."""

    rows: int
    dilation: int
    bits: int
    offset: int
    step_x: int
    step_y: int
    events: float


def aligned(
    layers: Sequence[Layer],
    formats: Mapping[str, Placement],
    buffers: Mapping[str, str],
    written: Set[str],
    packed: bool,
    arch: Architecture,
    apart: Set[str] = frozenset(),
) -> dict[str, Placement]:
    """`formats` with gaps that make the lanes wait least; `base` of each is the residue that its address should have.

    `formats` are those of all tensors in memory that `layers` read or make. `buffers` names for each tensor the one
    whose place it takes; tensors of one buffer get equal gaps. Words of the `written` ones come from the host;
    `packed` says that the network input is row-packed. Layers `apart` read their kernels column by column.
    """
    reads = {layer.name: tuple(_reads(layer, formats, packed, arch, layer.name in apart)) for layer in layers}
    names = [name for name in formats if buffers[name] == name]
    found = dict(formats)
    readers = {
        name: [layer for layer in layers if any(buffers[source] == name for source, _ in reads[layer.name])]
        for name in names
    }

    def cost(name: str, trial: Mapping[str, Placement]) -> float:
        extra = trial[name].plane - formats[name].plane
        loading = float(extra) if name in written else extra / (1 << 20)  # gaps that win nothing are not made
        return loading + sum(_cycles(layer, reads[layer.name], trial, arch) for layer in readers[name])

    for _ in range(ROUNDS):
        for name, gaps in product(names, (_pitches, _bases)):
            sharing = [other for other in formats if buffers[other] == name]
            least = cost(name, found)
            for changes in gaps(found[name], formats[name], arch.banks):
                trial = found | {other: replace(found[other], **changes) for other in sharing}
                if (trial_cost := cost(name, trial)) < least:
                    found, least = trial, trial_cost
    return found


def _pitches(now: Placement, tight: Placement, banks: int) -> Iterator[dict[str, int]]:
    """Every residue of pitch and plane."""
    for pitch, end in product(range(tight.pitch, tight.pitch + banks), range(banks)):
        yield {"pitch": pitch, "plane": pitch * now.rows + end}


def _bases(now: Placement, tight: Placement, banks: int) -> Iterator[dict[str, int]]:
    """Every residue of the base."""
    yield from ({"base": base} for base in range(banks))


def _reads(
    layer: Layer, formats: Mapping[str, Placement], packed: bool, arch: Architecture, split: bool = False
) -> Iterator[tuple[str, Read]]:
    """The reads of a layer in their order, each with the name of its source; of a `packed` network input the kernel
    rows are channels. With `split` every kernel column is a read of its own."""
    for segment in layer.segments:
        place = formats[segment.source]
        rows, columns = segment.kernel
        stride_y = segment.stride[0]
        if packed and segment.source == INPUT:
            rows = stride_y = 1
        pitch = place.channel_pitch
        lanewise = segment.kind is Kind.LANEWISE
        some = not packed and not lanewise and segment.weights.shape[1] < place.channels
        apart = columns > 1 and (split or segment.dilation[1] > 1 or some or (lanewise and pitch > arch.columns))
        channels = segment.weights.shape[1] if some else place.channels
        taps = [(tap, 1) for tap in range(columns)] if apart else [(0, columns)]
        for tap, width in taps:
            read = Read(
                rows=rows,
                dilation=segment.dilation[0],
                bits=channels if some else width * (arch.columns if lanewise else pitch),
                offset=tap * segment.dilation[1] * pitch + segment.first,
                step_x=segment.stride[1] * pitch,
                step_y=stride_y,
                events=rows * width * (1 if lanewise else SPIKES_PER_BIT * channels),
            )
            yield segment.source, read


def _cycles(
    layer: Layer, reads: Sequence[tuple[str, Read]], formats: Mapping[str, Placement], arch: Architecture
) -> float:
    """Cycles per step of the layer as far as its reads decide."""
    banks = arch.banks
    residues = tuple((formats[source].base % banks, formats[source].pitch % banks) for source, _ in reads)
    plane = formats[reads[0][0]].plane % banks
    words, waits = reading(tuple(read for _, read in reads), residues, plane, arch.columns, banks)
    walk = max(sum(read.events for _, read in reads), arch.cluster_lanes * arch.tsa_passes)
    channels, height, width = layer.neurons
    items = height * width * -(-channels // arch.columns)
    return (max(words + waits - walk, 0) + HIDDEN_WAIT * waits) * items / arch.lanes


@lru_cache(_REMEMBERED)
def reading(
    reads: tuple[Read, ...], residues: tuple[tuple[int, int], ...], plane: int, columns: int, banks: int
) -> tuple[float, float]:
    """Words of a step, and cycles in which the wanted bank is not there, on average over the pixels.

    `residues` are base and pitch of each read's source modulo the `banks`, `plane` is that of the first one's plane.
    """
    x, y = np.arange(SAMPLES)[:, None], np.arange(banks)[None, :]
    words = waits = 0.0
    starts, ends = [], []
    for read, (base, pitch) in zip(reads, residues, strict=True):
        first = read.offset + x * read.step_x
        in_row = (first + read.bits - 1) // columns - first // columns + 1
        start = base + first // columns + y * read.step_y * pitch
        starts.append(start)
        ends.append(start + (read.rows - 1) * read.dilation * pitch + in_row)
        words += read.rows * float(np.mean(in_row))
        waits += (read.rows - 1) * float(np.mean((read.dilation * pitch - in_row) % banks))
    starts.append(starts[0] + plane)
    jumps = [(start - end) % banks for end, (_, start) in zip(ends, pairwise(starts), strict=True)]
    return words, waits + float(sum(np.mean(jump) for jump in jumps))
