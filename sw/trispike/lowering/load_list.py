"""The load list of a program and the rows behind the external weight port."""

from collections.abc import Iterator, Sequence

import numpy as np

from trispike_hw.architecture import Architecture
from trispike_hw.layout import Load, LoadKind, pack

from ..fields import shapes_of
from .descriptors import WeightAddress
from .schedule import NOBODY, PlacedPart
from .shortage import Shortage
from .weights import Block, memory_rows, runs

MOST_ROWS = (1 << shapes_of(Load)["count"].width) - 1


class ExternalRows:
    """What stands behind the external weight port: blocks one behind the other, equal ones once."""

    def __init__(self) -> None:
        self._blocks: dict[bytes, Block] = {}
        self._bases: dict[bytes, int] = {}
        self.rows = 0

    def add(self, parts: Sequence[PlacedPart]) -> None:
        """Take up the blocks of `parts` that stream.

        Raises:
            Shortage: if the load list could not name their rows.
        """
        for placed in parts:
            for key, block in placed.choice.plan.blocks.items() if placed.stretches else ():
                if key not in self._bases:
                    self._blocks[key], self._bases[key] = block, self.rows
                    self.rows += block.values.shape[0] * block.rows
        most = 1 << shapes_of(Load)["source"].width
        if self.rows > most:
            raise Shortage("the external weight memory", "columns", "rows", self.rows, most)

    def base(self, key: bytes) -> int:
        """First row of a block."""
        return self._bases[key]

    def contents(self, columns: int) -> np.ndarray:
        """All rows, int8 [rows, columns]."""
        rows = np.empty((self.rows, columns), np.int8)
        for key, block in self._blocks.items():
            flat = block.values.reshape(-1, columns)
            rows[self._bases[key] : self._bases[key] + len(flat)] = flat
        return rows


def weight_addresses(placed: PlacedPart, arch: Architecture) -> dict[bytes, WeightAddress]:
    """Where the blocks of a part stand, by key: one behind the other from its base on."""
    addresses = {}
    base, tiles = placed.base, len(placed.part.tiles)
    for key, block in placed.choice.plan.blocks.items():
        length, offset = memory_rows(tiles, block.rows, placed.choice.tile_mode, arch.lanes)
        addresses[key] = WeightAddress(base, block.rows, offset)
        base += length
    return addresses


def load_words(parts: Sequence[PlacedPart], external: ExternalRows, arch: Architecture) -> list[int]:
    """The load list: every part's rows as early as what stands in their place has ended."""
    words: list[int] = []
    ended = ready = NOBODY

    def announce(last: int) -> None:
        nonlocal ready
        if last > ready:
            ready = last
            words.append(pack(Load, {"kind": LoadKind.READY, "count": last}))

    for number, placed in enumerate(parts):
        if not placed.stretches:
            continue
        announce(number - 1)
        for wait, fields in sorted(_loads(placed, external, arch), key=lambda load: load[0]):
            if wait > ended:
                ended = wait
                words.append(pack(Load, {"kind": LoadKind.WAIT, "count": wait}))
            words.append(pack(Load, {"kind": LoadKind.LOAD, **fields}))
    announce(len(parts) - 1)
    return [*words, pack(Load, {"kind": LoadKind.END})]


def _loads(placed: PlacedPart, external: ExternalRows, arch: Architecture) -> Iterator[tuple[int, dict[str, int]]]:
    """Loads of a part, each with the program layer that has to end before it."""
    tiles = placed.part.tiles
    addresses = weight_addresses(placed, arch)
    for key, block in placed.choice.plan.blocks.items():
        source = external.base(key) + tiles.start * block.rows
        for run in runs(len(tiles), block.rows, placed.choice.tile_mode, arch.lanes):
            target = addresses[key].base + run.target
            for stretch in placed.stretches:
                low, high = max(stretch.low, target), min(stretch.high, target + run.count)
                for start in range(low, high, MOST_ROWS):
                    yield (
                        stretch.wait,
                        {
                            "source": source + run.source + start - target,
                            "count": min(MOST_ROWS, high - start),
                            "target": start,
                            "pair": run.pair or 0,
                            "every": int(run.pair is None),
                        },
                    )
