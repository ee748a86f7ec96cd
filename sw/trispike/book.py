"""A book: a spiking network that one program cannot hold, as chapters that the host runs one after the other.

Every chapter is a machine program of its own. What it computes leaves the chip and stands in the host's memory until
later chapters read it, whole or in part. The weights of all chapters lie behind the external weight port.
"""

from dataclasses import dataclass

import numpy as np

from trispike_hw.architecture import Architecture

from .network import Network
from .program import Code

Span = tuple[int, int]


@dataclass(frozen=True)
class Region:
    """A box of a tensor: channels, rows and columns from the first to the one behind the last."""

    tensor: str
    channels: Span
    rows: Span
    columns: Span

    @classmethod
    def whole(cls, tensor: str, shape: tuple[int, int, int]) -> "Region":
        """All of a tensor."""
        return cls(tensor, (0, shape[0]), (0, shape[1]), (0, shape[2]))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns."""
        channels, rows, columns = (stop - start for start, stop in (self.channels, self.rows, self.columns))
        return channels, rows, columns

    @property
    def index(self) -> tuple[slice, slice, slice]:
        """The last three indices of an array [..., C, H, W] that holds the tensor."""
        return slice(*self.channels), slice(*self.rows), slice(*self.columns)


@dataclass(frozen=True)
class Chapter:
    """One RUN: code number `code` of the book.

    `reads` says what the host writes first, by the name that the code's placements have for it; `exports` what leaves,
    by layer, in the order of leaving. `answer` is the span of classes whose integers the answer adds to, None if there
    is no answer. `loads` says that the weights have to come: without it, the chapter before has left them in place.
    """

    code: int
    reads: dict[str, Region]
    exports: dict[str, Region]
    answer: Span | None
    loads: bool


@dataclass(frozen=True, kw_only=True)
class Book:
    """One network on one architecture, in chapters; `external` int8 [rows, columns] are the rows behind the external
    weight port. The answers of all chapters add up to that of the network."""

    arch: Architecture
    network: Network
    codes: tuple[Code, ...]
    chapters: tuple[Chapter, ...]
    external: np.ndarray
