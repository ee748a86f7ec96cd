"""Where the words of a queue stand in a memory."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Ring(wiring.Component):
    """Pointers of a queue of up to `words` words, a power of two, in a memory that is elsewhere.

    Function: `puts` says that a word is written at `put_at` in this cycle, `gets` that one is read at `get_at`; `clear`
    forgets all. Both must heed `room` and `some`. Latency: two cycles from `puts` to `some`, for the word takes as long
    to its memory. Throughput: one word in and one out a cycle. Reset: no words.
    """

    puts: Signal
    gets: Signal
    clear: Signal
    put_at: Signal
    get_at: Signal
    level: Signal
    room: Signal
    some: Signal

    def __init__(self, words: int) -> None:
        assert words & (words - 1) == 0
        self._words = words
        super().__init__(
            {
                "puts": In(1),
                "gets": In(1),
                "clear": In(1),
                "put_at": Out(range(words)),
                "get_at": Out(range(words)),
                "level": Out(range(words + 1)),
                "room": Out(1),
                "some": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        # A bit more than addresses have, so that a full ring differs from an empty one.
        put_at, get_at = Signal(range(2 * self._words)), Signal(range(2 * self._words))
        there = Signal.like(put_at)  # words up to here are in the memory
        m.d.sync += [put_at.eq(put_at + self.puts), there.eq(put_at), get_at.eq(get_at + self.gets)]
        with m.If(self.clear):
            m.d.sync += [put_at.eq(0), there.eq(0), get_at.eq(0)]
        m.d.comb += [
            self.put_at.eq(put_at),
            self.get_at.eq(get_at),
            self.level.eq(put_at - get_at),
            self.room.eq(self.level != self._words),
            self.some.eq(there != get_at),
        ]
        return m
