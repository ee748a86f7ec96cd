"""Consistent Overhead Byte Stuffing (Cheshire and Baker, 1999): bytes without zeros, so that a zero can end a frame."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..carry_chains import is_ecp5
from ..ports import DISTRIBUTED_RAM, NO_COLLISION

LONGEST_RUN = 254


class FrameByte(data.Struct):
    """A byte of a frame, or with `end` the end of the frame, behind its last byte; `data` is 0 then."""

    data: 8
    end: 1


class CobsDecoder(wiring.Component):
    """Takes the line apart into frames.

    Function: every zero byte on `i` becomes an `end` on `o`, the bytes between two of them the frame that they encode;
    `torn` accompanies an `end` that comes before the frame is complete. Two zero bytes in a row enclose a frame
    without bytes. Latency: none. Throughput: a byte a cycle. Back-pressure: `i` waits for `o`. Reset: a frame begins.
    """

    i: stream.Interface
    o: stream.Interface
    torn: Signal

    def __init__(self) -> None:
        super().__init__(
            {"i": In(stream.Signature(8)), "o": Out(stream.Signature(FrameByte)), "torn": Out(1)},
        )

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        left = Signal(8)  # bytes that stand between here and the next code
        zero_due = Signal()  # a zero stands there if the frame goes on
        byte = self.i.payload
        at_end, at_code = Signal(), Signal()
        m.d.comb += [
            at_end.eq(byte == 0),
            at_code.eq((left == 0) & ~at_end),
            self.o.payload.end.eq(at_end),
            self.o.payload.data.eq(Mux(at_code, 0, byte)),
            self.o.valid.eq(self.i.valid & (~at_code | zero_due)),
            self.i.ready.eq(self.o.ready | (at_code & ~zero_due)),
            self.torn.eq(left != 0),
        ]
        with m.If(self.i.valid & self.i.ready):
            with m.If(at_end):
                m.d.sync += [left.eq(0), zero_due.eq(0)]
            with m.Elif(at_code):
                m.d.sync += [left.eq(byte - 1), zero_due.eq(byte != LONGEST_RUN + 1)]
            with m.Else():
                m.d.sync += left.eq(left - 1)
        return m


class CobsEncoder(wiring.Component):
    """Puts frames on the line.

    Function: encodes the bytes up to each `end` and adds the zero byte that ends them. Latency: a run of up to 254
    bytes without a zero is taken whole before its first byte goes out. Throughput: a byte every other cycle, and two
    cycles a run. Back-pressure: `o` may wait as long as it likes, `i` waits meanwhile. Reset: a frame begins.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(FrameByte)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        # No byte is read in the cycle of its write: a run is taken whole before its first byte goes out.
        m.submodules.run = run = memory.Memory(
            shape=8, depth=LONGEST_RUN + 2, init=[], attrs=DISTRIBUTED_RAM if is_ecp5(platform) else NO_COLLISION
        )
        write, read = run.write_port(), run.read_port()
        length, sent = Signal(8), Signal(8)
        ending = Signal()  # the frame ends behind this run
        full_before = Signal()  # the run before was a full one, behind which no zero is meant

        def emit(byte, then: str) -> None:
            m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(byte)]
            with m.If(self.o.ready):
                m.next = then

        m.d.comb += [
            write.addr.eq(length),
            write.data.eq(self.i.payload.data),
            read.addr.eq(sent),
        ]
        with m.FSM():
            with m.State("GATHER"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += ending.eq(self.i.payload.end)
                    with m.If(self.i.payload.end):
                        m.next = "CODE"
                        with m.If(full_before & (length == 0)):
                            m.next = "END"
                    with m.Elif(self.i.payload.data == 0):
                        m.next = "CODE"
                    with m.Else():
                        m.d.comb += write.en.eq(1)
                        m.d.sync += length.eq(length + 1)
                        with m.If(length == LONGEST_RUN - 1):
                            m.next = "CODE"
            with m.State("CODE"):
                m.d.sync += full_before.eq(length == LONGEST_RUN)
                emit(length + 1, then="BYTES")
            with m.State("BYTES"):
                with m.If(sent != length):
                    m.next = "BYTE"
                with m.Else():
                    m.d.sync += [sent.eq(0), length.eq(0)]
                    m.next = "GATHER"
                    with m.If(ending):
                        m.next = "END"
            with m.State("BYTE"):
                emit(read.data, then="BYTES")
                with m.If(self.o.ready):
                    m.d.sync += sent.eq(sent + 1)
            with m.State("END"):
                m.d.sync += full_before.eq(0)
                emit(0, then="GATHER")
        return m
