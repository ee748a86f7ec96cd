"""The accelerator on a Wishbone bus."""

from amaranth.hdl import Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator import Accelerator
from ..architecture import Architecture
from ..layout import STREAM_BITS, WeightRequest, weight_row
from .registers import ADDRESS_BITS, DATA, FLAGS, RESET


class WishboneAccelerator(wiring.Component):
    """An accelerator for Wishbone systems (B4, classic cycles, 32-bit data, word addresses).

    Function: reads and writes the registers of docs/registers.md; streams go through DATA. A transfer ends with `err`
    that writes a read-only register, or one of DATA for which FLAGS shows no room or no word: nothing is moved then,
    and the bus never waits for the machine. `sel` must be all ones. Weights from outside come through streams, as in
    `Accelerator`. Latency: two cycles. Throughput: a transfer every three cycles. Reset: idle; memories keep their
    contents.
    """

    def __init__(self, arch: Architecture) -> None:
        self._arch = arch
        super().__init__(
            {
                "wb_cyc": In(1),
                "wb_stb": In(1),
                "wb_we": In(1),
                "wb_sel": In(STREAM_BITS // 8),
                "wb_adr": In(ADDRESS_BITS),
                "wb_dat_w": In(STREAM_BITS),
                "wb_dat_r": Out(STREAM_BITS),
                "wb_ack": Out(1),
                "wb_err": Out(1),
                "weights_request": Out(stream.Signature(WeightRequest)),
                "weights_rows": In(stream.Signature(weight_row(arch))),
            }
        )

    @property
    def arch(self) -> Architecture:
        """The description that the accelerator is built from."""
        return self._arch

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        accelerator = Accelerator(self._arch)
        reset = Signal()
        m.submodules.accelerator = ResetInserter(reset)(accelerator)
        wiring.connect(m, accelerator.weights_request, wiring.flipped(self.weights_request))
        wiring.connect(m, wiring.flipped(self.weights_rows), accelerator.weights_rows)
        m.d.comb += [accelerator.registers.address.eq(self.wb_adr), accelerator.i.payload.eq(self.wb_dat_w)]

        def end(done: Value) -> None:
            m.d.sync += [self.wb_ack.eq(done), self.wb_err.eq(~done)]

        with m.FSM():
            with m.State("REQUEST"), m.If(self.wb_cyc & self.wb_stb):
                m.next = "SERVE"  # the content of a register comes in the next cycle
            with m.State("SERVE"):
                m.d.sync += self.wb_dat_r.eq(0)
                with m.Switch(self.wb_adr):
                    with m.Case(RESET.offset):
                        m.d.comb += reset.eq(self.wb_we)
                        end(self.wb_we)
                    with m.Case(DATA.offset):
                        m.d.comb += [accelerator.i.valid.eq(self.wb_we), accelerator.o.ready.eq(~self.wb_we)]
                        m.d.sync += self.wb_dat_r.eq(accelerator.o.payload)
                        end(Mux(self.wb_we, accelerator.i.ready, accelerator.o.valid))
                    with m.Case(FLAGS.offset):
                        m.d.sync += [self.wb_dat_r[0].eq(accelerator.i.ready), self.wb_dat_r[1].eq(accelerator.o.valid)]
                        end(~self.wb_we)
                    with m.Default():
                        m.d.sync += self.wb_dat_r.eq(accelerator.registers.data)
                        end(~self.wb_we & ~self.wb_adr[-1])
                m.next = "END"
            with m.State("END"):
                m.d.sync += [self.wb_ack.eq(0), self.wb_err.eq(0)]
                m.next = "REQUEST"
        return m
