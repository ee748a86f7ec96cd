"""Weight memory shared by two neighbouring lanes, or of a lane alone."""

from amaranth.hdl import Module, Mux, Shape, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import weight_row
from .ports import BLOCK_RAM, WritePort
from .single_port_ram import SinglePortRam

WEIGHT_LATENCY = 3
"""Cycles from an address to its row."""

WEIGHT_LATENCY_ALONE = 1
"""The same for a lane alone."""


class WeightMemory(wiring.Component):
    """One memory of weight rows with a read port for an even and an odd lane.

    Function: `row[k]` is the row at `address[k]`. The host writes between runs; its port and the even lane's read port
    are one port of the block RAM (`address[0]` is ignored in a cycle with a write), so that a true-dual-port memory
    holds the rows once for both lanes. A row is written in the cycle behind its address and enable; `write.data` comes
    then. A lane alone needs that one port only, which is a `SinglePortRam`, does without the registers, and has its
    data with the address.
    Latency: WEIGHT_LATENCY cycles (a register that takes the sum of an address off the way to all block RAMs, block
    RAM, then a register that takes the RAM's slow output off the adders' path). Throughput: one row per lane and cycle.
    No back-pressure. Contents survive reset.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "write": In(WritePort(range(arch.weight_rows), weight_row(arch))),
                "address": In(range(arch.weight_rows)).array(min(2, arch.cluster_lanes)),
                "row": Out(weight_row(arch)).array(min(2, arch.cluster_lanes)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        shared = Signal(range(self._arch.weight_rows))  # one signal: synthesis sees that it is one port
        m.d.comb += shared.eq(Mux(self.write.enable, self.write.address, self.address[0]))
        if self._arch.lone_lane:
            bits = Shape.cast(weight_row(self._arch)).width
            m.submodules.rows = alone = SinglePortRam(bits, self._arch.weight_rows)
            m.d.comb += [
                alone.write.eq(self.write.enable),
                alone.address.eq(shared),
                alone.data.eq(self.write.data),
            ]
            m.d.comb += Value.cast(self.row[0]).eq(alone.word)
            return m
        m.submodules.rows = rows = memory.Memory(
            shape=weight_row(self._arch), depth=self._arch.weight_rows, init=[], attrs=BLOCK_RAM
        )
        write, even, odd = rows.write_port(), rows.read_port(), rows.read_port()
        writing, even_at, odd_at = Signal(), Signal.like(shared, reset_less=True), Signal.like(shared, reset_less=True)
        m.d.sync += [writing.eq(self.write.enable), even_at.eq(shared), odd_at.eq(self.address[1])]
        m.d.comb += [
            write.en.eq(writing),
            write.addr.eq(even_at),
            write.data.eq(self.write.data),
            even.en.eq(~writing),
            even.addr.eq(even_at),
            odd.addr.eq(odd_at),
        ]
        for row, port in zip(self.row, (even, odd), strict=True):
            arrived = Signal.like(row, reset_less=True)
            m.d.sync += arrived.eq(port.data)
            m.d.comb += row.eq(arrived)
        return m
