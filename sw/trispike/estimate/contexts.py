"""When the contexts of work items reach the queues of their lanes."""

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence


class Contexts:
    """The items' contexts on their way to the lanes' queues (tsa_scheduler.py): one after the other, so that one whose
    lane has no room stops those of all lanes."""

    def __init__(self, items_done: Sequence[Sequence[Sequence[int]]], queue: int) -> None:
        """`items_done` grows: per cluster and lane, when its items had their last turn. A lane queues `queue` contexts,
        besides one in its cluster's input register."""
        self._items_done, self._queue = items_done, queue
        self._queued = [[0] * len(lanes) for lanes in items_done]  # contexts that came into the lane's queue so far
        self._due: deque[tuple[int, int]] = deque()  # cluster and lane
        self._gone = -1  # when the last one went to its cluster
        self._free = [0] * len(items_done)  # the cluster takes another one, if it holds none
        self._held: list[tuple[int, int] | None] = [None] * len(items_done)  # in the register: lane, since when

    def send(self, cycle: int, lanes: Sequence[tuple[int, int]]) -> None:
        """Send those of an item, for which `lanes` (cluster and lane) were chosen in `cycle`."""
        self._gone = cycle
        self._due.extend(lanes)
        self.move()

    def move(self) -> None:
        """Go as far as the items that are done allow."""
        for cluster in range(len(self._held)):
            self._queue_held(cluster)
        while self._due:
            cluster, lane = self._due[0]
            if self._held[cluster] is not None:
                return
            self._due.popleft()
            self._gone = max(self._gone + 1, self._free[cluster])
            self._held[cluster] = lane, self._gone
            self._queue_held(cluster)

    def _queue_held(self, cluster: int) -> None:
        """Let what the cluster's register holds go to its lane's queue, if that has room."""
        held = self._held[cluster]
        if held is None:
            return
        lane, since = held
        done, queued = self._items_done[cluster][lane], self._queued[cluster][lane]
        before = queued - self._queue  # the item that has to be done, if there is such a one
        if before >= len(done):
            return
        left = since + 1 if before < 0 else max(since + 1, done[before] - 1)
        # A cluster says a cycle late that it takes another one where a queue is almost full.
        level = queued - bisect_right(done, since + 1)
        self._free[cluster] = left + (level >= self._queue - 1)
        self._held[cluster] = None
        self._queued[cluster][lane] += 1

    @property
    def free_from(self) -> int | None:
        """From when on another item may be chosen; None: when some lane has done an item."""
        return None if self._due else self._gone + 1
