"""Event walk of a lane: one event per cycle out of a queue of spike words."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .fetch import lane_word
from .round_robin import selected


def event(arch: Architecture) -> data.StructLayout:
    """What a lane sends along its row of processing elements in one cycle."""
    return data.StructLayout(
        {
            "valid": arch.columns,  # columns that accumulate: all of them, or the set bits of a lanewise word
            "sign": arch.columns,  # 1: subtract; only where `valid`
            "weight": arch.weight_address_bits,  # weight row
            "end": 1,  # hand z over after this event, and clear
        }
    )


class Walker(wiring.Component):
    """Walks the set bits of spike words.

    Function: a broadcast word becomes one event per spike, lowest channel first; a lanewise word one event for each of
    its `repeats` weight rows; a word without spikes (it carries an end mark) one event without valid columns. The
    event that ends a step waits while `blocked` is high, every event while `pause` is.
    Latency: two cycles from a word to its first event. Throughput: one event per cycle, also across words.
    For the counters, a cycle later: `fired`, an event with a spike was issued; `hollow`, one without; `paused`, `held`,
    a word stood because of `pause` or `blocked`. Reset: no word; the event of its cycle still shows, but ends nothing.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "i": In(stream.Signature(lane_word(arch))),
                "blocked": In(1),
                "pause": In(1),  # no event in the next cycle: a weight is being written
                "ending": Out(1),  # an end event was issued in this cycle (one cycle before it shows on `event`)
                "event": Out(event(arch)),
                "fired": Out(1),
                "hollow": Out(1),
                "paused": Out(1),
                "held": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        columns = self._arch.columns

        word = Signal(lane_word(self._arch), reset_less=True)
        pending = Signal(columns, reset_less=True)  # spikes of `word` that have not been issued
        busy = Signal()

        index, rest, negative = self._lowest(m, pending, word.neg)

        # What the next event will be is worked out while the one before it goes out, so that the word that follows does
        # not wait for the count of this one's bits.
        repeat = Signal(4, reset_less=True)  # events of a lanewise word that have gone out
        some = Signal(reset_less=True)  # the word has a spike
        final, ends = Signal(reset_less=True), Signal(reset_less=True)  # the next event is the last of word; of step
        advance = Signal()  # the event goes out in this cycle
        m.d.comb += [
            advance.eq(busy & ~self.pause & ~(ends & self.blocked)),
            self.ending.eq(advance & ends),
            self.i.ready.eq(~busy | (advance & final)),
        ]
        given = self.i.payload
        final_at_first, final_after = Signal(), Signal()
        m.d.comb += [
            final_at_first.eq(
                Mux(given.lanewise, (given.repeats == 1) | ~given.spikes.any(), ~_more_than(1, given.spikes))
            ),
            final_after.eq(Mux(word.lanewise, repeat + 2 == word.repeats, ~_more_than(2, pending))),
        ]
        with m.If(self.i.ready):
            m.d.sync += [
                busy.eq(self.i.valid),
                repeat.eq(0),
                word.eq(given),
                pending.eq(given.spikes),
                some.eq(given.spikes.any()),
                final.eq(final_at_first),
                ends.eq(final_at_first & given.end),
            ]
        with m.Elif(advance):
            m.d.sync += [repeat.eq(repeat + 1), final.eq(final_after), ends.eq(final_after & word.end)]
            with m.If(~word.lanewise):
                m.d.sync += pending.eq(rest)

        # The row address needs an addition: a stage of its own keeps it off the walk's path.
        offset = Signal(4, reset_less=True)  # bit or repeat: neither reaches 16
        base = Signal(self._arch.weight_address_bits, reset_less=True)
        valid, sign = Signal(columns, reset_less=True), Signal(columns, reset_less=True)
        m.d.sync += [
            self.event.end.eq(self.ending),
            self.fired.eq(advance & some),
            self.hollow.eq(advance & ~some),
            self.paused.eq(busy & self.pause),
            self.held.eq(busy & ~self.pause & ~advance),
            offset.eq(Mux(word.lanewise, repeat, index)),
            base.eq(word.weight),
            valid.eq(Mux(word.lanewise, pending, some.replicate(columns))),
            sign.eq(Mux(word.lanewise, pending & word.neg, negative.replicate(columns))),
        ]
        with m.If(~advance):
            m.d.sync += [valid.eq(0), sign.eq(0)]
        m.d.comb += [
            self.event.valid.eq(valid),
            self.event.sign.eq(sign),
            self.event.weight.eq(base + offset),
            self.idle.eq(~busy & ~self.event.end),
        ]
        return m

    def _lowest(self, m: Module, pending: Signal, neg: Value) -> tuple[Signal, Signal, Signal]:
        """Number of the lowest bit of `pending`, `pending` without it, and the bit of `neg`.

        Two levels side by side: the first group of four with a bit, and in every group the first bit. A carry chain as
        long as the word would cost twice as much and be slower. Without a bit the number means nothing.
        """
        groups = range(0, self._arch.columns, 4)
        occupied, first = Signal(len(groups)), Signal(len(groups))
        m.d.comb += occupied.eq(Cat(pending[low : low + 4].any() for low in groups))
        m.d.comb += first.eq(Cat(occupied[g] & ~occupied[:g].any() for g in range(len(groups))))
        rest, index, negative = Signal.like(pending), Signal(range(self._arch.columns)), Signal()
        within, negatives = [], []
        for group, low in enumerate(groups):
            four, neg_four = pending[low : low + 4], neg[low : low + 4]
            within.append(Mux(four[0], 0, Mux(four[1], 1, Mux(four[2], 2, 3))))
            negatives.append(
                Mux(four[0], neg_four[0], Mux(four[1], neg_four[1], Mux(four[2], neg_four[2], neg_four[3])))
            )
            for i in range(4):
                m.d.comb += rest[low + i].eq(four[i] & ~(first[group] & ~four[:i].any()))
        m.d.comb += [index[:2].eq(selected(first, within)), negative.eq(selected(first, negatives))]
        for bit in range(len(index) - 2):
            m.d.comb += index[2 + bit].eq(Cat(first[g] for g in range(len(groups)) if g >> bit & 1).any())
        return index, rest, negative


def _more_than(count: int, bits: Value) -> Value:
    """Whether more than `count` (1 or 2) of `bits` are set, by groups of four, a look-up table each."""
    groups = [bits[low : low + 4] for low in range(0, len(bits), 4)]
    ones = Cat(group.any() for group in groups)
    if count == 1:
        return Cat(_at_least_two(group) for group in groups).any() | _at_least_two(ones)
    twos = Cat(_at_least_two(group) for group in groups)
    threes = Cat(_at_least_three(group) for group in groups)
    two_and_another = Cat(
        two & Cat(one for other, one in enumerate(ones) if other != number).any() for number, two in enumerate(twos)
    )
    return threes.any() | two_and_another.any() | _at_least_three(ones)


def _at_least_two(bits: Value) -> Value:
    return Cat(bits[i] & bits[j] for i in range(len(bits)) for j in range(i)).any()


def _at_least_three(bits: Value) -> Value:
    return Cat(bits[i] & bits[j] & bits[k] for i in range(len(bits)) for j in range(i) for k in range(j)).any()
