"""The five nested loops of a layer."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .layout import LOOP_LEVELS


class LoopCounts(data.Struct):
    """How often each loop runs, innermost first; every count is at least 1."""

    window_x: 4
    window_y: 4
    out_x: 12
    out_y: 12
    passes: 12


class LoopCounter(wiring.Component):
    """Counts through nested loops, innermost fastest.

    Function: `restart` sets all loops to their first turn; `advance` moves on by one item. `level` is the loop level
    that the last `advance` moved (the levels below it restarted), `at_start` that there was none since `restart`.
    The other outputs say where in the loops the item at hand is. Latency: one cycle to `level` and `at_start`, two to
    the other outputs, which `counts` must precede by one; `advance` is high in one cycle of three at most. Reset: first
    turn.
    """

    counts: In(LoopCounts)
    restart: In(1)
    advance: In(1)
    level: Out(range(LOOP_LEVELS))
    at_start: Out(1, init=1)
    at_end: Out(1)
    first_of_window: Out(1)
    last_of_window: Out(1)
    first_pixel: Out(1)
    last_pass: Out(1)

    def elaborate(self, platform):
        m = Module()
        names = [name for name, _ in LoopCounts.as_shape()]
        turns = [Signal.like(self.counts[name], name=name) for name in names]
        last = Signal(LOOP_LEVELS)  # a register: who advances need not wait for the comparison
        m.d.sync += [last[level].eq(turns[level] + 1 == self.counts[name]) for level, name in enumerate(names)]
        m.d.sync += [
            self.first_of_window.eq(~Cat(turns[0], turns[1]).any()),
            self.first_pixel.eq(~Cat(turns[2], turns[3]).any()),
        ]
        with m.If(self.advance):
            m.d.sync += self.at_start.eq(0)
            for level, turn in enumerate(turns):
                with m.If(last[:level].all() & ~last[level]):
                    m.d.sync += [turn.eq(turn + 1), self.level.eq(level)]
                    m.d.sync += [inner.eq(0) for inner in turns[:level]]
        with m.If(self.restart):
            m.d.sync += [turn.eq(0) for turn in turns] + [self.at_start.eq(1), self.level.eq(0)]
        m.d.comb += [
            self.at_end.eq(last.all()),
            self.last_of_window.eq(last[:2].all()),
            self.last_pass.eq(last[4]),
        ]
        return m
