"""Picks the lane for the next item."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture


class LanePicker(wiring.Component):
    """The next hungry lane after the one picked last, leaving out those that an item is on its way to.

    Function: `pick` is one-hot, 0 while no lane is hungry; `picked` says that its lane gets an item, `arrived` which
    lanes have got theirs. Latency: a cycle from `hungry` to `pick`. Throughput: one pick in two cycles, for the cycle
    after `picked` still shows the old one. No back-pressure. Reset: no item is on its way, lane 0 is next.
    """

    def __init__(self, arch: Architecture):
        self._lanes = arch.lanes
        super().__init__(
            {
                "hungry": In(arch.lanes),
                "picked": In(1),
                "arrived": In(arch.lanes),
                "pick": Out(arch.lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        lanes = self._lanes
        promised = Signal(lanes)
        next_lane = Signal(lanes, init=1)  # one-hot: the search begins here
        free, first = Signal(lanes), Signal(2 * lanes)
        doubled = Cat(free, free)
        m.d.comb += [
            free.eq(self.hungry & ~promised),
            first.eq(doubled & ~(doubled - next_lane)),
        ]
        m.d.sync += [
            self.pick.eq(first[:lanes] | first[lanes:]),
            promised.eq(promised & ~self.arrived),
        ]
        with m.If(self.picked):
            m.d.sync += [
                promised.eq(promised & ~self.arrived | self.pick),
                next_lane.eq(self.pick.rotate_left(1)),
            ]
        return m
