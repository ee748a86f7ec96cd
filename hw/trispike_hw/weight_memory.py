"""Weight memory shared by two neighbouring lanes."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import weight_row
from .ports import BLOCK_RAM, WritePort


class WeightMemory(wiring.Component):
    """One memory of weight rows with a read port for an even and an odd lane.

    Function: `row[k]` is the row at `address[k]`. The host writes between runs; its port and the even lane's read port
    are one port of the block RAM (`address[0]` is ignored in a cycle with a write), so that a true-dual-port memory
    holds the rows once for both lanes.
    Latency: two cycles (block RAM, then a register that takes the RAM's slow output off the adders' path).
    Throughput: one row per lane and cycle. No back-pressure. Contents survive reset.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "write": In(WritePort(range(arch.weight_rows), weight_row(arch))),
                "address": In(range(arch.weight_rows)).array(2),
                "row": Out(weight_row(arch)).array(2),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.rows = rows = memory.Memory(
            shape=weight_row(self._arch), depth=self._arch.weight_rows, init=[], attrs=BLOCK_RAM
        )
        write, even, odd = rows.write_port(), rows.read_port(), rows.read_port()
        shared = Signal(range(self._arch.weight_rows))  # one signal: synthesis sees that it is one port
        m.d.comb += [
            shared.eq(Mux(self.write.enable, self.write.address, self.address[0])),
            write.en.eq(self.write.enable),
            write.addr.eq(shared),
            write.data.eq(self.write.data),
            even.en.eq(~self.write.enable),
            even.addr.eq(shared),
            odd.addr.eq(self.address[1]),
        ]
        m.d.sync += [self.row[0].eq(even.data), self.row[1].eq(odd.data)]
        return m
