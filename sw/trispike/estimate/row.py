"""When a TSA row serves its lanes, and when its words reach the spike memory."""

from collections import deque
from dataclasses import dataclass, field

from trispike_hw.architecture import Architecture

from .timings import RowTimings


@dataclass(frozen=True)
class RowLayer:
    """What a row must know of a layer: T, the silent steps, whether it is the answer's, items of a pooling window."""

    time_steps: int
    silent: int
    answers: bool
    window: int

    @property
    def steps(self) -> int:
        """Turns of an item."""
        return self.time_steps + (0 if self.answers else self.silent)


@dataclass
class Port:
    """A way that one thing after the other takes: free from cycle `free` on."""

    free: int = 0

    def pass_at(self, cycle: int, length: int = 1) -> int:
        """The cycle from `cycle` on in which something that keeps the way busy for `length` cycles goes."""
        start = max(cycle, self.free)
        self.free = start + length
        return start


@dataclass
class Outlets:
    """What all rows share: the word writer and the answer store."""

    writer: Port = field(default_factory=Port)
    answer: Port = field(default_factory=Port)


class Row:
    """One TSA row in one layer, turn by turn (tsa_scheduler.py): which lane next, when its sums are taken.

    Turns pass three stages: chosen, ordered, and `tsa_passes` passes through the neurons.
    """

    def __init__(self, arch: Architecture, layer: RowLayer, timings: RowTimings, outlets: Outlets) -> None:
        self._arch, self._layer, self._timings, self._outlets = arch, layer, timings, outlets
        lanes = arch.cluster_lanes
        self._sums: list[int | None] = [None] * lanes  # from when on the lane's next sums wait
        self._requests: list[int | None] = [None] * lanes  # from when on the lane asks for its next turn
        self._step = [0] * lanes
        self._free_again = [0] * lanes  # the lane may ask again
        self._in_window = [0] * lanes
        self.tiles: list[list[int]] = [[] for _ in range(lanes)]  # per lane, the tiles of its items
        self._tile: int | None = None  # whose constants are there
        self._next = 0  # first lane of the round
        self._ordered = 0  # when the last turn was ordered
        self._passes_begin = 0  # when it came to its passes, for which it may wait for constants
        self._passes_end = 0  # when they are over
        self._pool = Port()
        self._puts: deque[int] = deque(maxlen=timings.stages)  # when pooling's last words went to the writer
        # When the last words come into the queue behind the neurons and when they leave it: enough of them, for a turn
        # that has begun adds one within a few cycles.
        self._queued: deque[tuple[int, int]] = deque(maxlen=4 * timings.room)
        self.items_done: list[list[int]] = [[] for _ in range(lanes)]  # per lane, when its items had their last turn
        self._part: int | None = None  # when a part of the answer comes to the answer store, which nothing passes
        self._parts_left = 0  # of the turn, behind that one
        self._answering = 0  # the lane that it is of
        self._written = 0

    @property
    def idle_from(self) -> int:
        """All turns are over and their words written."""
        return max(self._passes_end, self._written)

    def request(self, lane: int, ready: int) -> None:
        """The lane's next sums wait for a turn from cycle `ready` on."""
        self._sums[lane] = ready
        if not self._trails(lane):
            self._requests[lane] = max(ready, self._free_again[lane])

    def _trails(self, lane: int) -> bool:
        """Whether only silent steps are left of the lane's item."""
        return self._step[lane] >= self._layer.time_steps

    def next_event(self) -> int | None:
        """The cycle in which a part of the answer wants to the answer store, or the next lane can be chosen, as far as
        its request is known."""
        if self._part is not None:
            return self._part
        asked = [request for request in self._requests if request is not None]
        if not asked:
            return None
        return self._unheld(max(min(asked), self._ordered - 1))

    def _unheld(self, cycle: int) -> int:
        """The first cycle from `cycle` on in which the queue behind the neurons has room for what begins."""
        room = self._timings.room
        while True:
            come = [leaves for there, leaves in self._queued if there <= cycle]
            if len(come) < room or come[-room] < cycle:
                return cycle
            cycle = come[-room] + 1

    def act(self, cycle: int) -> tuple[int, int | None]:
        """What `next_event` gave `cycle` for: the lane that it is about, and when its sums are taken, if it is known
        from now on that they are."""
        return self._serve(cycle) if self._part is None else self._answer()

    def _serve(self, cycle: int) -> tuple[int, int | None]:
        """Choose a lane in `cycle`."""
        lanes = len(self._requests)
        lane = next(
            lane
            for lane in ((self._next + offset) % lanes for offset in range(lanes))
            if (request := self._requests[lane]) is not None and request <= cycle
        )
        self._next = lane + 1
        passes, timings, layer = self._arch.tsa_passes, self._timings, self._layer
        self._ordered = max(cycle + timings.choose - 1, self._passes_begin)
        self._passes_begin = max(self._ordered + 1, self._passes_end)
        start = self._passes_begin + self._reload(lane)
        step = self._step[lane]
        ended = step == layer.steps - 1
        if ended:
            self.items_done[lane].append(start)
            if layer.answers:
                self._answering, self._parts_left = lane, passes
                return self._pass(start)
        self._passes_end = start + passes
        last_pass = self._passes_end - 1
        if step >= layer.silent and not layer.answers:
            self._word(lane, last_pass + timings.word, ended)
        return lane, self._release(lane, last_pass)

    def _release(self, lane: int, last_pass: int) -> int | None:
        """The lane's turn has its last pass, in which it takes sums, if any; the lane may ask for the next one."""
        step, layer = self._step[lane], self._layer
        self._free_again[lane] = last_pass + self._timings.again
        self._step[lane] = 0 if step == layer.steps - 1 else step + 1
        integrates = step < layer.time_steps
        if integrates:
            self._sums[lane] = None
        waits_from = 0 if self._trails(lane) else self._sums[lane]
        self._requests[lane] = None if waits_from is None else max(waits_from, self._free_again[lane])
        return last_pass if integrates else None

    def _pass(self, cycle: int) -> tuple[int, int | None]:
        """A pass that gives a part of the answer begins in `cycle`."""
        self._part = cycle + self._timings.part
        self._parts_left -= 1
        self._requests[self._answering] = None
        return self._answering, None if self._parts_left else self._release(self._answering, cycle)

    def _answer(self) -> tuple[int, int | None]:
        """The part goes to the answer store, behind those that other rows brought before; nothing follows it until it
        has been taken."""
        assert self._part is not None
        width = self._arch.tsa_width
        self._passes_end = self._outlets.answer.pass_at(self._part, width + self._timings.part_added) + width + 1
        self._part = None
        return self._pass(self._passes_end) if self._parts_left else (self._answering, None)

    def _reload(self, lane: int) -> int:
        """Cycles until the constants of the lane's tile are there."""
        tile = self.tiles[lane][len(self.items_done[lane])]
        if self._arch.tsa_passes > 1 or tile == self._tile:
            return 0
        self._tile = tile
        return self._arch.constant_passes + self._timings.constants

    def _word(self, lane: int, there: int, ended: bool) -> None:
        """A word in the queue behind the neurons goes through pooling to the spike memory."""
        window = self._layer.window
        last_item = self._in_window[lane] == window - 1
        alone = window == 1
        length = 1 if alone else self._timings.digit
        passed = self._into_pool(there, length)
        leaves = passed + length - 1
        written = passed
        if alone:
            written = self._put(passed)
        elif ended and last_item:
            for _ in range(self._layer.time_steps):
                merged = self._into_pool(passed + 1, length)
                written = self._put(merged)
                if self._arch.lone_lane:  # the word stands until the train is out
                    leaves = merged + length - 1
        self._queued.append((there, leaves))
        if ended:
            self._in_window[lane] = (self._in_window[lane] + 1) % window
        self._written = max(self._written, written + self._timings.write)

    def _into_pool(self, cycle: int, length: int) -> int:
        """The cycle from `cycle` on in which a word goes into pooling, whose stages stand while the writer takes words
        of other rows."""
        if self._puts and len(self._puts) == self._timings.stages:
            cycle = max(cycle, self._puts[0] + self._timings.stages)
        return self._pool.pass_at(cycle, length)

    def _put(self, cycle: int) -> int:
        """When the writer takes a word that went into pooling in cycle `cycle`, less the time that pooling takes."""
        written = self._outlets.writer.pass_at(cycle)
        self._puts.append(written)
        return written
