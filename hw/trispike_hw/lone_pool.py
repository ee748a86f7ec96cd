"""Max pooling behind a lane alone, whose words come one after the other and slowly."""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import spike_word
from .max_pool import MaxPool
from .ports import BLOCK_RAM
from .tsa_layout import neuron_state


class StatePort(wiring.Signature):
    """Memory for the states of one pass's neurons: read with `reads`, `before` stands from the next cycle on until the
    next read; written with `writes`. Nobody reads what is written in the same cycle.

    Members: reads Out(1), read_at Out, before In, writes Out(1), write_at Out, after Out.
    """

    def __init__(self, arch: Architecture) -> None:
        passes = range(max(2, arch.tsa_passes))
        states = data.ArrayLayout(neuron_state(arch), arch.tsa_width)
        super().__init__(
            {
                "reads": Out(1),
                "read_at": Out(passes),
                "before": In(states),
                "writes": Out(1),
                "write_at": Out(passes),
                "after": Out(states),
            }
        )


class LonePool(MaxPool):
    """Does what `MaxPool` does, for one lane, in two cycles a word and without registers for words.

    Latency: words of items that are a window by themselves pass through; a merged train begins two cycles after the
    last digit was compared. Throughput: one word a cycle of the former, one in two cycles otherwise. Back-pressure: `i`
    waits while a word is compared and while the merged train goes out, and for `o`. A reset forgets the window. `idle`
    is always high: what is not finished stands at `i`.

    The memory of the trains is almost empty, and idle while no word stands at `i`: then it is that of the neurons'
    states, `states`.
    """

    def __init__(self, arch: Architecture):
        super().__init__(arch, {"states": In(StatePort(arch))})

    def elaborate(self, platform) -> Module:
        m = Module()
        arch = self._arch
        trains_shape = data.ArrayLayout(spike_word(arch), 2)
        states = self.states
        places = max((arch.max_time_steps - 1).bit_length(), len(states.read_at))  # bits of an address
        m.submodules.trains = trains = memory.Memory(
            shape=max(Shape.cast(trains_shape).width, len(Value.cast(states.before))),
            depth=2 << places,
            init=[],
            attrs=BLOCK_RAM,
        )
        read, write = trains.read_port(), trains.write_port()
        word, pair, kept = self.i.payload, trains_shape(read.data[: trains_shape.size]), Signal(trains_shape)

        merging = Signal()  # the last item has been compared, its last word stands at `i`, and the best train goes out
        fetched = Signal()  # `pair` belongs to the digit at hand
        number, digit = Signal.like(word.digit), Signal.like(word.digit)  # of the digit that goes out; at hand
        alone, compares, puts, closes = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            alone.eq(word.first & word.last),
            digit.eq(Mux(merging, number, word.digit)),
            read.addr.eq(Mux(self.i.valid, _place(digit, places, 0), _place(states.read_at, places, 1))),
            read.en.eq(Mux(self.i.valid, ~fetched, states.reads)),
            Value.cast(states.before).eq(read.data),
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
        m.d.comb += [
            write.addr.eq(Mux(states.writes, _place(states.write_at, places, 1), _place(digit, places, 0))),
            write.en.eq(compares | states.writes),
            write.data.eq(Mux(states.writes, Value.cast(states.after), Value.cast(kept))),
        ]
        for plane in ("pos", "neg"):
            new, first, second = word[plane], pair[0][plane], pair[1][plane]
            over_first = second_is_best | word.first.replicate(arch.columns)
            m.d.comb += [
                kept[0][plane].eq((new & over_first) | (first & ~over_first)),
                kept[1][plane].eq((second & second_is_best) | (new & ~second_is_best)),
                self.o.payload[plane].eq(Mux(alone, new, (second & second_is_best) | (first & ~second_is_best))),
            ]

        address = Signal(arch.spike_address_bits)  # of the word before, digit by digit
        m.d.comb += self.o.payload.address.eq(Mux(digit == 0, word.address, address + self.plane))
        with m.If(puts):
            m.d.sync += address.eq(self.o.payload.address)
        return m


def _place(number: Value, bits: int, half: int) -> Value:
    """Address of word `number` in one half of a memory."""
    return Cat(number, Const(0, bits - len(number)), Const(half, 1))
