"""A lane's part: which words and bits of a window count, and what their spikes add up to."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from trispike_hw.architecture import Architecture

from ..errors import DeviceError


@dataclass(frozen=True)
class Work:
    """One work item of one lane: window positions, tile number within the layer, whether it is the layer's last tile,
    lane, 1 if the odd offset counts, output address (tile number in mode LOGITS), and whether levels 2 and 3 are 0."""

    positions: tuple[tuple[int, int, int, int], ...]
    tile: int
    last_tile: bool
    lane: int
    odd: int
    address: int
    first: bool


class Lane:
    """All lanes: spike memory and weight memories, and the sums over windows. `corrupt` is set when a window holds a
    word with a channel both positive and negative, which adds nothing.

    Weight rows that stream in bear the number of the list word that loads them; `newest` is the last number that may be
    read, 0 stands for what the host wrote.
    """

    def __init__(self, arch: Architecture) -> None:
        self._arch = arch
        self.memory = np.zeros(arch.spike_words, np.uint32)
        self._digits = np.zeros((arch.spike_words, arch.columns), np.int8)
        self._bad = np.zeros(arch.spike_words, bool)
        # Sums of a window stay far below 2**53, so float64 holds them exactly.
        self._weights = np.zeros((arch.pairs, arch.weight_rows, arch.columns), np.float64)
        self._stamps = np.zeros((arch.pairs, arch.weight_rows), np.int64)
        self.corrupt = False
        self.newest = 0

    def write_spikes(self, addresses: np.ndarray, spikes: np.ndarray) -> None:
        """Write words uint32 [n] to addresses [n]."""
        columns = self._arch.columns
        planes = spikes.astype(np.int64)[:, None] >> np.arange(2 * columns) & 1
        self.memory[addresses] = spikes
        self._digits[addresses] = planes[:, :columns] - planes[:, columns:]
        self._bad[addresses] = (planes[:, :columns] & planes[:, columns:]).any(axis=1)

    def write_weights(self, pair: int, address: int, rows: list[int]) -> None:
        """Write packed weight rows to the memory of a lane pair.

        Raises:
            DeviceError: if there is no such pair.
        """
        arch = self._arch
        if pair >= arch.pairs:
            raise DeviceError(f"a WRITE names lane pair {pair}, but there are {arch.pairs}")
        bits = arch.weight_bits
        shifts = [bits * column for column in range(arch.columns)]
        raw = np.array([[row >> shift & ((1 << bits) - 1) for shift in shifts] for row in rows]).reshape(
            -1, arch.columns
        )
        self._weights[pair, address : address + len(rows)] = raw - ((raw >> (bits - 1)) << bits)
        self._stamps[pair, address : address + len(rows)] = 0

    def load_weights(self, pairs: slice, address: int, rows: np.ndarray, stamp: int) -> None:
        """Write rows int8 [rows, columns], which bear `stamp`, to the memories of `pairs`."""
        self._weights[pairs, address : address + len(rows)] = rows
        self._stamps[pairs, address : address + len(rows)] = stamp

    def settle(self) -> None:
        """Begin a run: whatever stands in the weight memories may be read."""
        self._stamps[:] = 0

    def integrate(
        self, fields: dict[str, Any], position: tuple[int, int, int, int], work: Work, real: int, z: np.ndarray
    ) -> tuple[int, int, int]:
        """Add the spikes of one segment's window to z [T, C]; return events, additions (`real` output channels of the
        tile) and words read."""
        columns = self._arch.columns
        row, y, bit, weight = position
        rows = np.arange(fields["rows"])
        inside = (y + rows * fields["dilation"] >= 0) & (y + rows * fields["dilation"] < fields["height"])
        rows = rows[inside]
        low, high = max(bit, 0), min(bit + fields["bit_length"], fields["row_bits"])
        if not rows.size or low >= high:
            return 0, 0, 0
        words = np.arange(low // columns, (high - 1) // columns + 1)
        starts = (row + rows * fields["pitch"]) % (1 << 18)
        addresses = (
            np.arange(len(z))[:, None, None] * fields["plane"] + starts[:, None] + words
        )  # [T, kernel row, word]
        if addresses.max() >= self._arch.spike_words:
            raise DeviceError(f"a window reads spike word {addresses.max()} of {self._arch.spike_words}")
        self.corrupt |= bool(self._bad[addresses].any())
        bits = words[0] * columns + np.arange(len(words) * columns)
        digits = np.where((bits >= low) & (bits < high), self._digits[addresses].reshape(*addresses.shape[:2], -1), 0)
        base = weight + work.odd * fields["odd_offset"] + rows[:, None] * fields["weight_pitch"]
        pair = work.lane // 2
        spikes = int(np.count_nonzero(digits))
        if fields["lanewise"]:
            grouped = digits.reshape(*addresses.shape, columns)
            uses, repeats = np.count_nonzero(grouped, axis=(0, 3)), fields["repeats"]
            for repeat in range(repeats):
                weights = self._read(pair, base + words - bit // columns + repeat, uses)
                z += np.einsum("trwc,rwc->tc", grouped, weights).astype(np.int64)
            return repeats * int(np.count_nonzero(grouped.any(axis=3))), repeats * spikes, addresses.size
        bits = bits[(bits >= low) & (bits < high)]
        valid = digits[:, :, low - words[0] * columns :][:, :, : high - low].reshape(len(z), -1)
        weights = self._read(pair, base + bits - bit, np.count_nonzero(valid.reshape(len(z), -1, len(bits)), axis=0))
        z += (valid.astype(np.float64) @ weights.reshape(-1, columns)).astype(np.int64)
        return spikes, spikes * real, addresses.size

    def _read(self, pair: int, rows: np.ndarray, uses: np.ndarray) -> np.ndarray:
        """Weight rows of a lane pair, their addresses modulo their width, as the memory sees them; of those with no
        `uses`, because no spike looks for them, any content will do."""
        rows = rows % (1 << self._arch.weight_address_bits) % self._arch.weight_rows
        late = rows[(self._stamps[pair][rows] > self.newest) & (uses > 0)]
        if late.size:
            raise DeviceError(
                f"a layer reads weight row {late[0]} of lane pair {pair}, which the load list may write while it "
                f"runs; compile the network again"
            )
        return self._weights[pair][rows]
