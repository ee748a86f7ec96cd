"""From bursts of weight rows to bursts of words, and back."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..architecture import Architecture
from ..layout import STREAM_BITS, WeightRequest, weight_row
from .port import HEADER_WORDS, MemoryPort, row_shift, row_words


class RowReader(wiring.Component):
    """Stands between the port for weights from outside and a memory of words.

    Function: each burst of rows becomes one of words; each row is put together of its words, lowest first, and the
    words that fill it up to a power of two are dropped. Latency: a request passes in a cycle, a row comes a cycle after
    its last word. Throughput: a word a cycle. Back-pressure: `memory.words` waits while a complete row does. Reset: the
    next word begins a row; the memory must forget the burst under way.
    """

    request: stream.Interface
    rows: Any  # its payload depends on the architecture
    memory: Any  # MemoryPort, whose members no type checker sees

    def __init__(self, arch: Architecture) -> None:
        self._arch = arch
        super().__init__(
            {
                "request": In(stream.Signature(WeightRequest)),
                "rows": Out(stream.Signature(weight_row(arch))),
                "memory": Out(MemoryPort(writable=False)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        shift, words = row_shift(self._arch), row_words(self._arch)
        burst = self.memory.request
        m.d.comb += self.request.ready.eq(~burst.valid)
        with m.If(self.request.valid & self.request.ready):
            m.d.sync += [
                burst.valid.eq(1),
                burst.payload.address.eq(HEADER_WORDS + Cat(Const(0, shift), self.request.payload.source)),
                burst.payload.count.eq(Cat(Const(0, shift), self.request.payload.count)),
            ]
        with m.Elif(burst.ready):
            m.d.sync += burst.valid.eq(0)
        row = Signal(words * STREAM_BITS)
        place = Signal(range(max(2, 1 << shift)))  # of the next word in its row
        taken = self.memory.words.valid & self.memory.words.ready
        m.d.comb += [
            Value.cast(self.rows.payload).eq(row),
            self.memory.words.ready.eq(~self.rows.valid | self.rows.ready),
        ]
        with m.If(self.rows.ready):
            m.d.sync += self.rows.valid.eq(0)
        with m.If(taken):
            m.d.sync += place.eq(0 if shift == 0 else place + 1)
            with m.If(place < words):
                m.d.sync += row.eq(Cat(row, self.memory.words.payload)[STREAM_BITS:])
            with m.If(place == words - 1):
                m.d.sync += self.rows.valid.eq(1)
        return m
