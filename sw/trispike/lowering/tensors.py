"""Where the spike trains of every tensor lie: formats, lifetimes and addresses in spike memory."""

from collections.abc import Iterator, Set
from dataclasses import replace

from trispike_hw.architecture import Architecture

from ..network import INPUT, Kind, Layer
from ..program import InputPacking, Placement
from .alignment import aligned
from .shortage import Shortage
from .task import Task

PLAIN = InputPacking(kernel=1, stride=1, top=0)


def ceil_div(value: int, divisor: int) -> int:
    """value / divisor, rounded up."""
    return -(-value // divisor)


def stored(channels: int, rows: int, columns: int, channel_pitch: int, word_channels: int) -> Placement:
    """The placement, at address 0, of a tensor with that many bits per pixel and no gap between rows or steps."""
    pitch = ceil_div(columns * channel_pitch, word_channels)
    return Placement(
        base=0,
        plane=rows * pitch,
        pitch=pitch,
        channel_pitch=channel_pitch,
        channels=channels,
        rows=rows,
        columns=columns,
    )


def output_format(shape: tuple[int, int, int], word_channels: int) -> Placement:
    """How the machine writes a tensor of `shape`: whole words per pixel."""
    channels, rows, columns = shape
    return stored(channels, rows, columns, ceil_div(channels, word_channels) * word_channels, word_channels)


def input_format(task: Task, packing: InputPacking, arch: Architecture) -> Placement:
    """How the host writes the tensor `INPUT` with `packing`.

    Without row packing the channels stand tightly, unless a lane-wise segment wants them at word borders.
    """
    channels, rows, columns = task.inputs[INPUT]
    if packing != PLAIN:
        layer = next(layer for layer in task.layers if any(s.source == INPUT for s in layer.segments))
        packed = packing.kernel * channels
        return stored(packed, layer.neurons[1], columns, packed, arch.columns)
    readers = [segment for layer in task.layers for segment in layer.segments if segment.source == INPUT]
    if any(segment.kind is Kind.LANEWISE for segment in readers):
        return output_format(task.inputs[INPUT], arch.columns)
    return stored(channels, rows, columns, channels, arch.columns)


def lifetimes(task: Task) -> dict[str, tuple[int, int]]:
    """First and last layer number during which a tensor must stand in memory; inputs are there from -1 on."""
    lives: dict[str, tuple[int, int]] = dict.fromkeys(task.inputs, (-1, -1))
    for number, layer in enumerate(task.layers):
        for segment in layer.segments:
            lives[segment.source] = (lives[segment.source][0], number)
        if layer in task.kept:
            lives[layer.name] = (number, number)
    return lives


def buffers(task: Task) -> dict[str, str]:
    """For every tensor the one whose place it takes: its own, or, one behind the other, that of a source that it
    replaces word by word.

    The identity of a residual addition is such a source: nobody reads it later, and a word of it is read only by the
    item that writes the same word, and in every step before that step's digit can be written.
    """
    lives = lifetimes(task)
    found = {name: name for name in task.inputs}
    made: dict[str, Layer] = {}
    for number, layer in enumerate(task.layers):
        if layer.name not in lives:
            continue
        found[layer.name] = next(
            (
                found[source]
                for source in dict.fromkeys(segment.source for segment in layer.segments)
                if source in made and lives[source][1] == number and _replaces(layer, made[source])
            ),
            layer.name,
        )
        made[layer.name] = layer
    return found


def _replaces(layer: Layer, source: Layer) -> bool:
    """Whether every output word of `layer` depends, of the output of `source`, on the word in its own place alone."""
    return (
        layer.pool is None
        and source.shape == layer.shape
        and all(
            segment.kind is Kind.LANEWISE and segment.kernel == (1, 1) and segment.padding == (0, 0)
            for segment in layer.segments
            if segment.source == source.name
        )
    )


def place_tensors(
    task: Task, packing: InputPacking, arch: Architecture, apart: Set[str] = frozenset()
) -> dict[str, Placement]:
    """A placement for every input and every layer's output but an answer.

    Tensors that live at the same time do not overlap, unless one replaces the other (`buffers`). Rows, steps and bases
    are apart as `aligned` wants them, as far as there is room; layers `apart` read their kernels column by column.
    Several orders of first-fit are tried and the one with the smallest peak is taken. What leaves without standing in
    memory has base 0, and addresses that memory has, too.

    Raises:
        Shortage: naming the tensor that does not fit.
    """
    tight = {name: output_format(shape, arch.columns) for name, shape in task.inputs.items()}
    if INPUT in tight:
        tight[INPUT] = input_format(task, packing, arch)
    tight |= {layer.name: output_format(layer.shape, arch.columns) for layer in task.kept} | dict(task.formats)
    leaving = [layer for layer in task.exported if layer.name not in tight]
    passing = {layer.name: output_format(layer.shape, arch.columns) for layer in leaving}
    shared = buffers(task)
    formats = aligned(task.layers, tight, shared, set(task.inputs), packing != PLAIN, arch, apart)
    while True:
        placements = _placed(task, formats, shared, arch) | passing
        ends = {name: place.base + task.time_steps * place.plane for name, place in placements.items()}
        last = max(ends, key=lambda name: ends[name])
        if ends[last] <= arch.spike_words:
            return placements
        widened = [name for name in formats if formats[name] != tight[name]]
        if not widened:
            plane = placements[last].plane
            subject = f"spike memory with tensor {last} ({task.time_steps} steps of {plane} words)"
            raise Shortage(subject, "spike_words", "spike words", ends[last], arch.spike_words)
        most = shared[max(widened, key=lambda name: formats[name].plane - tight[name].plane)]
        formats |= {name: tight[name] for name in formats if shared[name] == most}


def _placed(
    task: Task, formats: dict[str, Placement], shared: dict[str, str], arch: Architecture
) -> dict[str, Placement]:
    """`formats` with addresses congruent to their bases, modulo the banks; the peak may lie beyond the memory."""
    lives: dict[str, tuple[int, int]] = {}
    for name, (first, last) in lifetimes(task).items():
        begun, _ = lives.get(shared[name], (first, last))
        lives[shared[name]] = begun, last
    own = {name: formats[name] for name in lives}
    sizes = {name: task.time_steps * place.plane for name, place in own.items()}
    bases = min(
        (_first_fit(order, lives, sizes, own, arch.banks) for order in _orders(own, lives, sizes)),
        key=lambda bases: max(bases[name] + sizes[name] for name in bases),
    )
    return {name: replace(place, base=bases[shared[name]]) for name, place in formats.items()}


def _orders(
    formats: dict[str, Placement], lives: dict[str, tuple[int, int]], sizes: dict[str, int]
) -> Iterator[list[str]]:
    """Orders worth trying: as computed, large tensors first, long-lived and large tensors first."""
    yield list(formats)
    yield sorted(formats, key=lambda name: -sizes[name])
    yield sorted(formats, key=lambda name: -sizes[name] * (lives[name][1] - lives[name][0] + 1))
    yield sorted(formats, key=lambda name: (lives[name][0] - lives[name][1], -sizes[name]))


def _first_fit(
    order: list[str],
    lives: dict[str, tuple[int, int]],
    sizes: dict[str, int],
    formats: dict[str, Placement],
    banks: int,
) -> dict[str, int]:
    """The lowest free address for each tensor in turn, congruent to its format's base."""
    bases: dict[str, int] = {}
    for name in order:
        first, last = lives[name]
        taken = sorted(
            (bases[other], bases[other] + sizes[other])
            for other in bases
            if lives[other][0] <= last and first <= lives[other][1]
        )
        base = residue = formats[name].base % banks
        for low, high in taken:
            if base + sizes[name] <= low:
                break
            base = max(base, high + (residue - high) % banks)
        bases[name] = base
    return bases


def packings(task: Task, arch: Architecture) -> list[InputPacking]:
    """Ways to pack the input, the cheapest in estimated cycles first.

    Row packing is possible where one broadcast segment of one layer alone reads the input; it saves reads of nearly
    empty words and costs input words.
    """
    readers = [(layer, segment) for layer in task.layers for segment in layer.segments if segment.source == INPUT]
    if len(readers) != 1:
        return [PLAIN]
    layer, segment = readers[0]
    rows_of_kernel = segment.kernel[0]
    if segment.kind is not Kind.BROADCAST or segment.dilation[0] != 1 or rows_of_kernel == 1 or layer.neurons[1] == 1:
        return [PLAIN]
    if task.inputs[INPUT][0] >= arch.columns or segment.padding[0] < 0:
        return [PLAIN]
    packed = InputPacking(kernel=rows_of_kernel, stride=segment.stride[0], top=segment.padding[0])
    return sorted([PLAIN, packed], key=lambda packing: _input_cycles(task, layer, packing, arch))


def _input_cycles(task: Task, layer: Layer, packing: InputPacking, arch: Architecture) -> float:
    """Cycles per step for loading the input and for reading its words in the layer that alone uses it."""
    segment = next(segment for segment in layer.segments if segment.source == INPUT)
    placement = input_format(task, packing, arch)
    (rows, columns), (_, height, width) = segment.kernel, layer.neurons
    if packing == PLAIN:
        tops = [y * segment.stride[0] - segment.padding[0] for y in range(height)]
        kernel_rows = sum(0 <= top + ky < placement.rows for top in tops for ky in range(rows))
    else:
        kernel_rows = height
    words = 0
    for x in range(width):
        left = x * segment.stride[1] - segment.padding[1]
        low, high = max(left, 0), min(left + (columns - 1) * segment.dilation[1] + 1, placement.columns)
        if low < high:
            pitch = placement.channel_pitch
            words += (high * pitch - 1) // arch.columns - low * pitch // arch.columns + 1
    tiles = ceil_div(layer.neurons[0], arch.columns)
    return placement.plane + kernel_rows * words * tiles / arch.lanes
