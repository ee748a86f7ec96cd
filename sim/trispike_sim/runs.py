"""The runs of the machine that an image comes to: one of a program, one for each chapter of a book."""

from dataclasses import dataclass

import numpy as np

from trispike.book import Book, Chapter, Region, Span
from trispike.book_streams import EXPORT_WORDS, chapter_stream, export_words, output_words
from trispike.golden import Result
from trispike.program import Code, Program
from trispike.streams import code_stream, input_stream, load_stream


@dataclass(frozen=True)
class Run:
    """One RUN: words uint32 that go in before and with it, and what has to come of it.

    `boxes` says which box of which tensor every layer that fires computes, by name; `exports` which layers send their
    words out, two on the output stream for each of `exported`; `answer` to which classes the answer's words belong.
    """

    code: Code
    words: np.ndarray
    boxes: dict[str, Region]
    exports: tuple[str, ...]
    exported: int
    answer: Span
    output_words: int


def first_words(program: Program | Book) -> np.ndarray:
    """The stream, uint32, that comes before the first image."""
    if isinstance(program, Program):
        return load_stream(program)
    return code_stream(program.codes[program.chapters[0].code], program.arch)


def runs_of(program: Program | Book, images: np.ndarray, golden: Result) -> list[list[Run]]:
    """The runs of every image, given the trains of the golden model: chapters read what it says, so that each of them
    is compared by itself.

    Raises:
        InputError: if the network does not take the images.
    """
    if isinstance(program, Program):
        return [[_program_run(program, image)] for image in images]
    runs, loaded = [], program.chapters[0].code
    for number in range(len(images)):
        tensors = {name: trains[number] for name, trains in golden.trains.items()}
        runs.append([])
        for chapter in program.chapters:
            runs[-1].append(_chapter_run(program, chapter, loaded, tensors))
            loaded = chapter.code
    return runs


def _program_run(program: Program, image: np.ndarray) -> Run:
    firing = program.network.layers[:-1]
    boxes = {layer.name: Region.whole(layer.name, layer.shape) for layer in firing}
    classes = program.network.classes
    return Run(program, input_stream(program, image), boxes, (), 0, (0, classes), classes)


def _chapter_run(book: Book, chapter: Chapter, loaded: int, tensors: dict[str, np.ndarray]) -> Run:
    code = book.codes[chapter.code]
    shapes = {layer.name: layer.shape for layer in book.network.layers}
    answering = {code.layer_names[-1]} if chapter.answer else set()
    whole = {name: Region.whole(name, shapes[name]) for name in code.layer_names if name not in answering}
    return Run(
        code=code,
        words=chapter_stream(book, chapter, loaded, tensors),
        boxes=whole | chapter.exports,
        exports=tuple(chapter.exports),
        exported=sum(export_words(book, chapter).values()),
        answer=chapter.answer or (0, 0),
        output_words=output_words(book, chapter),
    )


def split_output(run: Run, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The spike words that left, uint32 [n, 2] address and word, and the answer's words of a run's output stream."""
    border = EXPORT_WORDS * run.exported
    return output[:border].reshape(-1, EXPORT_WORDS), output[border:]
