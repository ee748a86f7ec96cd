"""Event walk of a lane: one event per cycle out of a queue of spike words."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .fetch import lane_word


def event(arch: Architecture) -> data.StructLayout:
    """What a lane sends along its row of processing elements in one cycle."""
    return data.StructLayout(
        {
            "valid": arch.columns,  # columns that accumulate: all of them, or the set bits of a lanewise word
            "sign": arch.columns,  # 1: subtract
            "weight": arch.weight_address_bits,  # weight row
            "end": 1,  # hand z over after this event, and clear
        }
    )


class Walker(wiring.Component):
    """Walks the set bits of spike words.

    Function: a broadcast word becomes one event per spike, lowest channel first; a lanewise word one event in all; a
    word without spikes (it carries an end mark) one event without valid columns. The event that ends a step waits
    while `blocked` is high, every event while `pause` is.
    Latency: two cycles from a word to its first event. Throughput: one event per cycle, also across words.
    `fired` and `partial` describe the event for the counters. Reset: no word.
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
                "partial": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        columns = self._arch.columns

        word = Signal(lane_word(self._arch))
        pending = Signal(columns)  # spikes of `word` that have not been issued
        busy = Signal()

        lowest = Signal(columns)
        m.d.comb += lowest.eq(pending & (~pending + 1))
        rest = Signal(columns)
        m.d.comb += rest.eq(pending & ~lowest)
        index = Signal(range(columns))
        for bit in range(len(index)):
            m.d.comb += index[bit].eq(Cat(lowest[i] for i in range(columns) if i >> bit & 1).any())

        final, advance = Signal(), Signal()  # last event of the word; the event goes out in this cycle
        m.d.comb += [
            final.eq(word.lanewise | ~rest.any()),
            advance.eq(busy & ~self.pause & ~(final & word.end & self.blocked)),
            self.ending.eq(advance & final & word.end),
            self.i.ready.eq(~busy | (advance & final)),
        ]
        with m.If(self.i.ready):
            m.d.sync += [
                busy.eq(self.i.valid),
                word.eq(self.i.payload),
                pending.eq(self.i.payload.spikes.pos | self.i.payload.spikes.neg),
            ]
        with m.Elif(advance):
            m.d.sync += pending.eq(rest)

        # The row address needs an addition: a stage of its own keeps it off the walk's path.
        offset = Signal(range(columns))
        base = Signal(self._arch.weight_address_bits)
        m.d.sync += [
            self.event.valid.eq(Mux(advance, Mux(word.lanewise, pending, pending.any().replicate(columns)), 0)),
            self.event.sign.eq(
                Mux(word.lanewise, word.spikes.neg, (lowest & word.spikes.neg).any().replicate(columns))
            ),
            self.event.end.eq(self.ending),
            self.fired.eq(advance & pending.any()),
            self.partial.eq(word.partial & ~word.lanewise),
            offset.eq(Mux(word.lanewise, 0, index)),
            base.eq(word.weight),
        ]
        m.d.comb += [self.event.weight.eq(base + offset), self.idle.eq(~busy & ~self.event.end)]
        return m
