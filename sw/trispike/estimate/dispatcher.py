"""When the dispatcher has sent an item's windows to their lanes, and when it turns to the next one."""

from collections import deque
from collections.abc import Sequence

from .timings import DispatcherTimings, LoneDispatcherTimings

LATEST = 8
"""Stops of a pipeline that are kept: more than it has windows in it."""


class _Pipeline:
    """Stages that move on together, and stand all while one of them has to wait."""

    def __init__(self, stages: int) -> None:
        self._moves = stages - 1  # of something that has come in
        self._stops: deque[tuple[int, int]] = deque(maxlen=LATEST)  # first and last cycle, in order

    def moving(self, cycle: int) -> int:
        """The first cycle from `cycle` on in which the stages move."""
        for first, last in self._stops:
            if first <= cycle <= last:
                cycle = last + 1
        return cycle

    def stop(self, first: int, last: int) -> None:
        """The stages stand from cycle `first` to `last`; no cycles if that is `first` - 1."""
        self._stops.append((first, last))

    def out(self, taken: int) -> int:
        """When something that came in in cycle `taken` shows at the output."""
        cycle = taken
        for _ in range(self._moves):
            cycle = self.moving(cycle + 1)
        return cycle + 1


class Dispatcher:
    """One layer's windows on their way (dispatcher.py): through the mover, the clip and the delivery to the lanes.

    While a window is at the end of the mover, or of the clip, nothing behind it moves there, so that windows are longer
    under way where others are: from 11 cycles for one alone to 15 and more.
    """

    def __init__(self, segments: int, timings: DispatcherTimings) -> None:
        """The layer's items have so many segments."""
        self._segments, self._timings = segments, timings
        self._mover, self._clip = _Pipeline(timings.mover), _Pipeline(timings.clip)
        self._turned = self._delivered = 0  # the mover took the last window, and so did the delivery
        self._described = 0  # all segments are
        self.next_choice = 0  # the next item's lanes may be chosen

    def start(self, cycle: int) -> None:
        """The layer starts in cycle `cycle`."""
        self.next_choice = cycle + self._timings.choose
        self._described = cycle + self._timings.describe * self._segments + 1

    def send(self, cycle: int, dropped_rows: Sequence[int]) -> int:
        """Send an item, for which lanes were chosen in `cycle`, with so many kernel rows dropped in each segment; the
        cycle in which the last slot is taken."""
        timings = self._timings
        asked = cycle
        for dropped in dropped_rows:
            asked = max(asked, self._turned) + 1
            self._turned = self._mover.moving(max(asked + 1, self._described))
            moved = self._mover.out(self._turned)
            clipping = self._clip.moving(moved)
            self._mover.stop(moved, clipping)
            self._clip.stop(clipping + 1, clipping + dropped)
            clipped = self._clip.out(clipping)
            self._delivered = max(clipped, self._delivered + timings.delivery)
            self._clip.stop(clipped, self._delivered)
        self.next_choice = asked + 2
        return self._delivered + 1


class LoneDispatcher(Dispatcher):
    """The same for a lane alone (segment_reader.py, lone_clip.py): one segment after the other, nothing beside it."""

    def __init__(self, segments: int, timings: LoneDispatcherTimings) -> None:
        super().__init__(segments, timings)
        self._lone = timings

    def send(self, cycle: int, dropped_rows: Sequence[int]) -> int:
        lone, segments, dropped = self._lone, len(dropped_rows), sum(dropped_rows)
        self.next_choice = cycle + lone.segment * segments + dropped + lone.follow
        return cycle + lone.latency + lone.segment * (segments - 1) + dropped
