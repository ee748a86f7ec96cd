"""Picks the lane for the next item."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture


class LanePicker(wiring.Component):
    """The next hungry lane after the one picked last, leaving out those that an item is on its way to.

    Function: `pick` is one-hot, 0 while no lane is hungry; `found`, there if the lanes are `Architecture.spread`, says
    whether it is not 0. `picked` says that its lane gets an item, `arrived` which lanes have got theirs. Latency: two
    cycles from `hungry` to `pick`. Throughput: one pick in three cycles, for in the two cycles after `picked` it still
    shows an old one. No back-pressure. Reset: no item is on its way, lane 0 is next.
    """

    def __init__(self, arch: Architecture):
        self._lanes = arch.lanes
        self._spread = arch.spread
        found = {"found": Out(1)} if arch.spread else {}
        super().__init__(
            {
                "hungry": In(arch.lanes),
                "picked": In(1),
                "arrived": In(arch.lanes),
                "pick": Out(arch.lanes),
                **found,
            }
        )

    def elaborate(self, platform):
        m = Module()
        lanes = self._lanes
        promised = Signal(lanes)
        next_lane = Signal(lanes, init=1)  # one-hot: the search begins here
        free, first = Signal(lanes), Signal(2 * lanes)  # `free` is a register: it is a long way from the lanes
        doubled = Cat(free, free)
        m.d.comb += first.eq(doubled & ~(doubled - next_lane))
        m.d.sync += [
            free.eq(self.hungry & ~promised),
            self.pick.eq(first[:lanes] | first[lanes:]),
            promised.eq(promised & ~self.arrived),
        ]
        if self._spread:
            m.d.sync += self.found.eq(free.any())
        with m.If(self.picked):
            m.d.sync += [
                promised.eq(promised & ~self.arrived | self.pick),
                next_lane.eq(self.pick.rotate_left(1)),
            ]
        return m
