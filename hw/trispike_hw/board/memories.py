"""Memories outside the chip as boards have them: pins and pads around a controller."""

from typing import Any

from amaranth.hdl import Instance, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In

from ..memory.flash import FLASH_WORDS, FlashReader
from ..memory.port import ExternalMemory, MemoryPort
from ..memory.sdram import SdramController
from ..memory.sdram_part import SDR_256_MBIT

#: Cycles that an output takes to the pin through a pad with two transfers a cycle: the ECP5's ODDRX1F has two stages
#: before the one that drives (amaranth.vendor, DDRBufferECP5).
_PAD_CYCLES = 3


class BoardSdram(wiring.Component):
    """The SDRAM of a board with an ECP5, resource `sdram` 0.

    Its clock is that of the design upside down, so that its edge falls into the middle of what is sent. What comes back
    is sampled at falling edges, for at 40 to 90 MHz it takes between one half and one and a half cycles. All pins go
    through pads with two transfers a cycle, because these alone make a clock and sample at falling edges; so all are
    equally late. Not tried on a board yet.
    """

    external = ExternalMemory(SDR_256_MBIT.words)
    memory: Any  # MemoryPort, whose members no type checker sees

    def __init__(self, clock: float) -> None:
        """`clock` of the design in Hz.

        Raises:
            ValueError: if the part cannot have it.
        """
        SDR_256_MBIT.check(clock)
        self._clock = clock
        super().__init__({"memory": In(MemoryPort())})

    def elaborate(self, platform: Any) -> Module:
        """See the class."""
        m = Module()
        part = SDR_256_MBIT
        m.submodules.controller = controller = SdramController(part, self._clock, _PAD_CYCLES + part.cas + 1)
        wiring.connect(m, wiring.flipped(self.memory), controller.memory)
        port, pins = platform.request("sdram", 0, dir="-"), controller.pins

        def drive(name: str, first_half: Any, second_half: Any) -> None:
            pad = io.DDRBuffer(io.Direction.Output, getattr(port, name))
            m.submodules[f"pad_{name}"] = pad
            m.d.comb += [pad.o[0].eq(first_half), pad.o[1].eq(second_half)]

        drive("clk", 0, 1)
        strobes = pins.command.as_value()
        for name, value in (
            ("ras", strobes[0]), ("cas", strobes[1]), ("we", strobes[2]), ("ba", pins.bank), ("a", pins.address),
        ):  # fmt: skip
            drive(name, value, value)
        for name, level in (("clk_en", 1), ("cs", 1), ("dqm", 0)):
            m.submodules[f"pad_{name}"] = pad = io.Buffer(io.Direction.Output, getattr(port, name))
            m.d.comb += pad.o.eq(level)
        m.submodules.pad_dq = dq = io.DDRBuffer(io.Direction.Bidir, port.dq)
        m.d.comb += [dq.o[0].eq(pins.dq_o), dq.o[1].eq(pins.dq_o), dq.oe.eq(pins.dq_oe), pins.dq_i.eq(dq.i[1])]
        return m


class BoardFlash(wiring.Component):
    """The flash of a board that also holds its bitstream: `resource` with pins cs, copi, cipo, wp, hold and clk.

    Without a pin clk it is the one of the ECP5 that only USRMCLK reaches. Not tried on a board yet.
    """

    external = ExternalMemory(FLASH_WORDS, writable=False)
    memory: Any  # MemoryPort, whose members no type checker sees

    def __init__(self, resource: tuple[str, int], clock: float) -> None:
        """`clock` of the design in Hz."""
        self._resource, self._clock = resource, clock
        super().__init__({"memory": In(MemoryPort(writable=False))})

    def elaborate(self, platform: Any) -> Module:
        """See the class."""
        m = Module()
        m.submodules.reader = reader = FlashReader(self._clock)
        wiring.connect(m, wiring.flipped(self.memory), reader.memory)
        port, pins = platform.request(*self._resource, dir="-"), reader.pins
        levels: dict[str, Any] = {"cs": pins.select, "copi": pins.copi, "wp": 0, "hold": 0}
        if hasattr(port, "clk"):
            levels["clk"] = pins.clock
        else:
            clock = Signal()
            m.d.comb += clock.eq(pins.clock)
            m.submodules.clock = Instance("USRMCLK", i_USRMCLKI=clock, i_USRMCLKTS=0)
        for name, level in levels.items():
            m.submodules[f"pad_{name}"] = pad = io.Buffer(io.Direction.Output, getattr(port, name))
            m.d.comb += pad.o.eq(level)
        m.submodules.pad_cipo = cipo = io.Buffer(io.Direction.Input, port.cipo)
        m.d.comb += pins.cipo.eq(cipo.i)
        return m
