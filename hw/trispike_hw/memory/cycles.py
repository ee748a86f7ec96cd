"""Times of data sheets in cycles of a clock."""

from math import ceil, floor


def at_least(nanoseconds: float, clock: float) -> int:
    """Cycles of `clock` Hz that last so long, at least one."""
    return max(1, ceil(round(nanoseconds * clock / 1e9, 6)))


def at_most(nanoseconds: float, clock: float) -> int:
    """Cycles of `clock` Hz that last no longer."""
    return floor(round(nanoseconds * clock / 1e9, 6))
