"""Sends frames out: adds the CRC, encodes, and ends them."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from ..layout import STREAM_BITS
from .cobs import CobsEncoder, FrameByte
from .frames import WORD_BYTES, FrameWord


class FrameSender(wiring.Component):
    """Turns the words of a frame into bytes on the line.

    Latency and throughput are those of the encoder and a cycle more; a word is taken with its last byte. Back-pressure:
    `o` may wait as long as it likes, `i` waits meanwhile. Reset: the next word begins a frame.
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
        word = Signal(STREAM_BITS)
        # A byte stands in front of the encoder. It enters the CRC in its first cycle there, before the next one comes.
        byte, waiting, in_frame, moved = Signal(FrameByte), Signal(), Signal(), Signal()

        wiring.connect(m, encoder.o, wiring.flipped(self.o))
        m.d.comb += [
            word.eq(self.i.payload.data),
            encoder.i.valid.eq(waiting),
            encoder.i.payload.eq(byte),
            crc.data.eq(byte.data),
            crc.valid.eq(in_frame),
        ]
        m.d.sync += in_frame.eq(0)
        with m.If(in_crc):
            m.d.comb += word.eq(crc.crc)
        with m.If(moved):
            m.d.sync += waiting.eq(1)
        with m.Elif(encoder.i.ready):
            m.d.sync += waiting.eq(0)
        with m.FSM():
            with m.State("WORD"):
                m.d.comb += moved.eq((self.i.valid | in_crc) & ~waiting)
                with m.If(moved):
                    m.d.sync += [
                        byte.data.eq(word.word_select(lane, 8)),
                        byte.end.eq(0),
                        in_frame.eq(~in_crc),
                        lane.eq(lane + 1),
                    ]
                    with m.If(lane == WORD_BYTES - 1):
                        m.d.comb += self.i.ready.eq(~in_crc)
                        m.d.sync += in_crc.eq(self.i.payload.last & ~in_crc)
                        with m.If(in_crc):
                            m.next = "END"
            with m.State("END"):
                m.d.comb += [moved.eq(~waiting), crc.start.eq(1)]
                with m.If(moved):
                    m.d.sync += [byte.data.eq(0), byte.end.eq(1)]
                    m.next = "WORD"
        return m
