"""Weight rows: the weights of a segment in the order in which the machine counts its bits, and their addresses."""

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


def tile_mode_rows(tiles: int, rows: int, lanes: int) -> tuple[int, int]:
    """Weight rows of a lane pair for a block in tile mode, and the offset of the odd lane's rows."""
    passes = ceil_div(tiles, lanes)
    lanes_in_last_pass = tiles - (passes - 1) * lanes
    odd_passes = passes if lanes_in_last_pass > 1 else passes - 1
    return (passes + odd_passes) * rows, passes * rows if odd_passes else 0


class WeightMemory:
    """The weight memories of all lane pairs while they fill; every block has the same address in each of them."""

    def __init__(self, arch: Architecture) -> None:
        self._arch = arch
        self._blocks: list[np.ndarray] = []
        self.rows = 0

    def _append(self, block: np.ndarray) -> int:
        """Append [pairs, rows, columns] and return its address."""
        address = self.rows
        self._blocks.append(block)
        self.rows += block.shape[1]
        return address

    def add_for_pixels(self, block: np.ndarray) -> int:
        """Place all tiles of `block` [tiles, rows, columns] in every pair; tile k lies at address + k * rows."""
        rows = block.reshape(1, -1, block.shape[2])
        return self._append(np.repeat(rows, self._arch.pairs, axis=0))

    def add_for_tiles(self, block: np.ndarray) -> tuple[int, int]:
        """Place tile p * lanes + l of `block` in the pair of lane l at address + p * rows, odd lanes further by the
        offset; return address and offset."""
        tiles, rows, columns = block.shape
        lanes = self._arch.lanes
        length, offset = tile_mode_rows(tiles, rows, lanes)
        memory = np.zeros((self._arch.pairs, length, columns), np.int8)
        for tile in range(tiles):
            number, lane = divmod(tile, lanes)
            start = number * rows + (offset if lane % 2 else 0)
            memory[lane // 2, start : start + rows] = block[tile]
        return self._append(memory), offset

    def contents(self) -> tuple[np.ndarray, ...]:
        """One int8 array [rows, columns] per pair."""
        empty = np.zeros((self._arch.pairs, 0, self._arch.columns), np.int8)
        return tuple(np.ascontiguousarray(part) for part in np.concatenate([empty, *self._blocks], axis=1))
