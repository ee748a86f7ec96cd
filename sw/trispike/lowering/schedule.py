"""Where the weights of every part stand and when they come: residents in front, a ring for what streams behind them."""

from collections.abc import Sequence
from dataclasses import dataclass

from trispike_hw.architecture import Architecture

from .choice import Choice, Part

PART_CYCLES = 40
"""Cycles between the layers of a program: header words, filling and draining the array."""

LOAD_CYCLES = 8
"""Cycles of a load word beside its rows; what the outer memory takes to answer is the platform's business."""

NOBODY = -1


@dataclass(frozen=True)
class Selection:
    """How a layer runs, and whether its weights are to be resident."""

    choice: Choice
    resident: bool


@dataclass(frozen=True)
class Stretch:
    """Weight rows low..high-1, which may be overwritten when program layer `wait` has ended (NOBODY: at once)."""

    low: int
    high: int
    wait: int


@dataclass(frozen=True)
class PlacedPart:
    """A program layer: part of layer number `layer`, its weights from row `base` on. `stretches` tile its rows, the one
    that is free first in front; they are empty if its weights are resident."""

    layer: int
    choice: Choice
    part: Part
    base: int
    stretches: tuple[Stretch, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """All program layers in order, estimated cycles of a run and of each layer, and a bound of the program words.

    `undisturbed` says that no part overwrites the weights of another, so that a second run finds all that streamed.
    """

    parts: tuple[PlacedPart, ...]
    cycles: float
    shares: tuple[int, ...]
    words: int
    undisturbed: bool

    @property
    def streamed(self) -> bool:
        """Whether anything comes from outside."""
        return any(placed.stretches for placed in self.parts)

    def excess(self, arch: Architecture) -> int:
        """By how much the program exceeds the architecture's layers and program words; 0 if it fits."""
        return max(0, len(self.parts) - arch.max_layers) * arch.program_words + max(0, self.words - arch.program_words)


def schedule(selections: Sequence[Selection], arch: Architecture, *, settle: bool = True) -> Schedule | None:
    """A place and a time for the weights of every part, or None if they have no place.

    With `settle` the weights of parts that share no row with another become resident. A streamed part goes where what
    it overwrites ended longest ago, and within that to where most neighbouring rows
    stay free for the next one.
    """
    front = 0
    placed: list[PlacedPart] = []
    ring = _Ring(sum(s.choice.rows for s in selections if s.resident), arch.weight_rows)
    for layer, selection in enumerate(selections):
        choice = selection.choice
        for part in choice.parts:
            if selection.resident:
                placed.append(PlacedPart(layer, choice, part, front))
                front += part.rows
                continue
            if part.rows > ring.rows:
                return None
            placed.append(PlacedPart(layer, choice, part, *ring.place(part.rows, len(placed))))
    if front > arch.weight_rows:
        return None
    undisturbed = sum(bool(each.stretches) for each in placed) == len(ring.alone)
    if settle:
        placed = [
            PlacedPart(each.layer, each.choice, each.part, each.base) if number in ring.alone else each
            for number, each in enumerate(placed)
        ]
    return Schedule(tuple(placed), *_cycles(placed, arch), _words(placed, arch), undisturbed)


class _Ring:
    """Weight rows low..high-1, shared by parts in turn: who used every row last. `alone` holds the parts that share no
    row with another."""

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high
        self._stretches = [Stretch(low, high, NOBODY)] if low < high else []
        self.alone: set[int] = set()

    @property
    def rows(self) -> int:
        """Rows of the ring."""
        return self._high - self._low

    def place(self, rows: int, number: int) -> tuple[int, tuple[Stretch, ...]]:
        """Take `rows` rows for program layer `number`: first row, and its stretches."""
        starts = {stretch.low for stretch in self._stretches} | {stretch.high - rows for stretch in self._stretches}
        bases = (start for start in starts if self._low <= start <= self._high - rows)
        base = min(bases, key=lambda start: self._rank(start, rows))
        taken = self._within(base, base + rows)
        users = {stretch.wait for stretch in taken} - {NOBODY}
        self.alone -= users
        if not users:
            self.alone.add(number)
        before = self._within(self._low, base)
        after = self._within(base + rows, self._high)
        self._stretches = [*before, Stretch(base, base + rows, number), *after]
        return base, tuple(sorted(taken, key=lambda stretch: stretch.wait))

    def _within(self, low: int, high: int) -> list[Stretch]:
        clipped = (Stretch(max(s.low, low), min(s.high, high), s.wait) for s in self._stretches)
        return [stretch for stretch in clipped if stretch.low < stretch.high]

    def _rank(self, base: int, rows: int) -> tuple[object, ...]:
        """Latest user and its rows first, then the user before it, and so on; then the room left in one piece."""
        by_user: dict[int, int] = {}
        for stretch in self._within(base, base + rows):
            by_user[stretch.wait] = by_user.get(stretch.wait, 0) + stretch.high - stretch.low
        room = max(base - self._low, self._high - base - rows)
        return sorted(((user, count) for user, count in by_user.items() if user != NOBODY), reverse=True), -room, base


def _cycles(placed: Sequence[PlacedPart], arch: Architecture) -> tuple[float, tuple[int, ...]]:
    """Estimated cycles of a run and of each layer: one after the other, loads beside them, each as early as it may.

    A row that comes costs the even lanes of its pairs a cycle.
    """
    ends: list[float] = []
    end = loader = lost = 0.0
    shares: list[int] = []
    for each in placed:
        part = each.part
        before = end + lost
        for stretch in each.stretches:
            if stretch.wait != NOBODY:
                loader = max(loader, ends[stretch.wait])
            loader += (part.traffic + part.load_words * LOAD_CYCLES) * (stretch.high - stretch.low) / part.rows
        if each.stretches:
            end = max(end, loader)
            lost += part.traffic / (arch.lanes if each.choice.tile_mode else 2)
        end += part.cycles + PART_CYCLES
        ends.append(end)
        shares.append(round(end + lost - before))
    return end + lost, tuple(shares)


def _words(placed: Sequence[PlacedPart], arch: Architecture) -> int:
    """Program words of all layers and at most so many of the load list: every border between stretches may cut a load
    in two, in tile mode one for each lane pair, and wants a WAIT."""
    words = sum(each.choice.layer_words // len(each.choice.parts) for each in placed)
    streamed = [each for each in placed if each.stretches]
    if not streamed:
        return words
    for each in streamed:
        cuts = (len(each.stretches) - 1) * (arch.pairs if each.choice.tile_mode else 1)
        waits = sum(stretch.wait != NOBODY for stretch in each.stretches)
        words += each.part.load_words + cuts + waits + 1
    return words + 2
