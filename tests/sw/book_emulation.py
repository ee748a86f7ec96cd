"""Books on the emulator against the golden model: every box that leaves, every counter and the answer."""

import numpy as np

from trispike.book import Book
from trispike.book_streams import chapter_stream, read_output
from trispike.emulator import Emulator
from trispike.golden import GoldenModel
from trispike.network import INPUT


def check_book(book: Book, images: list[np.ndarray]) -> None:
    """Run images on the emulator, chapter by chapter, feeding back what leaves, and compare with the golden model."""
    network = book.network
    golden = GoldenModel(network).run(np.stack(images), keep_trains=True)
    emulator, loaded = Emulator(book.arch, book.external), None
    for number, _ in enumerate(images):
        tensors = {INPUT: golden.trains[INPUT][number]}
        covered = {}
        integers = np.zeros(network.classes, np.int64)
        additions = dict.fromkeys((layer.name for layer in network.layers), 0)
        for chapter in book.chapters:
            output = emulator.feed(chapter_stream(book, chapter, loaded, tensors))
            loaded = chapter.code
            run = emulator.runs[-1]
            assert not run.corrupt
            boxes, answer = read_output(book, chapter, output)
            for region, trains in boxes:
                shape = network.shape_of(region.tensor)
                tensor = tensors.setdefault(region.tensor, np.zeros((network.time_steps, *shape), np.int8))
                tensor[:, *region.index] = trains
                covered.setdefault(region.tensor, np.zeros(shape, int))[region.index] += 1
            if chapter.answer is not None:
                integers[slice(*chapter.answer)] += answer
            for name, layer in zip(book.codes[chapter.code].layer_names, run.layers, strict=True):
                additions[name] += layer.additions
        for name in covered:
            assert (covered[name] == 1).all(), name
            np.testing.assert_array_equal(tensors[name], golden.trains[name][number], err_msg=name)
        np.testing.assert_array_equal(integers, golden.integers[number])
        for layer in network.layers:
            assert additions[layer.name] == golden.additions[layer.name][number], layer.name
