"""Where the block RAMs of a large array go on a device that it fills to more than half."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_RAMS = ("DP16KD", "PDPW16KD")
_NAME = re.compile(r"cluster(\d+)\.(weights\d+|spikes|row\.store|row\.pool)\.")
_SPIKES, _CONSTANTS, _POOL = "spikes", "row.store", "row.pool"

_Rams = Mapping[str, list[str]]  # names of a cluster's block RAMs by what they hold; weights0, weights1, ... by pair


@dataclass(frozen=True)
class Grid:
    """Columns (x) and rows (y) of tiles with block RAMs, as nextpnr counts them; both even in number."""

    columns: tuple[int, ...]
    rows: tuple[int, ...]

    def site(self, column: int, row: int) -> str:
        """nextpnr's name of the block RAM in a column and a row of the grid."""
        return f"X{self.columns[column]}/Y{self.rows[row]}/EBR{column % 4}"


LFE5U_85 = Grid(
    columns=tuple(block + x for block in (*range(4, 59, 9), *range(69, 115, 9)) for x in (0, 2, 4, 6)),
    rows=(22, 46, 70, 82),
)
"""Lattice LFE5U-85F, as in the database of Project Trellis: four in a group of nine tiles."""


def place_block_rams(netlist: Mapping[str, Any], top: str, grid: Grid) -> int:
    """Give the block RAMs of two clusters sites, one in each half of the device; the number of those that have one now.

    The placer strews the block RAMs of a pair of lanes over the device. Here they stand side by side, at both sides of
    a half, and pairs whose sums the bus unites (`TsaRow`) at the same side: their words are one when they come to the
    neurons. Between the sides are the cluster's spikes and, towards the middle of the device, where the neurons come to
    lie, its constants. What serves both clusters, and an array of another shape, is left to the placer.
    """
    cells = netlist["modules"][top]["cells"]
    clusters: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in sorted(cells, key=_numbers):
        found = _NAME.match(name) if cells[name]["type"] in _RAMS else None
        if found:
            clusters[int(found[1])][found[2]].append(name)
    if sorted(clusters) != [0, 1]:
        return 0
    last = len(grid.columns) - 1
    halves = [_half(clusters[cluster], len(grid.columns) // 2, len(grid.rows)) for cluster in (0, 1)]
    if not all(halves):
        return 0
    for cluster, places in enumerate(halves):
        for name, (column, row) in places.items():
            site = grid.site(last - column if cluster else column, row)
            cells[name].setdefault("attributes", {})["BEL"] = site
    return sum(map(len, halves))


def _half(rams: _Rams, columns: int, rows: int) -> dict[str, tuple[int, int]]:
    """Column and row of every block RAM in the left half of a device; none if they do not fit. Four pairs take two
    rows, the two that the bus unites one above the other at the edge, and the next two towards the middle."""
    pairs = [rams[kind] for kind in sorted((kind for kind in rams if kind.startswith("weights")), key=_numbers)]
    if len(pairs) != 2 * rows:
        return {}
    places: dict[str, tuple[int, int]] = {}
    for row in range(rows):
        first = row // 2 * 4 + row % 2
        outer, inner = pairs[first], pairs[first + 2]
        middle = [name for kind in (_SPIKES, _POOL, _CONSTANTS) for name in _share(rams[kind], row, rows)]
        line = middle + inner
        if len(outer) + len(line) > columns:
            return {}
        places |= {name: (column, row) for column, name in enumerate(outer)}
        places |= {name: (column, row) for column, name in enumerate(line, columns - len(line))}
    return places


def _share(names: list[str], row: int, rows: int) -> list[str]:
    """A row's part of them."""
    return names[len(names) * row // rows : len(names) * (row + 1) // rows]


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", name)]
