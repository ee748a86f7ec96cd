"""What a program or book and images come to on the pins: the words and rows that the harness feeds to the design."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trispike.book import Book
from trispike.program import Program
from trispike.streams import weight_words

from .runs import Run, first_words
from .script import EXTERNAL, INPUT


@dataclass(frozen=True)
class Stimulus:
    """What the harness feeds: `load` uint32 words, then one stream of `inputs` per run; `external` uint8 [rows, bytes
    of a row, most significant first] is the content of the external weight memory."""

    load: np.ndarray
    inputs: list[np.ndarray]
    external: np.ndarray

    @classmethod
    def of(cls, program: Program | Book, runs: Iterable[Run]) -> "Stimulus":
        """Everything that `program` needs for `runs`."""
        return cls(first_words(program), [run.words for run in runs], _external(program))

    @property
    def words(self) -> int:
        """Words on the input stream in all."""
        return len(self.load) + sum(map(len, self.inputs))

    def first(self, runs: int) -> "Stimulus":
        """The stimulus of the first `runs` runs."""
        return replace(self, inputs=self.inputs[:runs])

    def write(self, directory: Path) -> None:
        """Leave the words, one behind the other, and the rows for the harness."""
        (directory / INPUT).write_bytes(np.concatenate([self.load, *self.inputs]).astype(">u4").tobytes())
        (directory / EXTERNAL).write_bytes(self.external.tobytes())


def _external(program: Program | Book) -> np.ndarray:
    arch = program.arch
    row_bytes = arch.columns * arch.weight_bits // 8
    if program.external is None or not len(program.external):
        return np.zeros((0, row_bytes), np.uint8)
    words = weight_words(program.external, arch.weight_bits).astype("<u4")
    return words.view(np.uint8)[:, row_bytes - 1 :: -1]
