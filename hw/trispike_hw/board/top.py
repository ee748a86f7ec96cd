"""Top of the design on a board."""

from typing import Any

from amaranth.hdl import ClockDomain, Elaboratable, Module
from amaranth.lib import io, wiring

from ..architecture import Architecture
from ..link.linked_accelerator import LinkedAccelerator
from ..link.uart import UartReceiver, UartTransmitter
from .clock import Pll, PllSettings


class BoardTop(Elaboratable):
    """An accelerator on the serial port of a board.

    `uart` 0 of the platform is the line, with bits of so many clock `cycles` (docs/host-link.md); `lamp`, a resource
    with one pin, or None, shines while the machine is busy. `pll` says how the clock is made from the board's; without,
    it is the board's.
    """

    def __init__(
        self, arch: Architecture, cycles: int, pll: PllSettings | None, lamp: tuple[str, int] | None = None
    ) -> None:
        self._arch, self._cycles, self._pll, self._lamp = arch, cycles, pll, lamp

    def elaborate(self, platform: Any) -> Module:
        """See the class."""
        m = Module()
        cycles = self._cycles
        if self._pll is not None:
            clock = ClockDomain("sync")
            m.domains += clock
            m.submodules.pll = Pll(self._pll)
            platform.add_clock_constraint(clock.clk, self._pll.mhz * 1e6)
        m.submodules.receiver = receiver = UartReceiver(cycles)
        m.submodules.transmitter = transmitter = UartTransmitter(cycles)
        m.submodules.linked = linked = LinkedAccelerator(self._arch)
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
