"""The host link as one block: bytes on one side, a machine and its memory on the other."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..memory.port import ExternalMemory
from .engine import LinkEngine
from .machine_port import MachinePort
from .receiver import FrameReceiver
from .sender import FrameSender


class HostLink(wiring.Component):
    """Receiver, engine and sender in a row; see there.

    Function: docs/host-link.md. Back-pressure: `i` waits while a frame is executed; bytes may be lost instead, which
    costs the host a repetition. Reset: no session; a frame under way is dropped.
    """

    i: stream.Interface
    o: stream.Interface
    machine: Any  # MachinePort, whose members no type checker sees
    busy: Signal

    def __init__(self, external: ExternalMemory | None = None) -> None:
        self._external = external
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "machine": Out(MachinePort(external)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        m.submodules.receiver = receiver = FrameReceiver()
        m.submodules.engine = engine = LinkEngine(self._external)
        m.submodules.sender = sender = FrameSender()
        wiring.connect(m, wiring.flipped(self.i), receiver.i)
        wiring.connect(m, receiver.o, engine.i)
        wiring.connect(m, engine.o, sender.i)
        wiring.connect(m, sender.o, wiring.flipped(self.o))
        wiring.connect(m, engine.machine, wiring.flipped(self.machine))
        m.d.comb += [engine.i_words.eq(receiver.words), self.busy.eq(engine.busy)]
        return m
