"""The host link as one block: bytes on one side, a machine and its memory on the other."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..memory.port import ExternalMemory
from .engine import LinkEngine
from .frames import FRAME_WORDS
from .machine_port import MachinePort
from .receiver import FrameReceiver
from .sender import FrameSender
from .store import WordStore


class HostLink(wiring.Component):
    """Receiver, engine and sender in a row, and the store of both; see there.

    Function: docs/host-link.md. Back-pressure: `i` waits while a frame is executed; bytes may be lost instead, which
    costs the host a repetition. Reset: no session; a frame under way is dropped.
    """

    i: stream.Interface
    o: stream.Interface
    machine: Any  # MachinePort, whose members no type checker sees
    busy: Signal

    def __init__(self, external: ExternalMemory | None = None, frame_words: int = FRAME_WORDS) -> None:
        """`frame_words` are those of the largest frame: a power of two, FRAME_WORDS at most."""
        self._external, self._frame_words = external, frame_words
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
        m.submodules.receiver = receiver = FrameReceiver(self._frame_words)
        m.submodules.engine = engine = LinkEngine(self._external, self._frame_words)
        m.submodules.sender = sender = FrameSender()
        # The engine, whose states count on it, comes first, and what can wait for as long as it takes last.
        writes, reads = (engine.write, receiver.write, engine.answers), (engine.read, receiver.read, engine.words)
        m.submodules.store = store = WordStore(self._frame_words, len(writes), len(reads))
        for port, wanted in zip((*store.writes, *store.reads), writes + reads, strict=True):
            wiring.connect(m, wanted, port)
        wiring.connect(m, wiring.flipped(self.i), receiver.i)
        wiring.connect(m, receiver.o, engine.i)
        wiring.connect(m, engine.o, sender.i)
        wiring.connect(m, sender.o, wiring.flipped(self.o))
        wiring.connect(m, engine.machine, wiring.flipped(self.machine))
        m.d.comb += [engine.i_words.eq(receiver.words), self.busy.eq(engine.busy)]
        return m
