"""What a host sends and receives for a book: each chapter's stream, and what its words on the output stream say."""

from collections.abc import Mapping

import numpy as np

from .book import Book, Chapter, Region
from .errors import DeviceError
from .streams import answer_integers, code_stream, run_stream, tensor_stream, unpack_tensor

EXPORT_WORDS = 2
"""Words of the output stream for a spike word that leaves: its address, then itself."""


def chapter_stream(book: Book, chapter: Chapter, loaded: int | None, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """The stream, uint32, of a chapter: what it reads, its code, unless it is number `loaded`, which is there, and RUN.

    `tensors` holds the trains int8 [T, C, H, W] of the tensors that it reads, by name.
    """
    code = book.codes[chapter.code]
    parts = [
        tensor_stream(code, name, tensors[region.tensor][:, *region.index], book.arch)
        for name, region in chapter.reads.items()
    ]
    if loaded != chapter.code:
        parts.append(code_stream(code, book.arch))
    return np.concatenate([*parts, run_stream(code, loads=chapter.loads)])


def export_words(book: Book, chapter: Chapter) -> dict[str, int]:
    """Spike words that leave in a chapter, by layer, in the order of leaving."""
    places = {name: book.codes[chapter.code].placements[name] for name in chapter.exports}
    steps, columns = book.network.time_steps, book.arch.columns
    return {name: steps * place.rows * place.row_words(columns) for name, place in places.items()}


def output_words(book: Book, chapter: Chapter) -> int:
    """Words of the output stream in a chapter."""
    answer = 0 if chapter.answer is None else chapter.answer[1] - chapter.answer[0]
    return EXPORT_WORDS * sum(export_words(book, chapter).values()) + answer


def read_output(book: Book, chapter: Chapter, output: np.ndarray) -> tuple[list[tuple[Region, np.ndarray]], np.ndarray]:
    """What the words of the output stream of a chapter, uint32, say: trains int8 [T, C, H, W] of every box that left,
    and the answer's integers int64 [n] (n = 0 without an answer).

    Raises:
        DeviceError: if the words are not those of the chapter.
    """
    expected = output_words(book, chapter)
    if output.shape != (expected,):
        raise DeviceError(f"a chapter of network {book.network.name} gives {expected} words, not {output.size}")
    code, steps, columns = book.codes[chapter.code], book.network.time_steps, book.arch.columns
    boxes = []
    for name, count in export_words(book, chapter).items():
        address, spikes = output[: EXPORT_WORDS * count].reshape(count, EXPORT_WORDS).T
        output = output[EXPORT_WORDS * count :]
        place, region = code.placements[name], chapter.exports[name]
        end = place.base + steps * place.plane
        if len(np.unique(address)) != count or address.min() < place.base or address.max() >= end:
            raise DeviceError(f"layer {name} sent words that do not belong to its output; send the input again")
        memory = np.zeros(end, np.uint32)
        memory[address] = spikes
        boxes.append((region, unpack_tensor(place, region.shape, memory, steps, columns)))
    return boxes, answer_integers(output)
