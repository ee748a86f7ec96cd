"""Sends frames out: adds the CRC, encodes, and ends them."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from ..layout import STREAM_BITS
from .cobs import CobsEncoder
from .frames import WORD_BYTES, FrameWord


class FrameSender(wiring.Component):
    """Turns the words of a frame into bytes on the line.

    Latency and throughput are those of the encoder; a word is taken with its last byte. Back-pressure: `o` may wait as
    long as it likes, `i` waits meanwhile. Reset: the next word begins a frame.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(FrameWord)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        m.submodules.encoder = encoder = CobsEncoder()
        crc: Any = CRC32_ISO_HDLC(data_width=8).create()  # amaranth-stubs types its signals as something else
        m.submodules.crc = crc
        lane = Signal(range(WORD_BYTES))
        in_crc = Signal()
        moved = encoder.i.valid & encoder.i.ready
        word = Signal(STREAM_BITS)

        wiring.connect(m, encoder.o, wiring.flipped(self.o))
        m.d.comb += word.eq(self.i.payload.data)
        with m.If(in_crc):
            m.d.comb += word.eq(crc.crc)
        with m.FSM():
            with m.State("WORD"):
                m.d.comb += [
                    encoder.i.valid.eq(self.i.valid | in_crc),
                    encoder.i.payload.data.eq(word.word_select(lane, 8)),
                    crc.data.eq(encoder.i.payload.data),
                    crc.valid.eq(moved & ~in_crc),
                ]
                with m.If(moved):
                    m.d.sync += lane.eq(lane + 1)
                    with m.If(lane == WORD_BYTES - 1):
                        m.d.comb += self.i.ready.eq(~in_crc)
                        m.d.sync += in_crc.eq(self.i.payload.last & ~in_crc)
                        with m.If(in_crc):
                            m.next = "END"
            with m.State("END"):
                m.d.comb += [encoder.i.valid.eq(1), encoder.i.payload.end.eq(1), crc.start.eq(1)]
                with m.If(moved):
                    m.next = "WORD"
        return m
