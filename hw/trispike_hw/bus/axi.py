"""The accelerator with AXI4-Lite registers and AXI4-Stream data."""

from amaranth.hdl import ClockDomain, Module, ResetInserter, Signal, Value
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator import Accelerator
from ..architecture import Architecture
from ..layout import STREAM_BITS, WeightRequest, weight_row
from .registers import ADDRESS_BITS, RESET

_BYTE_BITS = 2  # of the address of a byte in a word


class Response(enum.Enum, shape=2):
    """How a transfer ended."""

    OKAY = 0
    SLVERR = 2


class AxiAccelerator(wiring.Component):
    """An accelerator for AMBA systems; port names are those that their tools group into buses.

    Function: `s_axi` (AXI4-Lite, 13 address bits) reads the registers of docs/registers.md, at four bytes each; a write
    to RESET resets the machine, any other one ends with SLVERR. `s_axis` takes the input stream, `m_axis` gives the
    output stream, with TLAST at the last word of an answer; a request for weights from outside comes out of
    `m_axis_request`, its rows go into `s_axis_weights`, lowest bits first. Latency: two cycles from a read address to
    its data. Throughput: a transfer every three cycles; streams a word a cycle. Back-pressure: as AXI has it. Reset:
    `aresetn`, synchronous, low; memories keep their contents.
    """

    def __init__(self, arch: Architecture) -> None:
        self._arch = arch
        row_bits = Value.cast(Signal(weight_row(arch))).shape().width
        super().__init__(
            {"aclk": In(1), "aresetn": In(1)}
            | {f"s_axi_aw{name}": port for name, port in _address().items()}
            | {f"s_axi_ar{name}": port for name, port in _address().items()}
            | {
                "s_axi_wdata": In(STREAM_BITS),
                "s_axi_wstrb": In(STREAM_BITS // 8),
                "s_axi_wvalid": In(1),
                "s_axi_wready": Out(1),
                "s_axi_bresp": Out(Response),
                "s_axi_bvalid": Out(1),
                "s_axi_bready": In(1),
                "s_axi_rdata": Out(STREAM_BITS),
                "s_axi_rresp": Out(Response),
                "s_axi_rvalid": Out(1),
                "s_axi_rready": In(1),
            }
            | _sink("s_axis", STREAM_BITS)
            | _source("m_axis", STREAM_BITS)
            | {"m_axis_tlast": Out(1)}
            | _source("m_axis_request", WeightRequest.as_shape().size)
            | _sink("s_axis_weights", row_bits)
        )

    @property
    def arch(self) -> Architecture:
        """The description that the accelerator is built from."""
        return self._arch

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        m.domains.sync = clock = ClockDomain("sync")
        m.d.comb += [clock.clk.eq(self.aclk), clock.rst.eq(~self.aresetn)]

        accelerator = Accelerator(self._arch)
        reset = Signal()
        m.submodules.accelerator = ResetInserter(reset)(accelerator)
        m.d.comb += [
            accelerator.i.payload.eq(self.s_axis_tdata),
            accelerator.i.valid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(accelerator.i.ready),
            self.m_axis_tdata.eq(accelerator.o.payload),
            self.m_axis_tvalid.eq(accelerator.o.valid),
            self.m_axis_tlast.eq(accelerator.o_last),
            accelerator.o.ready.eq(self.m_axis_tready),
            self.m_axis_request_tdata.eq(accelerator.weights_request.payload),
            self.m_axis_request_tvalid.eq(accelerator.weights_request.valid),
            accelerator.weights_request.ready.eq(self.m_axis_request_tready),
            Value.cast(accelerator.weights_rows.payload).eq(self.s_axis_weights_tdata),
            accelerator.weights_rows.valid.eq(self.s_axis_weights_tvalid),
            self.s_axis_weights_tready.eq(accelerator.weights_rows.ready),
        ]
        self._read(m, accelerator)
        self._write(m, reset)
        return m

    def _read(self, m: Module, accelerator: Accelerator) -> None:
        """Read channels: address, then data."""
        word = Signal(ADDRESS_BITS)
        bus = accelerator.registers
        m.d.comb += bus.address.eq(word)
        with m.FSM(name="read_fsm"):
            with m.State("ADDRESS"):
                m.d.comb += self.s_axi_arready.eq(1)
                m.d.sync += word.eq(self.s_axi_araddr[_BYTE_BITS:])
                with m.If(self.s_axi_arvalid):
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.next = "TAKE"
            with m.State("TAKE"):
                m.d.sync += [self.s_axi_rdata.eq(bus.data), self.s_axi_rvalid.eq(1)]
                with m.If(word[len(bus.address) :].any()):
                    m.d.sync += self.s_axi_rdata.eq(0)
                m.next = "DATA"
            with m.State("DATA"), m.If(self.s_axi_rready):
                m.d.sync += self.s_axi_rvalid.eq(0)
                m.next = "ADDRESS"

    def _write(self, m: Module, reset: Signal) -> None:
        """Write channels: address and data together, then the response."""
        with m.FSM(name="write_fsm"):
            with m.State("ADDRESS"), m.If(self.s_axi_awvalid & self.s_axi_wvalid):
                m.d.comb += [self.s_axi_awready.eq(1), self.s_axi_wready.eq(1)]
                m.d.sync += [self.s_axi_bresp.eq(Response.SLVERR), self.s_axi_bvalid.eq(1)]
                with m.If(self.s_axi_awaddr[_BYTE_BITS:] == RESET.offset):
                    m.d.comb += reset.eq(1)
                    m.d.sync += self.s_axi_bresp.eq(Response.OKAY)
                m.next = "RESPONSE"
            with m.State("RESPONSE"), m.If(self.s_axi_bready):
                m.d.sync += self.s_axi_bvalid.eq(0)
                m.next = "ADDRESS"


def _address() -> dict[str, object]:
    """An AXI4-Lite address channel, without its prefix."""
    return {"addr": In(ADDRESS_BITS + _BYTE_BITS), "prot": In(3), "valid": In(1), "ready": Out(1)}


def _sink(prefix: str, bits: int) -> dict[str, object]:
    """An AXI4-Stream that comes in."""
    return {f"{prefix}_tdata": In(bits), f"{prefix}_tvalid": In(1), f"{prefix}_tready": Out(1)}


def _source(prefix: str, bits: int) -> dict[str, object]:
    """An AXI4-Stream that goes out."""
    return {f"{prefix}_tdata": Out(bits), f"{prefix}_tvalid": Out(1), f"{prefix}_tready": In(1)}
