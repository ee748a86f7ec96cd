"""A program: a spiking network placed on one architecture, ready to be loaded, fed and read.

The lowering makes it, image files store it, and every device (golden model, RTL simulation, board) runs it. It knows
the streams that docs/machine.md describes.
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


@dataclass(frozen=True)
class InputPacking:
    """How the host packs the network input: stored row r, channel k * C + c holds source row r * stride + k - top."""

    kernel: int
    stride: int
    top: int


@dataclass(frozen=True)
class Program:
    """One network on one architecture.

    `program` uint64 [words]; `constants` list of row integers (constant_word bits); `weights` one int8 array
    [rows, columns] per lane pair; `placements` by tensor name (network input included); `layer_names` in program order
    (a layer that runs in parts is there once for each part). `external` int8 [rows, columns] are the rows behind the
    external weight port, and `load_list` the program word of the load list, 0 if all weights are resident.
    """

    arch: Architecture
    network: Network
    program: np.ndarray
    constants: tuple[int, ...]
    weights: tuple[np.ndarray, ...]
    placements: dict[str, Placement]
    input_packing: InputPacking
    layer_names: tuple[str, ...]
    external: np.ndarray | None = None
    load_list: int = 0
