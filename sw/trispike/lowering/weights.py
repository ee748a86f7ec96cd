"""Weight rows: the weights of a segment in the order in which the machine counts its bits, and their addresses."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trispike_hw.architecture import Architecture

from ..errors import PlacementError
from ..network import Layer, Segment
from .tensors import ceil_div


def check_weights(layer: Layer, arch: Architecture) -> None:
    """Refuse weights that the array's signed `weight_bits` do not hold.

    Raises:
        PlacementError: naming layer, channel and both widths.
    """
    low, high = -(1 << arch.weight_bits - 1), (1 << arch.weight_bits - 1) - 1
    for segment in layer.segments:
        channels = segment.weights.reshape(segment.weights.shape[0], -1)
        wrong = np.flatnonzero(((channels < low) | (channels > high)).any(axis=1))
        if wrong.size:
            channel = int(wrong[0])
            needed = max(signed_width(int(weight)) for weight in channels[channel])
            raise PlacementError(
                f"layer {layer.name}, channel {channel}: a weight on {segment.source} needs {needed} bits, but "
                f"architecture {arch.name} has weight_bits = {arch.weight_bits}; convert the network for "
                f"{arch.weight_bits} bits or choose a larger weight_bits"
            )


def signed_width(value: int) -> int:
    """Bits of the smallest signed field that holds `value`."""
    return (value if value >= 0 else ~value).bit_length() + 1


def broadcast_rows(segment: Segment, channel_pitch: int, columns: int) -> tuple[np.ndarray, int]:
    """Rows int8 [tiles, rows, columns] of a broadcast segment and its weight pitch.

    Bit kx * channel_pitch + i of kernel row ky has row ky * weight_pitch + that bit. Padding channels of the last tap
    get no rows, for they never spike; kernel rows that are all alike are stored once, with weight pitch 0.
    """
    outputs, inputs, kernel_rows, kernel_columns = segment.weights.shape
    tiles = ceil_div(outputs, columns)
    rows = np.zeros((kernel_rows, kernel_columns, channel_pitch, tiles * columns), np.int8)
    rows[:, :, :inputs, :outputs] = segment.weights.transpose(2, 3, 1, 0)
    length = (kernel_columns - 1) * channel_pitch + inputs
    return _tiled(rows.reshape(kernel_rows, kernel_columns * channel_pitch, -1)[:, :length], columns)


def lanewise_rows(segment: Segment, columns: int) -> tuple[np.ndarray, int]:
    """Rows int8 [tiles, rows, columns] of a lane-wise segment and its weight pitch: one row per tap and tile."""
    outputs, kernel_rows, kernel_columns = segment.weights.shape
    tiles = ceil_div(outputs, columns)
    rows = np.zeros((kernel_rows, kernel_columns, tiles * columns), np.int8)
    rows[:, :, :outputs] = segment.weights.transpose(1, 2, 0)
    return _tiled(rows, columns)


def _tiled(rows: np.ndarray, columns: int) -> tuple[np.ndarray, int]:
    """Kernel rows [KH, length, tiles * columns] as [tiles, rows, columns] and the weight pitch."""
    length, channels = rows.shape[1:]
    shared = bool((rows == rows[:1]).all())
    rows = rows[:1] if shared else rows
    flat = rows.reshape(-1, channels // columns, columns)
    return np.ascontiguousarray(flat.transpose(1, 0, 2)), 0 if shared else length


@dataclass(frozen=True, eq=False)
class Block:
    """Weight rows int8 [tiles, rows, columns] of a machine segment; blocks of one `key` have equal content."""

    values: np.ndarray

    @cached_property
    def key(self) -> bytes:
        """Digest of shape and content."""
        digest = hashlib.sha256(repr(self.values.shape).encode())
        digest.update(np.ascontiguousarray(self.values).data)
        return digest.digest()

    @property
    def rows(self) -> int:
        """Rows of one tile."""
        return self.values.shape[1]


def tile_mode_rows(tiles: int, rows: int, lanes: int) -> tuple[int, int]:
    """Weight rows of a lane pair for a block in tile mode, and the offset of the odd lane's rows."""
    passes = ceil_div(tiles, lanes)
    lanes_in_last_pass = tiles - (passes - 1) * lanes
    odd_passes = passes if lanes_in_last_pass > 1 else passes - 1
    return (passes + odd_passes) * rows, passes * rows if odd_passes else 0


def memory_rows(tiles: int, rows: int, tile_mode: bool, lanes: int) -> tuple[int, int]:
    """Weight rows that every lane pair keeps for `tiles` tiles of `rows` rows, and the offset of the odd lane's."""
    return tile_mode_rows(tiles, rows, lanes) if tile_mode else (tiles * rows, 0)


@dataclass(frozen=True)
class Run:
    """Neighbouring rows of a block and where they stand: `count` rows from row `source` of the first tile on go to row
    `target`, counted from the block's first, of lane pair `pair`, or of all pairs alike (None)."""

    source: int
    count: int
    target: int
    pair: int | None


def runs(tiles: int, rows: int, tile_mode: bool, lanes: int) -> Iterator[Run]:
    """How `tiles` tiles of `rows` rows lie in the weight memories.

    In pixel mode tile k lies at k * rows in all of them; in tile mode tile p * lanes + l lies at p * rows in that of
    lane l, further by the offset if l is odd.
    """
    if not tile_mode:
        yield Run(0, tiles * rows, 0, None)
        return
    _, offset = tile_mode_rows(tiles, rows, lanes)
    for tile in range(tiles):
        number, lane = divmod(tile, lanes)
        yield Run(tile * rows, rows, number * rows + (offset if lane % 2 else 0), lane // 2)


class WeightMemory:
    """The weight memories of all lane pairs, int8 [pairs, rows, columns], as the host fills them before a run."""

    def __init__(self, arch: Architecture, rows: int) -> None:
        self._lanes = arch.lanes
        self._memory = np.zeros((arch.pairs, rows, arch.columns), np.int8)

    def write(self, address: int, tiles: np.ndarray, tile_mode: bool) -> None:
        """Place tiles int8 [tiles, rows, columns] from `address` on."""
        count, rows, columns = tiles.shape
        flat = tiles.reshape(-1, columns)
        for run in runs(count, rows, tile_mode, self._lanes):
            start = address + run.target
            pairs = slice(None) if run.pair is None else run.pair
            self._memory[pairs, start : start + run.count] = flat[run.source : run.source + run.count]

    def contents(self) -> tuple[np.ndarray, ...]:
        """One int8 array [rows, columns] per pair."""
        return tuple(np.ascontiguousarray(part) for part in self._memory)
