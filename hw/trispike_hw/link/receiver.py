"""Takes frames in: checks them, and hands on those that are whole."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from ..layout import STREAM_BITS
from .cobs import CobsDecoder
from .frames import FRAMING_WORDS, WORD_BYTES, FrameWord
from .store import Area, StoreRead, StoreWrite


class FrameReceiver(wiring.Component):
    """Hands on the frames that arrive whole, and drops all others without a word.

    Function: a frame is whole if its encoding is, it has two to `frame_words` whole words, and its CRC is right.
    It gathers in the store. Its words come out without the CRC; `words` is their number while they do. Latency: the
    first word comes five cycles after the zero byte behind the frame. Throughput: a byte a cycle in, a word in three
    cycles out, if the store is free. Back-pressure: bytes wait until the frame before them has been taken, and both
    for the store. Reset: the frame under way is dropped.
    """

    i: stream.Interface
    o: stream.Interface
    words: Signal
    write: Any  # StoreWrite, whose members no type checker sees
    read: Any  # StoreRead, whose members no type checker sees

    def __init__(self, frame_words: int) -> None:
        self._frame_words = frame_words
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(FrameWord)),
                "words": Out(range(frame_words)),
                "write": Out(StoreWrite(frame_words)),
                "read": Out(StoreRead(frame_words)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        m.submodules.decoder = decoder = CobsDecoder()
        crc: Any = CRC32_ISO_HDLC(data_width=8).create()  # amaranth-stubs types its signals as something else
        m.submodules.crc = crc
        write, read, frame_words = self.write, self.read, self._frame_words
        lane_bits = (WORD_BYTES - 1).bit_length()
        length = Signal(range(frame_words * WORD_BYTES + 1))  # bytes so far
        lane, word = length[:lane_bits], length[lane_bits:]
        too_long, torn, whole = Signal(), Signal(), Signal()
        handed = Signal(range(frame_words))  # words that went out
        content, last = Signal(STREAM_BITS), Signal()  # the word at hand, and whether it is the last one
        byte = decoder.o.payload
        taken = decoder.o.valid & decoder.o.ready

        wiring.connect(m, wiring.flipped(self.i), decoder.i)
        m.d.comb += [
            crc.data.eq(byte.data),
            write.area.eq(Area.FRAME),
            write.address.eq(word),
            write.bytes.eq(1 << lane),
            write.data.eq(byte.data.replicate(WORD_BYTES)),
            read.area.eq(Area.FRAME),
            read.address.eq(handed),
            self.o.payload.data.eq(content),
            self.o.payload.last.eq(last),
        ]
        room = length != frame_words * WORD_BYTES
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += [
                    decoder.o.ready.eq(write.ready),
                    write.valid.eq(decoder.o.valid & ~byte.end & room),
                ]
                with m.If(taken & byte.end):
                    m.d.sync += torn.eq(decoder.torn)
                    m.next = "JUDGE"
                with m.Elif(taken & ~room):
                    m.d.sync += too_long.eq(1)
                with m.Elif(taken):
                    m.d.comb += crc.valid.eq(1)
                    m.d.sync += length.eq(length + 1)
            with m.State("JUDGE"):
                m.d.comb += [crc.start.eq(1), whole.eq(crc.match_detected & ~torn & ~too_long & (lane == 0))]
                m.d.sync += [length.eq(0), too_long.eq(0), self.words.eq(word - 1), handed.eq(0)]
                m.next = "TAKE"
                with m.If(whole & (word >= FRAMING_WORDS)):
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += read.valid.eq(1)
                m.d.sync += last.eq(handed == self.words - 1)
                with m.If(read.ready):
                    m.next = "LOAD"
            with m.State("LOAD"):
                m.d.sync += content.eq(read.data)  # a block RAM is slow, and much hangs on what comes out
                m.next = "HAND"
            with m.State("HAND"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += handed.eq(handed + 1)
                    m.next = "FETCH"
                    with m.If(self.o.payload.last):
                        m.next = "TAKE"
        return m
