"""Takes frames in: checks them, and hands on those that are whole."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from ..layout import STREAM_BITS
from ..ports import NO_COLLISION
from .cobs import CobsDecoder
from .frames import FRAME_WORDS, WORD_BYTES, FrameWord

#: Header and CRC.
_FEWEST_WORDS = 2


class FrameReceiver(wiring.Component):
    """Hands on the frames that arrive whole, and drops all others without a word.

    Function: a frame is whole if its encoding is, it has two to FRAME_WORDS whole words, and its CRC is right. Its
    words come out without the CRC; `words` is their number while they do. Latency: the first word comes five cycles
    after the zero byte behind the frame. Throughput: a byte a cycle in, a word in three cycles out. Back-pressure:
    bytes wait until the frame before them has been taken. Reset: the frame under way is dropped.
    """

    i: stream.Interface
    o: stream.Interface
    words: Signal

    def __init__(self) -> None:
        super().__init__(
            {"i": In(stream.Signature(8)), "o": Out(stream.Signature(FrameWord)), "words": Out(range(FRAME_WORDS))}
        )

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        m.submodules.decoder = decoder = CobsDecoder()
        crc: Any = CRC32_ISO_HDLC(data_width=8).create()  # amaranth-stubs types its signals as something else
        m.submodules.crc = crc
        m.submodules.frame = frame = memory.Memory(
            shape=STREAM_BITS, depth=FRAME_WORDS, init=[], attrs=NO_COLLISION
        )
        write, read = frame.write_port(granularity=8), frame.read_port()
        lane_bits = (WORD_BYTES - 1).bit_length()
        length = Signal(range(FRAME_WORDS * WORD_BYTES + 1))  # bytes so far
        lane, word = length[:lane_bits], length[lane_bits:]
        too_long, torn, whole = Signal(), Signal(), Signal()
        handed = Signal(range(FRAME_WORDS))  # words that went out
        content, last = Signal(STREAM_BITS), Signal()  # the word at hand, and whether it is the last one
        byte = decoder.o.payload
        taken = decoder.o.valid & decoder.o.ready

        wiring.connect(m, wiring.flipped(self.i), decoder.i)
        m.d.comb += [
            crc.data.eq(byte.data),
            write.addr.eq(word),
            write.data.eq(byte.data.replicate(WORD_BYTES)),
            read.addr.eq(handed),
            self.o.payload.data.eq(content),
            self.o.payload.last.eq(last),
        ]
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += decoder.o.ready.eq(1)
                with m.If(taken & byte.end):
                    m.d.sync += torn.eq(decoder.torn)
                    m.next = "JUDGE"
                with m.Elif(taken & (length == FRAME_WORDS * WORD_BYTES)):
                    m.d.sync += too_long.eq(1)
                with m.Elif(taken):
                    m.d.comb += [crc.valid.eq(1), write.en.eq(1 << lane)]
                    m.d.sync += length.eq(length + 1)
            with m.State("JUDGE"):
                m.d.comb += [crc.start.eq(1), whole.eq(crc.match_detected & ~torn & ~too_long & (lane == 0))]
                m.d.sync += [length.eq(0), too_long.eq(0), self.words.eq(word - 1), handed.eq(0)]
                m.next = "TAKE"
                with m.If(whole & (word >= _FEWEST_WORDS)):
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.sync += last.eq(handed == self.words - 1)
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
