"""Weight loader: brings weight rows from outside while the machine runs."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import PROGRAM_BITS, Load, LoadKind, WeightRequest, weight_row
from .ports import WritePort


class WeightLoader(wiring.Component):
    """Works through the load list of a program beside the layers.

    Function: docs/machine.md, "Weights from outside". `start` begins a run; without a list (`list` 0) every layer is
    `ready` at once. A row that has arrived is announced to the lanes of its pairs by `pause`. It must stand at the
    memories two cycles later, when the even lanes, whose read port it takes, have no event: `write` comes a
    cycle behind `pause`, and a register follows. With a lane alone the row waits at `rows`, and no register follows.
    Latency: four cycles from a list word to its request, and those in which the program memory is not granted.
    Throughput: one row a cycle, with a lane alone in two. Back-pressure: waits for the request to be taken and for rows
    at any pace; rows are always taken. Reset: no run, every layer ready.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "start": In(1),
                "list": In(range(arch.program_words)),
                "ended_layers": In(range(arch.max_layers + 1)),  # layers of this run that have ended
                "layer": In(range(arch.max_layers)),
                "ready": Out(1),  # the weights of `layer` are there
                "program_granted": In(1, init=1),  # a read in this cycle is one
                "program_address": Out(range(arch.program_words)),
                "program_data": In(PROGRAM_BITS),  # one cycle after its address
                "request": Out(stream.Signature(WeightRequest)),
                "rows": In(stream.Signature(weight_row(arch))),
                "pause": Out(arch.pairs),
                "write": Out(WritePort(range(arch.weight_rows), weight_row(arch))),
                "write_pairs": Out(arch.pairs),
            }
        )

    def elaborate(self, platform):
        m = Module()
        pointer = Signal(range(self._arch.program_words))
        load = Signal(Load)
        left = Signal(16)  # rows of the burst that have not arrived
        address = Signal(range(self._arch.weight_rows))
        pairs = Signal(self._arch.pairs)
        announcing, announced = Signal(), Signal()  # the row at `rows` is announced, or has been in the cycle before
        ready_to = Signal(range(self._arch.max_layers), init=self._arch.max_layers - 1)  # last layer that is ready
        some_ready = Signal(init=1)
        arrived = self.rows.valid & self.rows.ready

        m.d.comb += [
            self.ready.eq(some_ready & (self.layer <= ready_to)),
            self.program_address.eq(pointer),
            self.request.payload.source.eq(load.source),
            self.request.payload.count.eq(load.count),
        ]
        for pair in range(self._arch.pairs):
            m.d.comb += pairs[pair].eq(load.every | (load.pair == pair))
        with m.If(arrived):
            m.d.sync += [address.eq(address + 1), left.eq(left - 1)]
        if self._arch.lone_lane:
            m.d.sync += announced.eq(announcing)
            with m.If(announcing):
                m.d.comb += self.pause.eq(pairs)
            m.d.comb += [
                self.write.enable.eq(arrived),
                self.write.address.eq(address),
                self.write.data.eq(self.rows.payload),
                self.write_pairs.eq(pairs),
            ]
        else:
            arriving = Signal.like(self.write.data, reset_less=True)
            arriving_at = Signal.like(address, reset_less=True)
            m.d.sync += [
                announcing.eq(arrived),
                self.pause.eq(Mux(arrived, pairs, 0)),  # a register, and one in each lane: the way there is long
                arriving_at.eq(address),
                arriving.eq(self.rows.payload),
                self.write.enable.eq(announcing),
                self.write.address.eq(arriving_at),
                self.write.data.eq(arriving),
                self.write_pairs.eq(self.pause),
            ]

        with m.FSM():
            with m.State("IDLE"), m.If(self.start):
                m.d.sync += [pointer.eq(self.list), ready_to.eq(self._arch.max_layers - 1), some_ready.eq(1)]
                with m.If(self.list.any()):
                    m.d.sync += some_ready.eq(0)
                    m.next = "READ"
            with m.State("READ"), m.If(self.program_granted):
                m.d.sync += pointer.eq(pointer + 1)
                m.next = "HOLD"
            with m.State("HOLD"):
                m.d.sync += load.eq(self.program_data)  # out of a slow block RAM
                m.next = "DECODE"
            with m.State("DECODE"):
                m.d.sync += [left.eq(load.count), address.eq(load.target)]
                with m.Switch(load.kind):
                    with m.Case(LoadKind.END):
                        m.next = "IDLE"
                    with m.Case(LoadKind.LOAD):
                        m.next = "REQUEST"
                    with m.Case(LoadKind.READY):
                        m.d.sync += [ready_to.eq(load.count), some_ready.eq(1)]
                        m.next = "READ"
                    with m.Case(LoadKind.WAIT):
                        m.next = "WAIT"
            with m.State("REQUEST"):
                m.d.comb += self.request.valid.eq(1)
                with m.If(self.request.ready):
                    m.next = "ROWS"
            with m.State("ROWS"):
                if self._arch.lone_lane:
                    m.d.comb += [announcing.eq(self.rows.valid & ~announced), self.rows.ready.eq(announced)]
                else:
                    m.d.comb += self.rows.ready.eq(1)
                with m.If(arrived & (left == 1)):
                    m.next = "READ"
            with m.State("WAIT"), m.If(self.ended_layers > load.count):
                m.next = "READ"
        return m
