"""The host link as one block: bytes on one side, a machine's streams and registers on the other."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..layout import STREAM_BITS
from ..ports import RegisterBus
from .engine import LinkEngine
from .receiver import FrameReceiver
from .sender import FrameSender


class HostLink(wiring.Component):
    """Receiver, engine and sender in a row; see there.

    Function: docs/host-link.md. Back-pressure: `i` waits while a frame is executed; bytes may be lost instead, which
    costs the host a repetition. Reset: no session; a frame under way is dropped.
    """

    i: stream.Interface
    o: stream.Interface
    words: stream.Interface
    answers: stream.Interface
    registers: Any  # RegisterBus, whose members no type checker sees
    reset: Signal
    busy: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "words": Out(stream.Signature(STREAM_BITS)),
                "answers": In(stream.Signature(STREAM_BITS)),
                "registers": Out(RegisterBus()),
                "reset": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        m.submodules.receiver = receiver = FrameReceiver()
        m.submodules.engine = engine = LinkEngine()
        m.submodules.sender = sender = FrameSender()
        wiring.connect(m, wiring.flipped(self.i), receiver.i)
        wiring.connect(m, receiver.o, engine.i)
        wiring.connect(m, engine.o, sender.i)
        wiring.connect(m, sender.o, wiring.flipped(self.o))
        wiring.connect(m, engine.words, wiring.flipped(self.words))
        wiring.connect(m, wiring.flipped(self.answers), engine.answers)
        wiring.connect(m, engine.registers, wiring.flipped(self.registers))
        m.d.comb += [engine.i_words.eq(receiver.words), self.reset.eq(engine.reset), self.busy.eq(engine.busy)]
        return m
