"""Runs books: chapter by chapter, on whatever takes words and gives words back."""

from collections.abc import Callable

import numpy as np

from .book import Book
from .book_streams import chapter_stream, output_words, read_output
from .network import INPUT
from .streams import input_trains

Feed = Callable[[np.ndarray, int], np.ndarray]
"""Puts words, uint32, on a machine's input stream, and returns so many words of its output stream."""


class BookRun:
    """`book` on the machine behind `feed`, whose external memory holds the book's rows; what leaves is kept here."""

    def __init__(self, book: Book, feed: Feed) -> None:
        self._book, self._feed = book, feed
        self._loaded: int | None = None  # the code that is in the machine

    def integers(self, x: np.ndarray) -> np.ndarray:
        """The exact answer, int64 [classes], to an image, real [C, H, W].

        Raises:
            InputError: if the network does not take it.
            DeviceError: if the words that come back are not those of the book.
        """
        book, network = self._book, self._book.network
        tensors = {INPUT: input_trains(network, x)}
        answer = np.zeros(network.classes, np.int64)
        for chapter in book.chapters:
            stream = chapter_stream(book, chapter, self._loaded, tensors)
            output = self._feed(stream, output_words(book, chapter))
            self._loaded = chapter.code
            boxes, part = read_output(book, chapter, output)
            for region, trains in boxes:
                shape = (network.time_steps, *network.shape_of(region.tensor))
                tensors.setdefault(region.tensor, np.zeros(shape, np.int8))[:, *region.index] = trains
            if chapter.answer is not None:
                answer[slice(*chapter.answer)] += part
        return answer
