"""Top of the design on a board."""

from typing import Any

from amaranth.hdl import ClockDomain, Elaboratable, Module
from amaranth.lib import io, wiring

from ..architecture import Architecture
from ..link.linked_accelerator import LinkedAccelerator
from ..link.uart import UartReceiver, UartTransmitter
from .clock import PllSettings
from .memories import BoardFlash, BoardSdram
from .xilinx_clock import Plle2Settings


class BoardTop(Elaboratable):
    """An accelerator on the serial port of a board.

    `uart` 0 of the platform is the line, with bits of so many clock `cycles` (docs/host-link.md); `lamp`, a resource
    with one pin, or None, shines while the machine is busy. `pll` says how the clock is made from the board's; without,
    it is the board's. `memory` is the external memory, if there is one.
    """

    def __init__(
        self,
        arch: Architecture,
        cycles: int,
        pll: PllSettings | Plle2Settings | None,
        lamp: tuple[str, int] | None = None,
        memory: BoardSdram | BoardFlash | None = None,
    ) -> None:
        self._arch, self._cycles, self._pll, self._lamp, self._memory = arch, cycles, pll, lamp, memory

    def elaborate(self, platform: Any) -> Module:
        """See the class."""
        m = Module()
        cycles = self._cycles
        if self._pll is not None:
            clock = ClockDomain("sync")
            m.domains += clock
            m.submodules.pll = self._pll.pll()
            platform.add_clock_constraint(clock.clk, self._pll.mhz * 1e6)
        m.submodules.receiver = receiver = UartReceiver(cycles)
        m.submodules.transmitter = transmitter = UartTransmitter(cycles)
        external = None if self._memory is None else self._memory.external
        m.submodules.linked = linked = LinkedAccelerator(self._arch, external)
        if self._memory is not None:
            m.submodules.memory = self._memory
            wiring.connect(m, linked.memory, self._memory.memory)
        line = platform.request("uart", 0, dir="-")
        m.submodules.rx = rx = io.Buffer(io.Direction.Input, line.rx)
        m.submodules.tx = tx = io.Buffer(io.Direction.Output, line.tx)
        m.d.comb += [receiver.rx.eq(rx.i), tx.o.eq(transmitter.tx)]
        wiring.connect(m, receiver.o, linked.i)
        wiring.connect(m, linked.o, transmitter.i)
        if self._lamp is not None:
            m.submodules.lamp = lamp = io.Buffer(io.Direction.Output, platform.request(*self._lamp, dir="-"))
            m.d.comb += lamp.o.eq(linked.busy)
        return m
