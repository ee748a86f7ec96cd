"""Nested loops that move a window over a feature map without a multiplication."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

LEVELS = 6  # words of a pixel, kernel columns, kernel rows, pixels, rows, tiles
PASS = 3  # levels that one pass of the array runs over


class Place(data.Struct):
    """A window position or a change of it: word address of the first row's pixel, and where it lies in the map."""

    address: signed(16)
    x: signed(10)
    y: signed(10)


class Loops(wiring.Component):
    """Counts through the loops, innermost fastest, one step a cycle with `advance`.

    The change of a level contains the restart of the levels below it. Latency: one cycle. Reset: no loop runs.
    """

    start: In(1)
    advance: In(1)
    counts: In(data.ArrayLayout(10, LEVELS))
    begin: In(Place)
    changes: In(data.ArrayLayout(Place, LEVELS))
    running: Out(1)
    place: Out(Place)
    first: Out(1)  # of a pass
    last: Out(1)
    last_pass_of_tile: Out(1)

    def elaborate(self, platform):
        m = Module()
        turns = Signal(data.ArrayLayout(10, LEVELS))
        ends = Signal(LEVELS)
        m.d.comb += [ends[level].eq(turns[level] + 1 == self.counts[level]) for level in range(LEVELS)]
        m.d.comb += [
            self.first.eq(~Cat(turns[level].any() for level in range(PASS)).any()),
            self.last.eq(ends[:PASS].all()),
            self.last_pass_of_tile.eq(ends[: LEVELS - 1].all()),
        ]
        change = Signal(Place)
        for level in reversed(range(LEVELS)):
            with m.If(ends[:level].all() & ~ends[level]):
                m.d.comb += change.eq(self.changes[level])
        with m.If(self.advance & self.running):
            for level in range(LEVELS):
                with m.If(ends[:level].all()):
                    m.d.sync += turns[level].eq(Mux(ends[level], 0, turns[level] + 1))
            m.d.sync += [self.place[name].eq(self.place[name] + change[name]) for name in ("address", "x", "y")]
            m.d.sync += self.running.eq(~ends.all())
        with m.If(self.start):
            m.d.sync += [self.running.eq(1), self.place.eq(self.begin)]
        return m
