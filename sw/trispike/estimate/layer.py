"""A layer from its dispatcher's start to its last word, item by item: which lane gets what, and when."""

import heapq
from collections.abc import Sequence

from trispike_hw.architecture import Architecture
from trispike_hw.layout import Mode

from ..emulator.words import LayerWords
from .contexts import Contexts
from .dispatcher import Dispatcher, LoneDispatcher
from .lane import Lane
from .row import Outlets, Row, RowLayer
from .timings import LoneDispatcherTimings, Timings
from .work import LayerWork

SLOTS = 16
"""Slots that a lane holds at least (fetch.py, `slot_depth`)."""


class LayerRun:
    """Lanes, rows and dispatcher of one layer, event by event in order of their cycles."""

    def __init__(
        self,
        layer: LayerWords,
        work: LayerWork,
        arch: Architecture,
        timings: Timings,
        pauses: Sequence[Sequence[tuple[int, int]]],
        next_lane: int = 0,
    ) -> None:
        """`pauses` are those of the even lane of every lane pair; `next_lane` is where the first search for a hungry
        lane begins."""
        fields = layer.fields
        self._arch, self._timings, self._work = arch, timings, work
        self._tile_mode, self._last_lanes = bool(fields["tile_mode"]), fields["last_lanes"]
        self._passes, self._window = fields["passes"], fields["window_x"] * fields["window_y"]
        self._segments = fields["segments"]
        self._slots = max(SLOTS, 2 * arch.max_segments)
        self._lanes = [
            Lane(lane % arch.cluster_lanes, arch.banks, timings.lane, () if lane % 2 else pauses[lane // 2])
            for lane in range(arch.lanes)
        ]
        about = RowLayer(fields["time_steps"], fields["silent"], fields["mode"] is Mode.LOGITS, self._window)
        outlets = Outlets()
        self._rows = [Row(arch, about, timings.row, outlets) for _ in range(arch.clusters)]
        timed = timings.dispatcher
        lone = isinstance(timed, LoneDispatcherTimings)
        self._dispatcher = LoneDispatcher(self._segments, timed) if lone else Dispatcher(self._segments, timed)
        self._contexts = Contexts([row.items_done for row in self._rows], timings.row.contexts)
        self._events: list[tuple[int, int]] = []  # cycle, and number of the row, or -1 for the dispatcher
        self._item = 0
        self._chosen = 0
        self.next_lane = next_lane  # where the next search for a hungry lane begins

    def run(self, start: int) -> int:
        """The cycle from which on all is quiet, if the dispatcher begins in cycle `start`."""
        self._dispatcher.start(start)
        self._wake(self._dispatcher.next_choice, -1)
        while self._events:
            cycle, who = heapq.heappop(self._events)
            if who < 0:
                self._dispatch(cycle)
            else:
                self._turn(self._rows[who], who, cycle)
        lanes = max(lane.idle_from for lane in self._lanes)
        return max(self._dispatcher.next_choice, lanes, *(row.idle_from for row in self._rows))

    def _wake(self, cycle: int, who: int) -> None:
        heapq.heappush(self._events, (cycle, who))

    def _turn(self, row: Row, number: int, cycle: int) -> None:
        due = row.next_event()
        if due is None or due > cycle:  # it was for a request that has been served meanwhile
            return
        served, taken = row.act(cycle)
        self._contexts.move()
        self._wake_dispatcher(cycle)
        if taken is not None:
            self._let(served + number * self._arch.cluster_lanes, lambda lane: lane.take(taken))
        again = row.next_event()
        if again is not None:
            self._wake(max(again, cycle), number)

    def _let(self, number: int, act) -> None:
        """Let a lane act; tell its row and the dispatcher what comes of it."""
        lane = self._lanes[number]
        cluster, own = divmod(number, self._arch.cluster_lanes)
        loads_before, ready_before = len(lane.loads), lane.ready
        act(lane)
        if lane.ready is not None and lane.ready != ready_before:
            row = self._rows[cluster]
            row.request(own, lane.ready)
            due = row.next_event()
            if due is not None:
                self._wake(due, cluster)
        for load in lane.loads[loads_before:]:
            self._wake_dispatcher(load + 1 + self._timings.dispatcher.pick)

    def _wake_dispatcher(self, cycle: int) -> None:
        """Let the dispatcher look for lanes in cycle `cycle`, or when it may, if that is known."""
        free = self._contexts.free_from
        if free is not None and self._item < len(self._work):
            self._wake(max(cycle, free, self._dispatcher.next_choice), -1)

    def _dispatch(self, cycle: int) -> None:
        """Hand over the next item, if its time has come and its lanes have room; else their progress wakes it."""
        free = self._contexts.free_from
        if self._item >= len(self._work) or free is None or cycle < max(free, self._dispatcher.next_choice):
            return
        lanes = self._lanes_of_item(cycle)
        if not lanes or not all(self._has_room(lane, cycle) for lane in lanes):
            return
        number = self._item
        arrival = self._dispatcher.send(cycle, self._work.dropped_rows(number))
        item = self._work.item(number)
        self._item += 1
        self._contexts.send(cycle, [divmod(lane, self._arch.cluster_lanes) for lane in lanes])
        this_pass = self._work.indices(number)[4]
        for lane in lanes:
            cluster, own = divmod(lane, self._arch.cluster_lanes)
            tile = this_pass * self._arch.lanes + lane if self._tile_mode else this_pass
            self._rows[cluster].tiles[own].append(tile)
            self._let(lane, lambda lane: lane.give(arrival, item))
        self._wake_dispatcher(cycle)

    def _lanes_of_item(self, cycle: int) -> Sequence[int]:
        """Lanes that get the next item; none if it has to wait for a hungry one."""
        if self._tile_mode:
            last = self._work.indices(self._item)[4] == self._passes - 1
            return range(self._last_lanes if last else self._arch.lanes)
        if self._item % self._window == 0:
            lanes = self._arch.lanes
            round_robin = ((self.next_lane + offset) % lanes for offset in range(lanes))
            hungry = next((lane for lane in round_robin if self._hungry(lane, cycle)), None)
            if hungry is None:
                return ()
            self._chosen, self.next_lane = hungry, hungry + 1
        return (self._chosen,)

    def _hungry(self, number: int, cycle: int) -> bool:
        """Whether no item waits in the lane or is on its way to it."""
        lane = self._lanes[number]
        return lane.items == _before(lane.loads, cycle - self._timings.dispatcher.pick)

    def _unread(self, number: int, cycle: int) -> int:
        """Items that the lane has not taken up whole before `cycle`."""
        lane = self._lanes[number]
        return lane.items - _before(lane.read_ends, cycle)

    def _has_room(self, number: int, cycle: int) -> bool:
        """Whether the lane can keep the slots of one item more."""
        return (self._unread(number, cycle) + 1) * self._segments <= self._slots


def _before(cycles: Sequence[int], cycle: int) -> int:
    """How many of ascending `cycles` lie before `cycle`."""
    number = len(cycles)
    while number and cycles[number - 1] >= cycle:
        number -= 1
    return number
