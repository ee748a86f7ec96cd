"""An accelerator behind the host link."""

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator import Accelerator
from ..architecture import Architecture
from .host_link import HostLink


class LinkedAccelerator(wiring.Component):
    """All of a device but its line: bytes in, bytes out.

    Function: docs/host-link.md. There is nothing behind the port for weights from outside: a program that streams
    weights waits for them until the next RESET frame. Reset: idle, no session; the memories keep their contents.

    Ports:
        i, o: bytes from and to the line.
        busy: as in `LinkEngine`; for a lamp, or for a simulator that wants to know whether time must go on.
    """

    i: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, arch: Architecture) -> None:
        self._arch = arch
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(8)), "busy": Out(1)})

    @property
    def arch(self) -> Architecture:
        """The description that the accelerator is built from."""
        return self._arch

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        m.submodules.link = link = HostLink()
        accelerator = Accelerator(self._arch)
        m.submodules.accelerator = ResetInserter(link.reset)(accelerator)
        wiring.connect(m, wiring.flipped(self.i), link.i)
        wiring.connect(m, link.o, wiring.flipped(self.o))
        wiring.connect(m, link.words, accelerator.i)
        wiring.connect(m, link.registers, accelerator.registers)
        m.d.comb += [
            link.answers.valid.eq(accelerator.o.valid),
            link.answers.payload.eq(accelerator.o.payload),
            accelerator.o.ready.eq(link.answers.ready),
            self.busy.eq(link.busy),
        ]
        return m
