"""An accelerator behind the host link."""

from typing import Any

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator import Accelerator
from ..architecture import Architecture
from ..memory.port import ExternalMemory, MemoryPort
from ..memory.rows import RowReader
from ..memory.share import MemoryShare
from .frames import FRAME_WORDS, SHORT_FRAME_WORDS
from .host_link import HostLink


class LinkedAccelerator(wiring.Component):
    """All of a device but its line: bytes in, bytes out.

    Function: docs/host-link.md. Weights from outside come from the external `memory`, which the host reads and writes
    too; without one, a program that streams weights waits for them until the next RESET frame. Reset: idle, no session;
    the memories on the chip keep their contents. Frames are short where one lane is alone, for its device has few
    memories.

    Ports:
        i, o: bytes from and to the line.
        memory: the external memory, if there is one.
        busy: as in `LinkEngine`; for a lamp, or for a simulator that wants to know whether time must go on.
    """

    i: stream.Interface
    o: stream.Interface
    memory: Any  # MemoryPort, whose members no type checker sees
    busy: Signal

    def __init__(self, arch: Architecture, external: ExternalMemory | None = None) -> None:
        self._arch, self._external = arch, external
        super().__init__(
            {"i": In(stream.Signature(8)), "o": Out(stream.Signature(8)), "busy": Out(1)}
            | ({} if external is None else {"memory": Out(MemoryPort(writable=external.writable))})
        )

    @property
    def arch(self) -> Architecture:
        """The description that the accelerator is built from."""
        return self._arch

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        m.submodules.link = link = HostLink(self._external, SHORT_FRAME_WORDS if self._arch.lone_lane else FRAME_WORDS)
        accelerator = Accelerator(self._arch)
        machine = link.machine
        m.submodules.accelerator = ResetInserter(machine.reset)(accelerator)
        wiring.connect(m, wiring.flipped(self.i), link.i)
        wiring.connect(m, link.o, wiring.flipped(self.o))
        wiring.connect(m, machine.words, accelerator.i)
        wiring.connect(m, machine.registers, accelerator.registers)
        m.d.comb += [
            machine.answers.valid.eq(accelerator.o.valid),
            machine.answers.payload.eq(accelerator.o.payload),
            accelerator.o.ready.eq(machine.answers.ready),
            self.busy.eq(link.busy),
        ]
        if self._external is not None:
            m.submodules.share = share = MemoryShare(writable=self._external.writable)
            reader = RowReader(self._arch)
            m.submodules.reader = ResetInserter(machine.reset)(reader)
            wiring.connect(m, accelerator.weights_request, reader.request)
            wiring.connect(m, reader.rows, accelerator.weights_rows)
            wiring.connect(m, reader.memory, share.reader)
            wiring.connect(m, machine.memory, share.link)
            wiring.connect(m, share.memory, wiring.flipped(self.memory))
            m.d.comb += share.drop.eq(machine.reset)
        return m
