"""What the lanes find in spike memory: for every work item the words of its windows, with the events they make."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trispike_hw.architecture import Architecture

from ..emulator.words import LayerWords, SegmentWords, items_of


@dataclass(frozen=True)
class ItemWork:
    """Reads of one item, in order, all steps one behind the other: `banks` and `events` of each, and in `begins` a 1
    where one of two segments begins (slot_ring.py: only these may wait for each other), but for the item's first read.

    `words` of them make a step.
    """

    banks: list[int]
    events: list[int]
    begins: list[int]
    words: int


@dataclass(frozen=True)
class _Windows:
    """One segment for all items: `inside` bool [items, words of the unclipped window], `banks` int [T, items, words],
    `events` int [T, items, words], `dropped` kernel rows int [items]."""

    inside: np.ndarray
    banks: np.ndarray
    events: np.ndarray
    dropped: np.ndarray


class LayerWork:
    """The work items of a layer of the program, whose sources lie in spike memory."""

    def __init__(self, layer: LayerWords, spikes: np.ndarray, arch: Architecture) -> None:
        """`spikes` uint8 [spike words, C + 1] holds for every word the number of spikes below each of its bits."""
        self._items = list(items_of(layer))
        self._windows = [
            _windows(segment, [item.positions[number] for item in self._items], layer, spikes, arch)
            for number, segment in enumerate(layer.segments)
        ]

    def __len__(self) -> int:
        return len(self._items)

    def indices(self, number: int) -> Sequence[int]:
        """Loop counters of an item, innermost first."""
        return self._items[number].indices

    def events(self, number: int) -> int:
        """Events of an item."""
        return sum(int(w.events[:, number, w.inside[number]].sum()) for w in self._windows)

    def dropped_rows(self, number: int) -> Sequence[int]:
        """Kernel rows that an item's windows are short of, by segments."""
        return [int(windows.dropped[number]) for windows in self._windows]

    def item(self, number: int) -> ItemWork:
        """The reads of an item."""
        banks = [windows.banks[:, number, windows.inside[number]] for windows in self._windows]
        events = [windows.events[:, number, windows.inside[number]] for windows in self._windows]
        of_item = np.concatenate(banks, axis=1)
        steps, words = of_item.shape
        begins = np.zeros((steps, words), np.int64)
        if len(banks) == 2:
            begins[:, banks[0].shape[1]], begins[1:, 0] = 1, 1
        return ItemWork(
            banks=of_item.ravel().tolist(),
            events=np.concatenate(events, axis=1).ravel().tolist(),
            begins=begins.ravel().tolist(),
            words=words,
        )


def _windows(
    segment: SegmentWords,
    positions: Sequence[tuple[int, int, int, int]],
    layer: LayerWords,
    spikes: np.ndarray,
    arch: Architecture,
) -> _Windows:
    """The windows of a segment, clipped as the machine clips them (docs/machine.md, "A layer")."""
    fields, columns = segment.fields, arch.columns
    row, y, bit, _ = np.array(positions, np.int64).T
    kernel_rows = np.arange(fields["rows"])
    source_rows = y[:, None] + kernel_rows * fields["dilation"]
    rows_inside = (source_rows >= 0) & (source_rows < fields["height"])
    low, high = np.maximum(bit, 0), np.minimum(bit + fields["bit_length"], fields["row_bits"])
    empty = (low >= high) | ~rows_inside.any(axis=1)
    first, last = low // columns, (high - 1) // columns
    words = np.arange(max(int((last - first).max()) + 1, 1))
    words_inside = words <= (last - first)[:, None]
    inside = (rows_inside[:, :, None] & words_inside[:, None, :]).reshape(len(positions), -1)
    inside[empty] = np.arange(inside.shape[1]) == 0
    steps = np.arange(layer.fields["time_steps"])[:, None, None, None]
    starts = (row[:, None] + kernel_rows * fields["pitch"]) % (1 << 18)
    addresses = steps * fields["plane"] + starts[:, :, None] + (first[:, None] + words)[:, None, :]
    begin = np.clip(low[:, None] - (first[:, None] + words) * columns, 0, columns)[:, None, :]
    end = np.clip(high[:, None] - (first[:, None] + words) * columns, 0, columns)[:, None, :]
    clamped = np.minimum(addresses, len(spikes) - 1)  # clipped rows may lie anywhere
    events = spikes[clamped, end].astype(np.int16) - spikes[clamped, begin]
    if fields["lanewise"]:
        events = np.minimum(events, 1) * fields["repeats"]
    shape = (len(steps), *inside.shape)
    banks = (addresses % arch.banks).reshape(shape)
    events = np.where(inside, events.reshape(shape), 0)
    # A window without a word inside its source is one read, wherever the clipping has led.
    above = np.minimum((source_rows < 0).sum(axis=1), len(kernel_rows))
    left = rows_inside.sum(axis=1)
    onward = fields["plane"] - (left - 1) * fields["pitch"]
    astray = row + above * fields["pitch"] + first + np.arange(len(steps))[:, None] * onward
    banks[:, empty] = (astray % arch.banks)[:, empty, None]
    events[:, empty] = 0
    return _Windows(inside, banks, events, (~rows_inside).sum(axis=1))
