"""Weight memory shared by two neighbouring lanes, or of a lane alone."""

from amaranth.hdl import Module, Mux, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import weight_row
from .ports import WritePort
from .registered_ram import RegisteredRam
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
    Latency: WEIGHT_LATENCY cycles (a register that takes the sum of an address off the way to all block RAMs, and the
    two of a `RegisteredRam`). Throughput: one row per lane and cycle. No back-pressure. Contents survive reset.
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
        bits = Shape.cast(weight_row(self._arch)).width
        shared = Signal(range(self._arch.weight_rows))  # of the port that reads and writes
        m.d.comb += shared.eq(Mux(self.write.enable, self.write.address, self.address[0]))
        if self._arch.lone_lane:
            m.submodules.rows = alone = SinglePortRam(bits, self._arch.weight_rows)
            m.d.comb += [
                alone.write.eq(self.write.enable),
                alone.address.eq(shared),
                alone.data.eq(self.write.data),
            ]
            m.d.comb += Value.cast(self.row[0]).eq(alone.word)
            return m
        m.submodules.rows = rows = RegisteredRam(bits, self._arch.weight_rows)
        writing, even_at, odd_at = Signal(), Signal.like(shared, reset_less=True), Signal.like(shared, reset_less=True)
        m.d.sync += [writing.eq(self.write.enable), even_at.eq(shared), odd_at.eq(self.address[1])]
        m.d.comb += [
            rows.write.eq(writing),
            rows.address[0].eq(even_at),
            rows.address[1].eq(odd_at),
            rows.data.eq(self.write.data),
            *(Value.cast(row).eq(word) for row, word in zip(self.row, rows.word, strict=True)),
        ]
        return m
