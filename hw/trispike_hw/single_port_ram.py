"""Memory with one port: a vendor primitive beside its portable twin."""

from typing import Any

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .ports import BLOCK_RAM

SPRAM_BITS = 16
SPRAM_WORDS = 1 << 14


def is_ice40up(platform: Any) -> bool:
    """Whether the design is for a Lattice iCE40 UltraPlus."""
    return getattr(platform, "device", "").startswith("iCE40UP")


class SinglePortRam(wiring.Component):
    """`depth` words of `width` bits behind one port.

    Function: in a cycle with `write`, `data` goes to `address`; otherwise `word` is, a cycle later, what stands there.
    After a cycle with `write`, `word` means nothing. Latency: one cycle. Throughput: one access a cycle. No
    back-pressure. Contents survive reset, and are undefined before they are written.

    On a Lattice iCE40 UltraPlus up to 16 384 words stand in primitives SB_SPRAM256KA of 16 bits each (Lattice
    TN-02022), which Yosys does not take for a memory that has contents to begin with, as all that Amaranth writes have.
    Elsewhere, and in simulation, the portable twin.
    """

    def __init__(self, width: int, depth: int):
        self._width, self._depth = width, depth
        super().__init__(
            {
                "write": In(1),
                "address": In(range(depth)),
                "data": In(width),
                "word": Out(width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        if is_ice40up(platform) and self._depth <= SPRAM_WORDS:
            self._primitives(m)
            return m
        m.submodules.words = words = memory.Memory(shape=self._width, depth=self._depth, init=[], attrs=BLOCK_RAM)
        put, get = words.write_port(), words.read_port()
        m.d.comb += [
            put.en.eq(self.write),
            put.addr.eq(self.address),
            put.data.eq(self.data),
            get.en.eq(~self.write),
            get.addr.eq(self.address),
            self.word.eq(get.data),
        ]
        return m

    def _primitives(self, m: Module) -> None:
        address = Signal(range(SPRAM_WORDS))
        m.d.comb += address.eq(self.address)
        for low in range(0, self._width, SPRAM_BITS):
            part = self.data[low : low + SPRAM_BITS]
            read = Signal(SPRAM_BITS, name=f"read{low}")
            m.submodules[f"ram{low // SPRAM_BITS}"] = Instance(
                "SB_SPRAM256KA",
                i_ADDRESS=address,
                i_DATAIN=Cat(part, Const(0, SPRAM_BITS - len(part))),
                i_MASKWREN=Const(0b1111, 4),
                i_WREN=self.write,
                i_CHIPSELECT=Const(1, 1),
                i_CLOCK=ClockSignal(),
                i_STANDBY=Const(0, 1),
                i_SLEEP=Const(0, 1),
                i_POWEROFF=Const(1, 1),  # active low
                o_DATAOUT=read,
            )
            m.d.comb += self.word[low : low + SPRAM_BITS].eq(read)
