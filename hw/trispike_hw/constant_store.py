"""Constants of the neurons, from a memory that is narrower than a tile."""

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import constant_word, neuron_constants
from .ports import BLOCK_RAM, WritePort


class ConstantStore(wiring.Component):
    """Keeps the constants of all tiles and shows those of the neurons that are updated next.

    Function: while `ready`, `constants` shows, in the cycle after `tile` and `q` stood at the inputs, the constants of
    neurons q * tsa_width .. of that tile. A row that updates all columns at once would want a memory as wide as a whole
    tile, most of it empty: block RAMs are deep, not wide. Instead the constants of one tile stand in registers, and a
    `wanted` tile that is another one is first read in `constant_passes` words. Lanes mostly work on one tile.
    Latency: one cycle, and constant_passes where the tile changes and tsa_width = columns. Throughput: one order a
    cycle. Back-pressure: `ready`, a register. Reading begins a cycle ahead: `moves` says that another order stands
    there in the next cycle, with `next_tile`, if `comes`. A reset forgets the tile in the registers; the memory keeps
    its contents.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "write": In(WritePort(range(arch.constant_words), constant_word(arch))),
                "wanted": In(1),
                "moves": In(1),
                "comes": In(1),
                "next_tile": In(range(arch.constant_tiles)),
                "tile": In(range(arch.constant_tiles)),
                "q": In(max(1, arch.pass_bits)),
                "ready": Out(1),
                "constants": Out(data.ArrayLayout(neuron_constants(arch), arch.tsa_width)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.memory = constants = memory.Memory(
            shape=constant_word(self._arch), depth=self._arch.constant_words, init=[], attrs=BLOCK_RAM
        )
        host, read = constants.write_port(), constants.read_port()
        m.d.comb += [
            host.en.eq(self.write.enable),
            host.addr.eq(self.write.address),
            host.data.eq(self.write.data),
        ]
        if self._arch.tsa_passes == 1:
            self._hold_a_tile(m, read)
        else:
            m.d.comb += [self.ready.eq(1), read.addr.eq(Cat(self.q, self.tile)), self.constants.eq(read.data)]
        return m

    def _hold_a_tile(self, m: Module, read: memory.ReadPort) -> None:
        passes = self._arch.constant_passes
        held, valid = Signal.like(self.tile), Signal()
        word, coming = Signal(range(passes)), Signal()  # word to be read next; one has been read
        matches, fetching = Signal(), Signal()
        bits = Signal(Shape.cast(self.constants.shape()), reset_less=True)
        m.d.comb += [
            Value.cast(self.constants).eq(bits),
            matches.eq(valid & (held == self.next_tile)),
            fetching.eq((self.moves & self.comes & ~matches) | (self.wanted & ~self.ready)),
            read.addr.eq(Cat(word, Mux(self.moves, self.next_tile, self.tile))),
        ]
        m.d.sync += coming.eq(fetching)
        with m.If(self.moves):
            m.d.sync += self.ready.eq(matches)
        with m.If(fetching):
            m.d.sync += [word.eq(word + 1), valid.eq(0)]
        with m.If(coming):
            m.d.sync += bits.eq(Cat(bits, Value.cast(read.data))[-len(bits) :])
        with m.If(word == passes - 1):  # the last word is there when the order, which may go now, needs it
            m.d.sync += [held.eq(self.tile), valid.eq(1), self.ready.eq(1)]
        overwritten = Signal()  # a register, for it comes from far; the host writes between runs only
        m.d.sync += overwritten.eq(self.write.enable)
        with m.If(overwritten):
            m.d.sync += [word.eq(0), valid.eq(0), self.ready.eq(0)]
