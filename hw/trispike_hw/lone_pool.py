"""Max pooling behind a lane alone, whose words come one after the other and slowly."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, memory

from .layout import spike_word
from .max_pool import MaxPool
from .ports import BLOCK_RAM


class LonePool(MaxPool):
    """Does what `MaxPool` does, for one lane, in two cycles a word and without registers for words.

    Latency: words of items that are a window by themselves pass through; a merged train begins two cycles after the
    last digit was compared. Throughput: one word a cycle of the former, one in two cycles otherwise. Back-pressure: `i`
    waits while a word is compared and while the merged train goes out, and for `o`. A reset forgets the window. `idle`
    is always high: what is not finished stands at `i`.
    """

    def elaborate(self, platform) -> Module:
        m = Module()
        arch = self._arch
        m.submodules.trains = trains = memory.Memory(
            shape=data.ArrayLayout(spike_word(arch), 2),
            depth=1 << (arch.max_time_steps - 1).bit_length(),
            init=[],
            attrs=BLOCK_RAM,
        )
        read, write = trains.read_port(), trains.write_port()
        word, pair = self.i.payload, read.data

        merging = Signal()  # the last item has been compared, its last word stands at `i`, and the best train goes out
        fetched = Signal()  # `pair` belongs to the digit at hand
        number, digit = Signal.like(word.digit), Signal.like(word.digit)  # of the digit that goes out; at hand
        alone, compares, puts, closes = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            alone.eq(word.first & word.last),
            digit.eq(Mux(merging, number, word.digit)),
            read.addr.eq(digit),
            read.en.eq(~fetched),
            compares.eq(fetched & ~merging),
            closes.eq(word.end & word.last),
            self.o.valid.eq(self.i.valid & (alone | (merging & fetched))),
            puts.eq(self.o.valid & self.o.ready),
            self.i.ready.eq(Mux(alone, self.o.ready, Mux(merging, puts & (number == word.digit), compares & ~closes))),
            self.idle.eq(1),
        ]
        with m.If(compares | puts):
            m.d.sync += fetched.eq(0)
        with m.Elif(self.i.valid & ~alone):
            m.d.sync += fetched.eq(1)
        with m.If(compares & closes):
            m.d.sync += [merging.eq(1), number.eq(0)]
        with m.Elif(puts):
            m.d.sync += [number.eq(number + 1), merging.eq(merging & ~self.i.ready)]

        second_is_best = self._compare(m, word, pair, compares)
        m.d.comb += [write.addr.eq(digit), write.en.eq(compares)]
        for plane in ("pos", "neg"):
            new, first, second = word[plane], pair[0][plane], pair[1][plane]
            over_first = second_is_best | word.first.replicate(arch.columns)
            m.d.comb += [
                write.data[0][plane].eq((new & over_first) | (first & ~over_first)),
                write.data[1][plane].eq((second & second_is_best) | (new & ~second_is_best)),
                self.o.payload[plane].eq(Mux(alone, new, (second & second_is_best) | (first & ~second_is_best))),
            ]

        address = Signal(arch.spike_address_bits)  # of the word before, digit by digit
        m.d.comb += self.o.payload.address.eq(Mux(digit == 0, word.address, address + self.plane))
        with m.If(puts):
            m.d.sync += address.eq(self.o.payload.address)
        return m
