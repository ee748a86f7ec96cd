"""Memory with registers at its outputs: a vendor primitive beside its portable twin."""

from typing import Any

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .carry_chains import is_ecp5
from .ports import BLOCK_RAM

PORT_WIDTHS = {1024: 18, 2048: 9, 4096: 4, 8192: 2, 16384: 1}
"""Bits of a DP16KD's two ports, by the words that it then holds."""

ADDRESS_BITS = 14
NARROWEST = 512
"""Words up to which Yosys takes a block RAM with one port for writing and one for reading, twice as wide."""


class RegisteredRam(wiring.Component):
    """`depth` words of `width` bits behind two ports, the first of which can also write.

    Function: in a cycle with `write`, `data` goes to `address[0]`. Otherwise `word[0]` is, two cycles later, what stood
    there, and `word[1]` what stood at `address[1]`. Two cycles after one with `write`, `word[0]` means nothing, and
    `word[1]` neither if both addresses were the same. Latency: two cycles, that of the memory and a register that takes
    its slow output off the way to whatever follows. Throughput: an access a cycle and port. No back-pressure. Contents
    survive reset, and are undefined before they are written.

    On a Lattice ECP5 the registers are those that its block RAMs DP16KD have within (Lattice TN-02204, REGMODE
    "OUTREG"), which Yosys never uses: so they cost no flip-flop, and what reads a word does not wait for the memory.
    Elsewhere, in simulation, and where Yosys finds a block RAM that is wider, the portable twin.
    """

    def __init__(self, width: int, depth: int):
        self._width, self._depth = width, depth
        super().__init__(
            {
                "write": In(1),
                "address": In(range(depth)).array(2),
                "data": In(width),
                "word": Out(width).array(2),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        if is_ecp5(platform) and NARROWEST < self._depth <= max(PORT_WIDTHS):
            self._primitives(m)
            return m
        m.submodules.words = words = memory.Memory(shape=self._width, depth=self._depth, init=[], attrs=BLOCK_RAM)
        put = words.write_port()
        m.d.comb += [put.en.eq(self.write), put.addr.eq(self.address[0]), put.data.eq(self.data)]
        for number, (address, word) in enumerate(zip(self.address, self.word, strict=True)):
            get = words.read_port()
            registered = Signal(self._width, name=f"registered{number}", reset_less=True)
            m.d.comb += [get.addr.eq(address), word.eq(registered)]
            if number == 0:
                m.d.comb += get.en.eq(~self.write)  # synthesis sees that it is the port that writes
            m.d.sync += registered.eq(get.data)
        return m

    def _primitives(self, m: Module) -> None:
        width = next(width for words, width in PORT_WIDTHS.items() if self._depth <= words)
        # An address counts bits, of which a port of nine has eight; one of eighteen takes two enables in their places.
        unit = (width - 1).bit_length() - (width % 9 == 0)
        below = {True: Cat(self.write, self.write, Const(0, 2)), False: Const(0, unit)}[width == 18]
        ports = {}
        for letter, address in zip("AB", self.address, strict=True):
            place = Signal(ADDRESS_BITS, name=f"place_{letter.lower()}")
            m.d.comb += place.eq(Cat(below if letter == "A" else Const(0, unit), address))
            ports |= {
                f"p_DATA_WIDTH_{letter}": Const(width, 32),
                f"p_REGMODE_{letter}": "OUTREG",
                f"p_WRITEMODE_{letter}": "NORMAL",
                f"p_CSDECODE_{letter}": "0b000",
                f"i_CLK{letter}": ClockSignal(),
                f"i_CE{letter}": Const(1, 1),
                f"i_OCE{letter}": Const(1, 1),
                f"i_RST{letter}": Const(0, 1),
                f"i_WE{letter}": self.write if letter == "A" else Const(0, 1),
                **{f"i_CS{letter}{bit}": Const(0, 1) for bit in range(3)},
                **_bits(f"i_AD{letter}", place),
            }
        for low in range(0, self._width, width):
            part = self.data[low : low + width]
            read = [Signal(width, name=f"read{low}_{letter.lower()}") for letter in "AB"]
            m.submodules[f"ram{low // width}"] = Instance(
                "DP16KD",
                p_GSR="DISABLED",
                p_RESETMODE="SYNC",
                **ports,
                **_bits("i_DIA", part),
                **_bits("o_DOA", read[0]),
                **_bits("o_DOB", read[1]),
            )
            for word, out in zip(self.word, read, strict=True):
                m.d.comb += word[low : low + width].eq(out)


def _bits(port: str, value: Value) -> dict[str, Value]:
    """The bits of a value, each for a port of its own."""
    return {f"{port}{bit}": value[bit] for bit in range(len(value))}
