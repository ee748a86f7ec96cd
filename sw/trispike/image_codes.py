"""Machine code and chapters in an image: their records, and the checks that intact records could still fail."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import accumulate, pairwise

import numpy as np

from trispike_hw.architecture import Architecture

from .book import Book, Chapter, Region
from .errors import ImageError
from .image_manifest import ChapterRecord, CodeRecord, PackingRecord, PlacementRecord, RegionRecord
from .network import INPUT, Network
from .program import Code, InputPacking, Placement, Program

AGAIN = "compile the network again"


def codes_of(program: Program | Book) -> tuple[Code, ...]:
    """All codes of a program, which is one, or of a book."""
    return program.codes if isinstance(program, Book) else (program,)


def code_record(code: Code, network: Network) -> CodeRecord:
    """The manifest's record of a code."""
    numbers = {layer.name: number for number, layer in enumerate(network.layers)}
    return CodeRecord(
        program_words=len(code.program),
        constant_words=len(code.constants),
        layers=[numbers[name] for name in code.layer_names],
        cycles=list(code.cycles),
        load_list=code.load_list,
        placements={name: PlacementRecord(**asdict(place)) for name, place in code.placements.items()},
        input_packing=PackingRecord(**asdict(code.input_packing)),
    )


def chapter_record(chapter: Chapter) -> ChapterRecord:
    """The manifest's record of a chapter."""
    reads, exports = (
        {name: RegionRecord(**asdict(region)) for name, region in boxes.items()}
        for boxes in (chapter.reads, chapter.exports)
    )
    return ChapterRecord(code=chapter.code, reads=reads, exports=exports, answer=chapter.answer, loads=chapter.loads)


def codes_from(
    records: Sequence[CodeRecord], program: np.ndarray, constants: Sequence[int], network: Network, arch: Architecture
) -> tuple[Code, ...]:
    """The codes of the records and of all their words, one behind the other.

    Raises:
        ImageError: if they do not belong together or do not fit `arch`.
    """
    programs = list(_borders([record.program_words for record in records], len(program), "program"))
    tables = list(_borders([record.constant_words for record in records], len(constants), "constants"))
    codes = []
    for record, words, table in zip(records, programs, tables, strict=True):
        if max(record.layers) >= len(network.layers) or len(record.cycles) != len(record.layers):
            raise ImageError(f"a program of the image computes layers that its network does not have; {AGAIN}")
        code = Code(
            program=program[words],
            constants=tuple(constants[table]),
            placements={name: Placement(**place.model_dump()) for name, place in record.placements.items()},
            input_packing=InputPacking(**record.input_packing.model_dump()),
            layer_names=tuple(network.layers[number].name for number in record.layers),
            cycles=tuple(record.cycles),
            load_list=record.load_list,
        )
        _check_code(code, network, arch)
        codes.append(code)
    return tuple(codes)


def chapters_from(records: Sequence[ChapterRecord], codes: Sequence[Code], network: Network) -> tuple[Chapter, ...]:
    """The chapters of the records.

    Raises:
        ImageError: if one does not suit its code or the network.
    """
    return tuple(_chapter(number, record, codes, network) for number, record in enumerate(records))


def _chapter(number: int, record: ChapterRecord, codes: Sequence[Code], network: Network) -> Chapter:
    shapes = {INPUT: network.coded_shape} | {layer.name: layer.shape for layer in network.layers}
    reads, exports = (
        {name: Region(**region.model_dump()) for name, region in boxes.items()}
        for boxes in (record.reads, record.exports)
    )
    fits = record.code < len(codes) and (
        record.answer is None or record.answer[0] < record.answer[1] <= network.classes
    )
    for name, region in [*reads.items(), *exports.items()] if fits else ():
        shape, place = shapes.get(region.tensor), codes[record.code].placements.get(name)
        spans = region.channels, region.rows, region.columns
        inside = shape is not None and all(a < b <= size for (a, b), size in zip(spans, shape, strict=True))
        packed = name == INPUT and codes[record.code].input_packing.kernel > 1
        fits &= inside and place is not None
        fits &= packed or (place is not None and (place.channels, place.rows, place.columns) == region.shape)
    if not fits:
        raise ImageError(f"chapter {number} of the image does not suit its program or its network; {AGAIN}")
    return Chapter(record.code, reads, exports, record.answer, record.loads)


def _borders(lengths: Sequence[int], total: int, section: str) -> Iterator[slice]:
    """The places of pieces of these lengths that stand one behind the other."""
    ends = [0, *accumulate(lengths)]
    if ends[-1] != total:
        raise ImageError(f"section {section} of the image has {total} rows where its programs want {ends[-1]}; {AGAIN}")
    return (slice(start, stop) for start, stop in pairwise(ends))


def _check_code(code: Code, network: Network, arch: Architecture) -> None:
    for what, rows, depth in (
        ("program words", len(code.program), arch.program_words),
        ("constant words", len(code.constants), arch.constant_words),
        ("program layers", len(code.layer_names), arch.max_layers),
    ):
        if rows > depth:
            raise ImageError(f"the image has {rows} {what}, but architecture {arch.name} has {depth}; compile it again")
    if code.load_list >= len(code.program):
        raise ImageError(
            f"the load list of the image begins at program word {code.load_list} of {len(code.program)}; {AGAIN}"
        )
    for name, place in code.placements.items():
        fits = (
            place.channels <= place.channel_pitch
            and place.columns * place.channel_pitch <= place.pitch * arch.columns
            and place.rows * place.pitch <= place.plane
            and place.base + network.time_steps * place.plane <= arch.spike_words
        )
        if not fits:
            raise ImageError(f"the placement of tensor {name} in the image is impossible; {AGAIN}")


def check_whole(program: Program) -> None:
    """Refuse a program whose placements are not those of its network's tensors.

    Raises:
        ImageError: naming a tensor.
    """
    network = program.network
    tensors = {INPUT, *(layer.name for layer in network.layers[:-1])}
    if set(program.placements) != tensors:
        wrong = min(tensors ^ set(program.placements))
        raise ImageError(f"the placements of the image do not match its tensors: {wrong}; {AGAIN}")
    for name, place in program.placements.items():
        packing = program.input_packing if name == INPUT else InputPacking(1, 1, 0)
        channels, rows, columns = network.shape_of(name)
        fits = (
            place.channels == channels * packing.kernel
            and place.columns == columns
            and (place.rows == rows or packing.kernel > 1)
        )
        if not fits:
            raise ImageError(f"the placement of tensor {name} in the image is impossible; {AGAIN}")
