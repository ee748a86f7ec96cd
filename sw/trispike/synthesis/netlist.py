"""What a synthesised netlist is made of, in total and block by block."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from .targets import Family

DEEPEST = 3
"""Levels of the hierarchy that are told apart."""

SCOPE = "$scopeinfo"
"""Type of the cells that Yosys leaves in the place of flattened instances."""

TOP = "(top)"
"""Where cells belong whose names say no block."""

RESET = "~"
"""What names of flip-flops with a reset begin with for nextpnr, behind all letters: see `resets_first`."""


def resources(cells: Mapping[str, int], family: Family) -> dict[str, float]:
    """Resources by name that `cells`, a number by type, take; of all that the family counts."""
    totals = dict.fromkeys(family.counts, 0.0)
    for kind, number in cells.items():
        for resource, costs in family.counts.items():
            cost = next((cost for pattern, cost in costs.items() if fnmatchcase(kind, pattern)), 0)
            totals[resource] += cost * number
    return {resource: int(total) if total == int(total) else total for resource, total in totals.items()}


def cells_by_block(netlist: Mapping[str, Any], top: str) -> dict[str, Counter[str]]:
    """Number of cells by type of every block of a flattened netlist, as Yosys writes it in JSON.

    A block is a path in the hierarchy without the numbers that tell instances of one kind apart. Cells bear the path of
    their block, or that of the signal that they drive, in their names.
    """
    cells = netlist["modules"][top]["cells"]
    instances = {name for name, cell in cells.items() if cell["type"] == SCOPE}
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for name, cell in cells.items():
        if cell["type"] != SCOPE:
            found[block_of(name, instances)][cell["type"]] += 1
    return dict(found)


def resets_first(netlist: Mapping[str, Any], top: str) -> None:
    """Rename the flip-flops of an ECP5 that have a reset so that nextpnr packs them first.

    A sum of a carry chain that goes to two flip-flops has room beside it for one, which is the first one that nextpnr
    comes upon; and it goes through the cells from the end of the alphabet. If that is one without a reset (the vector
    that waits for the TSA row), the one with it (the accumulator) stays alone. Then it is placed last, in a tile
    whose other flip-flops must have the same reset, and of which there are none left on a full device.
    """
    cells = netlist["modules"][top]["cells"]
    for name, cell in list(cells.items()):
        if cell["type"] == "TRELLIS_FF" and isinstance(cell["connections"].get("LSR", "0")[0], int):
            cells[RESET + name] = cells.pop(name)


def block_of(name: str, instances: set[str]) -> str:
    """The block that a cell belongs to."""
    parts = name.split(".")[:DEEPEST]
    while parts and ".".join(parts) not in instances:
        parts.pop()
    return ".".join(re.sub(r"\$?\d+$", "", part) for part in parts) or TOP
