"""When a lane reads its words, walks their events and has the sums of a step ready."""

from collections import deque
from collections.abc import Sequence

from .timings import LaneTimings
from .work import ItemWork


class Lane:
    """One lane in one layer, word by word: fetch, queue and walk (fetch.py, walker.py).

    The lane runs ahead as far as it can: until the sums of a step have no place because the row has not taken those of
    steps before. `ready` is the cycle in which the oldest sums that wait ask for the row, and `take` says when it took
    them.
    """

    def __init__(self, number: int, banks: int, timings: LaneTimings, pauses: Sequence[tuple[int, int]] = ()) -> None:
        """In the cycles of `pauses`, first one and the one behind the last, no event goes out: a weight is written."""
        self._number, self._mask, self._timings = number, banks - 1, timings
        self._pauses = deque(pauses)
        self._arrived: deque[tuple[int, ItemWork]] = deque()  # items behind the one that is being read
        self._item: ItemWork | None = None
        self._word = 0
        self._issue = 0  # the next read may go out
        self._turned = 0  # the fetch turned to an item, or to one of its two segments
        self._theres: list[int] = []  # when queued words came to the queue, all so far
        self._pops: list[int] = []  # when they left it
        self._entered = self._left = 0  # how many of both count in the level that the last read has seen
        self._queue: deque[tuple[int, int, bool]] = deque()  # words: when they are there, events, last of their step
        self._free = 0  # the walk takes its next word
        self._ending: int | None = None  # last event of a step, which waits for the sums before it to be taken
        self._ended: list[int] = []  # last events of all steps so far
        self._taken: list[int] = []  # when the row took the sums of the first of them
        self.items = 0  # items that have come
        self.loads: list[int] = []  # per item, when the fetch turned to it
        self.read_ends: list[int] = []  # per item, when its last word was read
        self.ready: int | None = None  # the sums of the next step request their turn
        self.idle_from = 0  # the walk has nothing left

    def give(self, arrival: int, item: ItemWork) -> None:
        """An item whose last slot arrives in cycle `arrival`."""
        self._arrived.append((arrival, item))
        self.items += 1
        self._advance()

    def take(self, cycle: int) -> None:
        """The row takes the sums that stood ready."""
        self.ready = None
        self._taken.append(cycle)
        if self._ending is not None:
            self._end(max(self._ending, cycle + self._timings.freed))
        self._ask()
        self._advance()

    def _end(self, cycle: int) -> None:
        """The last event of a step goes out; its sums claim their place."""
        self._ending = None
        self._ended.append(cycle)
        self._free = self.idle_from = cycle + self._timings.end
        self._ask()

    def _ask(self) -> None:
        """The oldest sums ask for the row, behind those before them."""
        number = len(self._taken)
        if self.ready is None and number < len(self._ended):
            before = self._taken[-1] + 1 if number else 0
            self.ready = max(self._ended[number] + self._timings.hand_over, before)

    def _advance(self) -> None:
        while self._fetch() or self._walk():
            pass  # what is walked makes room to fetch, and what is fetched can be walked

    def _fetch(self) -> bool:
        """Read as far as the queue has room; whether there was any."""
        latency, mask, number = self._timings.read, self._mask, self._number
        theres, queue = self._theres, self._queue
        before = self._issue
        while True:
            item = self._item
            if item is None:
                if not self._arrived:
                    break
                arrival, item = self._arrived.popleft()
                self._item, self._word = item, 0
                self._issue = max(self._issue, arrival + self._timings.load)
                self._turned = self._issue - 1
                self.loads.append(self._turned)
            word, issue = self._word, self._issue
            banks, events, begins, words = item.banks, item.events, item.begins, item.words
            returned = self._timings.returned
            step_end = word - word % words + words - 1
            total = len(banks)
            while word < total:
                if begins[word]:
                    issue = max(issue, self._turned + returned + 1)
                bank = banks[word] - number
                read = issue + ((bank - issue) & mask)
                if len(theres) - self._left >= self._timings.queue:
                    read = self._with_room(read, bank)
                    if read is None:
                        break
                if begins[word]:
                    self._turned = issue - 1
                count = events[word]
                if word == step_end:
                    queue.append((read + latency, count, True))
                    theres.append(read + latency)
                    step_end += words
                elif count:
                    queue.append((read + latency, count, False))
                    theres.append(read + latency)
                issue = read + 1
                word += 1
            self._word, self._issue = word, issue
            if word < total:
                break
            self.read_ends.append(issue - 1)
            self._item = None
        return self._issue != before

    def _with_room(self, cycle: int, bank: int) -> int | None:
        """The first cycle from `cycle` on, with `bank`, in which the queue's level lets a word be read; None if that
        hangs on a word that has not left yet."""
        theres, pops, depth = self._theres, self._pops, self._timings.queue
        entered, left, late = self._entered, self._left, self._timings.level
        while True:
            while entered < len(theres) and theres[entered] <= cycle:
                entered += 1
            while left < len(pops) and pops[left] + late <= cycle:
                left += 1
            if entered - left < depth:
                self._entered, self._left = entered, left
                return cycle
            if entered - depth >= len(pops):
                return None
            cycle = pops[entered - depth] + late
            cycle += (bank - cycle) & self._mask

    def _walk(self) -> bool:
        """Walk as far as the words and the sums before allow; whether there was any."""
        queue, pops = self._queue, self._pops
        free = self._free
        walked = False
        while queue and self._ending is None:
            there, events, last = queue.popleft()
            walked = True
            pop = there if there > free else free
            pops.append(pop)
            free = self._unpaused(pop, events or 1) if self._pauses else pop + (events or 1)
            if last:
                place = len(self._ended) - self._timings.vectors
                if place >= len(self._taken):
                    self._ending = free
                else:
                    self._end(max(free, self._taken[place] + self._timings.freed) if place >= 0 else free)
                    free = self._free
        self._free = free
        return walked

    def _unpaused(self, start: int, events: int) -> int:
        """The cycle of the last of `events` events, the first of which may go out the cycle after `start`."""
        pauses = self._pauses
        while pauses and pauses[0][1] <= start + 1:
            pauses.popleft()
        end = start + events
        for begin, over in pauses:
            if begin > end:
                break
            end += over - max(begin, start + 1)
        return end
