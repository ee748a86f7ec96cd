"""What a program or book asks of the memories, and an estimate of the time and traffic of one image."""

from dataclasses import dataclass, fields

import numpy as np
from amaranth.hdl import Shape

from trispike_hw.architecture import Architecture
from trispike_hw.layout import (
    HEADER_WORDS,
    PROGRAM_BITS,
    SEGMENT_WORDS,
    STREAM_BITS,
    LayerShape,
    Load,
    LoadKind,
    Sink,
    constant_word,
)

from .book import Book
from .book_streams import EXPORT_WORDS, export_words
from .fields import columns_of
from .lowering.tensors import ceil_div
from .network import INPUT
from .program import Code, Program
from .streams import COMMAND_WORDS

SPIKE_BYTES = 4  #: of a spike word in the host's memory


@dataclass(frozen=True)
class Memories:
    """The most that one run uses of each memory of the chip; `weight_rows` of a lane pair."""

    spike_words: int
    weight_rows: int
    constant_words: int
    program_words: int


@dataclass(frozen=True)
class Effort:
    """Estimated work of a layer, or of a whole network, for one image.

    `cycles` include those in which the host writes; `read` and `sent` are spike words that the host writes and that
    leave, `code` 32-bit words of program and constants that it writes, `rows` weight rows that stream in.
    """

    cycles: int = 0
    read: int = 0
    sent: int = 0
    code: int = 0
    rows: int = 0

    def __add__(self, other: "Effort") -> "Effort":
        return Effort(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Effort)))


def memories(program: Program | Book) -> Memories:
    """The peaks over all runs."""
    if isinstance(program, Program):
        own = _memories(program, program.network.time_steps)
        return Memories(
            own.spike_words, max(len(rows) for rows in program.weights), own.constant_words, own.program_words
        )
    peaks = [_memories(code, program.network.time_steps) for code in program.codes]
    return Memories(*(max(getattr(peak, each.name) for peak in peaks) for each in fields(Memories)))


def external_bytes(program: Program | Book) -> int:
    """Bytes behind the external weight port."""
    arch = program.arch
    return 0 if program.external is None else len(program.external) * arch.columns * arch.weight_bits // 8


def spill_bytes(program: Program | Book) -> int:
    """Bytes of all tensors that leave the chip, each once."""
    if isinstance(program, Program):
        return 0
    return SPIKE_BYTES * sum(sum(export_words(program, chapter).values()) for chapter in program.chapters)


def efforts(program: Program | Book) -> dict[str, Effort]:
    """Estimated effort by layer; what the host writes counts to the first layer of its run."""
    found = {layer.name: Effort() for layer in program.network.layers}
    steps, arch = program.network.time_steps, program.arch
    if isinstance(program, Program):
        read = steps * program.placements[INPUT].plane
        rows = _loaded_rows(program)
        found[program.layer_names[0]] += Effort(read, read, rows=rows)
        for name, cycles in zip(program.layer_names, program.cycles, strict=True):
            found[name] += Effort(cycles=cycles)
        return found
    code_words = [_code_words(code, arch) for code in program.codes]
    loaded_rows = [_loaded_rows(code) for code in program.codes]
    loaded = None
    for chapter in program.chapters:
        code = program.codes[chapter.code]
        sent = export_words(program, chapter)
        read = steps * sum(code.placements[name].plane for name in chapter.reads)
        words = 0 if loaded == chapter.code else code_words[chapter.code]
        rows = loaded_rows[chapter.code] if chapter.loads else 0
        found[code.layer_names[0]] += Effort(read + words, read, 0, words, rows)
        for name in dict.fromkeys(code.layer_names):
            own = sum(cycles for other, cycles in zip(code.layer_names, code.cycles, strict=True) if other == name)
            out = sent.get(name, 0)
            found[name] += Effort(max(own, EXPORT_WORDS * out), sent=out)
        loaded = chapter.code
    return found


def _memories(code: Code, time_steps: int) -> Memories:
    """What a run of `code` uses; weight rows as far as they stream in."""
    passing = {name for name, sink in zip(code.layer_names, _sinks(code), strict=True) if sink == Sink.EXPORT.value}
    kept = [place for name, place in code.placements.items() if name not in passing]
    loads = _loads(code)
    return Memories(
        spike_words=max(place.base + time_steps * place.plane for place in kept),
        weight_rows=int((loads["target"] + loads["count"]).max(initial=0)),
        constant_words=len(code.constants),
        program_words=len(code.program),
    )


def _sinks(code: Code) -> list[int]:
    """Where every program layer's words go, a value of `Sink`."""
    headers = columns_of(LayerShape, code.program)
    found, at = [], 0
    for _ in code.layer_names:
        found.append(int(headers["sink"][at]))
        at += HEADER_WORDS + SEGMENT_WORDS * int(headers["segments"][at])
    return found


def _loads(code: Code) -> dict[str, np.ndarray]:
    """The fields of a load list's words that load something, int64 [n] each."""
    words = code.program[code.load_list :] if code.load_list else code.program[:0]
    fields = columns_of(Load, words)
    return {key: values[fields["kind"] == LoadKind.LOAD.value] for key, values in fields.items()}


def _loaded_rows(code: Code) -> int:
    return int(_loads(code)["count"].sum())


def _code_words(code: Code, arch: Architecture) -> int:
    """Words of the input stream that fill program and constant memory."""
    row = ceil_div(Shape.cast(constant_word(arch)).width, STREAM_BITS)
    return 2 * COMMAND_WORDS + len(code.program) * PROGRAM_BITS // STREAM_BITS + len(code.constants) * row
