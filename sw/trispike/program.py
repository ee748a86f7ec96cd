"""A program: a spiking network placed on one architecture, ready to be loaded, fed and read.

The lowering makes it, image files store it, and every device (golden model, RTL simulation, board) runs it. It knows
the streams that docs/machine.md describes. What is too large for one program is a book (`trispike.book`).
"""

from dataclasses import dataclass

import numpy as np

from trispike_hw.architecture import Architecture

from .network import Network


@dataclass(frozen=True)
class Placement:
    """Where a tensor lies in spike memory, and how.

    Word address of step t, row y, word w = base + t * plane + y * pitch + w; pixel x, channel c is bit
    x * channel_pitch + c of its row. `rows`, `columns`, `channels` describe the tensor as stored: for a row-packed
    network input they differ from the tensor's own shape (see `InputPacking`).
    """

    base: int
    plane: int
    pitch: int
    channel_pitch: int
    channels: int
    rows: int
    columns: int

    def row_words(self, word_channels: int) -> int:
        """Words of a row that hold pixels, with `word_channels` bits to a word; gaps are not counted."""
        return -(-self.columns * self.channel_pitch // word_channels)


@dataclass(frozen=True)
class InputPacking:
    """How the host packs the network input: stored row r, channel k * C + c holds source row r * stride + k - top."""

    kernel: int
    stride: int
    top: int


@dataclass(frozen=True, kw_only=True)
class Code:
    """What the machine runs after one RUN.

    `program` uint64 [words]; `constants` list of row integers (constant_word bits); `placements` by tensor name,
    inputs included, of which `input_packing` packs the network input; `layer_names` in program order (a layer that runs
    in parts is there once for each part) and `cycles`, an estimate for each of them; `load_list` the program word of
    the load list, 0 if all weights are resident.
    """

    program: np.ndarray
    constants: tuple[int, ...]
    placements: dict[str, Placement]
    input_packing: InputPacking
    layer_names: tuple[str, ...]
    cycles: tuple[int, ...]
    load_list: int = 0


@dataclass(frozen=True, kw_only=True)
class Program(Code):
    """One network on one architecture.

    `weights` are one int8 array [rows, columns] per lane pair; `external` int8 [rows, columns] are the rows behind the
    external weight port.
    """

    arch: Architecture
    network: Network
    weights: tuple[np.ndarray, ...]
    external: np.ndarray | None = None
