"""One memory for all words that the host link keeps."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import enum, memory, wiring
from amaranth.lib.wiring import In, Out

from ..layout import STREAM_BITS
from ..ports import BLOCK_RAM
from .frames import WORD_BYTES


class Area(enum.Enum, shape=2):
    """What a part of the memory holds; each has room for the words of a frame."""

    FRAME = 0  #: the frame that is being received
    INPUTS = 1  #: words under way to the machine
    OUTPUTS = 2  #: words from it
    REPLY = 3  #: the payload of the last reply


class StoreWrite(wiring.Signature):
    """Writes a word, or some bytes of it, when `valid` and `ready` are high.

    Members: valid Out(1), area Out(Area), address Out, data Out(32), bytes Out(4), ready In(1).
    """

    def __init__(self, words: int) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "area": Out(Area),
                "address": Out(range(words)),
                "data": Out(STREAM_BITS),
                "bytes": Out(WORD_BYTES, init=(1 << WORD_BYTES) - 1),
                "ready": In(1),
            }
        )


class StoreRead(wiring.Signature):
    """Reads a word when `valid` and `ready` are high; `data` is that word in the next cycle.

    Members: valid Out(1), area Out(Area), address Out, ready In(1), data In(32).
    """

    def __init__(self, words: int) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "area": Out(Area),
                "address": Out(range(words)),
                "ready": In(1),
                "data": In(STREAM_BITS),
            }
        )


class WordStore(wiring.Component):
    """Four areas of `words` words, a power of two, in one memory, where a block RAM each would stand almost empty.

    Function: in every cycle one of those who want to write may, and one of those who want to read: always the first
    one. Nobody needs many turns, for the line brings a byte in forty cycles at best. Latency: a word that is read comes
    in the next cycle; one that is written is there two cycles later, for a register takes the choice of the writer off
    the way to the memory. Back-pressure: `ready`, which is always high for the first of `writes` and of `reads`. No
    word is read before it is there: rings see their words a cycle late, frames and replies are read when they are
    complete. Contents survive reset.
    """

    def __init__(self, words: int, writers: int, readers: int) -> None:
        assert words & (words - 1) == 0
        self._words = words
        super().__init__(
            {
                "writes": In(StoreWrite(words)).array(writers),
                "reads": In(StoreRead(words)).array(readers),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        m.submodules.words = words = memory.Memory(
            shape=STREAM_BITS, depth=len(Area) * self._words, init=[], attrs=BLOCK_RAM
        )
        write, read = words.write_port(granularity=8), words.read_port()
        for ports in (self.writes, self.reads):
            for number, port in enumerate(ports):
                m.d.comb += port.ready.eq(~Cat(earlier.valid for earlier in ports[:number]).any())
        enable = Signal.like(write.en)
        address, data = Signal.like(write.addr, reset_less=True), Signal.like(write.data, reset_less=True)
        m.d.comb += [write.en.eq(enable), write.addr.eq(address), write.data.eq(data)]
        m.d.sync += enable.eq(0)
        for port in reversed(self.writes):
            with m.If(port.valid):
                m.d.sync += [enable.eq(port.bytes), address.eq(Cat(port.address, port.area)), data.eq(port.data)]
        for port in reversed(self.reads):
            m.d.comb += port.data.eq(read.data)
            with m.If(port.valid):
                m.d.comb += read.addr.eq(Cat(port.address, port.area))
        return m
